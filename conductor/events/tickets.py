"""What happens to a ticket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from conductor.events.base import Json


@dataclass(frozen=True)
class TicketStarted:
    """A fresh worker took up the ticket."""

    kind: ClassVar[str] = "ticket_started"
    worker_archetype: str
    model: str
    trust_level: str


@dataclass(frozen=True)
class TicketRouted:
    """The ticket does not fit the window of its model; the configuration's larger model goes on with it."""

    kind: ClassVar[str] = "ticket_routed"
    from_model: str
    to_model: str
    reason: str


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
class ChangesAccepted:
    """A human goes on although files (with their hashes) were changed while the run was stopped; the worker is told."""

    kind: ClassVar[str] = "changes_accepted"
    files: Json


@dataclass(frozen=True)
class TicketBlocked:
    """The ticket cannot run because the named dependency did not complete."""

    kind: ClassVar[str] = "ticket_blocked"
    dependency_id: str


@dataclass(frozen=True)
class TicketCommitted:
    """The files of a completed ticket are in a git commit; with `refused`, why they are not."""

    kind: ClassVar[str] = "ticket_committed"
    commit: str = ""
    files: int = 0
    refused: str = ""
