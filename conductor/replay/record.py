"""What a finished run's entries say that a replay needs: replies, decisions, results, and who changed which file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from conductor import events
from conductor.effective import in_force
from conductor.errors import UsageError
from conductor.events import CallDecided, CallFinished, CodeChanged, Event, GateFinished, HintGiven, ModelReplied


class Command(Struct, frozen=True):
    """A command that ran to its end, by a call, and what it printed, by its hashes."""

    call_id: str
    command: str
    exit_code: int
    stdout: str
    stderr: str
    duration_s: float


class Outside(Struct, frozen=True):
    """A file that was changed by no call of the replay, before the call at this place in the order of calls."""

    place: int
    path: str
    digest: str
    mode: str


class Record:
    """The last run of a track. Of each queue the replay takes the next as it comes to it."""

    def __init__(self, entries: Sequence[Event]) -> None:
        """Read all entries of the track since its last fresh start. Raises `UsageError` where the run has not ended."""
        force = in_force(entries)
        if any(isinstance(e.data, events.JournalsMerged) and not e.data.aside for e in force):
            raise UsageError(
                "this run went on in two journals that were merged", hint="Replay it where one of the two was written."
            )
        ends = (events.TrackCompleted, events.TrackFailed)
        if not any(isinstance(e.data, ends) for e in force[-1:]):
            raise UsageError("this track has no finished run", hint="Finish it with `conductor run`, then replay it.")
        self.replies: dict[str, deque[ModelReplied]] = {}
        self.decisions: dict[str, CallDecided] = {}
        self.finished: dict[str, CallFinished | GateFinished] = {}
        self.commands: deque[Command] = deque()
        self.checks: dict[str, deque[GateFinished]] = {}  # by gate
        self.mended: dict[str, deque[str | None]] = {}  # by path: what a check offered to make of it, if anything
        self.hints: deque[HintGiven] = deque()
        self.places: dict[str, int] = {}  # calls and checks that had a result, in their order
        self.ended: dict[str, str] = {}  # tickets that did, and how
        self.stops = sum(isinstance(e.data, events.RunResumed) for e in force)  # how often the run went on
        self._positions: list[int] = []
        started: dict[str, str] = {}
        for event in force:
            self._read(event, started)
        self.changes = list(_changes(entries))
        kept = {e.sequence for e in force}
        self._own = {n for n, change in self.changes if n in kept and self._has_result(change.call_id)}

    def _read(self, event: Event, started: dict[str, str]) -> None:
        data = event.data
        match data:
            case ModelReplied():
                self.replies.setdefault(event.ticket_id, deque()).append(data)
            case CallDecided(call_id=call_id):
                self.decisions[call_id] = data
            case events.CallStarted(call_id=call_id, arguments=arguments):
                started[call_id] = str(arguments.get("command", ""))
            case CallFinished(call_id=call_id):
                self._ended(event, call_id, data)
                if data.exit_code is not None:
                    self._ran(call_id, started.get(call_id, ""), data.exit_code, data)
            case GateFinished(call_id=call_id, gate=gate):
                self._ended(event, call_id, data)
                if data.put_back or not data.stale:  # what somebody else changed meanwhile had it run again
                    self.checks.setdefault(gate, deque()).append(data)
            case events.CallsOffered(about=about, tool_calls=calls):
                self._offered(about, {call["arguments"]["path"]: call["arguments"].get("content") for call in calls})
            case HintGiven():
                self.hints.append(data)
            case events.TicketFailed() | events.TicketCompleted() | events.TicketCancelled():
                self.ended[event.ticket_id] = event.kind.removeprefix("ticket_")
            case _:
                pass

    def _ended(self, event: Event, call_id: str, data: CallFinished | GateFinished) -> None:
        self.places[call_id] = len(self._positions)
        self._positions.append(event.sequence)
        self.finished[call_id] = data

    def _ran(self, call_id: str, command: str, exit_code: int, data: CallFinished) -> None:
        self.commands.append(Command(call_id, command, exit_code, data.stdout, data.stderr, data.duration_s))

    def _offered(self, about: str, contents: Mapping[str, str | None]) -> None:
        check = self.finished.get(about)
        for path in check.fixable if isinstance(check, GateFinished) and not check.put_back else ():
            self.mended.setdefault(path, deque()).append(contents.get(path))

    def put_back(self, call_id: str) -> Sequence[Mapping[str, Any]]:
        """Return what a call or check changed that was put back at once."""
        found = self.finished.get(call_id)
        return found.put_back if found else ()

    def frozen(self) -> tuple[str, ...]:
        """Return the files that were put back because they are frozen."""
        calls = (data for data in self.finished.values() if isinstance(data, CallFinished))
        return tuple(dict.fromkeys(file["path"] for data in calls for file in data.put_back))

    def _has_result(self, call_id: str) -> bool:
        found = self.finished.get(call_id)
        return found is not None and not (isinstance(found, CallFinished) and found.outcome in ("unknown", "happened"))

    def before(self) -> dict[str, tuple[str, str]]:
        """Return each file that was changed, as it was before: its content's hash ("": no file) and its mode."""
        first: dict[str, tuple[str, str]] = {}
        for _, change in self.changes:
            first.setdefault(change.path, (change.before, change.before_mode))
        return first

    def after(self) -> dict[str, tuple[str, str]]:
        """Return each file that was changed as the run left it."""
        return {change.path: (change.after, change.after_mode) for _, change in self.changes}

    def of_call(self, call_id: str) -> list[CodeChanged]:
        """Return what a call changed that the replay comes to."""
        return [change for n, change in self.changes if n in self._own and change.call_id == call_id]

    def outside(self) -> list[Outside]:
        """Return what people and calls that no longer count changed meanwhile, in order.

        A file that a call found other than the one before left it was changed by a person in between.
        """
        found: list[Outside] = []
        known = self.before()
        for number, change in self.changes:
            if change.before != known[change.path][0]:
                found.append(Outside(self._place(number, change), change.path, change.before, change.before_mode))
            if number not in self._own:
                found.append(Outside(self._place(number, change), change.path, change.after, change.after_mode))
            known[change.path] = (change.after, change.after_mode)
        return found

    def _place(self, number: int, change: CodeChanged) -> int:
        if number in self._own:
            return self.places[change.call_id]
        return sum(position < number for position in self._positions)


def _changes(entries: Sequence[Event]) -> Iterator[tuple[int, CodeChanged]]:
    """Yield every change of a file with the entry's number; what a human took back is a change too, of no call."""
    undoing: dict[str, events.UndoStarted] = {}
    for event in entries:
        match event.data:
            case CodeChanged():
                yield event.sequence, event.data
            case events.UndoStarted():
                undoing[event.ticket_id] = event.data
            case events.ChangesUndone(left=left) if event.ticket_id in undoing:
                for file in undoing.pop(event.ticket_id).files:
                    if file["path"] not in left:
                        now, then = file["now"], file["then"]
                        hashes, modes = (now["digest"], then["digest"]), (now["mode"], then["mode"])
                        yield event.sequence, CodeChanged("", file["path"], *hashes, (), *modes)
            case _:
                pass
