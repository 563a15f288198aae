"""A scripted server that speaks the chat-completions protocol of OpenAI over real sockets, faults included.

As a double in tests:

    with OpenAIServer([rate_limited("1"), Reply("hello")]) as server:
        ...  # point a model at server.url; server.requests holds every body that was sent

Each request takes the next answer of the script; the last one is repeated. As a program, for benchmarks and for trying
a command by hand, it plays a file of scripted turns (the format of `conductor.llm.scripted`) until it is interrupted:

    python tests/openai_server.py TURNS.json [PORT]
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from msgspec import Struct, field

Json = dict[str, Any]


class Call(Struct, frozen=True):
    """A tool call of a reply. `arguments` goes out as JSON text, or exactly as it is when it is a string."""

    tool: str
    arguments: Any = field(default_factory=dict[str, Any])
    call_id: str | None = None


class Reply(Struct, frozen=True):
    """A good answer, sent as a stream when the request asks for one."""

    text: str = ""
    calls: Sequence[Call] = ()
    finish_reason: str | None = None
    input_tokens: int = 10
    output_tokens: int = 5
    cached_tokens: int = 0
    piece: int = 7  # characters of text or arguments in one chunk of a stream
    raw_arguments: bool = False  # send arguments as they are, an object and not JSON text, as some providers do
    one_index: bool = False  # give every call of a stream the index 0, as some servers do


class Fault(Struct, frozen=True):
    """Anything else a server may do instead: this status, these headers and exactly these bytes."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    claimed_length: int | None = None  # more than the body has: the connection is closed in the middle of it


class CutStream(Struct, frozen=True):
    """A stream that ends after `chunks` chunks of `reply`: `politely` (a proper end of the body) or by a hang-up."""

    reply: Reply
    chunks: int = 2
    politely: bool = True


class Silence(Struct, frozen=True):
    """Accept the request and answer nothing for `seconds`."""

    seconds: float = 30.0


Answer = Reply | Fault | CutStream | Silence


def error_body(message: str, kind: str = "server_error", code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


def rate_limited(retry_after: str | None = None) -> Fault:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Fault(429, error_body("Rate limit reached for requests", "requests", "rate_limit_exceeded"), headers)


def server_error(status: int = 500) -> Fault:
    return Fault(status, error_body("The server had an error while processing your request."))


def unauthorized() -> Fault:
    return Fault(401, error_body("Incorrect API key provided: sk-bad.", "invalid_request_error", "invalid_api_key"))


def unknown_model() -> Fault:
    return Fault(404, error_body("The model `nope` does not exist.", "invalid_request_error", "model_not_found"))


def html(status: int = 200) -> Fault:
    page = b"<html><head><title>Sign in</title></head><body><h1>Sign in to the network</h1></body></html>"
    return Fault(status, page, {"Content-Type": "text/html"})


def half_json() -> Fault:
    whole = json.dumps(completion_body(Reply("a text that is cut in its middle"), 1, "m")).encode()
    return Fault(200, whole[: len(whole) // 2])


def empty_choices() -> Fault:
    body = completion_body(Reply("x"), 1, "m") | {"choices": []}
    return Fault(200, json.dumps(body).encode())


def error_inside() -> Fault:
    return Fault(200, error_body("The backend is overloaded, please try again later."))


def completion_body(reply: Reply, number: int, model: str) -> Json:
    """Return the whole answer to a request that asked for no stream."""
    message: Json = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = [_wire_call(reply, call, number, index) for index, call in enumerate(reply.calls)]
    return _envelope(number, model, "chat.completion") | {
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(reply), "logprobs": None}],
        "usage": _usage(reply),
    }


def stream_bodies(reply: Reply, number: int, model: str, with_usage: bool) -> Iterator[Json]:
    """Yield the chunks of a streamed answer, without the closing [DONE]."""
    envelope = _envelope(number, model, "chat.completion.chunk")

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return envelope | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(reply.text, reply.piece):
        yield chunk({"content": piece})
    for place, call in enumerate(reply.calls):
        index = 0 if reply.one_index else place
        wire = _wire_call(reply, call, number, place) | {"index": index}
        arguments = wire["function"]["arguments"]
        pieces = _pieces(arguments, reply.piece) if isinstance(arguments, str) else [arguments]
        yield chunk({"tool_calls": [wire | {"function": {"name": call.tool, "arguments": ""}}]})
        for piece in pieces:
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, _finish(reply))
    if with_usage:
        yield envelope | {"choices": [], "usage": _usage(reply)}


