from __future__ import annotations

from collections.abc import Sequence

import pytest

from conductor.errors import BudgetReached
from conductor.llm.budget import Budgeted, WorstCase
from conductor.llm.prices import ModelFacts, facts_for
from conductor.messages import Completion, Effect, Message, ToolSpec

MESSAGES = [Message("user", "x" * 4000)]


class Model:
    name = "openai/gpt-5-mini"
    asked = 0

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        self.asked += 1
        return Completion("fine")


def worst(facts: ModelFacts, most: int | None = None, tools: Sequence[ToolSpec] = ()) -> WorstCase:
    told: list[WorstCase] = []
    Budgeted(Model(), told.append, facts=lambda: facts, max_output_tokens=most).complete(MESSAGES, tools)
    return told[0]


def test_the_worst_case_is_estimated_input_and_all_the_output_there_may_be() -> None:
    facts = facts_for("openai/gpt-5-mini")
    assert facts.max_output_tokens == 128_000
    assert worst(facts).tokens == 1000 + 128_000
    assert worst(facts).usd == pytest.approx(1000 * 0.25e-6 + 128_000 * 2e-6)
    assert worst(facts, most=500).tokens == 1500
    assert worst(facts, most=500).usd == pytest.approx(1000 * 0.25e-6 + 500 * 2e-6)


def test_tools_count_as_input() -> None:
    tool = ToolSpec("t", "d" * 2000, {"type": "object"}, Effect.READ)
    assert 1500 < worst(ModelFacts({}), tools=[tool]).tokens < 1600


def test_a_model_nobody_knows_the_price_of_costs_its_input_in_tokens() -> None:
    assert worst(ModelFacts({})) == WorstCase(1000, 0.0)


def test_what_is_not_allowed_is_not_sent() -> None:
    def no(case: WorstCase) -> None:
        raise BudgetReached("no")

    model = Model()
    with pytest.raises(BudgetReached):
        Budgeted(model, no, facts=lambda: ModelFacts({})).complete(MESSAGES, [])
    assert model.asked == 0


def test_facts_are_found_by_litellm_names_of_every_provider() -> None:
    for name in ("gpt-5-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "openrouter/qwen/qwen3-coder"):
        assert facts_for(name).max_output_tokens > 0 and facts_for(name).price(1000, 1000, 0) > 0, name
    for name in ("qwen2.5", "scripted:x.json", "anthropic/gpt-5-mini", "nobody/nothing", "openai/"):
        assert facts_for(name) == ModelFacts({}), name
