"""Providers with protocols of their own, through litellm: one answer of each in the shape their documentation gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conductor.errors import TransientModelError
from conductor.llm.litellm import LitellmModel
from conductor.messages import Completion, Effect, Message, ToolCall, ToolSpec
from tests.openai_server import Call, Fault, OpenAIServer, Reply

TOOLS = [ToolSpec("read", "Read.", {"type": "object", "properties": {"path": {"type": "string"}}}, Effect.READ)]
BROKEN = ToolCall("call_1", "read", {}, raw="{oops", malformed="not valid JSON")
MESSAGES = [
    Message("system", "You are a worker."),
    Message("user", "go"),
    Message("assistant", "", (BROKEN,)),
    Message("tool", "that call was malformed", call_id="call_1"),
]

ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 5},
}
ANTHROPIC_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": ANTHROPIC | {"content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I look."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"path":'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ' "a"}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 20}},
    {"type": "message_stop"},
]
GEMINI = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [{"text": "I look."}, {"functionCall": {"name": "read", "args": {"path": "a"}}}],
            },
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {"promptTokenCount": 15, "candidatesTokenCount": 20, "totalTokenCount": 35},
    "modelVersion": "gemini-2.5-flash",
}
OLLAMA = {
    "model": "llama3.1",
    "created_at": "2026-01-01T00:00:00Z",
    "message": {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [{"function": {"name": "read", "arguments": {"path": "a"}}}],
    },
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 15,
    "eval_count": 20,
}
RESPONSES = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-codex",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_9",
            "name": "read",
            "arguments": '{"path": "a"}',
            "status": "completed",
        },
    ],
    "usage": {"input_tokens": 15, "output_tokens": 20, "total_tokens": 35},
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}


def events(bodies: list[dict[str, Any]]) -> Fault:
    names = [f"event: {body['type']}\n" if "type" in body else "" for body in bodies]
    lines = [f"{name}data: {json.dumps(body)}\n\n" for name, body in zip(names, bodies, strict=True)]
    return Fault(200, "".join(lines).encode(), {"Content-Type": "text/event-stream"})


def whole(body: dict[str, Any]) -> Fault:
    return Fault(200, json.dumps(body).encode())


def ask(name: str, answer: Fault | Reply, *, stream: bool) -> Completion:
    with OpenAIServer([answer]) as server:
        base = server.url.removesuffix("/v1") if name.startswith(("anthropic/", "ollama_chat/")) else server.url
        return LitellmModel(name, api_base=base, api_key="k", stream=stream).complete(MESSAGES, TOOLS)


@pytest.mark.parametrize(
    ("name", "answer", "stream"),
    [
        ("anthropic/claude-sonnet-4-5", whole(ANTHROPIC), False),
        ("anthropic/claude-sonnet-4-5", events(ANTHROPIC_EVENTS), True),
        ("gemini/gemini-2.5-flash", whole(GEMINI), False),
        ("gemini/gemini-2.5-flash", events([GEMINI]), True),
        ("ollama_chat/llama3.1", whole(OLLAMA), False),
        ("ollama_chat/llama3.1", Fault(200, json.dumps(OLLAMA).encode() + b"\n"), True),
        ("openai/gpt-5-codex", whole(RESPONSES), False),
    ],
)
def test_a_protocol_of_its_own(name: str, answer: Fault, stream: bool) -> None:
    completion = ask(name, answer, stream=stream)
    (call,) = completion.tool_calls
    assert (call.tool, call.arguments, call.malformed) == ("read", {"path": "a"}, "")
    assert call.call_id
    assert completion.text == "I look."
    assert completion.finish_reason == "tool_calls"
    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (15, 20)


def test_a_cut_stream_of_another_protocol() -> None:
    for kept in (1, 3, 7):
        with pytest.raises(TransientModelError, match=r"cut off|no answer came"):
            ask("anthropic/claude-sonnet-4-5", events(ANTHROPIC_EVENTS[:kept]), stream=True)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "name",
    [
        "deepseek/deepseek-chat",
        "mistral/mistral-small-latest",
        "openrouter/qwen/qwen3-coder",
        "xai/grok-4",
        "hosted_vllm/qwen",
        "lm_studio/qwen",
    ],
)
def test_relatives_of_the_chat_completions(name: str, stream: bool) -> None:
    completion = ask(name, Reply("I look.", [Call("read", {"path": "a"})]), stream=stream)
    assert (completion.text, completion.finish_reason) == ("I look.", "tool_calls")
    assert completion.tool_calls[0].arguments == {"path": "a"}


CACHING = {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 500, "cache_creation_input_tokens": 300}
MARK = {"type": "ephemeral"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_claude_is_told_to_keep_system_prompt_and_conversation(stream: bool) -> None:
    began, *rest = ANTHROPIC_EVENTS
    script = [began | {"message": began["message"] | {"usage": CACHING}}, *rest]
    answer = events(script) if stream else whole(ANTHROPIC | {"usage": CACHING})
    with OpenAIServer([answer]) as server:
        model = LitellmModel(
            "anthropic/claude-sonnet-4-5", api_base=server.url.removesuffix("/v1"), api_key="k", stream=stream
        )
        said = model.complete(MESSAGES, TOOLS)
        longer = [*MESSAGES, Message("assistant", "I looked."), Message("user", "Go on.")]
        model.complete(longer, TOOLS)
        model.complete(MESSAGES[:2], [])
    first, second, alone = server.requests
    assert first["system"] == [{"type": "text", "text": "You are a worker.", "cache_control": MARK}]
    assert first["messages"][-1]["content"][-1]["cache_control"] == MARK
    assert json.dumps(first["messages"]).count("cache_control") == 1
    assert json.dumps(second["messages"]).count("cache_control") == 1
    assert second["messages"][-1]["content"][-1]["cache_control"] == MARK
    before, now = without_marks(first["messages"]), without_marks(second["messages"])
    assert now[: len(before)] == before
    assert "cache_control" not in json.dumps(alone), "a question that is asked once is not worth the higher price"
    assert (said.usage.input_tokens, said.usage.cached_tokens) == (810, 500)
    assert said.usage.usd == pytest.approx(10 * 3e-6 + 500 * 0.3e-6 + 300 * 3.75e-6 + 20 * 15e-6)


def without_marks(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    blocks = [block for message in messages for block in message["content"]]
    return [{key: value for key, value in block.items() if key != "cache_control"} for block in blocks]


def test_others_are_told_nothing_of_caches() -> None:
    with OpenAIServer([whole(GEMINI)]) as server:
        LitellmModel("gemini/gemini-2.5-flash", api_base=server.url, api_key="k").complete(MESSAGES, TOOLS)
    assert "cache" not in json.dumps(server.requests[0]).lower()
