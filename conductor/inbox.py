"""What people ask of a run from other processes, folded from the journal until it is heeded."""

from __future__ import annotations

from msgspec import Struct

from conductor import events
from conductor.events import Event

# They stand beside a worker's own chain of causes until they are heeded.
REQUESTS = events.InterventionQueued | events.BugReported | events.CancelRequested | events.CallAnswered
_FINAL = events.TicketCompleted | events.TicketFailed | events.TicketCancelled | events.TicketBlocked


class Guidance(Struct, frozen=True):
    """Something for a worker that it was not told yet; `code_version` is how far its code was when it was said."""

    intervention: str
    text: str
    by: str
    about: int | None
    code_version: int


class Inbox:
    """For each ticket what waits to be heeded: guidance, its cancellation, and the answer to its waiting call."""

    def __init__(self) -> None:
        self.cancelled: dict[str, events.CancelRequested] = {}
        self.waiting: dict[str, events.CallProposed] = {}  # the call that waits at the clutch
        self._answers: dict[str, events.CallAnswered] = {}
        self._guidance: dict[str, list[Guidance]] = {}

    def what_waits(self, ticket_id: str) -> str:
        """Return in words which call of a ticket waits, to stand behind that it does; "" when none does."""
        call = self.waiting.get(ticket_id)
        return f": {call.tool}{' of unknown outcome' if call.outcome_unknown else ''}" if call else ""

    def guidance(self, ticket_id: str) -> tuple[Guidance, ...]:
        """Return what the ticket's worker has to be told, oldest first."""
        return tuple(self._guidance.get(ticket_id, ()))

    def answer(self, ticket_id: str) -> events.CallAnswered | None:
        """Return the answer to exactly the call that the ticket has at the clutch now."""
        return self._answers.get(ticket_id)

    def said(self, ticket_id: str) -> tuple[events.CallAnswered | None, events.CancelRequested | None]:
        """Return what was said elsewhere that settles the ticket's waiting call."""
        return self._answers.get(ticket_id), self.cancelled.get(ticket_id)

    def has_news(self, ticket_id: str) -> bool:
        """Say whether the ticket must not end by itself: somebody has something to say about it."""
        return bool(self._guidance.get(ticket_id)) or ticket_id in self.cancelled

    def apply(self, event: Event) -> None:
        """Fold one entry of the track."""
        ticket_id = event.ticket_id
        match event.data:
            case events.InterventionQueued(text=text, by=by, about=about):
                said = Guidance(event.event_id, text, by, about, event.code_version)
                self._guidance.setdefault(ticket_id, []).append(said)
            case events.BugReported(by=by, about=about) as bug:
                said = Guidance(event.event_id, bug.said, by, about, event.code_version)
                self._guidance.setdefault(ticket_id, []).append(said)
            case events.InterventionApplied(intervention) | events.InterventionStale(intervention):
                left = [said for said in self.guidance(ticket_id) if said.intervention != intervention]
                self._guidance[ticket_id] = left
            case events.CancelRequested() as wanted:
                self.cancelled.setdefault(ticket_id, wanted)
            case events.CallProposed() as proposed:
                self.waiting[ticket_id] = proposed
                self._answers.pop(ticket_id, None)
            case events.CallAnswered() as answer if self._waits(ticket_id, answer):
                self._answers.setdefault(ticket_id, answer)
            case events.CallDecided() | events.CallStarted() | events.CallFinished() | events.GateStarted():
                self._settled(ticket_id)
            case _ if isinstance(event.data, _FINAL):
                self._settled(ticket_id)
                self._guidance.pop(ticket_id, None)
                self.cancelled.pop(ticket_id, None)
            case _:
                pass

    def _waits(self, ticket_id: str, answer: events.CallAnswered) -> bool:
        call = self.waiting.get(ticket_id)
        return call is not None and (call.call_id, call.digest) == (answer.call_id, answer.digest)

    def _settled(self, ticket_id: str) -> None:
        self.waiting.pop(ticket_id, None)
        self._answers.pop(ticket_id, None)
