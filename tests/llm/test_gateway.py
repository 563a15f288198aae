from __future__ import annotations

import json
from pathlib import Path

import pytest

from conductor.errors import InvalidFile, TransientModelError, UsageError
from conductor.llm.gateway import ProviderKey, open_model, provider_key
from conductor.messages import Message
from tests.openai_server import OpenAIServer, Reply, rate_limited


def test_a_script_is_found_beside_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(
        json.dumps({"schema": 1, "conversations": [{"turns": [{"text": "played"}]}]}), encoding="utf-8"
    )
    for name in ("scripted:s.json", f"scripted:{tmp_path / 's.json'}"):
        assert open_model(name, base_dir=tmp_path).complete([Message("user", "x")], []).text == "played"


def test_mistakes_are_found_when_a_model_is_opened(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InvalidFile):
        open_model("scripted:bad.json", base_dir=tmp_path)
    for name in ("", "  ", "scripted:", "openai/", " openai/gpt-5"):
        with pytest.raises(UsageError, match="is no model name"):
            open_model(name)
    with pytest.raises(UsageError, match=r"none\.json"):
        open_model("scripted:none.json", base_dir=tmp_path)


def test_a_retry_is_told_and_works() -> None:
    told: list[tuple[int, float, TransientModelError]] = []
    with OpenAIServer([rate_limited("0"), Reply("at last")]) as server:
        model = open_model("openai/x", api_base=server.url, on_retry=lambda *what: told.append(what))
        assert model.complete([Message("user", "x")], []).text == "at last"
    ((attempt, wait_s, error),) = told
    assert (attempt, "429" in str(error)) == (1, True)
    assert 1.0 <= wait_s <= 2.0


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai/gpt-5-mini", "OPENAI_API_KEY"),
        ("gpt-5-mini", "OPENAI_API_KEY"),
        ("claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-flash", "GEMINI_API_KEY"),
        ("openrouter/qwen/qwen3-coder", "OPENROUTER_API_KEY"),
        ("groq/x", "GROQ_API_KEY"),
        ("mistral/x", "MISTRAL_API_KEY"),
        ("deepseek/x", "DEEPSEEK_API_KEY"),
        ("xai/x", "XAI_API_KEY"),
    ],
)
def test_where_a_key_is_read_from(name: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in (variable, "GOOGLE_API_KEY"):
        monkeypatch.delenv(other, raising=False)
    found = provider_key(name)
    assert (found.variable, found.is_set, found.known) == (variable, False, True)
    monkeypatch.setenv(variable, "")
    assert not provider_key(name).is_set
    monkeypatch.setenv(variable, "secret")
    assert provider_key(name).is_set


def test_the_variable_that_is_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", "secret")
    assert provider_key("gemini/x") == ProviderKey("gemini", "GOOGLE_API_KEY", is_set=True, known=True)


def test_providers_without_a_key_and_unknown_ones() -> None:
    assert provider_key("ollama/llama3") == ProviderKey("ollama", "", is_set=True, known=True)
    assert provider_key("scripted:x.json") == ProviderKey("scripted", "", is_set=True, known=True)
    assert provider_key("bedrock/x") == ProviderKey("bedrock", "", is_set=False, known=False)
    assert provider_key("qwen2.5") == ProviderKey("", "", is_set=False, known=False)
