"""A chat-completions server that times the gap between its answer and a client's next request, one client at a time.

Clients take turns at every step: while one works the others wait for their answers, so that whatever else the machine
does falls on all of them alike. The server is this process, the clients are processes of their own. Answers are made
before the clock starts, and requests are read whole but not parsed.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct, field


class Client(Struct, frozen=True):
    """A program under test. `{url}` in its command becomes where it has to send its requests."""

    name: str
    command: Sequence[str]
    tool: str = "run_shell"
    last: Mapping[str, str] = field(default_factory=dict[str, str])  # the arguments of its last call; none: a text
    env: Mapping[str, str] | None = None


class Outcome(Struct):
    """`gaps_ms[n]` is what the client needed after answer n + 1; `said` is the JSON it printed at its end."""

    gaps_ms: list[float] = field(default_factory=list[float])
    said: dict[str, Any] = field(default_factory=dict[str, Any])

    def around(self, step: int, reach: int = 5) -> list[float]:
        """Return the gaps of the steps around `step`."""
        return self.gaps_ms[max(0, step - reach - 1) : step + reach]


def run(clients: Sequence[Client], steps: int) -> dict[str, Outcome]:
    """Have every client work `steps` steps, in turns. Raises RuntimeError when one does not finish them."""
    server = _Server(clients, steps)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    running = [threading.Thread(target=_work, args=(server, client)) for client in clients]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    server.shutdown()
    server.server_close()
    for name, outcome in server.outcomes.items():
        if len(outcome.gaps_ms) < steps:
            raise RuntimeError(f"{name} ended after {len(outcome.gaps_ms)} steps: {outcome.said}")
    return server.outcomes


def _work(server: _Server, client: Client) -> None:
    url = f"http://127.0.0.1:{server.server_address[1]}/{client.name.replace(' ', '_')}/v1"
    command = [part.replace("{url}", url) for part in client.command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=client.env)
        last = (done.stdout.strip().splitlines() or [""])[-1]
        said = json.loads(last) if last.startswith("{") else {"error": (done.stderr or done.stdout)[-2000:]}
        server.outcomes[client.name].said = said
    finally:
        server.leave(client.name)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, clients: Sequence[Client], steps: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.outcomes = {client.name: Outcome() for client in clients}
        self.answers = {client.name.replace(" ", "_"): (client.name, _answers(client, steps)) for client in clients}
        self._ring = [client.name for client in clients]
        self._turn = self._ring[0]
        self._sent: dict[str, float] = {}
        self._changed = threading.Condition()

    def arrived(self, name: str, at: float) -> int:
        """Note a request, pass the turn on, wait for it to come back; return which request of the client it was."""
        with self._changed:
            outcome = self.outcomes[name]
            if name in self._sent:
                outcome.gaps_ms.append((at - self._sent.pop(name)) * 1000)
                self._pass_on(name)
            self._changed.wait_for(lambda: self._turn == name)
            return len(outcome.gaps_ms)

    def sending(self, name: str) -> None:
        self._sent[name] = time.perf_counter()

    def leave(self, name: str) -> None:
        with self._changed:
            if self._turn == name:
                self._pass_on(name)
            self._ring.remove(name)

    def _pass_on(self, name: str) -> None:
        self._turn = self._ring[(self._ring.index(name) + 1) % len(self._ring)]
        self._changed.notify_all()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients hang up when they are done."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 1 << 20
    server: _Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        arrived = time.perf_counter()
        name, answers = self.server.answers[self.path.split("/")[1]]
        number = self.server.arrived(name, arrived)
        chosen = answers[min(number, len(answers) - 1)]
        self.server.sending(name)  # before the write, so that a quick client is not ahead of the clock
        self.connection.sendall(chosen)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _answers(client: Client, steps: int) -> list[bytes]:
    # The same call again and again would be a loop, which is stopped.
    made = [answer(client.tool, {"command": f"true {number}"}, number) for number in range(1, steps + 1)]
    return [*made, answer(client.tool, client.last, steps + 1)]


def answer(tool: str, arguments: Mapping[str, str], number: int) -> bytes:
    """Return a whole HTTP answer with a call, or a text where there are no arguments."""
    message: dict[str, Any] = {"role": "assistant", "content": f"This is step {number}."}
    if arguments:
        function = {"name": tool, "arguments": json.dumps(arguments)}
        message["tool_calls"] = [{"id": f"call_{number}", "type": "function", "function": function}]
    body = json.dumps(
        {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "gpt-5-mini",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if arguments else "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
