"""The direct adapter over real sockets: what goes out, how connections are kept, and what comes back in any shape."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.errors import ConductorError, ModelError, TransientModelError, UsageError
from conductor.llm.http import Reply as Received
from conductor.llm.openai import OpenAIModel, events
from conductor.messages import Effect, Message, ToolCall, ToolSpec
from tests.openai_server import Answer, Call, CutStream, Fault, OpenAIServer, Reply, Silence

NAME = "openai/gpt-5-mini"
MESSAGES = [Message("system", "You are a worker."), Message("user", "Grüß Gott")]
TOOLS = [ToolSpec("read", "Read.", {"type": "object", "properties": {"path": {"type": "string"}}}, Effect.READ)]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy") or name.startswith("SSL_CERT"):
            monkeypatch.delenv(name)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param


@contextmanager
def raw_server(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server of one connection that answers one request with exactly these bytes, and what it was sent."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1 << 16):
                heard.append(data)
                if data.endswith(b"}") or data.startswith(b"CONNECT"):
                    connection.sendall(answer)
                    break

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", heard
    listener.close()


# What is sent


def test_the_body_has_what_is_needed_and_no_more(stream: bool) -> None:
    with OpenAIServer([Reply("hi")]) as server:
        OpenAIModel(NAME, api_base=server.url, api_key=" sk-mine\n", stream=stream).complete(MESSAGES, TOOLS)
        (body,), (headers,) = server.requests, server.headers
    extra = {"stream", "stream_options"} if stream else set[str]()
    assert set(body) == {"model", "messages", "tools"} | extra
    assert body["model"] == "gpt-5-mini"
    assert body["messages"][1] == {"role": "user", "content": "Grüß Gott"}
    assert headers["Authorization"] == "Bearer sk-mine"


def test_without_tools_or_key_none_are_sent() -> None:
    with OpenAIServer([Reply("hi")]) as server:
        OpenAIModel("Qwen/Qwen2.5-Coder", api_base=server.url).complete(MESSAGES, [])
        assert set(server.requests[0]) == {"model", "messages"}
        assert server.requests[0]["model"] == "Qwen/Qwen2.5-Coder"
        assert "Authorization" not in server.headers[0]


def test_what_the_variables_say_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenAIServer([Reply("hi")]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
        OpenAIModel(NAME).complete(MESSAGES, [])
        sent = server.headers[0]
    assert (sent["Authorization"], sent["OpenAI-Organization"]) == ("Bearer sk-env", "org-1")


def test_other_tools_and_other_conversations_are_told() -> None:
    with OpenAIServer([Reply("hi")]) as server:
        model = OpenAIModel(NAME, api_base=server.url)
        other = [Message("user", "new")]
        grown = [*MESSAGES, Message("assistant", "", (ToolCall("c", "read", {"path": "ä"}),))]
        for messages, tools in (
            (MESSAGES, TOOLS),
            (grown, TOOLS),
            (other, []),
            (MESSAGES, TOOLS),
            (MESSAGES[:1], TOOLS),
        ):
            model.complete(messages, tools)
        lengths = [(len(body["messages"]), "tools" in body) for body in server.requests]
        assert lengths == [(2, True), (3, True), (1, False), (2, True), (1, True)]
        assert server.requests[1]["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"path": "ä"}'
        assert server.requests[2]["messages"] == [{"role": "user", "content": "new"}]


# Connections


def test_a_connection_is_kept(stream: bool) -> None:
    reply = Reply("hi", [Call("read", {"path": "a"})])
    peers: set[object] = set()
    with OpenAIServer([reply]) as server:
        accept = server._server.get_request

        def counted() -> tuple[socket.socket, object]:
            found = accept()
            peers.add(found[1])
            return found

        server._server.get_request = counted  # type: ignore[method-assign]
        model = OpenAIModel(NAME, api_base=server.url, stream=stream)
        for _ in range(4):
            model.complete(MESSAGES, TOOLS)
    assert len(peers) == 1


def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    body = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'
    with raw_server(whole % (len(body), body)) as (url, _):
        model = OpenAIModel(NAME, api_base=url)
        assert model.complete(MESSAGES, []).text == "hi"
        port = int(url.split(":")[2].split("/")[0])
    time.sleep(0.2)  # until the end of the connection is here
    with OpenAIServer([Reply("again")], port=port) as server:
        assert model.complete(MESSAGES, []).text == "again"
        assert len(server.requests) == 1


def test_after_a_failure_the_next_request_is_a_clean_one(stream: bool) -> None:
    long = Reply("a text of some length")
    script: list[Answer] = [CutStream(long, 2, politely=False), Fault(500, b"x" * 100_000), long]
    with OpenAIServer(script) as server:
        model = OpenAIModel(NAME, api_base=server.url, stream=True)
        for _ in range(2):
            with pytest.raises(TransientModelError):
                model.complete(MESSAGES, [])
        assert model.complete(MESSAGES, []).text == "a text of some length"
        assert len(server.requests) == 3


def test_threads_may_share_a_model() -> None:
    with OpenAIServer(lambda body: Reply(body["messages"][-1]["content"])) as server:
        model = OpenAIModel(NAME, api_base=server.url)
        answers: dict[int, str] = {}

        def work(number: int) -> None:
            for turn in range(10):
                answers[number] = model.complete([Message("user", f"{number} {turn}")], []).text

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {number: f"{number} 9" for number in range(4)}


def test_ctrl_c_passes_and_harms_nothing(stream: bool) -> None:
    with OpenAIServer([Silence(), Reply("hi")]) as server:
        model = OpenAIModel(NAME, api_base=server.url, stream=stream)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            model.complete(MESSAGES, [])
        assert model.complete(MESSAGES, []).text == "hi"


# Proxies and certificates


def test_a_proxy_is_used_and_no_proxy_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenAIServer([Reply("via proxy")]) as proxy, OpenAIServer([Reply("direct")]) as server:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://me:pass@"))
        assert OpenAIModel(NAME, api_base="http://models.invalid/v1").complete(MESSAGES, []).text == "via proxy"
        assert proxy.headers[0]["Host"] == "models.invalid"
        assert proxy.headers[0]["Proxy-Authorization"] == "Basic bWU6cGFzcw=="
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert OpenAIModel(NAME, api_base=server.url).complete(MESSAGES, []).text == "direct"


def test_a_tunnel_is_asked_for_and_its_refusal_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(b"HTTP/1.1 403 Forbidden\r\n\r\n") as (url, heard):
        monkeypatch.setenv("https_proxy", url)
        model = OpenAIModel(NAME, api_base="https://models.invalid/v1", timeout_s=2)
        with pytest.raises(TransientModelError, match=r"models\.invalid cannot be reached: the proxy"):
            model.complete(MESSAGES, [])
    assert heard[0].startswith(b"CONNECT models.invalid:443 ")


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(UsageError, match="socks5"):
        OpenAIModel(NAME, api_base="http://models.invalid/v1")


# Mistakes


@pytest.mark.parametrize("base", ["localhost:11434", "http://", "ftp://x/v1", "http://x:port/v1", "http://x:99999/v1"])
def test_an_address_that_is_none(base: str) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        OpenAIModel(NAME, api_base=base)


@pytest.mark.parametrize("key", ["schlüssel", "sk-a\nb", "sk\x00"])
def test_a_key_that_can_be_none(key: str) -> None:
    with pytest.raises(ModelError, match="characters no key has") as caught:
        OpenAIModel(NAME, api_base="http://127.0.0.1:9", api_key=key).complete(MESSAGES, [])
    assert key not in str(caught.value)


def test_a_redirect_is_said_and_not_followed() -> None:
    moved = Fault(308, b"", {"Location": "https://new.invalid/v1/chat/completions"})
    with OpenAIServer([moved]) as server, pytest.raises(ModelError, match=r"redirects to https://new\.invalid"):
        OpenAIModel(NAME, api_base=server.url).complete(MESSAGES, [])


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http(answer: bytes) -> None:
    with raw_server(answer) as (url, _), pytest.raises(TransientModelError):
        OpenAIModel(NAME, api_base=url, timeout_s=2).complete(MESSAGES, [])


# What comes back


def test_arguments_of_ten_megabytes(stream: bool) -> None:
    content = "x" * 10_000_000
    with OpenAIServer([Reply(calls=[Call("write", {"content": content})], piece=100_000)]) as server:
        (call,) = OpenAIModel(NAME, api_base=server.url, stream=stream).complete(MESSAGES, []).tool_calls
    assert call.arguments == {"content": content}


def test_an_answer_without_end_is_bounded() -> None:
    chunk = b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % (b"x" * 1_000_000)
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + chunk * 70
    with raw_server(endless) as (url, _), pytest.raises(TransientModelError):
        OpenAIModel(NAME, api_base=url, stream=True).complete(MESSAGES, [])


def test_a_server_that_does_not_stream_is_read_all_the_same() -> None:
    whole = {"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}
    with OpenAIServer([Fault(200, json.dumps(whole).encode())]) as server:
        assert OpenAIModel(NAME, api_base=server.url, stream=True).complete(MESSAGES, []).text == "whole"


def test_text_in_parts_and_thoughts_beside_it() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    message = {"content": parts, "reasoning_content": "hm"}
    with OpenAIServer([Fault(200, json.dumps({"choices": [{"message": message}]}).encode())]) as server:
        assert OpenAIModel(NAME, api_base=server.url).complete(MESSAGES, []).text == "ab"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10**20) | st.text(max_size=3) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
FIELDS = ["choices", "message", "delta", "tool_calls", "function", "usage", "prompt_tokens_details"]
NAMES = [
    *FIELDS,
    "content",
    "finish_reason",
    "index",
    "id",
    "name",
    "arguments",
    "error",
    "prompt_tokens",
    "cached_tokens",
]
BODIES = st.recursive(ODD, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner))


@given(BODIES, st.booleans())
def test_any_shape_is_an_answer_or_one_of_our_errors(body: object, stream: bool) -> None:
    data = json.dumps(body).encode()
    model = OpenAIModel(NAME, api_base="http://127.0.0.1:9")
    sent = b"data: " + data + b"\n\n" if stream else data
    with suppress(ConductorError):
        model._gathered([sent]) if stream else model._whole(Received(False, iter([sent])))


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), max_size=5), st.data())
def test_events_are_the_same_however_they_are_cut(texts: list[bytes], data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from([b"\n", b"\r\n"]))
    sent = b"".join(b": ping" + ending + b"data: " + text + ending + ending for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert list(events(pieces)) == texts


def test_an_event_of_several_lines_and_one_that_was_cut() -> None:
    assert list(events([b'data: {"a":\ndata:1}\nid: 7\n\ndata: half'])) == [b'{"a":\n1}']


def test_nothing_heavy_is_loaded() -> None:
    program = """
import sys
from conductor.llm.gateway import open_model
from conductor.messages import Message
assert open_model("openai/gpt-5-mini", api_base=sys.argv[1]).complete([Message("user", "x")], []).usage.usd > 0
print(sorted({"litellm", "openai", "httpx", "urllib3", "pydantic", "asyncio"} & set(sys.modules)))
"""
    with OpenAIServer([Reply("hi")]) as server:
        done = subprocess.run([sys.executable, "-c", program, server.url], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
