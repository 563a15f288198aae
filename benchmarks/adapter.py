"""What the direct adapter itself takes of the processor: a turn at the end of a long history, and a chunk of a stream.

    python -m benchmarks.adapter [--messages 2000] [--chunks 2000]

The processor time of this process between question and answer; the server is another process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import multiprocessing
import os
import pty
import socket
import struct
import termios
import threading
import time
from multiprocessing.connection import Connection

from rich.console import Console

from benchmarks.report import Figure, options, show
from conductor.display.live import LiveLine
from conductor.display.speech import Speech
from conductor.llm.gateway import Gateway, open_model
from conductor.messages import Completion, Message, ToolCall

NAME = "openai/gpt-5-mini"
TURNS = 21


def serve(chunks: int, told: Connection) -> None:
    """Answer every request whole, or by `chunks` chunks where it asks for a stream."""
    listener = socket.create_server(("127.0.0.1", 0))
    told.send(listener.getsockname()[1])
    whole = json.dumps({"choices": [{"message": {"content": "word"}, "finish_reason": "stop"}]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(whole)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection, head + whole, chunks), daemon=True).start()


def _answer(connection: socket.socket, whole: bytes, chunks: int) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while data := connection.recv(1 << 20):
        request += data
        if request.endswith(b"]}"):
            if b'"stream":true' in request:
                _stream(connection, chunks)
            else:
                connection.sendall(whole)
            request = b""


def _stream(connection: socket.socket, chunks: int) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(chunks):
        reason = "stop" if number + 1 == chunks else None
        word = "word\n\n" if number % 40 == 39 else "word "
        choice = {"index": 0, "delta": {"content": word}, "finish_reason": reason}
        body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-5-mini", "choices": [choice]}
        event = f"data: {json.dumps(body)}\n\n".encode()
        connection.sendall(b"%x\r\n%s\r\n" % (len(event), event))
    end = b"data: [DONE]\n\n"
    connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(end), end))


def _history(length: int) -> list[Message]:
    pairs = (
        [
            Message("assistant", f"This is step {n}.", (ToolCall(f"call_{n}", "run_shell", {"command": "true"}),)),
            Message("tool", "exit code 0", call_id=f"call_{n}"),
        ]
        for n in range(length // 2)
    )
    return [Message("user", "Run the command."), *(message for pair in pairs for message in pair)]


def _read_to_its_end(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass


def _shown(url: str, chunks: int) -> list[float]:
    """Return the times of streams whose text a pseudo-terminal shows, markdown and live line included."""
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    threading.Thread(target=_read_to_its_end, args=(reading,), daemon=True).start()
    with os.fdopen(writing, "w") as out:
        live = LiveLine(out)
        live.show("worker thinking")
        speech = Speech(Console(file=out, highlight=False, markup=False), live)
        model, times = Gateway(url, stream=True).open(NAME, on_text=speech.hear), list[float]()
        for _ in range(TURNS):
            began = time.process_time()
            model.complete([Message("user", "Go.")], ())
            speech.end()
            times.append((time.process_time() - began) * 1e6 / chunks)
        live.close()
    return times[1:]


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--chunks", type=int, default=2000)
    arguments = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(arguments.chunks, there), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    found: list[Figure] = []
    for length in (20, arguments.messages):
        model, messages, times = open_model(NAME, api_base=url), _history(length), list[float]()
        for _ in range(TURNS):
            began = time.process_time()
            answer: Completion = model.complete(messages, ())
            times.append((time.process_time() - began) * 1000)
            messages += [Message("assistant", answer.text), Message("user", "Go on.")]
        found.append(Figure(f"turn after {length} messages", "direct adapter", times[1:], "ms"))
    streaming, times = open_model(NAME, api_base=url, stream=True), list[float]()
    for _ in range(TURNS):
        began = time.process_time()
        streaming.complete([Message("user", "Go.")], ())
        times.append((time.process_time() - began) * 1e6 / arguments.chunks)
    found.append(Figure("chunk of a stream", "direct adapter", times[1:], "µs", "150 µs"))
    found.append(Figure("chunk of a stream", "and shown on a terminal", _shown(url, arguments.chunks), "µs", "150 µs"))
    server.terminate()
    show(found, "", arguments)


if __name__ == "__main__":
    main()
