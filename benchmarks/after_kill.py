"""From the command that goes on to its first request, after `kill -9` in the middle of a run: ours and codex, in turns.

    python -m benchmarks.after_kill [--rounds 15]

Each is asked for something, gets a command to run, runs it, and is killed while it waits for the next answer. Then it
is told to go on, again and again, and killed as soon as its first request has begun to arrive.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.first_request import CODEX, OURS, TRACK, Listener, codex_exec, codex_note, codex_program, measure
from benchmarks.report import Figure, options, show

GO_ON = "codex exec resume"
_COMMAND = "true 1"
_USAGE = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
Command = tuple[list[str], dict[str, str]]


class Answering(Listener):
    """Answers `left` POSTs with a command to run; the next one is noted and never answered."""

    left = 0

    def _read(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as said:
            while (line := said.readline()).startswith(b"POST"):
                length = 0
                while (header := said.readline().strip().lower()) not in (b"",):
                    length = int(header.split(b":")[1]) if header.startswith(b"content-length:") else length
                if not self.left:
                    self.note()
                said.read(length)
                if self.left:
                    self.left -= 1
                    connection.sendall(_response(line.split()[1].endswith(b"/responses")))


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    codex = None if arguments.no_peer else codex_program()
    listener = Answering()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        begin, go_on = _commands(Path(name), listener.url, codex)
        for command, env in begin.values():
            listener.left = 1
            measure(command, env, Path(name), listener)
        for number in range(arguments.rounds + 1):  # the first round only brings files into the cache
            for who, (command, env) in go_on.items():
                took = measure(command, env, Path(name), listener)
                times.setdefault(who, []).extend([took] if number else [])
    bar = f"0.60 of {GO_ON}"
    found = [Figure("request after a kill", who, took, "ms", bar if who == OURS else "") for who, took in times.items()]
    show(found, GO_ON if codex else OURS, arguments, [codex_note(codex)])


def _commands(folder: Path, url: str, codex: Path | None) -> tuple[Mapping[str, Command], Mapping[str, Command]]:
    """Return how each is asked first, and how it is told to go on."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"OPENAI_API_KEY": "none", "NO_PROXY": "127.0.0.1", "CODEX_HOME": str(folder / "codex")}
    env |= {"CONDUCTOR_CONFIG_HOME": str(folder / "settings")}
    (folder / "codex").mkdir()
    (folder / "settings").mkdir()
    models = f'default = "openai/gpt-5-mini"\ndefault_cheap = "openai/gpt-5-mini"\napi_base = "{url}"\n'
    coder = '[archetypes.coder]\ntrust_level = "auto"\n'
    (folder / "settings" / "config.toml").write_text(f"[models]\n{models}{coder}")
    (folder / "track.toml").write_text(TRACK)
    (folder / "module.py").write_text("VALUE = 1\n")
    run = ([str(Path(sys.executable).with_name("conductor")), "run", "track.toml"], env)
    begin, go_on = {OURS: run}, {OURS: run}
    if codex:
        begin[CODEX] = ([*codex_exec(codex, url), "Run the command."], env)
        go_on[GO_ON] = ([*codex_exec(codex, url, "resume"), "--last", "Go on."], env)
    return begin, go_on


def _response(streamed: bool) -> bytes:
    """Return a whole HTTP response that asks for the command: as events of the responses API, or as a completion."""
    if streamed:
        call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "exec_command"}
        call["arguments"] = json.dumps({"cmd": _COMMAND})
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": {"id": "r1"}},
            {"type": "response.output_item.done", "output_index": 0, "item": call},
            {"type": "response.completed", "response": {"id": "r1", "usage": _USAGE}},
        ]
        text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        return _http("text/event-stream", text)
    function = {"name": "run_shell", "arguments": json.dumps({"command": _COMMAND})}
    message = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return _http("application/json", json.dumps({"id": "r1", "model": "m", "choices": [choice], "usage": usage}))


def _http(kind: str, text: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


if __name__ == "__main__":
    main()
