"""Asking before money is spent: no request is sent whose worst case a budget does not allow."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from msgspec import Struct

from conductor.llm.base import Model
from conductor.llm.prices import ModelFacts
from conductor.llm.wire import conversation_size, tools_to_wire
from conductor.messages import Completion, Message, ToolSpec


class WorstCase(Struct, frozen=True):
    """The most a request may use: its estimated input, nothing of it cached, and all the output there may be."""

    tokens: int = 0
    usd: float = 0.0


Allow = Callable[[WorstCase], None]
"""Raises `BudgetReached` when a request with this worst case must not be sent."""


class Budgeted:
    """A model that asks `allow` before each request.

    What it may cost follows from `facts`, looked up when first needed, and `max_output_tokens`; without either, output
    counts as nothing, and so does money for a model that is in no list.
    """

    def __init__(
        self, model: Model, allow: Allow, *, facts: Callable[[], ModelFacts], max_output_tokens: int | None = None
    ) -> None:
        self.name = model.name
        self._model = model
        self._allow = allow
        self._look_up = facts
        self._facts: ModelFacts | None = None
        self._most = max_output_tokens

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """As `Model.complete`; raises what `allow` raises, and then nothing was sent."""
        self._facts = self._facts or self._look_up()
        written = self._most or self._facts.max_output_tokens
        read = (conversation_size(messages) + len(json.dumps(tools_to_wire(tools)))) // 4
        self._allow(WorstCase(read + written, self._facts.price(read, written, 0)))
        return self._model.complete(messages, tools)
