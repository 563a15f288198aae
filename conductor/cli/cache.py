"""`conductor cache`: the completions that are kept, counted, checked and removed."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.options import JsonOption
from conductor.errors import ExitCode, StateMismatch

if TYPE_CHECKING:
    from conductor.llm.completions import CompletionStore


_HELP = "Count, check or remove kept completions (`conductor run --cache write` keeps them)."


def subcommands() -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=_HELP)
    group.command()(stats)
    group.command()(validate)
    group.command()(purge)
    return group


def stats(json: JsonOption = False) -> None:
    """Count what is kept, and how often it was of use."""
    from msgspec import to_builtins

    found = _store().stats()
    if json:
        typer.echo(json_module.dumps({"folder": str(_store().folder), **to_builtins(found)}, indent=2))
        return
    typer.echo(f"{_entries(found.entries)}, {found.bytes:,} bytes in {_store().folder}")
    typer.echo(f"since the last purge: {found.hits} found, {found.misses} not found, {found.written} kept")
    typer.echo(f"found damaged: {found.bad}")


def validate(json: JsonOption = False) -> int:
    """Check every entry against its SHA-256; exit 6 when one is not what was written.

    Examples:

      conductor cache validate

      conductor cache validate --json
    """
    from msgspec import to_builtins

    found = _store().validate()
    if json:
        typer.echo(json_module.dumps({**to_builtins(found), "bad": found.bad}, indent=2))
        return ExitCode.STATE if found.bad else ExitCode.OK
    typer.echo(
        f"{_entries(found.entries)}: {found.good} good, {len(found.damaged)} damaged, {len(found.missing)} missing"
    )
    if found.unlisted:
        typer.echo(
            f"{len(found.unlisted)} files belong to no entry: a process was ended while it wrote; purge removes them"
        )
    if found.bad:
        raise StateMismatch(
            f"{_entries(found.bad)} of the cache {'is' if found.bad == 1 else 'are'} not what was written",
            hint="Remove them with: conductor cache purge --bad",
        )
    return ExitCode.OK


def purge(
    bad: Annotated[bool, typer.Option("--bad", help="Only entries that are not what was written.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove what is kept: all of it, or what is damaged.

    Examples:

      conductor cache purge

      conductor cache purge --bad
    """
    entries, size = _store().purge(only_bad=bad)
    if json:
        typer.echo(json_module.dumps({"entries": entries, "bytes": size}))
        return
    typer.echo(f"removed {_entries(entries)}, {size:,} bytes")


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _store() -> CompletionStore:
    from conductor.llm.completions import CompletionStore, default_folder

    return CompletionStore(default_folder())
