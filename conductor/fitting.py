"""Requests kept inside the windows of their models: put in short, routed to the larger model, or given up clearly.

What is known of a window may be wrong. A server that refuses a request as too long is believed, once a turn.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from conductor import events
from conductor.context import Meter, fits, put_in_short
from conductor.errors import TooLong
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
        keep_window: Callable[[str, int], None],
        open_model: Callable[[Ticket, Archetype], Model],
        large: str,
    ) -> None:
        self._ledger = ledger
        self._known_window = window_of
        self._keep_window = keep_window
        self._open_model = open_model
        self._large = large
        self._meters: dict[tuple[str, str, int], Meter] = {}

    def learn(self, worker: Worker, refusal: TooLong) -> None:
        """Note that a request was too long; `fitted` does what follows from it."""
        context, model = worker.context, worker.model.name
        asked = self._meter(worker).tokens(context.conversation.sent, worker.specs, context.reported)
        # Where we count less than the server does, or it counts the answer as well, its number is too large for ours.
        window = min(refusal.window or asked, asked)
        self._ledger.record(events.WindowLearned(model, asked, refusal.window, window), ticket=worker.ticket)
        if refusal.window:
            self._keep_window(model, refusal.window)

    def fitted(self, worker: Worker) -> Worker | None:
        """Return the worker, perhaps with the larger model, once its request fits; None when its ticket had to fail."""
        context, meter = worker.context, self._meter(worker)
        if fits(context, meter, worker.specs):
            return worker
        larger = self.window_of(self._large).tokens > meter.window.tokens if self._large else False
        short = put_in_short(context, meter, worker.specs, worker.model.name, harder=not larger)
        if short and context.refused < 2:
            told = worker.compressor.retold(context, short) if worker.compressor else short
            self._ledger.record(told, ticket=worker.ticket)
            return worker
        asked = meter.tokens(context.conversation.sent, worker.specs, context.reported)
        why = f"about {asked} tokens do not fit {worker.model.name}, whose window is {meter.window.tokens}"
        if context.refused > 1:
            why = f"{worker.model.name} refused a request as too long, put in short too (about {asked} tokens)"
        if not larger:
            advice = "make the ticket smaller, or name a model with a larger window as [models] large"
            self._ledger.record(events.TicketFailed(f"{why}: {advice}"), ticket=worker.ticket)
            return None
        self._ledger.record(events.TicketRouted(worker.model.name, self._large, why), ticket=worker.ticket)
        return self.fitted(self.routed(worker))

    def routed(self, worker: Worker) -> Worker:
        """Return the worker with the model its ticket was routed to, if it was."""
        if not worker.context.routed:
            return worker
        archetype = replace(worker.archetype, model=worker.context.routed)
        return replace(worker, model=self._open_model(worker.ticket, archetype))

    def window_of(self, model: str) -> Window:
        """Return the window of a model, as far as it is known or, in this run, was learnt."""
        known, learned = self._known_window(model), self._ledger.windows.get(model)
        return Window(learned, "learnt by a refusal") if learned and learned < known.tokens else known

    def _meter(self, worker: Worker) -> Meter:
        window = self.window_of(worker.model.name)
        key = (worker.ticket.id, worker.model.name, window.tokens)
        if key not in self._meters:
            self._meters[key] = Meter(worker.model.name, window)
        return self._meters[key]
