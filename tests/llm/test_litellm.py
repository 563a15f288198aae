"""litellm over real HTTP, against a server that misbehaves on request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from conductor.errors import ModelError, TransientModelError, UsageError
from conductor.llm.litellm import LitellmModel
from conductor.messages import Completion, Effect, Message, ToolCall, ToolSpec
from tests import openai_server as server_of
from tests.openai_server import Answer, Call, CutStream, Fault, OpenAIServer, Reply, Silence

MODEL = "openai/gpt-5-mini"
MESSAGES = [Message("system", "You are a worker."), Message("user", "Grüß Gott")]
TOOLS = [ToolSpec("write_file", "Write.", {"type": "object", "properties": {"path": {"type": "string"}}}, Effect.READ)]
LONG = Reply("a text of some length", [Call("write_file", {"path": "a.py", "content": "ü" * 50})])


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name in {"OPENAI_BASE_URL", "OPENAI_API_BASE"}:
            monkeypatch.delenv(name)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def silent() -> Iterator[OpenAIServer]:
    with OpenAIServer([Silence()]) as server:
        yield server


def ask(answer: Answer, *, stream: bool = False, name: str = MODEL, timeout_s: float = 20.0) -> Completion:
    with OpenAIServer([answer]) as server:
        try:
            return LitellmModel(name, api_base=server.url, stream=stream, timeout_s=timeout_s).complete(MESSAGES, TOOLS)
        finally:
            assert len(server.requests) == 1, "the transport tried again by itself"


def test_what_is_sent(stream: bool) -> None:
    history = [*MESSAGES, Message("assistant", "", (ToolCall("c1", "write_file", {"path": "ä"}),))]
    with OpenAIServer([Reply("hello")]) as server:
        model = LitellmModel(MODEL, api_base=server.url, api_key="sk-mine", stream=stream)
        model.complete([*history, Message("tool", "ok", call_id="c1")], TOOLS)
        (body,) = server.requests
        assert server.headers[0]["Authorization"] == "Bearer sk-mine"
    assert body["model"] == "gpt-5-mini"
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][1]["content"] == "Grüß Gott"
    assert body["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"path": "ä"}'
    assert body["tools"][0]["function"]["name"] == "write_file"
    assert body.get("stream", False) is stream


def test_what_comes_back(stream: bool) -> None:
    reply = Reply("Text\nin lines", LONG.calls, input_tokens=1000, output_tokens=100, cached_tokens=600)
    completion = ask(reply, stream=stream)
    assert completion.text == "Text\nin lines"
    assert completion.tool_calls[0].arguments == {"path": "a.py", "content": "ü" * 50}
    assert (completion.finish_reason, completion.model) == ("tool_calls", MODEL)
    usage = completion.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (1000, 100, 600)
    assert 0 < usage.usd < ask(Reply(input_tokens=1000, output_tokens=100), stream=stream).usage.usd < 0.01


def test_calls_of_one_stream_that_share_an_index() -> None:
    calls = [Call("write_file", {"path": "1"}), Call("t", {"path": "2"})]
    read = ask(Reply(calls=calls, one_index=True), stream=True).tool_calls
    assert [(call.tool, call.arguments) for call in read] == [("write_file", {"path": "1"}), ("t", {"path": "2"})]


def test_calls_of_one_turn_that_share_an_id(stream: bool) -> None:
    calls = [Call("write_file", {"path": "1"}, "same"), Call("write_file", {"path": "2"}, "same"), Call("t", {}, "")]
    read = ask(Reply(calls=calls), stream=stream).tool_calls
    assert [call.arguments for call in read] == [{"path": "1"}, {"path": "2"}, {}]
    assert len({call.call_id for call in read}) == 3


def test_arguments_that_are_an_object_already(stream: bool) -> None:
    reply = Reply(calls=[Call("write_file", {"path": "a"})], raw_arguments=True)
    assert ask(reply, stream=stream).tool_calls[0].arguments == {"path": "a"}


def test_an_answer_at_its_length_limit(stream: bool) -> None:
    completion = ask(Reply(calls=[Call("write_file", '{"path": "a')], finish_reason="length"), stream=stream)
    assert completion.finish_reason == "length"
    assert "length limit" in completion.tool_calls[0].malformed


def test_an_empty_answer_is_an_answer(stream: bool) -> None:
    completion = ask(Reply(""), stream=stream)
    assert (completion.text, completion.tool_calls, completion.finish_reason) == ("", (), "stop")


def test_usage_is_estimated_where_the_server_counts_nothing() -> None:
    usage = ask(Reply("x" * 80, input_tokens=0, output_tokens=0)).usage
    assert (usage.input_tokens, usage.output_tokens) == (sum(len(m.content) for m in MESSAGES) // 4, 20)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (server_of.rate_limited(), "429 from 127.0.0.1:.*: Rate limit reached for requests"),
        (server_of.server_error(500), "500 from 127.0.0.1.*had an error"),
        (server_of.server_error(503), "503 from"),
        (server_of.html(502), "502 from .*: a web page"),
        (Fault(408, server_of.error_body("slow")), "408 from|in time"),
    ],
)
def test_bad_weather_may_pass(answer: Answer, says: str, stream: bool) -> None:
    with pytest.raises(TransientModelError, match=says) as caught:
        ask(answer, stream=stream)
    assert one_clear_line(caught.value)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (server_of.html(), "no completion: a web page|no answer came"),
        (server_of.half_json(), "no completion: .*|no answer came"),
        (Fault(200, b'{"id": "chat', claimed_length=900), "closed the connection before"),
        (Fault(200, b""), "no completion|no answer came"),
        (Fault(200, b"hello", {"Content-Type": "text/plain"}), "no completion|no answer came"),
        (Fault(200, b"data: {oops\n\n", {"Content-Type": "text/event-stream"}), "no completion"),
        (server_of.empty_choices(), "no answer came"),
        (server_of.error_inside(), "an error instead of an answer: The backend is overloaded|no answer came"),
        (Fault(200, server_of.error_body("busy", code="overloaded")), "instead of an answer: busy|no answer came"),
    ],
)
def test_an_answer_that_is_none_may_pass(answer: Answer, says: str, stream: bool) -> None:
    with pytest.raises(TransientModelError, match=says) as caught:
        ask(answer, stream=stream)
    assert one_clear_line(caught.value)


@pytest.mark.parametrize("chunks", [1, 3, 6])
def test_a_cut_stream_is_no_answer(chunks: int) -> None:
    with pytest.raises(TransientModelError, match=r"cut off before its end|no answer came"):
        ask(CutStream(LONG, chunks), stream=True)
    with pytest.raises(TransientModelError, match="closed the connection before the answer was complete"):
        ask(CutStream(LONG, chunks, politely=False), stream=True)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (server_of.unauthorized(), ModelError, "refused the key for openai/gpt-5-mini: Incorrect API key"),
        (server_of.unknown_model(), UsageError, "does not know the model"),
        (Fault(400, server_of.error_body("bad parameter")), ModelError, "400 from .*: bad parameter"),
        (Fault(429, server_of.error_body("x", code="insufficient_quota")), ModelError, "quota"),
    ],
)
def test_what_trying_again_cannot_help(answer: Answer, kind: type[Exception], says: str, stream: bool) -> None:
    with pytest.raises(kind, match=says) as caught:
        ask(answer, stream=stream)
    assert not isinstance(caught.value, TransientModelError)
    assert one_clear_line(caught.value)


def test_a_refused_key_names_the_variable() -> None:
    with pytest.raises(ModelError) as caught:
        ask(server_of.unauthorized())
    assert "OPENAI_API_KEY" in caught.value.hint


@pytest.mark.parametrize(("header", "low", "high"), [("7", 7, 7), ("Fri, 31 Dec 2100 23:59:59 GMT", 1e8, 1e10)])
def test_retry_after_is_read(header: str, low: float, high: float, stream: bool) -> None:
    with pytest.raises(TransientModelError) as caught:
        ask(server_of.rate_limited(header), stream=stream)
    assert low <= (caught.value.retry_after or 0) <= high


def test_a_host_that_never_answers(stream: bool, silent: OpenAIServer) -> None:
    started = time.monotonic()
    with pytest.raises(TransientModelError, match="did not answer in time"):
        LitellmModel(MODEL, api_base=silent.url, stream=stream, timeout_s=0.2).complete(MESSAGES, [])
    assert time.monotonic() - started < 5


def test_a_host_that_is_not_there() -> None:
    with pytest.raises(TransientModelError, match=r"127\.0\.0\.1:9 refuses connections"):
        LitellmModel(MODEL, api_base="http://127.0.0.1:9/v1").complete(MESSAGES, [])


def test_no_key_is_said_before_anything_is_sent() -> None:
    for name, variable in ((MODEL, "OPENAI_API_KEY"), ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY")):
        with pytest.raises(ModelError) as caught:
            LitellmModel(name).complete(MESSAGES, [])
        assert variable in caught.value.hint


def test_an_unknown_provider_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(UsageError, match='"nosuch/model" names no provider'):
        LitellmModel("nosuch/model").complete(MESSAGES, [])
    with pytest.raises(UsageError, match="is no address"):
        LitellmModel(MODEL, api_base="localhost:11434")


def test_credentials_in_an_address_are_not_shown() -> None:
    with pytest.raises(TransientModelError) as caught:
        LitellmModel(MODEL, api_base="http://user:secret@127.0.0.1:9/v1").complete(MESSAGES, [])
    assert "127.0.0.1:9" in str(caught.value) and "secret" not in str(caught.value) + caught.value.hint


def test_a_server_of_ones_own_needs_no_key_and_may_name_its_models_freely() -> None:
    with OpenAIServer([Reply("hi")]) as server:
        assert LitellmModel("Qwen/Qwen2.5-Coder", api_base=server.url).complete(MESSAGES, []).usage.usd == 0.0
        assert server.requests[0]["model"] == "Qwen/Qwen2.5-Coder"
        assert "tools" not in server.requests[0]


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_the_providers_own_variables_give_the_address(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenAIServer([Reply("hi")]) as server:
        monkeypatch.setenv(variable, server.url)
        assert LitellmModel(MODEL).complete(MESSAGES, []).text == "hi"


def test_ctrl_c_passes_through(silent: OpenAIServer, stream: bool) -> None:
    model = LitellmModel(MODEL, api_base=silent.url, stream=stream)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        model.complete(MESSAGES, [])


def test_litellm_is_loaded_late_and_says_nothing() -> None:
    """In a process of its own: no import before the first request, no variable left behind, no word on the terminal."""
    program = """
import os, socket, sys
import conductor.llm.gateway, conductor.llm.litellm
model = conductor.llm.gateway.open_model("openai/gpt-5-mini", api_base=sys.argv[1])
assert not {"litellm", "openai", "httpx", "pydantic"} & set(sys.modules)
hosts = []
connect = socket.socket.connect
socket.socket.connect = lambda self, address: (hosts.append(address[0]), connect(self, address))[1]
from conductor.errors import ModelError
from conductor.messages import Message
assert model.complete([Message("user", "x")], []).text == "hi"
assert set(hosts) == {"127.0.0.1"}, hosts
assert not {"LITELLM_MODE", "LITELLM_LOCAL_MODEL_COST_MAP"} & set(os.environ)
try:
    model.complete([Message("user", "x")], [])
except ModelError as error:
    assert "refused the key" in str(error)
else:
    raise AssertionError("no error")
"""
    with OpenAIServer([Reply("hi"), server_of.unauthorized()]) as server:
        done = subprocess.run([sys.executable, "-c", program, server.url], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def one_clear_line(error: Exception) -> bool:
    return "\n" not in str(error) and len(str(error)) < 320 and "litellm." not in str(error)
