"""`conductor journal merge`."""

from __future__ import annotations

import json as json_module
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conductor.cli.options import JsonOption, ProjectOption
from conductor.errors import UsageError
from conductor.visible import visible

if TYPE_CHECKING:
    from conductor.merge import Merge
    from conductor.stores.merging import Line


def merge(
    other: Annotated[
        Path,
        typer.Argument(metavar="OTHER", help="The other one: a project, its .conductor folder, or a journal.db."),
    ],
    into: Annotated[
        Path | None, typer.Option(help="Write the merged journal into this new folder; both stay as they are.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be merged, and change nothing.")] = False,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Merge the journal of a copy of this project, which went on elsewhere, into this project's.

    Nothing is left out, and the order of both is kept. A copy of this project's journal is put aside. Where both worked
    on the same ticket, the line that completed more counts. Files are not merged: that is for git.

    Examples:

      conductor journal merge ../copy --dry-run

      conductor journal merge /mnt/laptop/project/.conductor/journal.db
    """
    from conductor.merge import merge as merged
    from conductor.plan import STATE_FOLDER, find_project
    from conductor.stores.access import NAME
    from conductor.stores.merging import opened_line, parted_at

    ours = (project or find_project(Path.cwd())) / STATE_FOLDER / NAME
    theirs = _journal_at(other)
    if ours.exists() and theirs.exists() and ours.samefile(theirs):
        raise UsageError(f"{other} is this project's own journal")
    if not ours.exists():
        raise UsageError(f"there is no journal in {ours.parent}", hint="Copy the other one there: it is all there is.")
    with opened_line(ours) as here, opened_line(theirs) as there:
        parted = parted_at(here, there)
        found = merged(parted, list(here.tail(parted.sequence)), list(there.tail(parted.sequence)))
        done: dict[str, str] = {}
        if not dry_run and (into or found.theirs):
            done = _written(found, here, there, into)
    typer.echo(json_module.dumps(_as_dict(found, done), indent=2) if json else "\n".join(_said(found, done)))


def _journal_at(path: Path) -> Path:
    from conductor.plan import STATE_FOLDER
    from conductor.stores.access import NAME

    if not path.is_dir():
        return path
    inner = path / STATE_FOLDER / NAME
    return inner if inner.exists() else path / NAME


def _written(found: Merge, here: Line, there: Line, into: Path | None) -> dict[str, str]:
    """Write the merged journal, and return where it is and where the one it was made from is kept."""
    from conductor.stores.access import NAME
    from conductor.stores.merging import replace_tail
    from conductor.stores.sqlite import SqliteStore

    after, more = found.parted.sequence, there.contents(but=here.has_content)
    if into:
        if into.exists() and (not into.is_dir() or any(into.iterdir())):
            raise UsageError(f"{into} exists already", hint="Name a folder that does not exist.")
        into.mkdir(parents=True, exist_ok=True)
        here.copy_to(into / NAME)
        replace_tail(into, here.head, after, found.tail, more)
        return {"written": str(into / NAME)}
    folder = here.path.parent
    with closing(SqliteStore(folder)) as store, ExitStack() as locks:
        for track_id in here.tracks:
            locks.enter_context(store.lock(track_id))
        copy = store.set_aside()
        replace_tail(folder, here.head, after, found.tail, more)
        _write_logs(folder, store)
    return {"written": str(here.path), "copy": copy}


def _write_logs(folder: Path, store: Any) -> None:
    """Write the logs anew: their lines bear the numbers of entries."""
    from conductor.journal import read
    from conductor.logs import rebuild

    if (folder / "logs").is_dir():
        rebuild(folder / "logs", read(store.rows()), store.get)


def _as_dict(found: Merge, done: dict[str, str]) -> dict[str, Any]:
    tracks = {
        name: {"counts": _counting(found, name), "tickets": list(merged.tickets)}
        for name, merged in found.tracks.items()
    }
    entries = found.tail[-1].row.sequence if found.tail else found.parted.sequence
    parted = {"sequence": found.parted.sequence, "hash": found.parted.hash}
    numbers = {"ours": found.ours, "theirs": found.theirs, "entries": entries}
    return {"parted": parted, **numbers, "tracks": tracks, "written": done.get("written"), "copy": done.get("copy")}


def _counting(found: Merge, track_id: str) -> str:
    if not found.tracks[track_id].aside:
        return "both"
    return "theirs" if track_id in found.ours_aside else "ours"


def _said(found: Merge, done: dict[str, str]) -> list[str]:
    if not found.theirs:
        lines = ["Nothing to merge: every entry of the other journal is in this one."]
    else:
        parts = f"{found.ours:,} here, {found.theirs:,} there"
        lines = [f"The journals part after entry {found.parted.sequence:,}: {parts}."]
    for name, merged in found.tracks.items():
        which = {"ours": "this journal's", "theirs": "the other's"}.get(_counting(found, name))
        if which:
            why = f"both worked on {', '.join(merged.tickets)}" if merged.tickets else "it was begun anew"
            lines.append(f"track {name}: {why}; {which} line counts, the other stays in the journal and counts no more")
        else:
            lines.append(f"track {name}: what both did counts")
    if done:
        lines.append(f"merged: {done['written']}")
    if done.get("copy"):
        lines.append(f"as it was: {done['copy']}")
    return [visible(line, one_line=True) for line in lines]
