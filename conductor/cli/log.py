"""`conductor log`."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from conductor.cli.options import JsonOption, ProjectOption


def log(
    ticket: Annotated[str | None, typer.Option(help="Only entries of this ticket.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only entries of this kind; may be repeated.")] = None,
    last: Annotated[int | None, typer.Option("--last", "-n", min=1, help="Only the last N entries.")] = None,
    kinds: Annotated[bool, typer.Option("--kinds", help="List the kinds of entries with their meaning.")] = False,
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
    """
    from conductor.errors import UsageError
    from conductor.events import KINDS, to_json
    from conductor.journal import as_dict, chained, read
    from conductor.plan import STATE_FOLDER, find_project
    from conductor.stores.sqlite import read_only
    from conductor.visible import visible

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
    found = [
        event
        for event in read(chained(read_only(folder)))
        if (ticket is None or event.ticket_id == ticket) and (not kind or event.kind in kind)
    ]
    if not found and not json:
        typer.echo("The journal has no such entries." if folder.exists() else "Nothing has run here yet.", err=True)
    for event in found[-last:] if last else found:
        if json:
            typer.echo(json_module.dumps(as_dict(event)))
        else:
            details = {
                name: value for name, value in to_json(event.data).items() if value not in ("", (), [], {}, None)
            }
            shown = json_module.dumps(details, ensure_ascii=False, default=str)
            shown = shown if len(shown) <= 160 else f"{shown[:159]}…"
            typer.echo(
                visible(f"{event.sequence:5} {event.at[11:19]} {event.ticket_id or '-':6} {event.kind:16} {shown}")
            )


def _rebuild(folder: Path) -> None:
    """Write the logs anew from the journal, while nobody else writes them."""
    from contextlib import ExitStack, closing

    from conductor.errors import NeedsHuman, UsageError
    from conductor.journal import read
    from conductor.logs import rebuild
    from conductor.stores.sqlite import SqliteStore, read_only

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
