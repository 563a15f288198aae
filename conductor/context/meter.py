"""How much of a model's window a request takes."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Sequence
from itertools import takewhile

from conductor.llm.windows import Window
from conductor.llm.wire import tools_to_wire
from conductor.messages import Message, ToolSpec
from conductor.views.tokens import ESTIMATE, token_counter

_O200K = re.compile(r"^(?:openai/)?(?:gpt-(?:4o|4\.1|[5-9])|chatgpt|o[134])")
_OVERHEAD = 4  # tokens a message takes beyond its text
_ROUGH = "estimate: characters / 4"


class Meter:
    """Measures the requests of one conversation; of one that only grew, just the new end is measured.

    The model's own tokenizer is used where the machine has it. It is loaded when a quarter of the window is in use:
    before, characters / 4 are near enough.
    """

    def __init__(self, model: str, window: Window) -> None:
        self.window = window
        self._own = tokenizer_of(model)
        self._count: Callable[[str], int] = _rough
        self._precise = False
        self._seen: list[Message] = []
        self._sizes: list[int] = []
        self._tools: tuple[tuple[ToolSpec, ...], int] = ((), 0)

    def tokens(self, sent: Sequence[Message], tools: Sequence[ToolSpec], reported: tuple[int, int] = (0, 0)) -> int:
        """Return about how many tokens a request takes.

        `reported` is what the provider counted for the request of the first so many of these messages. Where that was
        more than the estimate, the estimate is raised in proportion, to twice as much at most.
        """
        known = sum(takewhile(bool, map(operator.is_, self._seen, sent)))
        del self._seen[known:], self._sizes[known:]
        for message in sent[known:]:
            self._seen.append(message)
            self._sizes.append(self.size(message))
        base = self._of_tools(tools)
        total = base + sum(self._sizes)
        if not self._precise and total * 4 > self.window.tokens:
            self._load()
            return self.tokens(sent, tools, reported)
        counted, messages = reported
        then = base + sum(self._sizes[:messages])
        return round(total * min(2.0, max(1.0, counted / max(1, then))))

    def size(self, message: Message) -> int:
        """Return about how many tokens one message takes."""
        calls = (f"{call.tool}{json.dumps(dict(call.arguments), ensure_ascii=False)}" for call in message.tool_calls)
        return _OVERHEAD + self._count(message.content) + sum(_OVERHEAD + self._count(call) for call in calls)

    @property
    def tokenizer(self) -> str:
        """Say what tokens are counted with at present."""
        return self._own if self._count is not _rough else _ROUGH

    def _of_tools(self, tools: Sequence[ToolSpec]) -> int:
        if self._tools[0] != tuple(tools):
            self._tools = (tuple(tools), self._count(json.dumps(tools_to_wire(tools))))
        return self._tools[1]

    def _load(self) -> None:
        self._precise = True
        if self._own != _ROUGH:
            count, name = token_counter()
            self._count = count if name != ESTIMATE else _rough
            self._seen, self._sizes, self._tools = [], [], ((), 0)


def tokenizer_of(model: str) -> str:
    """Say what a model's tokens are counted with here."""
    if not _O200K.match(model):
        return _ROUGH
    from importlib.util import find_spec

    return "o200k_base" if find_spec("tiktoken") else _ROUGH


def _rough(text: str) -> int:
    return (len(text) + 3) // 4
