"""What happens to a ticket."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from conductor.events.base import Json


class TicketStarted(Struct, frozen=True):
    """A fresh worker took up the ticket."""

    kind: ClassVar[str] = "ticket_started"
    worker_archetype: str
    model: str
    trust_level: str


class TicketRouted(Struct, frozen=True):
    """The ticket does not fit the window of its model; the configuration's larger model goes on with it."""

    kind: ClassVar[str] = "ticket_routed"
    from_model: str
    to_model: str
    reason: str


class TicketPaused(Struct, frozen=True):
    """The run paused while the ticket was open; its worker goes on with it as if nothing had been.

    `turns` is how far it had come, `call_id` the call that waits for a human, "" for none.
    """

    kind: ClassVar[str] = "ticket_paused"
    reason: str
    turns: int
    call_id: str = ""


class TicketCompleted(Struct, frozen=True):
    """The worker said it was done and every gate agreed. `unchanged`: it changed no file."""

    kind: ClassVar[str] = "ticket_completed"
    unchanged: bool = False


class TicketFailed(Struct, frozen=True):
    """The ticket was given up; its dependents are blocked."""

    kind: ClassVar[str] = "ticket_failed"
    reason: str


class TicketCancelled(Struct, frozen=True):
    """A human skipped the ticket; its dependents are blocked."""

    kind: ClassVar[str] = "ticket_cancelled"
    reason: str


class TicketReopened(Struct, frozen=True):
    """A human wants a failed or skipped ticket tried again; what it did before no longer counts for its state."""

    kind: ClassVar[str] = "ticket_reopened"


class ChangesAccepted(Struct, frozen=True):
    """A human goes on although files (with their hashes) were changed while the run was stopped; the worker is told."""

    kind: ClassVar[str] = "changes_accepted"
    files: Json


class TicketBlocked(Struct, frozen=True):
    """The ticket cannot run because the named dependency did not complete."""

    kind: ClassVar[str] = "ticket_blocked"
    dependency_id: str


class TicketCommitted(Struct, frozen=True):
    """The files of a completed ticket are in a git commit; with `refused`, why they are not."""

    kind: ClassVar[str] = "ticket_committed"
    commit: str = ""
    files: int = 0
    refused: str = ""
