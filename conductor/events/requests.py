"""What people ask of a run from another process; the run heeds it at its next safe point."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct, field

from conductor.events.base import Json


class InterventionQueued(Struct, frozen=True):
    """Somebody has something to say to a ticket's worker, who hears it with the next request.

    With `about` it holds for that version of the ticket's code only. `clock` is what was known to who said it.
    """

    kind: ClassVar[str] = "intervention_queued"
    text: str
    by: str
    about: int | None = None
    clock: Json = field(default_factory=dict[str, int])


class BugReported(Struct, frozen=True):
    """Somebody reports a bug in the ticket's code as it was at version `about`; the worker hears of it as of guidance.

    `text` is what the person says. What failed may have been given as well: `hint` is what it comes to, and all of it
    is kept under the hash `output`. `clock` is what was known to who reported.
    """

    kind: ClassVar[str] = "bug_reported"
    text: str
    by: str
    about: int
    hint: str = ""
    output: str = ""
    clock: Json = field(default_factory=dict[str, int])

    @property
    def said(self) -> str:
        """What the worker is told of it."""
        hint = f"What failed comes to this: {self.hint}" if self.hint else ""
        return " ".join(part for part in ("there is a bug.", self.text, hint) if part)


class InterventionApplied(Struct, frozen=True):
    """The worker is told what was queued as `intervention`; `request` counts the requests of the ticket's worker.

    `changes_since` is how many changes were made after it was said.
    """

    kind: ClassVar[str] = "intervention_applied"
    intervention: str
    text: str
    by: str
    request: int
    changes_since: int = 0


class InterventionStale(Struct, frozen=True):
    """What was queued as `intervention` is about an older version of the code, so the worker is not told."""

    kind: ClassVar[str] = "intervention_stale"
    intervention: str
    reason: str


class CancelRequested(Struct, frozen=True):
    """Somebody wants the ticket cancelled, which happens at the run's next safe point."""

    kind: ClassVar[str] = "cancel_requested"
    reason: str
    by: str


class CallAnswered(Struct, frozen=True):
    """Somebody answered a waiting call from another process: approve, reject or happened; the first answer counts.

    It holds for exactly what has this `digest`. `reason` is for the worker, `clock` what was known.
    """

    kind: ClassVar[str] = "call_answered"
    call_id: str
    decision: str
    digest: str
    by: str
    reason: str = ""
    clock: Json = field(default_factory=dict[str, int])
