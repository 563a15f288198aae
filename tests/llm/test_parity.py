"""The direct adapter and litellm over the same scripted server: the same completions, errors, requests and journal."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conductor.app import build_engine
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import ConductorError
from conductor.events import Event
from conductor.llm.gateway import open_model
from conductor.llm.keys import _LITELLM_PROVIDERS
from conductor.llm.litellm import LitellmModel, _load
from conductor.llm.openai import OpenAIModel
from conductor.llm.prices import facts_of, needs_responses
from conductor.llm.registry import kind_of
from conductor.messages import Completion, Effect, Message, ToolCall, ToolSpec
from conductor.plan import load_plan
from tests import openai_server as server_of
from tests.openai_server import Answer, Call, CutStream, Fault, OpenAIServer, Reply, Silence

NAME = "openai/gpt-5-mini"
TOOLS = [ToolSpec("write", "Write.", {"type": "object", "properties": {"path": {"type": "string"}}}, Effect.READ)]
MESSAGES = [
    Message("system", "You are a worker."),
    Message("user", "Grüß Gott"),
    Message("assistant", "", (ToolCall("call_1", "write", {}, raw='{"a', malformed="oops"),)),
    Message("tool", "that call was malformed", call_id="call_1"),
]
LONG = Reply("a text of some length", [Call("write", {"path": "a.py", "content": "ü" * 50})])
EVENTS = {"Content-Type": "text/event-stream"}

SAME: dict[str, Answer] = {
    "text and call": Reply("Text\nin lines", LONG.calls, input_tokens=1000, output_tokens=100, cached_tokens=600),
    "empty": Reply(""),
    "no usage": Reply("x" * 80, LONG.calls, input_tokens=0, output_tokens=0),
    "malformed call": Reply(calls=[Call("write", '{"path": ')]),
    "nameless call": Reply(calls=[Call("", {})]),
    "shared ids": Reply(calls=[Call("write", {"path": "1"}, "same"), Call("write", {"path": "2"}, "same")]),
    "no id": Reply(calls=[Call("write", {}, "")]),
    "id taken": Reply(calls=[Call("write", {}, "call_1")]),
    "object arguments": Reply(calls=[Call("write", {"path": "a"})], raw_arguments=True),
    "one index": Reply(calls=[Call("write", {"path": "1"}), Call("t", {"path": "2"})], one_index=True),
    "length": Reply(calls=[Call("write", '{"path": "a')], finish_reason="length"),
    "length in text": Reply("half of a sen", finish_reason="length"),
    "other end": Reply("abc", finish_reason="content_filter"),
    "half a surrogate": Reply("a\ud800b"),
    "hundred same chunks": Reply("a" * 100, piece=1),
    "ninety-nine same chunks": Reply("again " * 99, piece=6),
    "429": server_of.rate_limited(),
    "429 in seconds": server_of.rate_limited("7"),
    "429 at a date": server_of.rate_limited("Fri, 31 Dec 2100 23:59:59 GMT"),
    "quota": Fault(429, server_of.error_body("x", code="insufficient_quota")),
    "500": server_of.server_error(500),
    "503": server_of.server_error(503),
    "409": Fault(409, server_of.error_body("conflict")),
    "HTML 502": server_of.html(502),
    "401": server_of.unauthorized(),
    "403": Fault(403, server_of.error_body("not you")),
    "404": server_of.unknown_model(),
    "400": Fault(400, server_of.error_body("bad parameter")),
    "400 in text": Fault(400, b"plain refusal", {"Content-Type": "text/plain"}),
    "400 of another form": Fault(400, b'{"detail": "no such thing"}'),
    "body too short": Fault(200, b'{"id": "chat', claimed_length=900),
    "empty choices": server_of.empty_choices(),
    "silence": Silence(),
}
OTHER_WORDS: dict[str, Answer] = {
    "HTML": server_of.html(),
    "half JSON": server_of.half_json(),
    "nothing": Fault(200, b""),
    "text": Fault(200, b"hello", {"Content-Type": "text/plain"}),
    "null": Fault(200, b"null"),
    "broken event": Fault(200, b"data: {oops\n\n", EVENTS),
    "error inside": server_of.error_inside(),
    "error inside with a code": Fault(200, server_of.error_body("busy", code="overloaded")),
    "error inside a stream": Fault(200, b'data: {"error": {"message": "busy"}}\n\n', EVENTS),
    "no reason phrase": Fault(500, b""),
}
CUT = {
    f"after {chunks}, {'politely' if politely else 'rudely'}": CutStream(LONG, chunks, politely)
    for chunks in (1, 3, 6)
    for politely in (True, False)
}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param


def outcome(model: type, answer: Answer, *, stream: bool, words: bool = True) -> object:
    """What an adapter makes of an answer: the completion, or the error by its kind, delay, hint and words."""
    timeout_s = 0.3 if isinstance(answer, Silence) else 20.0
    with OpenAIServer([answer]) as server:
        try:
            return model(NAME, api_base=server.url, stream=stream, timeout_s=timeout_s).complete(MESSAGES, TOOLS)
        except ConductorError as error:
            host = server.url.split("/")[2]
            said = str(error).replace(host, "HOST") if words else ""
            wait = getattr(error, "retry_after", None)
            return (type(error), error.exit_code, wait and round(wait, -2), error.hint.replace(host, "HOST"), said)
        finally:
            assert len(server.requests) == 1


@pytest.mark.parametrize("case", SAME)
def test_the_same_of_every_answer(case: str, stream: bool) -> None:
    direct = outcome(OpenAIModel, SAME[case], stream=stream)
    assert direct == outcome(LitellmModel, SAME[case], stream=stream)
    assert isinstance(direct, Completion) is isinstance(SAME[case], Reply)


@pytest.mark.parametrize("case", CUT)
def test_the_same_of_every_cut(case: str) -> None:
    assert outcome(OpenAIModel, CUT[case], stream=True) == outcome(LitellmModel, CUT[case], stream=True)


@pytest.mark.parametrize("case", OTHER_WORDS)
def test_the_same_kind_of_error_in_other_words(case: str, stream: bool) -> None:
    """litellm calls most of these "no answer came" when it streams; the direct adapter says what came instead."""
    direct = outcome(OpenAIModel, OTHER_WORDS[case], stream=stream, words=False)
    assert direct == outcome(LitellmModel, OTHER_WORDS[case], stream=stream, words=False)


def test_the_same_of_a_model_that_repeats_itself() -> None:
    for piece, times, lost in (("again ", 101, True), ("-- ", 300, True), ("--", 300, False)):
        answer = Reply(piece * times, piece=len(piece))
        direct = outcome(OpenAIModel, answer, stream=True, words=False)
        assert direct == outcome(LitellmModel, answer, stream=True, words=False)
        assert isinstance(direct, Completion) is not lost


LAP = " ".join(f"I call number {n} now." for n in range(40))


@pytest.mark.parametrize("piece", [9, 300, 5_000])
def test_the_same_of_a_model_that_goes_in_circles(piece: int) -> None:
    """It is cut off after a few laps; of its text the first one is kept."""
    for answer in (Reply(LAP * 50, piece=piece), Reply(calls=[Call("write", {"path": LAP * 80})], piece=piece)):
        direct = outcome(OpenAIModel, answer, stream=True, words=False)
        assert isinstance(direct, Completion)
        assert direct == outcome(LitellmModel, answer, stream=True, words=False)
        assert direct.finish_reason == "length"
        assert len(direct.text) < 2 * len(LAP)


def test_what_only_looks_like_circles_is_left_whole() -> None:
    for text in (LAP * 3, "-" * 9_000, "0, " * 5_000, " ".join(f"I call number {n} now." for n in range(2_000))):
        direct = outcome(OpenAIModel, Reply(text, piece=2), stream=True)
        assert isinstance(direct, Completion)
        assert (direct.text, direct.finish_reason) == (text, "stop")


def test_what_is_told_as_it_arrives_is_the_text() -> None:
    for model in (OpenAIModel, LitellmModel):
        heard: list[str] = []
        with OpenAIServer([Reply("Grüß Gott, it is done.", LONG.calls, piece=4)]) as server:
            said = model(NAME, api_base=server.url, stream=True, on_text=heard.append).complete(MESSAGES, TOOLS)
        assert len(heard) == 6 and "".join(heard) == said.text == "Grüß Gott, it is done."


def test_the_same_limit_of_output_goes_out() -> None:
    with OpenAIServer([Reply("hi")]) as server:
        for model in (OpenAIModel, LitellmModel):
            model(NAME, api_base=server.url, max_output_tokens=77).complete(MESSAGES, TOOLS)
        direct, through = server.requests
    assert direct["max_tokens"] == 77
    assert [through.get(name) for name in ("max_tokens", "max_completion_tokens")].count(77) == 1


def test_hosts_that_are_not_there(stream: bool) -> None:
    for base in ("http://127.0.0.1:9/v1", "http://models.invalid/v1", "http://me:secret@127.0.0.1:9/v1"):
        said: list[str] = []
        for model in (OpenAIModel, LitellmModel):
            with pytest.raises(ConductorError) as caught:
                model(NAME, api_base=base, stream=stream).complete(MESSAGES, TOOLS)
            said.append(f"{type(caught.value).__name__} {caught.value} {caught.value.hint}")
        assert said[0] == said[1]
        assert "secret" not in said[0]


def test_no_key() -> None:
    said: set[str] = set()
    for model in (OpenAIModel, LitellmModel):
        with pytest.raises(ConductorError) as caught:
            model(NAME).complete(MESSAGES, TOOLS)
        said.add(f"{caught.value} {caught.value.hint}")
    assert len(said) == 1


def test_the_same_request_goes_out(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    monkeypatch.setenv("OPENAI_ORGANIZATION", "org-1")
    with OpenAIServer([Reply("hi")]) as server:
        for model in (OpenAIModel, LitellmModel):
            model(NAME, api_base=server.url, stream=stream).complete(MESSAGES, TOOLS)
        direct, through = server.requests
        for request in (direct, through):  # litellm leaves a content of null out
            request["messages"] = [{k: v for k, v in m.items() if v is not None} for m in request["messages"]]
        told = [{name: sent.get(name) for name in ("Authorization", "OpenAI-Organization")} for sent in server.headers]
    assert direct == through
    assert told[0] == told[1] == {"Authorization": "Bearer sk-mine", "OpenAI-Organization": "org-1"}


# The same prices, providers and routes


def test_the_same_prices() -> None:
    litellm = _load()
    models = [name for name, facts in litellm.model_cost.items() if facts.get("litellm_provider") == "openai"]
    chat = [name for name in models if litellm.model_cost[name].get("mode") == "chat"]
    assert len(chat) > 50
    for name in (*random.Random(1).sample(chat, 20), "gpt-5-mini", "gpt-5.4", "gpt-4"):
        for read, written, cached in ((1000, 100, 0), (1000, 100, 600), (300_000, 7, 1000)):
            theirs = litellm.cost_per_token(
                model=name,
                custom_llm_provider="openai",
                prompt_tokens=read,
                completion_tokens=written,
                cache_read_input_tokens=cached,
            )
            assert facts_of(name).price(read, written, cached) == pytest.approx(sum(theirs)), name
    for unknown in ("nosuch", "Qwen/Qwen2.5-Coder", "claude-sonnet-4-5", 'gpt"', "sample_spec"):
        assert facts_of(unknown).price(1000, 1000, 0) == 0.0


def test_the_same_providers() -> None:
    theirs = {str(getattr(provider, "value", provider)) for provider in _load().provider_list}
    assert set(_LITELLM_PROVIDERS.split()) == theirs


@pytest.mark.parametrize(
    ("name", "base", "kind"),
    [
        ("openai/gpt-5-mini", None, "direct"),
        ("gpt-5-mini", None, "direct"),
        ("openai/gpt-5-mini", "http://x/v1", "direct"),
        ("Qwen/Qwen2.5-Coder", "http://x/v1", "direct"),
        ("qwen2.5-coder:7b", "http://x/v1", "direct"),
        ("Qwen/Qwen2.5-Coder", None, "litellm"),
        ("anthropic/claude-sonnet-4-5", None, "litellm"),
        ("claude-sonnet-4-5", "http://x", "litellm"),
        ("ollama_chat/llama3.1", "http://x", "litellm"),
        ("openrouter/qwen/qwen3-coder", None, "litellm"),
        ("openai/gpt-5-codex", None, "litellm"),
        ("openai/gpt-5-codex", "http://x/v1", "litellm"),
        ("openai/gpt-5.4", None, "litellm"),
        ("openai/gpt-5.4", "http://x/v1", "direct"),
        ("scripted:a.json", "http://x/v1", "scripted"),
    ],
)
def test_who_is_asked_by_whom(name: str, base: str | None, kind: str) -> None:
    assert kind_of(name, base) == kind
    assert kind_of(name, base, "litellm") == ("scripted" if kind == "scripted" else "litellm")


def test_models_that_chat_takes_tools_of_are_those_litellm_asks_that_way() -> None:
    from litellm.main import responses_api_bridge_check

    tools = [{"type": "function", "function": {"name": "t"}}]
    cost: dict[str, Any] = _load().model_cost
    for name in [n for n, facts in cost.items() if facts.get("litellm_provider") == "openai" and n.startswith("gpt-")]:
        if cost[name].get("mode") in {"chat", "responses"}:
            theirs, _ = responses_api_bridge_check(name, "openai", tools=tools, api_base=None)
            assert needs_responses(name, "") == (theirs.get("mode") == "responses"), name


# The same journal

TRACK = """\
schema = 1
id = "small"
title = "Small"

