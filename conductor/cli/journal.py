"""`conductor journal`."""

from __future__ import annotations

import json as json_module
from pathlib import Path

import typer

from conductor.cli.journal_merge import merge
from conductor.cli.options import JsonOption, ProjectOption
from conductor.errors import StateMismatch
from conductor.visible import visible

_SHOWN = 50


def subcommands() -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(
        help="Prove that a journal is what was written; merge two of one project.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command()(verify)
    group.command()(merge)
    return group


def verify(json: JsonOption = False, project: ProjectOption = None) -> None:
    """Find every entry that was changed, dropped, moved or torn, and name it. Exit code 6 when there is one.

    Examples:

      conductor journal verify

      conductor journal verify --json
    """
    from msgspec import to_builtins

    from conductor.plan import STATE_FOLDER, find_project
    from conductor.proof import verify as proven

    proof = proven((project or find_project(Path.cwd())) / STATE_FOLDER)
    found = proof.findings
    if json:
        said = {
            **to_builtins(proof),
            "ok": not found,
            "newest": proof.newest._asdict(),
            "findings": list(map(to_builtins, found)),
        }
        typer.echo(json_module.dumps(said, indent=2))
    else:
        for finding in found[:_SHOWN]:
            typer.echo(visible(finding.message, one_line=True))
        if len(found) > _SHOWN:
            typer.echo(f"… and {len(found) - _SHOWN} more (--json lists all)")
    if found:
        count = f"{len(found)} thing{'s' if len(found) > 1 else ''}"
        restore = "Restore it from a copy (such as journal-*.db beside it), or begin again with --fresh."
        newer = len(found) == 1 and found[0].problem == "file" and "to be of format" in found[0].message
        hint = "Its entries are sound. If a newer Conductor wrote it, use that one." if newer else restore
        raise StateMismatch(f"the journal is not what was written: {count} found wrong", hint=hint)
    if not json:
        last = f"the newest is {proof.newest.sequence} (SHA-256 {proof.newest.hash[:16]})" if proof.entries else "none"
        typer.echo(f"{proof.entries:,} entries and {proof.contents:,} contents are what was written; {last}")
    if not proof.has_marks:
        typer.echo("There is no journal.head: whether entries are missing at the end cannot be told.", err=True)
