"""Taking back what a ticket did: its files restored, its conversation as it was before, and both in the journal.

The order makes it safe to be cut off: the intent is on the disk, then the files are restored, each as a whole, then it
is recorded that they are. A run that finds an intent without its end restores what is left before it does anything.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct, to_builtins

from conductor import events
from conductor.context import WorkerContext
from conductor.effective import in_force
from conductor.errors import StateMismatch, UsageError
from conductor.events import Event, Payload
from conductor.history.base import FileState, file_state
from conductor.history.restore import restore
from conductor.history.steps import Obstacle, Restored, restoring, steps
from conductor.journal import Journal, chained, node_of, read
from conductor.messages import Effect
from conductor.models import Ticket, Track
from conductor.stores.base import Store

_UNDONE = "A human undid this call: it is as if it had not happened."
_TOLD = "A human undid everything you did after this."


class Undo(Struct, frozen=True):
    """What is to be taken back of a ticket: everything, or what came after the call `to`, up to the entry `since`."""

    ticket_id: str
    to: str
    since: str
    calls: tuple[str, ...]
    files: tuple[Restored, ...]
    obstacles: tuple[Obstacle, ...] = ()
    uncovered: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise `StateMismatch`, naming each file, when somebody else changed what would be restored."""
        if self.obstacles:
            first = "; ".join(f"{obstacle.path}: {obstacle.why}" for obstacle in self.obstacles[:3])
            more = f"; and {len(self.obstacles) - 3} more" if len(self.obstacles) > 3 else ""
            raise StateMismatch(
                f"{self.ticket_id} cannot be undone, and nothing was changed: {first}{more}",
                hint="Undo the later ticket first, or put these files back as the ticket left them.",
            )


def plan_undo(track: Track, history: Sequence[Event], ticket_id: str, to: str, root: Path) -> Undo:
    """Return what undoing a ticket means, after the call `to` or as a whole; `history` is the journal of all tracks.

    Raises `UsageError` when there is nothing to undo, or a ticket that builds on this one has to be undone first.
    """
    ticket = track.ticket(ticket_id)
    counting = in_force([event for event in history if event.track_id == track.id])
    done = [event for event in counting if event.ticket_id == ticket_id]
    if not any(isinstance(event.data, events.TicketStarted) for event in done):
        raise UsageError(f"ticket {ticket_id} has not been worked on; there is nothing to undo")
    _check_dependents(track, ticket, counting)
    kept = _up_to(done, to) if to else 0
    _check_settled(ticket, done)
    calls = [e.data.call_id for e in done[kept:] if isinstance(e.data, events.CallFinished | events.GateFinished)]
    if to and not any(isinstance(e.data, events.ModelReplied | events.CallFinished) for e in done[kept:]):
        raise UsageError(f"nothing was done after call {to}; there is nothing to undo")
    since = done[kept - 1].event_id if kept else ""
    all_steps = steps(history)
    begun = next((n for n, event in enumerate(history) if event.event_id == (since or counting[0].event_id)), 0)
    mine = [s for s in all_steps if (s.track_id, s.ticket_id) == (track.id, ticket_id) and s.number > begun]
    files, obstacles = restoring(all_steps, mine, lambda path: file_state(root / path))
    uncovered = tuple(_uncovered(done[kept:]))
    return Undo(ticket_id, to, since, tuple(calls), tuple(files), tuple(obstacles), uncovered)


def carry_out(undo: Undo, journal: Journal, ticket: Ticket, root: Path, said: str = "") -> list[str]:
    """Restore the files and record it; return those that were changed by somebody at the last moment and left alone.

    `said` is told the worker, where it goes on. Raises what `restore` does; then it is finished by the next run.
    """
    undo.check()
    started = events.UndoStarted(undo.since, undo.calls, [to_builtins(file) for file in undo.files], said)
    journal.record(started, ticket_id=undo.ticket_id, durable=True)
    return _finish(started, journal, ticket, root)


@contextmanager
def undoing(
    track: Track, store: Store, root: Path, ticket_id: str, to: str = "", *, settled: bool = True
) -> Generator[tuple[Undo, Journal]]:
    """Yield what undoing the ticket means, and the journal to record it in, with the track's lock held.

    An undo that was cut off is finished first (unless `settled` is False). Raises `AlreadyRunning` while a run goes on,
    and what `plan_undo` does.
    """
    with store.lock(track.id):
        journal = Journal(store, track.id, node=node_of("cli"))
        if settled:
            settle(track, journal, root)
        history = list(read(chained(store.rows())))
        journal.saw(event for event in history if event.track_id == track.id)
        yield plan_undo(track, history, ticket_id, to, root), journal


