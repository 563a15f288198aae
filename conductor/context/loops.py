"""A worker that makes the same call over and over: first it is told, then a human is asked."""

from __future__ import annotations

from conductor.context.worker import OpenCall, WorkerContext
from conductor.messages import ToolCall

MOST_IN_A_ROW = 3
_LOOPING = (
    "Not run: you made this very call twice before, in a row. Its result will not change. Read what came back, try "
    "something else, or say in one sentence what keeps you from going on."
)


def unusable(context: WorkerContext, entry: OpenCall) -> str:
    """Return what keeps a call from being looked at at all, "" where nothing does."""
    if context.times(entry.call) == MOST_IN_A_ROW and not entry.waiting and not entry.started:
        return _LOOPING
    return f"This call could not be read: {entry.call.malformed}" if entry.call.malformed else ""


def stuck(context: WorkerContext, call: ToolCall) -> str:
    """Return what a human has to know when a worker that was told goes on with the same call, else ""."""
    times = context.times(call)
    if times <= MOST_IN_A_ROW:
        return ""
    return f"the worker makes the same call over and over: {call.tool}, {times} times in a row"
