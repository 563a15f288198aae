"""What the journal says was done to the project's files, and what taking a part of it back would mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from msgspec import Struct

from conductor import events
from conductor.events import Event
from conductor.history.base import FileState


class Step(Struct, frozen=True):
    """A change of one file that counts: it was not undone. `number` is its place in the journal."""

    number: int
    track_id: str
    ticket_id: str
    change: events.CodeChanged

    @property
    def before(self) -> FileState:
        """The file before it."""
        return FileState(self.change.before_mode, self.change.before)

    @property
    def after(self) -> FileState:
        """The file after it."""
        return FileState(self.change.after_mode, self.change.after)


class Restored(Struct, frozen=True):
    """A file that is to be again what it was."""

    path: str
    now: FileState
    then: FileState


class Obstacle(Struct, frozen=True):
    """Why a file cannot be restored."""

    path: str
    why: str


def steps(entries: Iterable[Event]) -> list[Step]:
    """Return every change in the journal of all tracks, oldest first, without what was undone."""
    places: dict[str, int] = {}
    begun: dict[str, int] = {}
    found: list[Step] = []
    for number, event in enumerate(entries):
        places[event.event_id] = number
        match event.data:
            case events.TrackStarted():
                begun[event.track_id] = number
            case events.CodeChanged() as change:
                found.append(Step(number, event.track_id, event.ticket_id, change))
            case events.ChangesUndone(since=since):
                kept = places.get(since, begun.get(event.track_id, -1))
                owner = (event.track_id, event.ticket_id)
                found = [step for step in found if (step.track_id, step.ticket_id) != owner or step.number <= kept]
            case _:
                pass
    return found


def restoring(
    all_steps: Sequence[Step], mine: Sequence[Step], state: Callable[[str], FileState]
) -> tuple[list[Restored], list[Obstacle]]:
    """Return what it takes to undo the steps `mine`, and what stands against it; `state` is what a file is now."""
    found: list[Restored] = []
    against: list[Obstacle] = []
    numbers = {step.number for step in mine}
    by_path: dict[str, list[Step]] = {step.change.path: [] for step in mine}
    for step in all_steps:
        by_path.get(step.change.path, []).append(step)
    for path, here in sorted(by_path.items()):
        own = [step for step in here if step.number in numbers]
        then, now = own[0].before, state(path)
        if _same(now, then):
            continue
        others = [step for step in here if step.number > own[0].number and step.number not in numbers]
        if why := _against(own, others, now):
            against.append(Obstacle(path, why))
        else:
            found.append(Restored(path, now, then))
    return found, against


def _against(mine: Sequence[Step], others: Sequence[Step], now: FileState) -> str:
    if others:
        later = others[-1]
        return f"{later.ticket_id} changed it later (call {later.change.call_id}); undo {later.ticket_id} first"
    if not mine[0].change.kept and mine[0].before.exists:
        return "what it held before was not kept"
    if any(not _same(after.before, before.after) for before, after in pairwise(mine)):
        return "somebody else changed it between two calls of this ticket"
    if not _same(now, mine[-1].after):
        return "it was changed since" if now.exists else "it was deleted since"
    return ""


def _same(one: FileState, other: FileState) -> bool:
    """Compare as far as both are known: entries of older journals have no modes."""
    return (
        one.exists == other.exists
        and one.digest == other.digest
        and (one.mode == other.mode or not one.mode or not other.mode)
    )
