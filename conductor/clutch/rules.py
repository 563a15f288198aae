"""Clutches that decide by themselves: trust levels, and the one that never asks."""

from __future__ import annotations

from conductor.clutch.base import Clutch
from conductor.messages import Aborted, Approved, Decision, Effect, Preview, ToolCall
from conductor.models import TrustLevel


class TrustClutch:
    """Lets a worker's trust level answer where it may, and asks the clutch it holds otherwise."""

    def __init__(self, level: TrustLevel, inner: Clutch) -> None:
        self._level = level
        self._inner = inner
        self.name = inner.name

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        """Approve what the trust level covers; a preview that must be asked about always goes to the human."""
        if self.covers(preview):
            self.name = f"trust:{self._level}"
            return Approved(call.arguments)
        self.name = self._inner.name
        return self._inner.review(call, preview)

    def covers(self, preview: Preview) -> bool:
        """Say whether the call needs no human: everything at `auto`, reads inside the project at `guarded`."""
        if preview.must_ask or self._level is TrustLevel.STEP:
            return False
        return self._level is TrustLevel.AUTO or preview.effect is Effect.READ


class DenyClutch:
    """Never asks and never approves: the first call that needs a human pauses the run."""

    name = "deny"

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        """Return `Aborted`."""
        del call, preview
        return Aborted()
