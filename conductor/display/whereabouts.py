"""Where a run is, so that an error can say what it happened to."""

from __future__ import annotations

from collections.abc import Mapping

from conductor import events
from conductor.events import Event

# What goes on after an entry, until the next.
_STAGES: Mapping[str, str] = {
    events.TrackStarted.kind: "start",
    events.RunResumed.kind: "start",
    events.TicketStarted.kind: "context",
    events.ContextBuilt.kind: "model",
    events.ModelReplied.kind: "call",
    events.CallsOffered.kind: "call",
    events.CallProposed.kind: "review",
    events.CallDecided.kind: "call",
    events.CallStarted.kind: "call",
    events.CallFinished.kind: "model",
    events.GateStarted.kind: "check",
    events.GateFinished.kind: "model",
    events.HintGiven.kind: "model",
    events.WorkerTold.kind: "model",
}


class Whereabouts:
    """A listener of the journal that knows track, ticket, stage and the latest entry."""

    def __init__(self, track_id: str) -> None:
        self._known = {"track": track_id}

    def __call__(self, event: Event) -> None:
        """Note where the run is."""
        if event.ticket_id:
            self._known["ticket"] = event.ticket_id
        if stage := _STAGES.get(event.kind):
            self._known["stage"] = stage
        data = event.data
        if isinstance(data, events.CallFinished | events.GateFinished) and data.exit_code:
            self._known["stage"] = "hint"
        if isinstance(data, events.TicketStarted):
            self._known["model"] = data.model
        self._known["event"] = event.event_id

    def known(self) -> dict[str, str]:
        """Return what is known: track, ticket, stage, the ticket's model while it is asked, and the entry's id."""
        about_model = self._known.get("stage") == "model"
        return {name: said for name, said in self._known.items() if name != "model" or about_model}
