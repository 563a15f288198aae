"""How many bytes of prompt one ticket takes: 40 steps, two of them failing test runs of 3,000 lines.

    python -m benchmarks.prompt_bytes

Every client is told to run the same 40 commands, one a turn, by a scripted server that counts the bytes of each
request. Ours runs as it comes, which for this model is a window of 272,000 tokens, and with a window of 8,192, where no
request may take more than 80 %.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.lockstep import answer
from benchmarks.peer import PEER, PINNED, peer_venv
from benchmarks.report import Figure, options, show
from benchmarks.steps import CLIENTS, SUBMIT
from conductor.views.tokens import Counter, token_counter

OURS, SMALL = "conductor", "conductor, window of 8,192"
WINDOW, STEPS = 8_192, 40
FAILING = (5, 20)
_FRAMES = "seq -f '  File \"/app/lib/module.py\", line %g, in call' 1 3000"


def commands() -> list[str]:
    """Return the commands of the ticket: looks at 40 lines of code each, and two failing test runs."""
    look = "echo step {n}; seq -f '    value = self.compute(%g)  # a line of code' 1 40"
    fail = f"echo run {{n}}; {_FRAMES}; echo 'ValueError: {{n}} is not a number'; exit 1"
    return [(fail if n in FAILING else look).format(n=n) for n in range(1, STEPS + 1)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tool: str, last: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        calls = [{"command": command} for command in commands()]
        self.answers = [answer(tool, call, number) for number, call in enumerate([*calls, last], 1)]
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        number = min(len(self.server.bodies), len(self.server.answers))
        self.connection.sendall(self.server.answers[number - 1])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def run(command: Sequence[str], tool: str, last: dict[str, str]) -> list[bytes]:
    """Have one client work the ticket and return the bodies of its requests."""
    server = _Server(tool, last)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        filled = [part.replace("{url}", server.url) for part in command]
        done = subprocess.run(filled, capture_output=True, text=True)
        if len(server.bodies) < STEPS + 1:
            raise RuntimeError(f"ended after {len(server.bodies)} requests: {(done.stderr or done.stdout)[-2000:]}")
        return server.bodies
    finally:
        server.shutdown()
        server.server_close()


def measure(peer: Path | None) -> tuple[list[Figure], list[str]]:
    """Run everything; return the figures and what has to be said about them."""
    found: list[Figure] = []
    count, tokenizer = token_counter()
    with tempfile.TemporaryDirectory() as name:
        ours = [sys.executable, "-m", "benchmarks.clients.ours", f"{name}/ours", str(STEPS), "{url}"]
        runs = {OURS: run(ours, "run_shell", {})}
        small = [part.replace("/ours", "/small") for part in ours]
        runs[SMALL] = run([*small, "--window", str(WINDOW)], "run_shell", {})
        if peer:
            mini = [str(peer / "bin" / "python"), str(CLIENTS / "mini.py"), f"{name}/mini", "{url}"]
            runs[PEER] = run(mini, "bash", SUBMIT)
    for who, bodies in runs.items():
        bar = "0.25 of the peer" if who == SMALL else ""
        found.append(Figure(f"all {STEPS + 1} requests", who, [sum(map(len, bodies)) / 1000], "kB", bar))
    for who, bodies in runs.items():
        largest = max(_tokens(body, count) for body in bodies)
        found.append(Figure("largest request", who, [largest], "tokens", f"{WINDOW * 0.8:.0f}" if who == SMALL else ""))
    return found, [f"Tokens: {tokenizer}. Hints come from the built-in analyser."]


def _tokens(body: bytes, count: Counter) -> int:
    request = json.loads(body)
    calls = [call["function"] for message in request["messages"] for call in message.get("tool_calls") or ()]
    texts = [str(message["content"] or "") for message in request["messages"]]
    texts += [text for call in calls for text in (call["name"], call["arguments"])]
    return sum(map(count, texts)) + count(json.dumps(request.get("tools", [])))


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    peer = peer_venv(arguments.peer_venv, arguments.no_peer)
    found, notes = measure(peer)
    notes.append(f"Peer: {PINNED}." if peer else "No peer: it was left out or could not be installed.")
    show(found, PEER if peer else OURS, arguments, notes)


if __name__ == "__main__":
    main()
