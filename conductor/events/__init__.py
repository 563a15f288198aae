"""Everything that can happen, as frozen records in the past tense, and the envelope each is journaled in.

The docstring of a record is its meaning as `conductor log --kinds` prints it. Fields hold plain JSON values
(text, numbers, lists, objects), so that a record and its journal entry are the same thing written twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from conductor.events.base import Json
from conductor.events.calls import (
    CallDecided,
    CallFinished,
    CallProposed,
    CallsOffered,
    CallStarted,
    ChangesUnknown,
    CodeChanged,
)
from conductor.events.checks import (
    BaselineTaken,
    CorrectionCompleted,
    CorrectionsExhausted,
    CorrectionStarted,
    GateFinished,
    GateStarted,
)
from conductor.events.requests import (
    BugReported,
    CallAnswered,
    CancelRequested,
    InterventionApplied,
    InterventionQueued,
    InterventionStale,
)
from conductor.events.runs import (
    BudgetExceeded,
    JournalsMerged,
    PlanningCompleted,
    RunPaused,
    RunResumed,
    TrackCompleted,
    TrackFailed,
    TrackStarted,
)
from conductor.events.talk import (
    ContextBuilt,
    ContextCompressed,
    HintGiven,
    ModelReplied,
    RequestFailed,
    WindowLearned,
    WorkerTold,
)
from conductor.events.tickets import (
    ChangesAccepted,
    TicketBlocked,
    TicketCancelled,
    TicketCommitted,
    TicketCompleted,
    TicketFailed,
    TicketPaused,
    TicketReopened,
    TicketRouted,
    TicketStarted,
)
from conductor.events.undo import ChangesUndone, UndoStarted

Payload = (
    TrackStarted
    | PlanningCompleted
    | RunResumed
    | RunPaused
    | TrackCompleted
    | TrackFailed
    | JournalsMerged
    | BudgetExceeded
    | TicketStarted
    | TicketCompleted
    | TicketFailed
    | TicketCancelled
    | TicketPaused
    | TicketReopened
    | TicketBlocked
    | TicketCommitted
    | ChangesAccepted
    | TicketRouted
    | ContextBuilt
    | ContextCompressed
    | WindowLearned
    | ModelReplied
    | RequestFailed
    | HintGiven
    | WorkerTold
    | CallsOffered
    | CallProposed
    | CallDecided
    | CallStarted
    | CallFinished
    | CodeChanged
    | ChangesUnknown
    | UndoStarted
    | ChangesUndone
    | BaselineTaken
    | GateStarted
    | GateFinished
    | CorrectionStarted
    | CorrectionCompleted
    | CorrectionsExhausted
    | InterventionQueued
    | BugReported
    | InterventionApplied
    | InterventionStale
    | CancelRequested
    | CallAnswered
)

# Decisions, reports, interventions: what they are worth depends on what was known, so they keep their writer's clock.
Stamped = CallDecided | CallAnswered | GateFinished | HintGiven | InterventionQueued | BugReported

KINDS: Mapping[str, type[Payload]] = {payload.kind: payload for payload in Payload.__args__}


class Event(Struct, frozen=True):
    """One journal entry. `sequence` is the journal's Lamport clock, `node_count` the writer's own count.

    `causation_id` is the event this one follows from, `correlation_id` the ticket_started (or track_started) it
    belongs to, `hash` the SHA-256 over `previous_hash` and everything else in the entry.
    """

    event_id: str
    track_id: str
    ticket_id: str
    at: str
    sequence: int
    node: str
    node_count: int
    causation_id: str
    correlation_id: str
    code_version: int
    data: Payload
    previous_hash: str
    hash: str

    @property
    def kind(self) -> str:
        """The name of what happened, as stored and printed."""
        return self.data.kind


def to_json(payload: Payload) -> dict[str, Any]:
    """Return the payload's fields as a JSON object (shallow: the values are plain already)."""
    return asdict(payload)


def from_json(kind: str, data: Json) -> Payload:
    """Return the payload of `kind` from its JSON object. Raises KeyError or TypeError where it is none of ours."""
    return KINDS[kind](**data)


def as_dict(event: Event) -> dict[str, object]:
    """Return the entry as the JSON object that `conductor log --json` and `--clutch jsonl` print."""
    return {
        "sequence": event.sequence,
        "event_id": event.event_id,
        "track_id": event.track_id,
        "ticket_id": event.ticket_id,
        "kind": event.kind,
        "at": event.at,
        "node": event.node,
        "node_count": event.node_count,
        "causation_id": event.causation_id,
        "correlation_id": event.correlation_id,
        "code_version": event.code_version,
        "data": to_json(event.data),
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }
