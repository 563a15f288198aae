"""The engine asks a model what to do, the clutch whether to do it, has a tool do it, asks the gates if it was good.

It keeps nothing that the journal does not have, so it can be cut off anywhere: the next run folds the journal and goes
on with the step that was open.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from conductor import events
from conductor.asking import ask
from conductor.calls import CallRunner
from conductor.checks import GateRunner
from conductor.context import opening, room_for_views
from conductor.errors import BudgetReached, ConductorError, ExitCode, NeedsHuman, Refused, TooLong, exit_code_of
from conductor.fitting import Fitter
from conductor.gates.cache import GateCache
from conductor.guards import changed_files, check_files
from conductor.journal import Journal, Overtaken
from conductor.ledger import Ledger
from conductor.models import Ticket, TicketStatus, Track
from conductor.requests import guide, heed
from conductor.spending import Spending
from conductor.staff import Parts, Staff
from conductor.worker import Worker


class ConductorEngine:
    """Works a track's tickets, one after the other, each with a fresh worker."""

    def __init__(self, track: Track, journal: Journal, parts: Parts) -> None:
        self.track = track
        self._parts = parts
        self._ledger = Ledger(track, journal)
        self._calls = CallRunner(self._ledger)
        checks = parts.checks or GateCache(parts.workspace.root)
        self._gates = GateRunner(self._ledger, parts.gates, parts.permits, parts.track_digest, checks)
        windows = (parts.window_of, parts.keep_window)
        self._staff = Staff(self._ledger, parts)
        self._fitter = Fitter(self._ledger, *windows, self._staff.open_model, parts.large)
        self._workers: dict[str, Worker] = {}
        self._opened = False

    def run(self, *, fresh: bool = False, accept_changes: bool = False, retry: Sequence[str] = ()) -> ExitCode:
        """Work until every ticket is final, and return OK or TICKETS_FAILED. The options are those of `open`.

        Raises what stops a run before its end, after journaling it: `NeedsHuman` for a call left at the clutch,
        `BudgetReached`, `ModelError`, `StateMismatch` when the journal does not fit the track.
        """
        self.open(fresh=fresh, accept_changes=accept_changes, retry=retry)
        self._commit()
        if self._has_ended:
            return self._outcome()
        try:
            while ticket := self._next_ticket():
                if not self.run_worker_lifecycle(ticket).is_final:
                    waits = self._ledger.inbox.what_waits(ticket.id)
                    raise NeedsHuman(f"ticket {ticket.id} waits at the clutch{waits}")
                self._commit()
        except (ConductorError, KeyboardInterrupt) as stop:
            self._pause(stop)
            raise
        self._ledger.record_end()
        return self._outcome()

    def _pause(self, stop: ConductorError | KeyboardInterrupt) -> None:
        """Record that the run stops here, and note on what stops it which ticket it was at."""
        begun = self._ledger.begun()
        if begun:
            stage = {"stage": "review"} if begun[0].status is TicketStatus.STEP_PAUSED else {}
            vars(stop)["about"] = {"ticket": begun[0].id, **stage, **vars(stop).get("about", {})}
        if isinstance(stop, BudgetReached):
            self._ledger.record(events.BudgetExceeded(stop.budget, stop.limit, stop.spent, stop.scope, stop.needed))
        why = self._parts.workspace.hide(str(stop)) or "interrupted"
        self._ledger.record_pause(why, exit_code_of(stop))

    def open(self, *, fresh: bool = False, accept_changes: bool = False, retry: Sequence[str] = ()) -> None:
        """Fold the journal onto the track, once, and record that a run begins or goes on.

        `fresh` begins from nothing, `accept_changes` goes on although track file, settings or files were changed, and
        `retry` names failed or skipped tickets to be tried again by a new worker.
        """
        if self._opened:
            return
        self._opened = True
        parts, ledger = self._parts, self._ledger
        digest, settings = ("", None) if accept_changes else (parts.track_digest, parts.settings)
        if not ledger.replay(track_digest=digest, settings=settings, fresh=fresh, retry=retry):
            named = (self.track.title, parts.track_file, parts.track_digest, parts.version)
            ledger.record(events.TrackStarted(*named, settings=parts.settings), self._planned(), durable=True)
        elif not self._has_ended:
            self._go_on(accept_changes)

    def _go_on(self, accept_changes: bool) -> None:
        parts, ledger = self._parts, self._ledger
        contexts = {ticket.id: ledger.context(ticket) for ticket in ledger.begun()}
        changed = {name: changed_files(context, parts.workspace) for name, context in contexts.items()}
        if not accept_changes:
            check_files(changed, contexts)
        changed_plan = [] if ledger.track_digest == parts.track_digest else [self._planned()]
        ledger.record(events.RunResumed(parts.track_digest, accept_changes, parts.settings), *changed_plan)
        for name, files in changed.items():
            if files:
                ledger.record(events.ChangesAccepted(files), ticket=self.track.ticket(name))
        ledger.record_unsaid()

    def _planned(self) -> events.PlanningCompleted:
        order = [ticket.id for ticket in self.track.planned_order()]
        needs = {ticket.id: list(ticket.dependencies) for ticket in self.track.tickets if ticket.dependencies}
        ready = [ticket_id for ticket_id in order if ticket_id not in needs]
        return events.PlanningCompleted(order, ready, needs, self._parts.track_digest)

    @property
    def spending(self) -> Spending:
        """What the track has cost so far; nothing before `open` has read it."""
        return self._ledger.spending

    def run_worker_lifecycle(self, ticket: Ticket) -> TicketStatus:
        """Work one ticket until it is final, or a call of it is parked at the clutch (then it is step_paused).

        It may be called again, by any process, once there is a decision. The conversation ends with the ticket.
        """
        self.open()
        self._take_on(ticket)
        while not ticket.status.is_final:
            worker = self._workers[ticket.id]
            context = worker.context
            if context.failure:
                self._gates.explain(worker)
            elif context.open_calls:
                if not self._calls.settle(worker):
                    break
            elif self._ledger.inbox.guidance(ticket.id) and context.turns < worker.archetype.max_turns:
                guide(self._ledger, ticket, context)
            elif take := self._gates.due(worker):
                if not take():
                    break
            elif context.is_done and not self._ledger.inbox.guidance(ticket.id):
                self._complete(ticket)
            elif context.turns >= worker.archetype.max_turns:
                self._fail(ticket, f"out of turns after {context.turns}")
            else:
                self._ask(worker)
            heed(self._ledger, ticket)
        if ticket.status.is_final:
            self._ledger.record_blocked(ticket)
            del self._workers[ticket.id]
            self._ledger.remember()
        return ticket.status

    @property
    def _has_ended(self) -> bool:
        """Say whether every ticket is final and the journal says so too: a run may be cut off between the two."""
        return self.track.is_finished and self._ledger.ended

    def _next_ticket(self) -> Ticket | None:
        heed(self._ledger)
        begun = self._ledger.begun()
        return begun[0] if begun else self.track.next_executable()

    def _take_on(self, ticket: Ticket) -> None:
        if ticket.id in self._workers:
            return
        worker = self._fitter.routed(self._staff.worker_for(ticket))
        self._workers[ticket.id] = worker
        if not worker.context.messages:
            self._open_conversation(worker)

    def _open_conversation(self, worker: Worker) -> None:
        room = room_for_views(self._fitter.window_of(worker.model.name).tokens)
        try:
            built = opening(worker.ticket, worker.archetype, worker.workspace, room)
        except Refused as refusal:
            self._fail(worker.ticket, f"its context cannot be built: {refusal}")
            return
        self._ledger.record(built, ticket=worker.ticket)

    def _ask(self, worker: Worker) -> None:
        """Get the worker's next turn, if its request fits and is not refused as too long after all."""
        fitted = self._fitter.fitted(worker)
        if fitted is None:
            return
        self._workers[worker.ticket.id] = fitted
        try:
            ask(self._ledger, fitted)
        except TooLong as refusal:
            self._fitter.learn(fitted, refusal)

    def _fail(self, ticket: Ticket, reason: str) -> None:
        self._ledger.record(events.TicketFailed(reason), ticket=ticket)

    def _commit(self) -> None:
        for ticket_id, committed in self._parts.commits():
            self._ledger.record(committed, ticket=self.track.ticket(ticket_id), durable=True)

    def _complete(self, ticket: Ticket) -> None:
        with suppress(Overtaken):  # somebody has something to say about it: that is heard first
            unless = partial(self._ledger.inbox.has_news, ticket.id)
            unchanged = not self._ledger.context(ticket).changed_ever
            self._ledger.record(events.TicketCompleted(unchanged), ticket=ticket, durable=True, unless=unless)

    def _outcome(self) -> ExitCode:
        done = self.track.counts[TicketStatus.COMPLETED] == len(self.track.tickets)
        return ExitCode.OK if done else ExitCode.TICKETS_FAILED
