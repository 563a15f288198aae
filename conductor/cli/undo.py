"""`conductor undo`."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conductor.cli.options import JsonOption, ProjectOption
from conductor.errors import NeedsHuman
from conductor.visible import visible

if TYPE_CHECKING:
    from conductor.history.steps import Restored
    from conductor.undo import Undo

_SHOWN_BYTES = 1024 * 1024


def undo(
    ticket: Annotated[str, typer.Argument(help="The ticket's id.", show_default=False)],
    to: Annotated[
        str, typer.Option(metavar="CALL", help="Keep this call and what came before it. Default: undo all.")
    ] = "",
    say: Annotated[str, typer.Option(metavar="TEXT", help="Told to the worker, where it goes on.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be restored; change nothing.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the differences as well.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    track: Annotated[Path | None, typer.Option(help="The track file. Default: as for `conductor tickets`.")] = None,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Take back what a ticket did: restore its files, and go back in its conversation.

    Files that a command made or changed count too. It refuses, with the list, where somebody else changed the same
    files since. A run begins the ticket anew, or with --to goes on after that call.

    Examples:

      conductor undo T1 --dry-run

      conductor undo T1 --to call_2_1 --say "Use the csv module."
    """
    from conductor.app import open_store, tree_of
    from conductor.plan import load_plan
    from conductor.undo import carry_out, undoing

    plan = load_plan(track, project)
    with (
        closing(open_store(plan)) as store,
        closing(tree_of(plan, store)) as tree,
        undoing(plan.track, store, plan.project, ticket, to, settled=not dry_run) as (found, journal),
    ):
        if json and (dry_run or found.obstacles):
            typer.echo(json_module.dumps(_as_json(found, done=False), indent=2))
        elif not json:
            _show(found, plan.project, journal.store.get if diff else None)
        found.check()
        if dry_run:
            return
        if not yes:
            _ask()
        tree.forget()
        left = carry_out(found, journal, plan.track.ticket(ticket), plan.project, say)
    if json:
        typer.echo(json_module.dumps(_as_json(found, done=True, left=left), indent=2))
        return
    for path in left:
        typer.echo(visible(f"left alone, somebody changed it just now: {path}", one_line=True), err=True)
    typer.echo(f"{ticket} is undone; `conductor run` takes it up {'after that call' if to else 'from its start'}.")


def _ask() -> None:
    from conductor.cli.ask import agreed, can_ask

    if not can_ask():
        raise NeedsHuman("this needs a person's yes, and nothing was changed", hint="Run it in a terminal, or --yes.")
    if not agreed("restore this"):
        raise NeedsHuman("nothing was changed")


def _show(undo: Undo, root: Path, get: Callable[[str], bytes] | None) -> None:
    """Print what would be restored; with `get` the differences as well."""
    for line in _told(undo):
        typer.echo(visible(line, one_line=True))
    if get:
        for file in undo.files:
            typer.echo(visible(f"\n{_difference(file, root, get)}".rstrip()))


def _difference(file: Restored, root: Path, get: Callable[[str], bytes]) -> str:
    from conductor.errors import Refused
    from conductor.history.base import content_of
    from conductor.messages import content_hash
    from conductor.tools.text import TextFile, unified_diff

    now = content_of(root / file.path, _SHOWN_BYTES) if file.now.exists else b""
    then = b"" if file.then.digest in ("", content_hash(b"")) else get(file.then.digest)
    try:
        if now is None or len(then) > _SHOWN_BYTES:
            raise Refused("it is too large to be shown")
        texts = (TextFile.decode(now).text, TextFile.decode(then).text)
        return unified_diff(file.path, *texts)
    except Refused as refusal:
        return f"{file.path}: {refusal}"


def _told(undo: Undo) -> Iterator[str]:
    what = f"everything after call {undo.to}" if undo.to else "everything"
    yield f"Undo {what} of {undo.ticket_id}: {_count(len(undo.calls), 'call')}, {_count(len(undo.files), 'file')}."
    for file in undo.files:
        yield f"  {_action(file)}  {file.path}"
    for obstacle in undo.obstacles:
        yield f"  refused  {obstacle.path}: {obstacle.why}"
    for line in undo.uncovered:
        yield f"  not covered: {line}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _action(file: Restored) -> str:
    if not file.then.exists:
        return "delete "
    if not file.now.exists:
        return "bring back"
    return "restore" if file.now.digest != file.then.digest else f"mode {file.then.mode}"


def _as_json(undo: Undo, *, done: bool, left: Sequence[str] = ()) -> dict[str, Any]:
    from msgspec import to_builtins

    return {
        "ticket": undo.ticket_id,
        "to": undo.to,
        "done": done,
        "calls": list(undo.calls),
        "files": [{"path": f.path, "now": to_builtins(f.now), "then": to_builtins(f.then)} for f in undo.files],
        "refused": [{"path": obstacle.path, "why": obstacle.why} for obstacle in undo.obstacles],
        "left": list(left),
        "uncovered": list(undo.uncovered),
    }
