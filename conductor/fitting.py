"""Requests kept inside the windows of their models: put in short, routed to the larger model, or given up clearly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from conductor import events
from conductor.context import Meter, fits, put_in_short
from conductor.ledger import Ledger
from conductor.llm.base import Model
from conductor.llm.windows import Window
from conductor.models import Archetype, Ticket
from conductor.worker import Worker


class Fitter:
    """Sees to it that no request takes more than 80 % of the window; what it decides is in the journal first."""

    def __init__(
        self,
        ledger: Ledger,
        window_of: Callable[[str], Window],
        open_model: Callable[[Ticket, Archetype], Model],
        large: str,
    ) -> None:
        self._ledger = ledger
        self._window_of = window_of
        self._open_model = open_model
        self._large = large
        self._meters: dict[tuple[str, str], Meter] = {}

    def fitted(self, worker: Worker) -> Worker | None:
        """Return the worker, perhaps with the larger model, once its request fits; None when its ticket had to fail."""
        context, meter = worker.context, self._meter(worker)
        if fits(context, meter, worker.specs):
            return worker
        larger = self._window_of(self._large).tokens > meter.window.tokens if self._large else False
        short = put_in_short(context, meter, worker.specs, worker.model.name, harder=not larger)
        if short:
            self._ledger.record(short, ticket=worker.ticket)
            return worker
        asked = meter.tokens(context.conversation.sent, worker.specs, context.reported)
        why = f"about {asked} tokens do not fit {worker.model.name}, whose window is {meter.window.tokens}"
        if not larger:
            advice = "make the ticket smaller, or name a model with a larger window as [models] large"
            self._ledger.record(events.TicketFailed(f"{why}, put in short or not: {advice}"), ticket=worker.ticket)
            return None
        self._ledger.record(events.TicketRouted(worker.model.name, self._large, why), ticket=worker.ticket)
        return self.fitted(self.routed(worker))

    def routed(self, worker: Worker) -> Worker:
        """Return the worker with the model its ticket was routed to, if it was."""
        if not worker.context.routed:
            return worker
        archetype = replace(worker.archetype, model=worker.context.routed)
        return replace(worker, model=self._open_model(worker.ticket, archetype))

    def _meter(self, worker: Worker) -> Meter:
        key = (worker.ticket.id, worker.model.name)
        if key not in self._meters:
            self._meters[key] = Meter(worker.model.name, self._window_of(worker.model.name))
        return self._meters[key]
