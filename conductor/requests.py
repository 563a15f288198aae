"""What people ask of a run from another process: how it gets into the journal, and how the run heeds it."""

from __future__ import annotations

from collections.abc import Callable

from conductor import events
from conductor.causality import Basis, staleness
from conductor.clutch.elsewhere import Answer
from conductor.context import WorkerContext
from conductor.errors import UsageError
from conductor.inbox import Guidance
from conductor.journal import Overtaken, read
from conductor.ledger import Ledger
from conductor.messages import Approved, Decision, Happened, Preview, Rejected, Skipped, ToolCall
from conductor.models import Ticket
from conductor.qa.base import FailedRun

_WHEN = "A run does it at its next safe point; where none is at work, the next `conductor run` does."


def heed(ledger: Ledger, current: Ticket | None = None) -> None:
    """Take in what others recorded, and cancel the tickets they want cancelled.

    What follows for the dependents of `current`, the ticket that is being worked on, is recorded by who works on it.
    """
    ledger.journal.catch_up()
    for ticket_id, wanted in list(ledger.inbox.cancelled.items()):
        if ticket_id not in ledger.track or ledger.track.ticket(ticket_id).status.is_final:
            continue
        ticket = ledger.track.ticket(ticket_id)
        ledger.record(events.TicketCancelled(reason_of(wanted)), ticket=ticket)
        if ticket is not current:
            ledger.record_blocked(ticket)


def guide(ledger: Ledger, ticket: Ticket, context: WorkerContext) -> None:
    """Tell the worker what people have to say to it, each thing once; what is about older code is only marked so."""
    for said in ledger.inbox.guidance(ticket.id):
        ledger.record(_told(said, context), ticket=ticket)


def _told(said: Guidance, context: WorkerContext) -> events.InterventionApplied | events.InterventionStale:
    now = context.code_version
    stale = "" if said.about is None else staleness(Basis(said.about), Basis(now))
    if stale:
        return events.InterventionStale(said.intervention, stale)
    return events.InterventionApplied(
        intervention=said.intervention,
        text=said.text,
        by=said.by,
        request=context.turns + 1,
        changes_since=now - said.code_version,
    )


def answers(ledger: Ledger, ticket: Ticket) -> Callable[[ToolCall, Preview], Answer | None]:
    """Return what looks for an answer from another process to a call of the ticket."""

    def find(call: ToolCall, preview: Preview) -> Answer | None:
        ledger.journal.catch_up(tell=False)  # nothing may be printed where somebody is being asked
        answer, cancelled = ledger.inbox.said(ticket.id)
        if answer and (answer.call_id, answer.digest) == (call.call_id, preview.digest):
            return Answer(_decision(answer, call), answer.by)
        return Answer(Skipped(reason_of(cancelled)), cancelled.by) if cancelled else None

    return find


def _decision(answer: events.CallAnswered, call: ToolCall) -> Decision:
    match answer.decision:
        case "approve":
            return Approved(call.arguments, comment=answer.reason)
        case "happened":
            return Happened(answer.reason)
        case _:
            return Rejected(answer.reason)


def reason_of(wanted: events.CancelRequested) -> str:
    """Return why a ticket was cancelled, as its events say it."""
    return f"cancelled by {person(wanted.by)}" + (f": {wanted.reason}" if wanted.reason else "")


def person(by: str) -> str:
    """Return the name in what a decision was made by."""
    return by.removeprefix("cli:")


def intervene(ledger: Ledger, ticket_id: str, text: str, by: str, about: int | None = None) -> None:
    """Queue something to be said to the ticket's worker. Raises `UsageError` when nobody will work on the ticket."""
    _request(ledger, ticket_id, events.InterventionQueued(text, by, about))


