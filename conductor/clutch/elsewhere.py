"""The clutch whose question may be answered in another process: the first answer counts."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from conductor.clutch.base import Clutch
from conductor.messages import Aborted, Decision, Preview, ToolCall


class AnsweredElsewhere(Exception):
    """The wait for a decision is over: it was made in another process."""


class Answer(Struct, frozen=True):
    """A decision that was made elsewhere, and the name it was made by."""

    decision: Decision
    by: str


class AnswerableClutch:
    """Asks the clutch it holds unless there is an answer already, or one comes while that waits.

    `find(call, preview)` looks for the answer to exactly what is shown.
    """

    def __init__(self, inner: Clutch, find: Callable[[ToolCall, Preview], Answer | None]) -> None:
        self._inner = inner
        self._find = find
        self.name = inner.name

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        """Return the first answer. Pausing the run is none: what was answered elsewhere then waits for the next run."""

        def look() -> None:
            if self._find(call, preview):
                raise AnsweredElsewhere

        try:
            look()
            decision = self._inner.review(call, replace(preview, look=look))
            self.name = self._inner.name
            if not isinstance(decision, Aborted):
                look()
            return decision
        except AnsweredElsewhere:
            answer = self._find(call, preview)
            if answer is None:
                raise
            self.name = answer.by
            return answer.decision
