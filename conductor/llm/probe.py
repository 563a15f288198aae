"""What a model can do, found out by a few calls and kept in the user's cache directory."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

from conductor.errors import ModelError
from conductor.llm.base import Model, OnText
from conductor.llm.text_protocol import Protocol
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


@dataclass(frozen=True)
class Ability:
    """What a model was found to be able to do. `window` is 0 where no end of it was found; `checked` tokens did fit."""

    tools: Literal["native", "text", "none"]
    json: bool
    streaming: bool
    window: int
    checked: int


def probe(open_model: Opener, sizes: tuple[int, ...] = SIZES) -> Ability:
    """Ask a model up to seven times and return what it can do. Raises `ModelError` when it cannot be asked at all."""
    tools, right = _tools(open_model)
    pieces: list[str] = []
    try:
        open_model("native", pieces.append).complete([Message("user", "Count from one to ten, in words.")], ())
    except ModelError:
        pieces.clear()
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
    """Say whether a word at the beginning of a request of about `size` tokens is still known at its end."""
    filler = _FILLER * (int(size * 0.9) // 9)  # nine tokens a sentence, in any tokenizer
    ask = f"The code word is {_WORD}.\n{filler}\nWhat is the code word? Answer with the code word alone."
    try:
        return _WORD in model.complete([Message("user", ask)], ()).text
    except ModelError:
        return False


def findings_file() -> Path:
    """Return where findings are kept: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "conductor" / "models.json"


def findings(address: str) -> Mapping[str, Ability]:
    """Return what was found of models at an address ("" for their provider's own); a damaged file has nothing."""
    known = {field.name for field in fields(Ability)}
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        kept = cast("dict[str, dict[str, Any]]", _kept().get(address, {}))
        return {name: Ability(**found) for name, found in kept.items() if found.keys() == known}
    return {}


def keep(address: str, model: str, found: Ability) -> None:
    """Keep a finding in the place of an earlier one. Raises OSError where that cannot be written."""
    file, kept = findings_file(), dict[str, Any]()
    with contextlib.suppress(OSError, ValueError):
        kept = _kept()
    kept.setdefault(address, {})[model] = asdict(found)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    part.replace(file)


def _kept() -> dict[str, Any]:
    kept: object = json.loads(findings_file().read_text(encoding="utf-8"))
    tables = cast("dict[str, object]", kept) if isinstance(kept, dict) else {}
    return {address: found for address, found in tables.items() if isinstance(found, dict)}
