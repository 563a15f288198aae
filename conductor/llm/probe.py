"""What a model can do, found out by a few calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from conductor.errors import ModelError
from conductor.llm.base import Model, OnText
from conductor.llm.findings import Ability
from conductor.llm.text_protocol import Protocol
from conductor.llm.wire import conversation_size
from conductor.messages import Effect, Message, ToolSpec

SIZES = (4_096, 8_192, 16_384, 32_768)
_WANTED = 'She said "hello"\nand left.'
_NOTE = ToolSpec(
    "note",
    "Keep a text.",
    {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False},
    Effect.READ,
)
_ASK = f"Call the tool note once, with exactly this text, which has two lines:\n{_WANTED}"
_WORD = "PLUM-4711"
_FILLER = "The sky is blue and the grass is green. "

Opener = Callable[[Protocol, OnText | None], Model]
"""Opens the model with a protocol for tools, and as a stream where there is a listener."""


def probe(open_model: Opener, sizes: tuple[int, ...] = SIZES, *, stated: int = 0) -> Ability:
    """Ask a model up to seven times and return what it can do. Raises `ModelError` when it cannot be asked at all.

    A window that its server has `stated` is not measured.
    """
    tools, right = _tools(open_model)
    pieces: list[str] = []
    try:
        open_model("native", pieces.append).complete([Message("user", "Count from one to ten, in words.")], ())
    except ModelError:
        pieces.clear()
    if stated:
        return Ability(tools, right, len(pieces) > 2, stated, stated)
    checked = 0
    for size in sizes:
        if not _holds(open_model("native", None), size):
            return Ability(tools, right, len(pieces) > 2, checked or sizes[0] // 2, checked)
        checked = size
    return Ability(tools, right, len(pieces) > 2, 0, checked)


def _tools(open_model: Opener) -> tuple[Literal["native", "text", "none"], bool]:
    """Return how the model calls a tool, and whether its arguments came as they were asked for."""
    messages = [Message("system", "You work through tools."), Message("user", _ASK)]
    protocols: tuple[Literal["native", "text"], ...] = ("native", "text")
    for protocol in protocols:
        try:
            calls = open_model(protocol, None).complete(messages, (_NOTE,)).tool_calls
        except ModelError:
            if protocol == "text":
                raise
            continue
        if calls and calls[0].tool == _NOTE.name:
            return protocol, calls[0].arguments.get("text") == _WANTED
    return "none", False


def _holds(model: Model, size: int) -> bool:
    """Say whether all of a request of about `size` tokens is read: a word at its beginning is known at its end.

    Where it is not, the server's own count says whether the model has forgotten it, as small ones do, or not seen it.
    """
    filler = _FILLER * (int(size * 0.9) // 9)  # nine tokens a sentence, in any tokenizer
    ask = f"The code word is {_WORD}.\n{filler}\nWhat is the code word? Answer with the code word alone."
    messages = [Message("user", ask)]
    try:
        answer = model.complete(messages, ())
    except ModelError:
        return False
    counted = answer.usage.input_tokens if answer.usage.input_tokens != conversation_size(messages) // 4 else 0
    return _WORD in answer.text or counted > size * 0.8
