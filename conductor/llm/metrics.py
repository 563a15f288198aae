"""How long a provider takes to answer, without the waits between attempts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from conductor.llm.base import Model
from conductor.messages import Completion, Message, ToolSpec


class Measured:
    """A model that says in each completion how long the one request took that it came from."""

    def __init__(self, model: Model, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = model.name
        self._model = model
        self._clock = clock

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """As `Model.complete`."""
        began = self._clock()
        completion = self._model.complete(messages, tools)
        return replace(completion, asked_s=round(self._clock() - began, 4))
