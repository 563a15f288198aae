"""How many tokens a model takes in one request, as far as that is known before it is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

from conductor.llm.keys import provider_of
from conductor.llm.prices import listed

SMALL, MIDDLE, LARGE = 8_192, 32_768, 200_000
_NONE: Mapping[str, Any] = MappingProxyType({})
_LARGE = re.compile(r"claude|gpt-[4-9]|chatgpt|\bo[134]\b|gemini|grok|kimi|glm-|minimax")
_MIDDLE = re.compile(r"qwen|mistral|mixtral|codestral|devstral|deepseek|llama-?[34]|gemma-?[3-9]|phi-?[3-9]|granite")
_TINY = re.compile(r"(?<![\d.])(?:0\.\d|1|1\.\d|2|3)b\b|tiny|mini(?:lm|cpm)")


class Window(Struct, frozen=True):
    """A model's window in tokens, and where that number is from."""

    tokens: int
    source: str


class Windows(Struct, frozen=True):
    """What the user has said of windows, by model and for all others, and what was `found` out about models."""

    by_model: Mapping[str, int] = field(default_factory=lambda: _NONE)
    default: int | None = None
    found: Mapping[str, Window] = field(default_factory=lambda: _NONE)

    def of(self, model: str) -> Window:
        """Return the window of a model: as configured, else found out, else from litellm's list, else its family's."""
        if model in self.by_model:
            return Window(self.by_model[model], "configured for this model")
        if self.default:
            return Window(self.default, "configured")
        if model in self.found:
            return self.found[model]
        if model.startswith("scripted:"):
            return Window(LARGE, "a script has none")
        for name in dict.fromkeys((model, model.partition("/")[2] or model)):
            tokens = listed(name).get("max_input_tokens")
            if isinstance(tokens, int) and tokens > 0:
                return Window(tokens, "litellm's list")
        return Window(*_of_family(model.lower()))


def _of_family(name: str) -> tuple[int, str]:
    if provider_of(name) in ("ollama", "ollama_chat") or _TINY.search(name):
        return SMALL, "assumed for a model on a small server"
    if _LARGE.search(name):
        return LARGE, "assumed for its family"
    if _MIDDLE.search(name):
        return MIDDLE, "assumed for its family"
    return SMALL, "assumed for a model nothing is known of"
