"""A clutch that answers from a list: for tests, and for whoever drives an engine from code."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from conductor.messages import Aborted, Approved, Decision, Preview, ToolCall

Answer = Decision | Callable[[ToolCall, Preview], Decision]


class ScriptedClutch:
    """Gives its answers in order and remembers what it was asked; out of answers, it pauses the run."""

    name = "scripted"

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = iter(answers)
        self.seen: list[tuple[ToolCall, Preview]] = []

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        """Return the next answer; a function among them is called with the call and its preview."""
        self.seen.append((call, preview))
        answer = next(self._answers, None)
        if answer is None:
            return Aborted()
        return answer(call, preview) if callable(answer) else answer


def approve(call: ToolCall, preview: Preview) -> Decision:
    """Approve a call as it was shown."""
    del preview
    return Approved(call.arguments)
