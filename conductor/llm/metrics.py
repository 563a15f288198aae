"""How long a provider takes to answer, without the waits between attempts."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec.structs import replace

from conductor.llm.base import Model, OnText
from conductor.messages import Completion, Message, ToolSpec


class FirstText:
    """A listener that notes when the first text of a streamed answer came, and passes all of it on."""

    def __init__(self, on_text: OnText | None) -> None:
        self.at: float | None = None
        self._on_text = on_text

    def __call__(self, piece: str) -> None:
        """Hear a piece of an answer."""
        if self.at is None:
            self.at = time.monotonic()
        if self._on_text:
            self._on_text(piece)


class Measured:
    """A model that says in each completion how long the one request took that it came from.

    With `first`, which the model must tell of its text, also how long it was until the first of that.
    """

    def __init__(self, model: Model, first: FirstText | None = None) -> None:
        self.name = model.name
        self._model = model
        self._first = first

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """As `Model.complete`."""
        if self._first:
            self._first.at = None
        began = time.monotonic()
        completion = self._model.complete(messages, tools)
        first = self._first.at if self._first else None
        until = 0.0 if first is None else round(first - began, 4)
        return replace(completion, asked_s=round(time.monotonic() - began, 4), first_text_s=until)
