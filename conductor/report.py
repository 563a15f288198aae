"""What a track took, ticket by ticket: decisions, attention, checks, cost; and rules that would have saved prompts.

A pure projection of the journal. What was undone or tried again counts as well: it took time, money and attention.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor.clutch.base import by_policy
from conductor.events import Event, Payload
from conductor.inspector.observe import attempts
from conductor.inspector.odds import Worker, workers
from conductor.messages import RuleOffer


class TicketReport(Struct, frozen=True):
    """What a ticket took. `approved`, `edited` and `rejected` are decisions of humans, `by_policy` those of rules.

    `attention_s` is how long humans looked; `worked_s` how long models, calls and checks took. `corrections` are the
    failed checks after which the worker went on, `undone` the calls that a human took back.
    """

    approved: int = 0
    edited: int = 0
    rejected: int = 0
    by_policy: int = 0
    undone: int = 0
    attention_s: float = 0.0
    checks_passed: int = 0
    checks_failed: int = 0
    corrections: int = 0
    hints: int = 0
    turns: int = 0
    tokens: int = 0
    usd: float = 0.0
    worked_s: float = 0.0
    commit: str = ""
    sent_back: bool = False  # a check failed, and the worker has not answered yet

    def after(self, event: Event) -> TicketReport:
        """Return the report with one more entry of the ticket counted."""
        match event.data:
            case events.CallDecided() as decided:
                return self._decided(decided)
            case events.ModelReplied(usage=usage, duration_s=took):
                corrections = self.corrections + self.sent_back
                said = replace(self, turns=self.turns + 1, corrections=corrections, sent_back=False)
                return said._paid(usage)._worked(took)
            case events.HintGiven(usage=usage):
                return replace(self, hints=self.hints + 1)._paid(usage)
            case events.CallFinished(duration_s=took):
                return self._worked(took)
            case events.GateFinished(skipped="", stale="", broken="", passed=passed, duration_s=took):
                return self._checked(passed=passed)._worked(took)
            case data:
                return self._ended(data)

    def _ended(self, data: Payload) -> TicketReport:
        match data:
            case events.ChangesUndone(calls=calls):
                return replace(self, undone=self.undone + len(calls))
            case events.TicketCommitted(commit=commit):
                return replace(self, commit=commit)
            case _:
                return self

    def _checked(self, *, passed: bool) -> TicketReport:
        if passed:
            return replace(self, checks_passed=self.checks_passed + 1)
        return replace(self, checks_failed=self.checks_failed + 1, sent_back=True)

    def __add__(self, other: TicketReport) -> TicketReport:
        added = {name: getattr(self, name) + getattr(other, name) for name in NUMBERS}
        return TicketReport(**added)

    def _decided(self, decided: events.CallDecided) -> TicketReport:
        if by_policy(decided.by):
            return replace(self, by_policy=self.by_policy + 1)
        looked = replace(self, attention_s=self.attention_s + decided.attention_s)
        if decided.decision == "approve" and decided.edited:
            return replace(looked, edited=looked.edited + 1)
        if decided.decision == "approve":
            return replace(looked, approved=looked.approved + 1)
        return replace(looked, rejected=looked.rejected + (decided.decision == "reject"))

    def _paid(self, usage: Mapping[str, Any]) -> TicketReport:
        tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        return replace(self, tokens=self.tokens + tokens, usd=self.usd + usage.get("usd", 0.0))

    def _worked(self, seconds: float) -> TicketReport:
        return replace(self, worked_s=self.worked_s + seconds)


NUMBERS = tuple(name for name in TicketReport.__struct_fields__ if name not in ("commit", "sent_back"))


class Report(Struct, frozen=True):
    """The tickets of a track with what each took, and rules that would have saved prompts, the best first.

    `workers` are the odds of those who did the work, as far as this track's entries tell.
    """

    tickets: dict[str, TicketReport]
    rules: tuple[RuleOffer, ...] = ()
    workers: tuple[Worker, ...] = ()

    @property
    def total(self) -> TicketReport:
        """All tickets together."""
        return sum(self.tickets.values(), TicketReport())


def report(entries: Iterable[Event], ticket_ids: Sequence[str], rules: Sequence[RuleOffer] = ()) -> Report:
    """Return the report of a track from its entries since its last fresh start, for these tickets in this order."""
    found = {ticket_id: TicketReport() for ticket_id in ticket_ids}
    own = list(entries)
    for event in own:
        if isinstance(event.data, events.TrackStarted):
            found = {ticket_id: TicketReport() for ticket_id in ticket_ids}
        if event.ticket_id in found:
            found[event.ticket_id] = found[event.ticket_id].after(event)
    return Report(found, tuple(rules), tuple(workers(attempts(own))))
