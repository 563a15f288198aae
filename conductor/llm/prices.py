"""What models cost and how they are asked, from the list inside litellm's package, without loading litellm."""

from __future__ import annotations

import importlib.util
import json
import mmap
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from conductor.llm.keys import provider_of

_LIST = "model_prices_and_context_window_backup.json"
_GENERATION = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?![\w.])")
_NO_TOOLS_IN_CHAT = (5, 4)  # since this generation OpenAI refuses tools in chat completions
_LONGEST_ENTRY = 1 << 15
_TIER = re.compile(r"(\w+)_above_(\d+)k_tokens")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class ModelFacts(Struct, frozen=True):
    """An entry of the list; an empty one stands for a model that is not in it, which costs nothing."""

    entry: Mapping[str, Any]

    def price(self, read: int, written: int, cached: int) -> float:
        """Return the dollars for tokens read (`cached` of them from the provider's cache) and written."""
        full = self._rate("input_cost_per_token", read)
        reduced = self._rate("cache_read_input_token_cost", read) or full
        return (read - cached) * full + cached * reduced + written * self._rate("output_cost_per_token", read)

    @property
    def max_output_tokens(self) -> int:
        """The most one answer may have, 0 where that is not known."""
        most: object = self.entry.get("max_output_tokens") or self.entry.get("max_tokens")
        return most if isinstance(most, int) else 0

    def _rate(self, name: str, read: int) -> float:
        """Return a rate of the entry; a prompt above the threshold of a tier is charged by that tier, all of it."""
        tiers = [(int(match[2]), match[0]) for match in map(_TIER.fullmatch, self.entry) if match and match[1] == name]
        _, key = max([(0, name), *((limit, key) for limit, key in tiers if read > limit * 1000)])
        return float(self.entry.get(key) or 0.0)


def facts_of(model: str, provider: str = "openai") -> ModelFacts:
    """Return what the list says of the model `model` of `provider`, a key of the list."""
    entry = listed(model)
    return ModelFacts(entry if str(entry.get("litellm_provider")).startswith(provider) else _NOTHING)


def facts_for(name: str) -> ModelFacts:
    """Return what the list says of a model by its litellm name; some providers' keys have the prefix, some have not."""
    provider = provider_of(name)
    if not provider:
        return ModelFacts(_NOTHING)
    found = facts_of(name.removeprefix(f"{provider}/"), provider)
    return found if found.entry else facts_of(name, provider)


def listed(name: str) -> Mapping[str, Any]:
    """Return the list's entry called `name`, an empty one where there is none.

    The list has 3 MB: the entry is looked for in the file's bytes and read alone, in about a millisecond.
    """
    path = _list_path()
    if path is None:
        return _NOTHING
    key = b"\n    " + json.dumps(name).encode() + b": "
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(key)
        if at < 0:
            return _NOTHING
        text = content[at + len(key) : at + len(key) + _LONGEST_ENTRY].decode(errors="replace")
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except ValueError:  # the file has another form than we know: nothing rather than something wrong
        return _NOTHING


def needs_responses(model: str, base: str) -> bool:
    """Say whether OpenAI's model `model` is to be asked over the responses API; `base` is "" for OpenAI's own address.

    Servers of one's own take chat completions whatever their models are called, but for models that know nothing else.
    """
    generation = _GENERATION.match(model)
    at_openai = not base or (urlsplit(base).hostname or "").endswith("openai.com")
    if at_openai and generation and (int(generation[1]), int(generation[2] or 0)) >= _NO_TOOLS_IN_CHAT:
        return True
    return facts_of(model).entry.get("mode") == "responses"


def _list_path() -> Path | None:
    package = importlib.util.find_spec("litellm")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).with_name(_LIST)
    return path if path.is_file() else None
