"""`conductor log`."""

from __future__ import annotations

import json as json_module
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.options import JsonOption, ProjectOption

if TYPE_CHECKING:
    from conductor.events import Event


def log(
    ticket: Annotated[str | None, typer.Option(help="Only entries of this ticket.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only entries of this kind; may be repeated.")] = None,
    last: Annotated[int | None, typer.Option("--last", "-n", min=1, help="Only the last N entries.")] = None,
    kinds: Annotated[bool, typer.Option("--kinds", help="List the kinds of entries with their meaning.")] = False,
    concurrent_with: Annotated[
        str, typer.Option(metavar="ID", help="Of merged journals: only what neither knew of this entry nor it of them.")
    ] = "",
    rebuild_logs: Annotated[
        bool, typer.Option("--rebuild-logs", help="Write the files in .conductor/logs anew, and list them.")
    ] = False,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Show everything that happened, in order.

    The same is kept for tail and grep in .conductor/logs: server.log, task-TICKET.log and task-TICKET-exec.log.

    Examples:

      conductor log -n 20

      conductor log --ticket T1 --kind call_decided --json

      conductor log --concurrent-with 120
    """
    from conductor.display.entries import line
    from conductor.errors import UsageError
    from conductor.events import KINDS, as_dict
    from conductor.plan import STATE_FOLDER, find_project

    if kinds:
        for name, record in KINDS.items():
            typer.echo(f"{name:18} {' '.join((record.__doc__ or '').split())}")
        return
    if unknown := [name for name in kind or () if name not in KINDS]:
        raise UsageError(f"no such kind: {', '.join(unknown)}", hint="List them with: conductor log --kinds")
    folder = (project or find_project(Path.cwd())) / STATE_FOLDER
    if rebuild_logs:
        _rebuild(folder)
        return
    shown = 0
    found = _found(folder, ticket, kind or (), last)
    if concurrent_with:
        apart = _concurrent(folder, concurrent_with)
        found = (event for event in _found(folder, ticket, kind or (), None) if event.event_id in apart)
        found = deque(found, last) if last else found
    for event in found:
        shown += 1
        typer.echo(json_module.dumps(as_dict(event)) if json else line(event))
    if not shown and not json:
        typer.echo("The journal has no such entries." if folder.exists() else "Nothing has run here yet.", err=True)


def _found(folder: Path, ticket: str | None, kinds: Sequence[str], last: int | None) -> Iterator[Event]:
    """Yield the entries that are asked for, each checked; all of them also for what is missing between them."""
    from conductor.journal import chained, read
    from conductor.stores.access import is_made
    from conductor.stores.reader import reader

    if is_made(folder):
        with reader(folder) as journal:
            rows = journal.rows(ticket_id=ticket, kinds=kinds, last=last)
            everything = ticket is None and not kinds
            yield from read(chained(rows, whole=last is None) if everything else rows)


def _concurrent(folder: Path, name: str) -> set[str]:
    """Return the ids of the entries that are concurrent with one, named by its number or how its id begins."""
    from conductor.errors import UsageError
    from conductor.merge import concurrent_with
    from conductor.stores.access import NAME
    from conductor.stores.merging import opened_line
    from conductor.stores.reader import reader

    with opened_line(folder / NAME) as line, reader(folder) as journal:
        number = int(name) if name.isdecimal() and int(name) <= line.head.sequence else 0
        rows = [r for r in journal.rows() if (r.sequence == number if number else r.event_id.startswith(name))]
        if len(rows) != 1:
            what = "more than one entry has an id that begins with" if rows else "there is no entry"
            raise UsageError(
                f"{what} {name}", hint="Name its number or its event_id, as `conductor log --json` has it."
            )
        return {row.event_id for row in concurrent_with(rows[0].event_id, list(line.tail(line.linear)))}


def _rebuild(folder: Path) -> None:
    """Write the logs anew from the journal, while nobody else writes them."""
    from contextlib import ExitStack, closing

    from conductor.errors import NeedsHuman, UsageError
    from conductor.journal import read
    from conductor.logs import rebuild
    from conductor.stores.reader import read_only
    from conductor.stores.sqlite import SqliteStore

    tracks = {row.track_id for row in read_only(folder)}
    if not tracks:
        raise UsageError("nothing has run here yet: there is no journal to write logs from")
    with closing(SqliteStore(folder)) as store, ExitStack() as locks:
        for track_id in sorted(tracks):
            locks.enter_context(store.lock(track_id))
        try:
            for path in rebuild(folder / "logs", read(store.rows()), store.get):
                typer.echo(f"{path.stat().st_size:>12,} {path}")
        except OSError as error:
            raise NeedsHuman(f"the logs cannot be written: {error}") from error
