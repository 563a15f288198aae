"""Everything that can happen, as frozen records in the past tense, and the envelope each is journaled in.

The docstring of a record is its meaning as `conductor log --kinds` prints it. Fields hold plain JSON values
(text, numbers, lists, objects), so that a record and its journal entry are the same thing written twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

Json = Mapping[str, Any]


@dataclass(frozen=True)
class TrackStarted:
    """A run of the track began from nothing; earlier entries of the same track are history."""

    kind: ClassVar[str] = "track_started"
    title: str
    track_file: str
    track_digest: str
    conductor_version: str


@dataclass(frozen=True)
class RunResumed:
    """A run went on where an earlier one had stopped."""

    kind: ClassVar[str] = "run_resumed"
    track_digest: str
    changes_accepted: bool = False


@dataclass(frozen=True)
class RunPaused:
    """The run stopped before its end; `conductor run` goes on from here."""

    kind: ClassVar[str] = "run_paused"
    reason: str
    exit_code: int


@dataclass(frozen=True)
class TrackCompleted:
    """Every ticket of the track completed."""

    kind: ClassVar[str] = "track_completed"


@dataclass(frozen=True)
class TrackFailed:
    """The run ended with tickets that did not complete."""

    kind: ClassVar[str] = "track_failed"
    failed: Sequence[str]
    blocked: Sequence[str]
    cancelled: Sequence[str]


@dataclass(frozen=True)
class TicketStarted:
    """A fresh worker took up the ticket."""

    kind: ClassVar[str] = "ticket_started"
    worker_archetype: str
    model: str
    trust_level: str


@dataclass(frozen=True)
class ContextBuilt:
    """The conversation's opening was composed: each message as role and content."""

    kind: ClassVar[str] = "context_built"
    messages: Sequence[Mapping[str, str]]
    notices: Sequence[str] = ()


@dataclass(frozen=True)
class ModelReplied:
    """The worker's model answered; each tool call as call_id, tool, arguments, raw and malformed."""

    kind: ClassVar[str] = "model_replied"
    model: str
    text: str
    tool_calls: Sequence[Json]
    finish_reason: str
    usage: Json
    duration_s: float


@dataclass(frozen=True)
class CallProposed:
    """A call passed its checks and waits at the clutch; `digest` names exactly what would be shown.

    With `outcome_unknown` it was started before and cut off: it may have happened.
    """

    kind: ClassVar[str] = "call_proposed"
    call_id: str
    tool: str
    arguments: Json
    effect: str
    digest: str
    outcome_unknown: bool = False


@dataclass(frozen=True)
class CallDecided:
    """The clutch answered: approve, reject or skip. `proposed` is the worker's payload, `arguments` what may run.

    `by` is the clutch, or the policy that answered for the human: `trust:LEVEL`, `rule:ID`. `rule` is the text of a
    rule that the human had kept with this answer.
    """

    kind: ClassVar[str] = "call_decided"
    call_id: str
    decision: str
    by: str
    digest: str
    proposed: Json
    arguments: Json
    edited: bool
    reason: str
    waited_s: float
    rule: str = ""


@dataclass(frozen=True)
class CallStarted:
    """The call is about to take effect, written durably before it does; `before` and `after` hash a changed file.

    `sandbox` says what holds a command, and to what; "" for calls that start none.
    """

    kind: ClassVar[str] = "call_started"
    call_id: str
    tool: str
    arguments: Json
    effect: str
    digest: str
    path: str = ""
    before: str = ""
    after: str = ""
    sandbox: str = ""


@dataclass(frozen=True)
class CallFinished:
    """The call has its result: `text` is what the worker is told. Outcome: ok, error, refused, rejected or unknown."""

    kind: ClassVar[str] = "call_finished"
    call_id: str
    tool: str
    outcome: str
    text: str
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True)
class CodeChanged:
    """A file of the project was written or deleted by a call; empty hashes stand for "no file"."""

    kind: ClassVar[str] = "code_changed"
    call_id: str
    path: str
    before: str
    after: str


@dataclass(frozen=True)
class GateStarted:
    """A gate (a configured check or the ticket's verify command) was started."""

    kind: ClassVar[str] = "gate_started"
    gate: str
    command: str
    call_id: str
    sandbox: str = ""


@dataclass(frozen=True)
class GateFinished:
    """A gate ended; it passed when the exit code is 0. Its whole output is kept under the two hashes."""

    kind: ClassVar[str] = "gate_finished"
    gate: str
    command: str
    call_id: str
    passed: bool
    exit_code: int
    stdout: str
    stderr: str
    duration_s: float


@dataclass(frozen=True)
class HintGiven:
    """Tier 4 turned a failing output into at most 20 words."""

    kind: ClassVar[str] = "hint_given"
    call_id: str
    text: str
    source: str
    usage: Json
    note: str = ""


@dataclass(frozen=True)
class WorkerTold:
    """Conductor itself said something to the worker: a failed gate, an empty answer."""

    kind: ClassVar[str] = "worker_told"
    text: str


@dataclass(frozen=True)
class TicketCompleted:
    """The worker said it was done and every gate agreed."""

    kind: ClassVar[str] = "ticket_completed"


@dataclass(frozen=True)
class TicketFailed:
    """The ticket was given up; its dependents are blocked."""

    kind: ClassVar[str] = "ticket_failed"
    reason: str


@dataclass(frozen=True)
class TicketCancelled:
    """A human skipped the ticket; its dependents are blocked."""

    kind: ClassVar[str] = "ticket_cancelled"
    reason: str


@dataclass(frozen=True)
class TicketReopened:
    """A human wants a failed or skipped ticket tried again; what it did before no longer counts for its state."""

    kind: ClassVar[str] = "ticket_reopened"


@dataclass(frozen=True)
class TicketBlocked:
    """The ticket cannot run because the named dependency did not complete."""

    kind: ClassVar[str] = "ticket_blocked"
    dependency_id: str


@dataclass(frozen=True)
class BudgetExceeded:
    """A budget of the configuration was used up; the run paused."""

    kind: ClassVar[str] = "budget_reached"
    budget: str
    limit: float
    spent: float


Payload = (
    TrackStarted
    | RunResumed
    | RunPaused
    | TrackCompleted
    | TrackFailed
    | TicketStarted
    | ContextBuilt
    | ModelReplied
    | CallProposed
    | CallDecided
    | CallStarted
    | CallFinished
    | CodeChanged
    | GateStarted
    | GateFinished
    | HintGiven
    | WorkerTold
    | TicketCompleted
    | TicketFailed
    | TicketCancelled
    | TicketReopened
    | TicketBlocked
    | BudgetExceeded
)

KINDS: Mapping[str, type[Payload]] = {payload.kind: payload for payload in Payload.__args__}


@dataclass(frozen=True)
class Event:
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
    return {field.name: getattr(payload, field.name) for field in fields(payload)}


def from_json(kind: str, data: Json) -> Payload:
    """Return the payload of `kind` from its JSON object. Raises KeyError or TypeError where it is none of ours."""
    return KINDS[kind](**data)
