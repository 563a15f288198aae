from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import to_builtins

from conductor import events
from conductor.display.warmth import Warmth
from conductor.events import Event
from conductor.messages import Usage

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def line(model: str, usage: Usage, *, after_s: float, attempts: int = 1) -> str:
    reply = events.ModelReplied(model, "", [], "stop", to_builtins(usage), 1.0, attempts)
    warmth = Warmth(now=lambda: AT + timedelta(seconds=after_s))
    warmth(Event("e", "t", "T1", AT.isoformat(), 1, "engine", 1, "", "", 0, reply, "", ""))
    return warmth.line()


BIG = Usage(90_000, 10_000)


def test_until_when_it_is_warm_and_what_it_costs_when_it_is_cold() -> None:
    warm = line("openai/gpt-5-mini", BIG, after_s=10)
    until = (AT + timedelta(seconds=300)).astimezone()
    assert warm.startswith(
        f"prompt cache likely warm until {until:%H:%M:%S}; after that the next request costs about $"
    )
    # 100,000 tokens at $0.25 a million, instead of a tenth of that
    assert warm.endswith("$0.0225 more")
    assert line("openai/gpt-5-mini", BIG, after_s=301).startswith("the provider's prompt cache has likely gone cold")


@pytest.mark.parametrize(
    ("model", "usage", "attempts"),
    [
        ("openai/gpt-5-mini", Usage(900, 100), 1),  # too short to be cached
        ("anthropic/claude-sonnet-4-5", BIG, 1),  # caches only what it is told to
        ("ollama_chat/llama3.1", BIG, 1),
        ("scripted:x.json", BIG, 1),
        ("openai/gpt-5-mini", BIG, 0),  # from our own cache: the provider has not seen it
    ],
)
def test_nothing_is_said_where_nothing_is_known(model: str, usage: Usage, attempts: int) -> None:
    assert line(model, usage, after_s=1, attempts=attempts) == ""
    assert Warmth().line() == ""


def test_a_provider_that_did_cache_is_believed() -> None:
    assert "warm until" in line("anthropic/claude-sonnet-4-5", Usage(90_000, 10_000, 80_000), after_s=1)