def settle(track: Track, journal: Journal, root: Path) -> list[str]:
    """Finish the undos of the track that were cut off, and return the files that had to be left alone."""
    last = partial(journal.store.last, track_id=track.id)
    if last(kind=events.UndoStarted.kind) <= last(kind=events.ChangesUndone.kind):
        return []
    open_undos: dict[str, events.UndoStarted] = {}
    for event in journal.entries():
        if isinstance(event.data, events.UndoStarted):
            open_undos[event.ticket_id] = event.data
        elif isinstance(event.data, events.ChangesUndone):
            open_undos.pop(event.ticket_id, None)
    found = [(track.ticket(name), started) for name, started in open_undos.items() if name in track]
    return [path for ticket, started in found for path in _finish(started, journal, ticket, root)]


def _finish(started: events.UndoStarted, journal: Journal, ticket: Ticket, root: Path) -> list[str]:
    files = [Restored(f["path"], FileState(**f["now"]), FileState(**f["then"])) for f in started.files]
    left = restore(root, files, journal.store.get)
    undone = events.ChangesUndone(started.since, started.calls, len(files) - len(left), left)
    told = _told(started, journal, ticket) if started.since else ()
    journal.record(undone, *told, ticket_id=ticket.id, durable=True)
    return left


def _told(started: events.UndoStarted, journal: Journal, ticket: Ticket) -> list[Payload]:
    """Return what the worker hears: that its open calls did not happen, or after the last one that it was undone."""
    context = WorkerContext(ticket)
    for event in journal.entries():
        if event.ticket_id == ticket.id:
            context.apply(event)
            if event.event_id == started.since:
                break
    said = f" They said: {started.said}" if started.said.strip() else ""
    results = (
        partial(events.CallFinished, entry.call.call_id, entry.call.tool, "undone") for entry in context.open_calls
    )
    return [finished(_UNDONE + said) for finished in results] or [events.WorkerTold(_TOLD + said)]


def _uncovered(taken_back: Sequence[Event]) -> Iterator[str]:
    for event in taken_back:
        match event.data:
            case events.ChangesUnknown(call_id=call_id, reason=reason):
                yield f"{call_id}: {reason}"
            case events.TicketCommitted(commit=commit) if commit:
                yield f"its commit {commit[:10]} stays; take it back with: git revert {commit[:10]}"
            case _:
                pass


def _up_to(done: Sequence[Event], call_id: str) -> int:
    """Return how many of a ticket's entries stay when everything after the call is taken back; its hint stays."""
    ends = [n for n, e in enumerate(done) if isinstance(e.data, events.CallFinished) and e.data.call_id == call_id]
    if not ends:
        calls = [event.data.call_id for event in done if isinstance(event.data, events.CallFinished)]
        known = ", ".join(calls) or "none"
        raise UsageError(f"{done[0].ticket_id} has no finished call {call_id}", hint=f"Its calls: {known}.")
    last = ends[0] + 1
    while last < len(done) and getattr(done[last].data, "call_id", "") == call_id:
        last += 1
    return last


def _check_dependents(track: Track, ticket: Ticket, counting: Sequence[Event]) -> None:
    worked = {event.ticket_id for event in counting if isinstance(event.data, events.TicketStarted)}
    builds_on = {ticket.id}
    for other in track.planned_order():
        if builds_on.intersection(other.dependencies):
            builds_on.add(other.id)
    order = [other.id for other in reversed(track.planned_order()) if other.id in builds_on - {ticket.id} & worked]
    if order:
        raise UsageError(
            f"{', '.join(order)} built on {ticket.id} and has to be undone first",
            hint=f"Begin with: conductor undo {order[0]}",
        )


def _check_settled(ticket: Ticket, done: Sequence[Event]) -> None:
    """Refuse while nobody knows what a command did: whether it ended, and what it changed, is settled by a run."""
    started = [event.data for event in done if isinstance(event.data, events.CallStarted)]
    finished = {event.data.call_id for event in done if isinstance(event.data, events.CallFinished)}
    if started and started[-1].effect == Effect.UNSAFE and started[-1].call_id not in finished:
        raise UsageError(
            f"call {started[-1].call_id} of {ticket.id} was cut off, and what it did is not known",
            hint="Run the track first: it asks you about that call. Then undo.",
        )
