"""The protocol of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from conductor.messages import Completion, Message, ToolSpec

OnText = Callable[[str], None]
"""Told of the text of an answer, piece by piece, while it arrives; none of it counts before the answer is whole."""


class Model(Protocol):
    """Something that continues a conversation."""

    name: str

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """Return the model's next turn.

        `messages` is the whole conversation, oldest first; between calls of one ticket it only grows at the end, so an
        implementation may keep what it made of the earlier part. A malformed tool call is returned as a `ToolCall` with
        `malformed` set, never raised. Raises `ModelError` when there is no answer and `UsageError` when the
        model's name or settings cannot be right.
        """
        ...
