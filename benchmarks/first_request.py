"""From the start of a command to its first request at the model: `conductor run`, codex and mini-swe-agent, in turns.

    python -m benchmarks.first_request [--rounds 9]

The server only notes when the first POST has begun to arrive and never answers; the command is killed then. codex is
npm's @openai/codex, installed once beside the other peer; without npm it is left out.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peer import PEER, PINNED, peer_venv
from benchmarks.report import Figure, options, show

OURS, THROUGH, CODEX = "conductor run", "conductor run, litellm", "codex exec"
CODEX_PACKAGE = "@openai/codex"
CLIENTS = Path(__file__).parent / "clients"
LONGEST_S = 60.0
TRACK = """\
schema = 1
id = "first"
title = "First"

[[tickets]]
id = "T1"
title = "One"
target_file = "module.py"
prompt = "Run the command."
worker_archetype = "coder"
dependencies = []
"""


class Listener:
    """A port that notes when a POST arrives."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self.arrived = threading.Event()
        self.at = 0.0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1 << 16):
                if data.startswith(b"POST"):
                    self.note()

    def note(self) -> None:
        """Note that a POST has begun to arrive, if it is the first."""
        if not self.arrived.is_set():
            self.at = time.perf_counter()
            self.arrived.set()


def measure(command: Sequence[str], env: Mapping[str, str], folder: Path, listener: Listener) -> float:
    """Return the milliseconds from the start of `command` to its first request. Raises RuntimeError when none comes."""
    listener.arrived.clear()
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        running = subprocess.Popen(
            command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        came = listener.arrived.wait(LONGEST_S)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        if not came:
            said.seek(0)
            raise RuntimeError(f"{command[0]} asked nothing: {said.read()[-2000:].decode(errors='replace')}")
    return (listener.at - began) * 1000


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    peer = peer_venv(arguments.peer_venv, arguments.no_peer)
    codex = None if arguments.no_peer else codex_program()
    listener = Listener()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = _commands(folder, listener.url, peer, codex)
        for number in range(arguments.rounds + 1):  # the first round only brings files into the cache
            for who, (command, env) in commands.items():
                took = measure(command, env, folder, listener)
                times.setdefault(who, []).extend([took] if number else [])
    bar = f"0.60 of {CODEX}"
    found = [Figure("first request", who, values, "ms", bar if who == OURS else "") for who, values in times.items()]
    show(found, CODEX if codex else OURS, arguments, _notes(peer, codex))


def _notes(peer: Path | None, codex: Path | None) -> list[str]:
    return [
        f"Peer: {PINNED}." if peer else f"No {PEER}: it was left out or could not be installed.",
        codex_note(codex),
    ]


def codex_note(codex: Path | None) -> str:
    """Say which codex it was."""
    if codex is None:
        return "No codex: it was left out or could not be installed."
    return subprocess.run([codex, "--version"], capture_output=True, text=True).stdout.strip() + "."


def _commands(
    folder: Path, url: str, peer: Path | None, codex: Path | None
) -> dict[str, tuple[list[str], dict[str, str]]]:
    # Python's own cache of compiled modules is part of any installation.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"OPENAI_API_KEY": "none", "NO_PROXY": "127.0.0.1", "CODEX_HOME": str(folder / "codex")}
    (folder / "codex").mkdir()
    (folder / "track.toml").write_text(TRACK)
    (folder / "module.py").write_text("VALUE = 1\n")
    run = [str(Path(sys.executable).with_name("conductor")), "run", "track.toml"]
    found = {
        OURS: (run, env | _settings(folder, url, "direct")),
        THROUGH: (run, env | _settings(folder, url, "litellm")),
    }
    if codex:
        found[CODEX] = ([*codex_exec(codex, url), "Run the command."], env)
    if peer:
        mini = [str(peer / "bin" / "python"), str(CLIENTS / "mini.py"), str(folder / "mini"), url]
        found[PEER] = (mini, env)
    return found


def _settings(folder: Path, url: str, adapter: str) -> dict[str, str]:
    settings = folder / adapter
    settings.mkdir()
    model = "openai/gpt-5-mini"
    lines = {"default": model, "default_cheap": model, "api_base": url, "adapter": adapter}
    text = "".join(f'{name} = "{value}"\n' for name, value in lines.items())
    (settings / "config.toml").write_text(f"[models]\n{text}")
    return {"CONDUCTOR_CONFIG_HOME": str(settings)}


def codex_exec(codex: Path, url: str, *subcommand: str) -> list[str]:
    """Return how codex is asked something, or goes on with `subcommand`, through the server at `url`."""
    provider = f'model_providers.bench={{name="bench",base_url="{url}",env_key="OPENAI_API_KEY",wire_api="responses"}}'
    settings = ["-c", provider, "-c", 'model_provider="bench"', "-m", "gpt-5-mini"]
    return [str(codex), "exec", *subcommand, "--skip-git-repo-check", *settings]


def codex_program() -> Path | None:
    """Return codex, installed when it is not there; None, after saying why, when it cannot be had."""
    folder = Path(tempfile.gettempdir()) / "conductor-bench-codex"
    program = folder / "node_modules" / ".bin" / "codex"
    if program.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        print("no codex: there is no npm", file=sys.stderr)
        return None
    folder.mkdir(exist_ok=True)
    install = [npm, "install", "--silent", "--no-audit", "--no-fund", CODEX_PACKAGE]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        print(f"no codex: it cannot be installed: {done.stderr.strip()[-300:]}", file=sys.stderr)
    return program if program.exists() else None


if __name__ == "__main__":
    main()