def report_bug(
    ledger: Ledger, ticket_id: str, text: str, by: str, *, output: bytes = b"", about: int | None = None, cwd: str = ""
) -> events.BugReported:
    """Queue a bug to be told to the ticket's worker, and return it: what a person says of it, and what failed.

    Without `about` it is one of the code as it is now. Raises `UsageError` when nobody will work on the ticket.
    """
    ticket = _open_ticket(ledger, ticket_id)
    if about is None:
        about = ledger.context(ticket).code_version if ticket in ledger.begun() else 0
    from conductor.qa.analyser import analyse  # its readers of all those tools take a while to load

    hint = analyse(FailedRun("", 1, output, b"", cwd)) if output else ""
    bug = events.BugReported(text, by, about, hint, ledger.journal.store.put(output))
    _request(ledger, ticket_id, bug)
    return bug


def cancel(ledger: Ledger, ticket_id: str, reason: str, by: str) -> None:
    """Have the ticket cancelled. Raises `UsageError` when it has ended, or is to be cancelled already."""
    if ticket_id in ledger.inbox.cancelled:
        raise UsageError(f"ticket {ticket_id} is to be cancelled already", hint=_WHEN)
    _request(ledger, ticket_id, events.CancelRequested(reason, by))


def _request(
    ledger: Ledger, ticket_id: str, request: events.InterventionQueued | events.BugReported | events.CancelRequested
) -> None:
    ticket = _open_ticket(ledger, ticket_id)
    try:
        ledger.record(request, ticket=ticket, durable=True, unless=lambda: ticket.status.is_final)
    except Overtaken:
        raise _ended(ticket) from None


def _open_ticket(ledger: Ledger, ticket_id: str) -> Ticket:
    """Return a ticket that somebody works on or will. Raises `UsageError`."""
    if ticket_id not in ledger.track:
        known = ", ".join(ticket.id for ticket in ledger.track.tickets)
        raise UsageError(f"track {ledger.track.id} has no ticket {ticket_id}", hint=f"Its tickets: {known}.")
    ticket = ledger.track.ticket(ticket_id)
    if ticket.status.is_final:
        raise _ended(ticket)
    return ticket


def _ended(ticket: Ticket) -> UsageError:
    match ticket.status:
        case "completed":
            again = f"`conductor undo {ticket.id} --dry-run` shows what it would be to take it back."
        case "blocked":
            again = f"It needs {ticket.blocked_by}: `conductor run TRACK --retry {ticket.blocked_by}` tries that again."
        case _:
            again = f"`conductor run TRACK --retry {ticket.id}` tries it again."
    return UsageError(f"ticket {ticket.id} is {ticket.status}; nobody works on it any more", hint=again)


def answer(ledger: Ledger, ticket_id: str, call: events.CallProposed, decision: str, reason: str, by: str) -> None:
    """Answer a waiting call: "approve", "reject", or "happened" to one of unknown outcome.

    Raises `UsageError` when it does not wait any more as it was.
    """
    given = events.CallAnswered(call.call_id, decision, call.digest, by, reason)

    def is_over() -> bool:
        return ledger.inbox.waiting.get(ticket_id) != call or any(ledger.inbox.said(ticket_id))

    try:
        ledger.record(given, ticket=ledger.track.ticket(ticket_id), durable=True, unless=is_over)
    except Overtaken:
        raise UsageError(f"{_what_happened(ledger, ticket_id, call)}; your answer was not kept") from None


def _what_happened(ledger: Ledger, ticket_id: str, call: events.CallProposed) -> str:
    """Say why a call that waited cannot be answered now."""
    first, cancelled = ledger.inbox.said(ticket_id)
    if first:
        return f"call {call.call_id} was answered by {person(first.by)}: {first.decision}"
    if cancelled:
        return f"ticket {ticket_id} is to be cancelled, {person(cancelled.by)} said"
    decided = ledger.journal.store.rows(
        track_id=ledger.track.id, ticket_id=ticket_id, kinds=[events.CallDecided.kind], last=100
    )
    for event in reversed(list(read(decided))):
        if isinstance(event.data, events.CallDecided) and event.data.call_id == call.call_id:
            return f"call {call.call_id} was decided by {person(event.data.by)}: {event.data.decision}"
    return f"call {call.call_id} does not wait any more as it was shown"
