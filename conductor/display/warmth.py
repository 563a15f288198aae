"""How long a provider still has the beginning of the conversation in its cache, and what it costs when it has not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from conductor import events
from conductor.display.summary import money
from conductor.events import Event
from conductor.llm.keys import provider_of
from conductor.llm.prices import facts_for
from conductor.messages import Usage

# How long prompts stay cached without being used: https://platform.openai.com/docs/guides/prompt-caching (5 to 10
# minutes), https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching (5 minutes, where it was asked for).
_STAYS_S: Mapping[str, int] = MappingProxyType({"openai": 300, "anthropic": 300})
_ALWAYS_CACHES = frozenset({"openai"})
_SHORTEST = 1024  # tokens; what is shorter is not cached


class Warmth:
    """Hears of every answer, and says in one line what waiting costs; "" where nothing is known of it."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._at = datetime.min.replace(tzinfo=UTC)
        self._model = ""
        self._usage = Usage()

    def __call__(self, event: Event) -> None:
        """Hear of a journal entry."""
        if isinstance(event.data, events.ModelReplied) and event.data.attempts:
            self._at = datetime.fromisoformat(event.at)
            self._model, self._usage = event.data.model, Usage(**event.data.usage)

    def line(self) -> str:
        """Return until when the next request finds the conversation cached, and what it costs more if not."""
        provider, tokens = provider_of(self._model), self._usage.input_tokens + self._usage.output_tokens
        caches = provider in _ALWAYS_CACHES or self._usage.cached_tokens
        if provider not in _STAYS_S or not caches or tokens < _SHORTEST:
            return ""
        facts = facts_for(self._model)
        more = facts.price(tokens, 0, 0) - facts.price(tokens, 0, tokens)
        costs = f"the next request costs about {money(more)} more" if more > 0 else "the next request costs more"
        until = self._at + timedelta(seconds=_STAYS_S[provider])
        if self._now() >= until:
            return f"the provider's prompt cache has likely gone cold: {costs}"
        return f"prompt cache likely warm until {until.astimezone():%H:%M:%S}; after that {costs}"
