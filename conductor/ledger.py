"""One track with its journal: whatever is recorded is folded at once, so memory never says more than the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, count

from msgspec.structs import replace

from conductor import events
from conductor.context import WorkerContext
from conductor.errors import UsageError
from conductor.events import Event, Payload
from conductor.guards import check_settings, check_track
from conductor.inbox import REQUESTS, Inbox
from conductor.journal import Journal, apply, replaying
from conductor.messages import ToolCall
from conductor.models import Ticket, TicketStatus, Track
from conductor.recall import WORTH, keep, recall
from conductor.spending import Spending


class Ledger:
    """Records what happens to a track and keeps what follows from it: ticket states, open conversations, spending."""

    def __init__(self, track: Track, journal: Journal) -> None:
        self.track = track
        self.journal = journal
        self.spending = Spending()
        self.inbox = Inbox()
        self.windows: dict[str, int] = {}  # of models, as this run learnt them by refused requests
        self.ended = False  # the last run's end is in the journal, and nothing was reopened since
        self._contexts: dict[str, WorkerContext] = {}
        self._call_ids: set[str] = set()
        self._told_blocked: set[str] = set()
        self._track_event = ""
        self._newest = self._remembered = 0  # the last entry folded, and the last one in a snapshot
        self.track_digest = ""  # of the track file that the run was begun or gone on with
        self._run = ""  # the entry this run began with

    def replay(
        self,
        *,
        track_digest: str = "",
        settings: Mapping[str, str] | None = None,
        fresh: bool = False,
        retry: Sequence[str] = (),
        rebuild: bool = False,
    ) -> bool:
        """Fold the journal of the track's last run and say whether there was one.

        With `fresh` nothing is folded: a copy of the journal is set aside, and the run begins from nothing. The tickets
        of `retry` are reopened first; with `rebuild` every entry is read, whatever a snapshot says.

        Raises, before anything is recorded, `StateMismatch` when the journal is damaged or that run was not of a track
        file that says what the one with `track_digest` does, or with other `settings` (if given), `UsageError` when a
        ticket of `retry` was neither given up nor skipped.
        """
        if fresh:
            if self.journal.pass_over():
                self.journal.store.set_aside()
            self.journal.on_news = self._fold
            return False
        past = recall(self.journal.store, self.track.id, rebuild=rebuild)
        if track_digest:
            check_track(past.entries, track_digest, self.journal.store.get)
        if settings is not None:
            check_settings(past.entries, settings)
        if retry:
            self._reopen(retry, past.entries)
            past = recall(self.journal.store, self.track.id, rebuild=rebuild)
        self.journal.caught_up(past.head.sequence, past.counts)
        self.spending.accounts.update(past.accounts)
        self._call_ids.update(past.call_ids)
        with replaying():
            for event in past.entries:
                self._fold(event)
        self._remembered = past.head.sequence - past.read
        self.journal.on_news = self._fold
        return bool(past.entries)

    def remember(self) -> None:
        """Have the next run read less: keep a snapshot, where that is worth it."""
        if self._newest - self._remembered >= WORTH:
            keep(self.journal.store, self.track.id, recall(self.journal.store, self.track.id))
            self._remembered = self._newest

    def _reopen(self, ticket_ids: Sequence[str], entries: Sequence[Event]) -> None:
        given_up = {e.ticket_id for e in entries if isinstance(e.data, events.TicketFailed | events.TicketCancelled)}
        for ticket_id in dict.fromkeys(ticket_ids):
            self.track.ticket(ticket_id)
            if ticket_id not in given_up:
                raise UsageError(f"ticket {ticket_id} has not failed and was not skipped; there is nothing to retry")
        for ticket_id in dict.fromkeys(ticket_ids):
            self.journal.record(events.TicketReopened(), ticket_id=ticket_id)

    def record(
        self,
        *payloads: Payload,
        ticket: Ticket | None = None,
        durable: bool = False,
        unless: Callable[[], bool] | None = None,
    ) -> None:
        """Journal the payloads in one transaction, each caused by the one before, then fold them.

        What other processes recorded before them is folded first. Raises `Overtaken` when `unless` holds then.
        """
        context = self._contexts.get(ticket.id) if ticket else None
        recorded = self.journal.record(
            *payloads,
            ticket_id=ticket.id if ticket else "",
            causation_id=context.last_event_id if context else self._track_event,
            correlation_id=context.correlation_id if context else "" if ticket else self._run,
            code_version=context.code_version if context else 0,
            durable=durable,
            unless=unless,
        )
        for event in recorded:
            self._fold(event)

    def record_blocked(self, ticket: Ticket) -> None:
        """Record what the end of a ticket means for those that need it."""
        for blocked in self.track.blocked_through(ticket.id):
            self.record(events.TicketBlocked(blocked.blocked_by), ticket=blocked)

    def record_unsaid(self) -> None:
        """Record of blocked tickets that they are, where a run was cut off before it said so."""
        for ticket in self.track.tickets:
            if ticket.status is TicketStatus.BLOCKED and ticket.id not in self._told_blocked:
                self.record(events.TicketBlocked(ticket.blocked_by), ticket=ticket)

    def record_pause(self, reason: str, exit_code: int) -> None:
        """Record that the run stops before its end, and of each open ticket how far it has come."""
        paused = self.begun()
        for ticket in paused:
            call = self.inbox.waiting.get(ticket.id)
            said = events.TicketPaused(reason, self.context(ticket).turns, call.call_id if call else "")
            self.record(said, ticket=ticket)
        self.record(events.RunPaused(reason, exit_code, [ticket.id for ticket in paused]))

    def record_end(self) -> None:
        """Record how the track ended: every ticket of it is final."""
        if all(ticket.status is TicketStatus.COMPLETED for ticket in self.track.tickets):
            self.record(events.TrackCompleted())
            return
        failed, blocked, cancelled = (
            [ticket.id for ticket in self.track.tickets if ticket.status is status]
            for status in (TicketStatus.FAILED, TicketStatus.BLOCKED, TicketStatus.CANCELLED)
        )
        self.record(events.TrackFailed(failed, blocked, cancelled))

    def context(self, ticket: Ticket) -> WorkerContext:
        """Return the conversation of a ticket that is being worked on."""
        return self._contexts[ticket.id]

    def name_calls(self, calls: Sequence[ToolCall]) -> list[ToolCall]:
        """Return the calls with ids that no other call of the track has: a decision must never fit two of them."""
        named: list[ToolCall] = []
        taken = set(self._call_ids)
        for call in calls:
            tries = chain([call.call_id], (f"{call.call_id}_{n}" for n in count(2)))
            unused = next(call_id for call_id in tries if call_id not in taken)
            taken.add(unused)
            named.append(replace(call, call_id=unused))
        return named

    def begun(self) -> list[Ticket]:
        """Return the tickets that were started and are not finished, in the order of their start."""
        return [self.track.ticket(ticket_id) for ticket_id in self._contexts if ticket_id in self.track]

    def _fold(self, event: Event) -> None:
        self._newest = event.sequence
        apply(self.track, event)
        self.spending.add(event)
        self.inbox.apply(event)
        match event.data:
            case events.TrackStarted(track_digest=digest) | events.RunResumed(track_digest=digest):
                self.track_digest = digest
                self._track_event, self._run, self.ended = event.event_id, event.correlation_id, False
                self.windows.clear()  # the server may have been started anew
            case events.WindowLearned(model=model, window=window):
                self.windows[model] = window
            case events.TicketBlocked():
                self._told_blocked.add(event.ticket_id)
            case events.TrackCompleted() | events.TrackFailed():
                self.ended = True
            case events.TicketReopened() | events.ChangesUndone():
                self.ended = False
                self._told_blocked.clear()
            case events.TicketStarted() if event.ticket_id in self.track:
                self._contexts[event.ticket_id] = WorkerContext(self.track.ticket(event.ticket_id))
            case events.ModelReplied(tool_calls=calls) | events.CallsOffered(tool_calls=calls):
                self._call_ids.update(call["call_id"] for call in calls)
            case _:
                pass
        context = self._contexts.get(event.ticket_id)
        if context and not isinstance(event.data, REQUESTS):
            context.apply(event)
            if context.ticket.status.is_final:
                del self._contexts[event.ticket_id]
