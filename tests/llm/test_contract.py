"""What every model of the registry promises, over one script of turns: played by itself and by a server over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from conductor.errors import ModelError
from conductor.llm.base import Model
from conductor.llm.gateway import open_model
from conductor.llm.registry import MODELS
from conductor.messages import Completion, Effect, Message, ToolSpec
from tests.openai_server import OpenAIServer, server_error, turns_of

TOOLS = [
    ToolSpec("read_file", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}}, Effect.READ)
]
OPENING = [Message("system", "You are a worker."), Message("user", "Do the thing — gründlich.")]
TURNS = [
    {"text": "I look.", "tool_calls": [{"tool": "read_file", "arguments": {"path": "ä.py", "lines": [1, 2]}}]},
    {
        "tool_calls": [
            {"tool": "read_file", "arguments": {"path": "a"}},
            {"tool": "no_such_tool", "arguments": {}},
            {"tool": "read_file", "raw": '{"path": '},
            {"tool": "", "arguments": {}},
        ]
    },
    {"text": "Done.\nAll of it.", "usage": {"input_tokens": 900, "output_tokens": 7, "cached_tokens": 512}},
]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "turns.json"
    path.write_text(json.dumps({"schema": 1, "conversations": [{"match": "the thing", "turns": TURNS}]}))
    return path


@pytest.fixture(params=["scripted", "direct", "direct stream", "litellm", "litellm stream"])
def model(request: pytest.FixtureRequest, script: Path) -> Iterator[Model]:
    kind, _, stream = request.param.partition(" ")
    with ExitStack() as stack:
        if kind == "scripted":
            yield open_model(f"scripted:{script.name}", base_dir=script.parent)
        else:
            server = stack.enter_context(OpenAIServer(turns_of(script)))
            yield open_model("openai/gpt-5-mini", api_base=server.url, stream=bool(stream), adapter=kind)


def said(completion: Completion) -> list[Message]:
    answers = [Message("tool", "ok", call_id=call.call_id) for call in completion.tool_calls]
    return [Message("assistant", completion.text, completion.tool_calls), *answers]


def test_every_model_of_the_registry_is_tried_here() -> None:
    assert set(MODELS) == {"scripted", "direct", "litellm"}


def test_a_turn_with_a_call(model: Model) -> None:
    completion = model.complete(OPENING, TOOLS)
    assert completion.text == "I look."
    assert completion.finish_reason == "tool_calls"
    (call,) = completion.tool_calls
    assert (call.tool, call.arguments) == ("read_file", {"path": "ä.py", "lines": [1, 2]})
    assert call.call_id and not call.malformed and not call.raw
    assert completion.usage.input_tokens > 0


def test_a_conversation_to_its_end(model: Model) -> None:
    messages: Sequence[Message] = OPENING
    ids: list[str] = []
    while (completion := model.complete(messages, TOOLS)).tool_calls:
        messages = [*messages, *said(completion)]
        ids += [call.call_id for call in completion.tool_calls]
    assert completion.text == "Done.\nAll of it."
    assert completion.finish_reason == "stop"
    usage = completion.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (900, 7, 512)
    assert len(ids) == 5 == len(set(ids))


def test_a_malformed_call_is_an_answer_and_harms_no_other(model: Model) -> None:
    first = model.complete(OPENING, TOOLS)
    good, unknown, broken, nameless = model.complete([*OPENING, *said(first)], TOOLS).tool_calls
    assert not good.malformed and not unknown.malformed
    assert "line 1, column 10" in broken.malformed and broken.raw == '{"path": ' and broken.arguments == {}
    assert "names no tool" in nameless.malformed


def test_the_same_messages_give_the_same_turn_in_a_new_process(model: Model, script: Path) -> None:
    messages = [*OPENING, *said(model.complete(OPENING, TOOLS))]
    again = open_model(f"scripted:{script}")
    assert [c.tool for c in model.complete(messages, TOOLS).tool_calls] == [
        c.tool for c in again.complete(messages, TOOLS).tool_calls
    ]


def test_no_answer_is_a_model_error(script: Path) -> None:
    script.write_text(json.dumps({"schema": 1, "conversations": [{"match": "", "turns": []}]}))
    with pytest.raises(ModelError, match=r"turns\.json"):
        open_model(f"scripted:{script}").complete(OPENING, TOOLS)
    with OpenAIServer([server_error(400)]) as server, pytest.raises(ModelError, match="400 from 127"):
        open_model("openai/gpt-5-mini", api_base=server.url).complete(OPENING, TOOLS)
