"""A model whose tool calls are understood where it is certain what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from conductor.llm.base import Model
from conductor.llm.repair import renamed, repaired, without_schema
from conductor.llm.spoken import calls_in, wished_in
from conductor.llm.wire import read_calls
from conductor.messages import Completion, Message, ToolCall, ToolSpec


class Lenient:
    """Reads calls out of the text of an answer that has none beside it, and repairs what is certain to repair of them.

    Of an answer that was cut off the calls in its text that are whole are read, each once; all else is left as it is.
    """

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self._model = model

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """As `Model.complete`."""
        answer = self._model.complete(messages, tools)
        cut = answer.finish_reason == "length"
        if not tools or (cut and answer.tool_calls):
            return answer
        known = {tool.name: tool for tool in tools}
        if not answer.tool_calls:
            answer = _with_spoken(answer, messages, known, cut=cut)
        return replace(answer, tool_calls=tuple(_mended(call, known) for call in answer.tool_calls))


def _with_spoken(
    answer: Completion, messages: Sequence[Message], tools: Mapping[str, ToolSpec], *, cut: bool
) -> Completion:
    if "{" not in answer.text and "<function=" not in answer.text:
        return answer
    text, calls = calls_in(answer.text, tools, cut=cut)
    if cut:
        calls = [call for at, call in enumerate(calls) if call not in calls[:at]]
    elif not calls:
        text, calls = "", wished_in(answer.text)
    if not calls:
        return answer
    taken = frozenset(call.call_id for message in messages for call in message.tool_calls)
    return replace(answer, text=text, tool_calls=read_calls(calls, taken), finish_reason="tool_calls")


def _mended(call: ToolCall, tools: Mapping[str, ToolSpec]) -> ToolCall:
    if call.tool not in tools or (call.malformed and not call.raw):
        return call
    schema = tools[call.tool].parameters
    found = repaired(call.raw, schema) if call.malformed else _said_right(call, schema)
    return replace(call, arguments=found[0], malformed="", repaired=found[1]) if found else call


def _said_right(call: ToolCall, schema: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    return without_schema(call.arguments, schema) or renamed(call.arguments, schema)
