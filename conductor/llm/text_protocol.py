"""Tools for models and servers that know none: described in the system prompt, called and answered in the text."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Literal

from msgspec.structs import replace

from conductor.errors import ModelError, TransientModelError
from conductor.llm.base import Model
from conductor.messages import Completion, Message, ToolCall, ToolSpec

Protocol = Literal["auto", "native", "text"]
_NO_TOOLS = re.compile(
    r"(?:not|n't) support (?:\w+ )?(?:tool|function)|tools?\b.*\bnot supported|tool[- ]choice requires", re.I
)
_HOW = """\
# Tools
To call a tool, write a block like this, and nothing after the last one:
<tool_call>
{"name": "read_file", "arguments": {"path": "a.py"}}
</tool_call>
What is between the tags is JSON: a line break inside a string is \\n, a quotation mark is \\". The results come back in
<tool_response> tags. An answer without such a block means that you are done.
These are the tools, each with the JSON schema of its arguments:"""


class TextProtocol:
    """Asks a model for calls in its text: always ("text"), or ("auto") from when its server says it takes no tools."""

    def __init__(self, model: Model, *, always: bool) -> None:
        self.name = model.name
        self._model = model
        self._in_text = always
        self._seen: list[Message] = []
        self._groups: list[tuple[int, Message]] = []  # where the sources of each message end, and the message
        self._tools: tuple[ToolSpec, ...] = ()

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """As `Model.complete`; the calls of an answer are in its text."""
        if not self._in_text or not tools:
            try:
                return self._model.complete(messages, tools)
            except TransientModelError:
                raise
            except ModelError as error:
                if not tools or not _NO_TOOLS.search(str(error)):
                    raise
                self._in_text = True
        return self._model.complete(self._written(messages, tuple(tools)), ())

    def _written(self, messages: Sequence[Message], tools: tuple[ToolSpec, ...]) -> list[Message]:
        """Return the messages with tools, calls and results as text; what was written before stays the same objects."""
        if tools != self._tools:
            self._seen, self._groups, self._tools = [], [], tools
        same = sum(takewhile(bool, map(operator.is_, self._seen, messages)))
        while self._groups and (self._groups[-1][0] > same or self._groups[-1][1].role == "user"):
            self._groups.pop()  # what comes next may belong to the last one
        at = self._groups[-1][0] if self._groups else 0
        for number, message in enumerate(messages[at:], at + 1):
            written = _written(message, tools)
            if self._groups and self._groups[-1][1].role == written.role == "user":
                joined = f"{self._groups.pop()[1].content}\n{written.content}"
                written = replace(written, content=joined)
            self._groups.append((number, written))
        self._seen = list(messages)
        return [message for _, message in self._groups]


def _written(message: Message, tools: Sequence[ToolSpec]) -> Message:
    """Return one message as text. Roles alternate afterwards, as many models' templates demand."""
    match message.role:
        case "system":
            return replace(message, content=f"{message.content}\n\n{_HOW}\n{chr(10).join(map(_described, tools))}")
        case "assistant":
            parts = [message.content, *map(_call, message.tool_calls)]
            return replace(message, content="\n".join(filter(None, parts)), tool_calls=())
        case "tool":
            return Message("user", f"<tool_response>\n{message.content}\n</tool_response>")
        case "user":
            return message


def _described(tool: ToolSpec) -> str:
    schema = json.dumps(dict(tool.parameters), ensure_ascii=False, separators=(",", ":"))
    return f"- {tool.name}: {tool.description}\n  {schema}"


def _call(call: ToolCall) -> str:
    if call.malformed:
        return f"<tool_call>\n{call.raw[:2000]}\n</tool_call>"
    body = json.dumps({"name": call.tool, "arguments": dict(call.arguments)}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"
