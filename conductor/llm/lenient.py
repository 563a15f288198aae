"""A model whose tool calls are understood where it is certain what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from conductor.llm.base import Model
from conductor.llm.repair import renamed, repaired
from conductor.llm.spoken import calls_in, wished_in
from conductor.llm.wire import read_calls
from conductor.messages import Completion, Message, ToolCall, ToolSpec


class Lenient:
    """Reads calls out of the text of an answer that has none beside it, and repairs what is certain to repair of them.

    An answer that was cut off at its length limit is left as it is.
    """

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self._model = model

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """As `Model.complete`."""
        answer = self._model.complete(messages, tools)
        if answer.finish_reason == "length" or not tools:
            return answer
        known = {tool.name: tool for tool in tools}
        if not answer.tool_calls:
            answer = _with_spoken(answer, messages, known)
        return replace(answer, tool_calls=tuple(_mended(call, known) for call in answer.tool_calls))


def _with_spoken(answer: Completion, messages: Sequence[Message], tools: Mapping[str, ToolSpec]) -> Completion:
    if "{" not in answer.text and "<function=" not in answer.text:
        return answer
    text, calls = calls_in(answer.text, tools)
    if not calls:
        text, calls = "", wished_in(answer.text)
    if not calls:
        return answer
    taken = frozenset(call.call_id for message in messages for call in message.tool_calls)
    return replace(answer, text=text, tool_calls=read_calls(calls, taken), finish_reason="tool_calls")


def _mended(call: ToolCall, tools: Mapping[str, ToolSpec]) -> ToolCall:
    if call.tool not in tools or (call.malformed and not call.raw):
        return call
    schema = tools[call.tool].parameters
    found = repaired(call.raw, schema) if call.malformed else renamed(call.arguments, schema)
    return replace(call, arguments=found[0], malformed="", repaired=found[1]) if found else call
