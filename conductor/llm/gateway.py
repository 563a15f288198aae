"""The one door to every model: from a name in the configuration to a model that survives bad weather.

From the outside in: what reads calls that are not quite right, what writes them as text where it must, the cache (what
it has is asked of nobody), the budget (what is too dear is not asked), retries, the breaker, the clock, and the adapter
that really asks.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from msgspec import Struct, field

from conductor.errors import UsageError
from conductor.llm.base import Model, OnText
from conductor.llm.breaker import Breakers, Breaking
from conductor.llm.budget import Allow, Budgeted, WorstCase
from conductor.llm.cache import Cached, CacheMode, CachePolicy
from conductor.llm.completions import CompletionStore
from conductor.llm.keys import ProviderKey, openai_base, provider_key
from conductor.llm.lenient import Lenient
from conductor.llm.metrics import FirstText, Measured
from conductor.llm.prices import facts_for
from conductor.llm.registry import MODELS, SCRIPTED, Adapter, ModelSettings, kind_of
from conductor.llm.retry import OnRetry, Retrying
from conductor.llm.text_protocol import Protocol, TextProtocol

__all__ = [
    "Allow",
    "CacheMode",
    "CachePolicy",
    "CompletionStore",
    "Gateway",
    "OnRetry",
    "OnText",
    "ProviderKey",
    "WorstCase",
    "open_model",
    "openai_base",
    "provider_key",
]


class Gateway(Struct, frozen=True):
    """How the models of a run are asked, and what they share. `on_retry` is told before each repeated request."""

    api_base: str | None = None
    stream: bool = False
    adapter: Adapter = "direct"
    base_dir: Path | None = None
    timeout_s: float = 600.0
    max_output_tokens: int | None = None
    on_retry: OnRetry | None = None
    cache: CachePolicy | None = None
    protocol: Protocol = "auto"
    without_tools: frozenset[str] = frozenset()
    breakers: Breakers = field(default_factory=Breakers)

    def open(self, name: str, *, allow: Allow | None = None, on_text: OnText | None = None) -> Model:
        """Return the model called `name`: "scripted:FILE.json" (FILE relative to `base_dir`) or any litellm name.

        Uses no network and does not load litellm; with `adapter` "litellm" that asks also where the direct adapter
        could. `allow` is asked before each request that the cache does not answer; `on_text` hears of streamed text.
        Raises `UsageError` for a name or an address that cannot be one and for a script that cannot be read.
        """
        if not name.strip() or name != name.strip() or name.endswith((":", "/")):
            raise UsageError(f'"{name}" is no model name', hint='Write provider/model, such as "openai/gpt-5-mini".')
        first = FirstText(on_text) if self.stream else None
        settings = ModelSettings(
            name, self.api_base, self.stream, self.base_dir, self.timeout_s, self.max_output_tokens, first or on_text
        )
        model: Model = Measured(MODELS[kind_of(name, self.api_base, self.adapter)](settings), first)
        address = self.api_base or openai_base()
        model = Breaking(model, self.breakers.of(name, address))
        model = Retrying(model, on_retry=self.on_retry) if self.on_retry else Retrying(model)
        if allow:
            model = Budgeted(model, allow, facts=partial(facts_for, name), max_output_tokens=self.max_output_tokens)
        if self.cache and not name.startswith(SCRIPTED):
            model = Cached(model, self.cache, settings=(address, self.max_output_tokens))
        if self.protocol != "native":
            model = TextProtocol(model, always=self.protocol == "text" or name in self.without_tools)
        return Lenient(model)


def open_model(
    name: str,
    *,
    api_base: str | None = None,
    stream: bool = False,
    adapter: Adapter = "direct",
    base_dir: Path | None = None,
    on_retry: OnRetry | None = None,
) -> Model:
    """Return one model by itself, as a `Gateway` of its own opens it: no cache, no budget."""
    return Gateway(api_base, stream, adapter, base_dir, on_retry=on_retry).open(name)