[[tickets]]
id = "T1"
title = "Write"
target_file = "module.py"
prompt = "Write it."
worker_archetype = "coder"
dependencies = []
"""
CONVERSATION = [
    Reply("I look.", [Call("read_file", {"path": "module.py"}), Call("nosuch", {}), Call("write_file", '{"path": ')]),
    server_of.rate_limited("0"),
    Reply(calls=[Call("write_file", {"path": "module.py", "content": "VALUE = 2  # ü\n"})], cached_tokens=8),
    Reply(calls=[Call("run_shell", {"command": "echo hi; exit 3"})]),
    Reply("It failed and says hi."),
    Reply("Done."),
]


def journal(folder: Path, adapter: str, stream: bool, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the track and return what its journal says, without what differs between any two runs."""
    folder.mkdir()
    (folder / "track.toml").write_text(TRACK)
    (folder / "module.py").write_text("VALUE = 1\n")
    settings = folder / "settings"
    settings.mkdir()
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(settings))
    monkeypatch.setattr("conductor.llm.retry.time", SimpleNamespace(sleep=lambda _: None))
    entries: list[Event] = []
    with OpenAIServer(CONVERSATION) as server:
        models = {"default": NAME, "default_cheap": NAME, "api_base": server.url, "adapter": adapter}
        lines = [f"{key} = {json.dumps(value)}" for key, value in models.items()]
        (settings / "config.toml").write_text("\n".join(["[models]", *lines, f"stream = {str(stream).lower()}"]))
        plan = load_plan(folder / "track.toml", folder)
        with build_engine(plan, ScriptedClutch([approve] * 9), listeners=[entries.append]) as engine:
            assert engine.run() == 0
    varying = re.compile(r"(\w*(?:_s|_ms|digest|pid|_bytes)\b=)[^,)]+|/tmp/\S+|(?<=127.0.0.1:)\d+")
    said = [varying.sub(lambda found: found[1] or "", repr(event.data)) for event in entries]
    return [f"{event.kind} {event.ticket_id} {text}" for event, text in zip(entries, said, strict=True)]


def test_the_same_journal(tmp_path: Path, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = journal(tmp_path / "direct", "direct", stream, monkeypatch)
    assert direct == journal(tmp_path / "litellm", "litellm", stream, monkeypatch)
    assert sum(line.startswith("model_replied") for line in direct) >= 4


def test_the_gateway_opens_what_is_configured() -> None:
    with OpenAIServer([Reply("hi")]) as server:
        for adapter in ("direct", "litellm"):
            open_model(NAME, api_base=server.url, adapter=adapter).complete(MESSAGES, [])
        agents = [headers["User-Agent"].split("/")[0] for headers in server.headers]
    assert agents[0] == "conductor" and agents[1] != "conductor"
