"""What the journal says of each call: who asked for it, who let it happen, what it did."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, Unpack

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor.events import Event
from conductor.journal import read
from conductor.stores.base import Row, Wanted

_STEPS: Mapping[str, str] = {  # where an entry stands in the story of its call
    events.CallDecided.kind: "decision",
    events.CallStarted.kind: "started",
    events.CallFinished.kind: "finished",
    events.HintGiven.kind: "hint",
}


class CallStory(Struct, frozen=True):
    """One call from what it came of to what it changed; each step is the entry that says so, if there is one.

    `reply` is the worker's answer that proposed it, or what a check offered.
    """

    track_id: str
    ticket_id: str
    ticket: str  # as the worker was told: its id and title
    call_id: str
    turn: int
    reply: Event
    proposed: Mapping[str, Any]
    tool: str
    decision: Event | None = None
    started: Event | None = None
    finished: Event | None = None
    hint: Event | None = None
    changes: tuple[Event, ...] = ()
    shape: str = ""  # what it does to the shape of the code, as the clutch said when it was asked last

    @property
    def ran(self) -> Mapping[str, Any]:
        """The arguments it ran with, those the worker proposed where it did not run."""
        data = self.started.data if self.started else None
        return data.arguments if isinstance(data, events.CallStarted) else self.proposed

    @property
    def answer(self) -> events.CallDecided | None:
        """What the clutch said; None where it was never asked."""
        data = self.decision.data if self.decision else None
        return data if isinstance(data, events.CallDecided) else None


class Stories:
    """Folds entries, oldest first, into the story of each call. A call's id is only its own within one run's ticket."""

    def __init__(self) -> None:
        self.calls: list[CallStory] = []
        self._latest: dict[tuple[str, str, str], int] = {}  # by track, ticket and call id
        self._tickets: dict[tuple[str, str], str] = {}
        self._turns: dict[tuple[str, str], int] = {}

    def apply(self, event: Event) -> None:
        """Add what an entry says."""
        worker = (event.track_id, event.ticket_id)
        match event.data:
            case events.TicketStarted():
                self._turns[worker] = 0
            case events.ContextBuilt(messages=messages):
                asked = next((said["content"] for said in messages if said["role"] == "user"), "")
                self._tickets[worker] = asked.partition("\n")[0].removeprefix("# Ticket ")
            case events.ModelReplied(tool_calls=calls) | events.CallsOffered(tool_calls=calls):
                turn = self._turns.get(worker, 0) + isinstance(event.data, events.ModelReplied)
                self._turns[worker] = turn
                for call in calls:
                    self._begin(event, call, turn)
            case events.CallProposed(call_id=call_id, preview=preview):
                self._add(event, call_id, shape=str(preview.get("shape", "")))
            case events.CallDecided() | events.CallStarted() | events.CallFinished() | events.HintGiven() as step:
                self._add(event, step.call_id, **{_STEPS[event.kind]: event})
            case events.CodeChanged(call_id=call_id):
                if story := self.of(event, call_id):
                    self._add(event, call_id, changes=(*story.changes, event))
            case _:
                pass

    def of(self, event: Event, call_id: str) -> CallStory | None:
        """Return the story of the latest call of that id of the entry's ticket."""
        at = self._latest.get((event.track_id, event.ticket_id, call_id))
        return None if at is None else self.calls[at]

    def _begin(self, event: Event, call: Mapping[str, Any], turn: int) -> None:
        ticket = self._tickets.get((event.track_id, event.ticket_id), event.ticket_id)
        self._latest[event.track_id, event.ticket_id, call["call_id"]] = len(self.calls)
        names = (event.track_id, event.ticket_id, ticket, call["call_id"])
        self.calls.append(CallStory(*names, turn, event, call["arguments"], call["tool"]))

    def _add(self, event: Event, call_id: str, **more: Any) -> None:
        at = self._latest.get((event.track_id, event.ticket_id, call_id))
        if at is not None:
            self.calls[at] = replace(self.calls[at], **more)


class Source(Protocol):
    """What of a store is read; see `Store` and `SqliteReader`."""

    def rows(self, **wanted: Unpack[Wanted]) -> Iterator[Row]: ...
    def numbers(self, **wanted: Unpack[Wanted]) -> list[int]: ...


class StoryFinder:
    """Finds the story of one change at a time, and reads of the journal little more than the story."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._numbers: dict[tuple[str, str, int, tuple[str, ...]], list[int]] = {}

    def of(self, change: Event) -> CallStory | None:
        """Return the story of the call that changed something; None where the journal does not say what it came of."""
        call_id = getattr(change.data, "call_id", "")
        talk = self._of_try(change, events.ModelReplied, events.CallsOffered)
        for number in reversed(talk[: bisect_right(talk, change.sequence)]):
            stories = Stories()
            for event in self._passage(change, number):
                stories.apply(event)
            if story := stories.of(change, call_id):
                return replace(story, turn=bisect_right(self._of_try(change, events.ModelReplied), number))
        return None

    def check_after(self, change: Event) -> Event | None:
        """Return the first check of the ticket after a change, None where there was none."""
        checks = self._of_try(change, events.GateFinished)
        number = _next(checks, change.sequence)
        return next(self._read(change, after=number - 1), None) if number else None

    def _passage(self, change: Event, number: int) -> Iterator[Event]:
        """Yield what the worker was told at first, and what came of the reply of that number until the next one."""
        told = self._of_try(change, events.ContextBuilt)
        if told:
            yield next(self._read(change, after=told[0] - 1))
        until = _next(self._of_try(change, events.ModelReplied), number) or self._try(change)[1]
        yield from self._read(change, after=number - 1, before=until)

    def _read(self, like: Event, *, after: int, before: int | None = None) -> Iterator[Event]:
        found = self._source.rows(track_id=like.track_id, ticket_id=like.ticket_id, after=after, before=before)
        return read(found)

    def _try(self, change: Event) -> tuple[int, int | None]:
        """Return the number with which the change's ticket was taken up, and that with which it ended after it."""
        ends = (events.TicketCompleted, events.TicketFailed, events.TicketCancelled)
        bounds = self._all(change, 0, None, events.TicketStarted, *ends)
        at = bisect_right(bounds, change.sequence)
        return bounds[at - 1] if at else 0, _next(bounds, change.sequence)

    def _of_try(self, change: Event, *kinds: type[events.Payload]) -> list[int]:
        """Return the numbers of all entries of some kinds of the change's ticket, from its start to its end."""
        return self._all(change, *self._try(change), *kinds)

    def _all(self, like: Event, after: int, before: int | None, *kinds: type[events.Payload]) -> list[int]:
        names = tuple(kind.kind for kind in kinds)
        key = (like.track_id, like.ticket_id, after, names)
        if key not in self._numbers:
            self._numbers[key] = self._source.numbers(
                track_id=like.track_id, ticket_id=like.ticket_id, kinds=names, after=after, before=before
            )
        return self._numbers[key]


def _next(numbers: Sequence[int], after: int) -> int | None:
    at = bisect_right(numbers, after)
    return numbers[at] if at < len(numbers) else None
