"""Projects to run on, and the installed `conductor` command driven over its JSON lines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

import conductor
from conductor.events import Event
from conductor.journal import chained, read
from conductor.stores.reader import read_only

Json = dict[str, Any]
Decide = Callable[[Json], Json]

CONDUCTOR = str(Path(sys.executable).with_name("conductor"))
DEMO = Path(conductor.__file__).parent / "demo_project"
NOT_COMPARED = {".conductor", "__pycache__"}
PATIENCE_S = 60.0


def environment(project: Path, **more: str) -> dict[str, str]:
    """Return what a command needs and nothing else: no keys, and user settings beside the project."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH") if name in os.environ}
    own = {"CONDUCTOR_CONFIG_HOME": str(project.parent / "user"), "PYTHONDONTWRITEBYTECODE": "1", "TERM": "xterm"}
    return {**kept, **own, **more}


def copy_demo(folder: Path) -> Path:
    project = folder / "bookshop"
    shutil.copytree(DEMO, project, ignore=shutil.ignore_patterns("__pycache__"))
    return project


def call(tool: str, **arguments: Any) -> Json:
    return {"tool": tool, "arguments": arguments}


def make_project(
    folder: Path,
    tickets: Sequence[Json],
    turns: Mapping[str, Sequence[Json]] | None = None,
    *,
    files: Mapping[str, str] | None = None,
    settings: str = "",
) -> Path:
    """Write a project with tracks/track.toml and, where `turns` has a list for each ticket, its scripted worker."""
    project = folder / "project"
    (project / "tracks").mkdir(parents=True)
    (project / "tracks" / "track.toml").write_text(track_text(tickets))
    models = ""
    if turns is not None:
        conversations = [{"match": f"# Ticket {name}:", "turns": list(said)} for name, said in turns.items()]
        (project / "tracks" / "worker.json").write_text(json.dumps({"schema": 1, "conversations": conversations}))
        models = '[models]\ndefault = "scripted:tracks/worker.json"\ndefault_cheap = "scripted:tracks/worker.json"\n'
    (project / "conductor.toml").write_text(models + settings)
    for name, content in (files or {}).items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)
    return project


def track_text(tickets: Sequence[Json]) -> str:
    lines = ["schema = 1", 'id = "small"', 'title = "A small track"']
    for ticket in tickets:
        whole = {"title": f"Do {ticket['id']}", "target_file": "notes.txt", "prompt": "Do it.", **ticket}
        lines += ["[[tickets]]", *(f"{name} = {json.dumps(value)}" for name, value in whole.items())]
    return "\n".join(lines) + "\n"


def tree(project: Path) -> dict[str, bytes]:
    """Return every file of a project with its bytes, Conductor's own and compiled ones left out."""
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and not NOT_COMPARED.intersection(path.relative_to(project).parts)
    }


def journal(project: Path) -> list[Event]:
    """Return all entries of a project's journal, their hashes checked."""
    return list(read(chained(read_only(project / ".conductor"))))


def run_command(
    project: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `conductor` in a project, without a terminal, to its end."""
    return subprocess.run(
        [CONDUCTOR, *arguments],
        cwd=project,
        env=env or environment(project),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


class Ended(Struct, frozen=True):
    """How a session ended: its exit code, everything it printed as JSON, and its standard error."""

    code: int
    lines: list[Json]
    stderr: str

    @property
    def events(self) -> list[Json]:
        return [line for line in self.lines if line["type"] == "event"]

    @property
    def requests(self) -> list[Json]:
        return [line for line in self.lines if line["type"] == "approval_requested"]

    def kinds(self, kind: str) -> list[Json]:
        return [event["data"] for event in self.events if event["kind"] == kind]


class Session:
    """A `conductor run ... --clutch jsonl` over real pipes. Whatever is on its standard output must be JSON lines."""

    def __init__(self, project: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.lines: list[Json] = []
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        track = "tracks/demo.toml" if (project / "tracks" / "demo.toml").exists() else "tracks/track.toml"
        self.process = subprocess.Popen(
            [CONDUCTOR, "run", track, "--clutch", "jsonl", *arguments],
            cwd=project,
            env=env or environment(project),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )
        assert self.process.stdin and self.process.stdout
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        self._watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        self._watchdog.start()

    def read(self) -> Json | None:
        """Return the next line, None at the end. Half a line, as a kill may leave it, is no line."""
        line = self._stdout.readline()
        if not line.endswith(b"\n"):
            return None
        said: Json = json.loads(line)
        self.lines.append(said)
        return said

    def until(self, wanted: str) -> Json:
        """Read up to the next line of the type, or of the kind of event, that is wanted."""
        while said := self.read():
            if wanted in (said["type"], said.get("kind")):
                return said
        raise AssertionError(f"no {wanted} came: exit {self.end().code}, {self.end().stderr}")

    def request(self) -> Json:
        return self.until("approval_requested")

    def send(self, line: str | bytes) -> None:
        self._stdin.write(line.encode() + b"\n" if isinstance(line, str) else line + b"\n")
        self._stdin.flush()

    def answer(self, request: Json, decision: str = "approve", **more: Any) -> None:
        self.send(json.dumps({"call_id": request["call_id"], "decision": decision, **more}))

    def play(self, decide: Decide | None = None) -> Ended:
        """Answer every request (default: approve) until the run ends."""
        while said := self.read():
            if said["type"] == "approval_requested":
                answer = {"decision": "approve"} if decide is None else decide(said)
                try:
                    self.send(json.dumps({"call_id": said["call_id"], **answer}))
                except BrokenPipeError:
                    break
        return self.end()

    def hang_up(self) -> Ended:
        """Close the run's standard input, read what it still says, and return how it ended."""
        self._stdin.close()
        while self.read():
            pass
        return self.end()

    def end(self) -> Ended:
        code = self.process.wait(PATIENCE_S)
        self._watchdog.cancel()
        self._stderr.seek(0)
        return Ended(code, self.lines, self._stderr.read().decode())

    def close(self) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self._stdin, self._stdout, self._stderr):
            with suppress(BrokenPipeError):
                stream.close()


@contextmanager
def session(project: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Session]:
    opened = Session(project, *arguments, env=env)
    try:
        yield opened
    finally:
        opened.close()


def play(project: Path, *arguments: str, decide: Decide | None = None, env: Mapping[str, str] | None = None) -> Ended:
    """Run a project's track to its end over JSON lines, answering every request (default: approve)."""
    with session(project, *arguments, env=env) as opened:
        return opened.play(decide)


def assert_calm(text: str) -> None:
    """Whatever happened, a person is never shown a traceback or told of a bug."""
    assert "Traceback" not in text, text
    assert "bug in Conductor" not in text, text