def _envelope(number: int, model: str, kind: str) -> Json:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1_700_000_000, "model": model}


def _finish(reply: Reply) -> str:
    return reply.finish_reason or ("tool_calls" if reply.calls else "stop")


def _wire_call(reply: Reply, call: Call, number: int, index: int) -> Json:
    as_it_is = reply.raw_arguments or isinstance(call.arguments, str)
    arguments = call.arguments if as_it_is else json.dumps(call.arguments)
    call_id = f"call_{number}_{index + 1}" if call.call_id is None else call.call_id
    return {"id": call_id, "type": "function", "function": {"name": call.tool, "arguments": arguments}}


def _usage(reply: Reply) -> Json:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
    }


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


class OpenAIServer:
    """The server, running in a thread between `__enter__` and `__exit__`.

    `script` is a list of answers, or a function that is given the request's body and returns one; `models` is what it
    answers to whoever asks for its models.
    """

    def __init__(
        self, script: Sequence[Answer] | Callable[[Json], Answer], *, port: int = 0, models: object = None
    ) -> None:
        self.models = models
        self.requests: list[Json] = []
        self.bodies: list[bytes] = []  # as they came
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        self._script = script
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def take(self, raw: bytes, headers: dict[str, str]) -> tuple[Answer, int]:
        """Record a request and return its answer and its number, from 1."""
        body = json.loads(raw)
        with self._lock:
            self.bodies.append(raw)
            self.requests.append(body)
            self.headers.append(headers)
            number = len(self.requests)
        if callable(self._script):
            return self._script(body), number
        return self._script[min(number, len(self._script)) - 1], number

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a kept-alive connection would hold the end of a test back
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], owner: OpenAIServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet, or every answer costs a delayed acknowledgement
    server: _Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer, number = self.server.owner.take(raw, dict(self.headers))
        body = json.loads(raw)
        model = str(body.get("model", ""))
        if isinstance(answer, Silence):
            self.server.owner.closing.wait(answer.seconds)
            self.close_connection = True
        elif isinstance(answer, Fault):
            self._send(answer)
        elif isinstance(answer, Reply) and not body.get("stream"):
            self._send(Fault(200, json.dumps(completion_body(answer, number, model)).encode()))
        else:
            self._stream(answer, number, model, body)

    def do_GET(self) -> None:
        listed = self.server.owner.models
        self._send(Fault(200, json.dumps(listed).encode()) if listed is not None else Fault(404))

    def _send(self, fault: Fault) -> None:
        self.send_response(fault.status)
        for name, value in {"Content-Type": "application/json", **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(fault.claimed_length or len(fault.body)))
        self.end_headers()
        self.wfile.write(fault.body)
        self.wfile.flush()
        self.close_connection = self.close_connection or fault.claimed_length is not None

    def _stream(self, answer: Reply | CutStream, number: int, model: str, body: Json) -> None:
        cut = answer if isinstance(answer, CutStream) else None
        reply = cut.reply if cut else answer
        with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for count, chunk in enumerate(stream_bodies(reply, number, model, with_usage)):
            if cut and count == cut.chunks:
                break
            self._event(json.dumps(chunk))
        if not cut:
            self._event("[DONE]")
        if cut and not cut.politely:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _event(self, text: str) -> None:
        data = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def turns_of(path: Path) -> Callable[[Json], Answer]:
    """Return a script that plays a file of scripted turns, choosing by the messages of each request."""
    conversations = json.loads(path.read_text(encoding="utf-8"))["conversations"]

    def answer(body: Json) -> Answer:
        messages = body["messages"]
        first = next((str(m["content"]) for m in messages if m["role"] == "user"), "")
        turns = next(c["turns"] for c in conversations if c.get("match", "") in first)
        in_short = re.search(r"^# Your turns 1 to (\d+), in short$", first, re.MULTILINE)
        spoken = sum(m["role"] == "assistant" for m in messages) + (int(in_short[1]) if in_short else 0)
        if spoken >= len(turns):
            return Reply("done")
        turn = turns[spoken]
        calls = [
            Call(c.get("tool", ""), c.get("raw", c.get("arguments", {})), f"call_{spoken + 1}_{i}")
            for i, c in enumerate(turn.get("tool_calls", []), 1)
        ]
        return Reply(turn.get("text", ""), calls, **turn.get("usage", {}))

    return answer


def main() -> None:
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with OpenAIServer(turns_of(Path(sys.argv[1])), port=port) as server:
        print(server.url, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
