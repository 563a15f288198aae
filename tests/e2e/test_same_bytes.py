"""After a kill at any entry the next request is, byte for byte, the one an uninterrupted run sends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conductor.app import build_engine
from conductor.clutch.scripted import ScriptedClutch
from conductor.errors import ExitCode
from conductor.events import Event
from conductor.messages import Approved, Decision, Happened, Preview, Rejected, ToolCall
from conductor.plan import load_plan
from tests.e2e.driver import Json, make_project
from tests.e2e.test_http import settings, user_settings
from tests.openai_server import Call, OpenAIServer, Reply

TURNS = [
    Reply("First I look — ünïcode, \u2028 and all.", [Call("read_file", {"path": "notes.txt"}, "r1")]),
    Reply("", [Call("edit_file", {"path": "notes.txt", "old_string": "old", "new_string": "new"}, "e1")]),
    Reply("Two at once.", [Call("run_shell", {"command": "cat gone.txt"}, "s1"), Call("list_files", {}, "l1")]),
    Reply("", [Call("write_file", {"path": "forbidden.txt", "content": "x"}, "w1")]),
    Reply("", [Call("write_file", {"path": "more.txt", "content": "é\n"}, "w2")]),
    Reply("Done."),
]
HAPPENED = b"A human says that it happened."
TICKETS: list[Json] = [{"id": "T1", "prompt": "Change it.", "verify": "test -e more.txt"}]


class PowerCut(BaseException):
    """Ends an engine as a kill would: nothing in it may handle this."""


def spoken(body: Json) -> int:
    return sum(message["role"] == "assistant" for message in body["messages"])


def answer(body: Json) -> Reply:
    return TURNS[min(spoken(body), len(TURNS) - 1)]


def decide(call: ToolCall, preview: Preview) -> Decision:
    if "forbidden" in str(call.arguments):
        return Rejected("not this one")
    if preview.outcome_unknown:
        return Happened()
    return Approved(call.arguments, comment="go" if call.call_id == "e1" else "")


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(tmp_path / "user"))
    return make_project(tmp_path, TICKETS, files={"notes.txt": "old\n"})


def run(project: Path, cut_at: int = 0) -> list[Event]:
    """Run the project, or up to and with that entry, and return what was recorded."""
    heard: list[Event] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if len(heard) == cut_at:
            raise PowerCut

    plan = load_plan(project / "tracks" / "track.toml", project)
    with build_engine(plan, ScriptedClutch([decide] * 100), listeners=(listen,)) as engine:
        if cut_at:
            with pytest.raises(PowerCut):
                engine.run()
        else:
            assert engine.run() is ExitCode.OK
    return heard


def test_the_next_request_is_the_same_after_a_kill_at_every_entry(origin: Path, tmp_path: Path) -> None:
    project = tmp_path / "run" / "project"

    def begin() -> None:
        shutil.rmtree(project.parent, ignore_errors=True)
        shutil.copytree(origin, project)
        for path in (tmp_path / "user").iterdir():  # what was said yes to before is asked again
            path.unlink() if path.name != "config.toml" and path.is_file() else None

    with OpenAIServer(answer) as server:
        user_settings(origin, settings(server, stream=False))
        begin()
        whole = run(project)
        bodies = dict(zip(map(spoken, server.requests), server.bodies, strict=True))
        assert len(bodies) == len(TURNS) and len(whole) > 20
        assert len(bodies[5]) > len(bodies[0])
        for cut_at in range(1, len(whole)):
            begin()
            run(project, cut_at)
            del server.requests[:], server.bodies[:]
            run(project)
            for sent, body in zip(server.requests, server.bodies, strict=True):
                if HAPPENED in body:  # a command that was cut off has another result: what the human said
                    assert getattr(whole[cut_at - 1].data, "call_id", "") == "s1"
                else:
                    assert body == bodies[spoken(sent)], (cut_at, whole[cut_at - 1].kind)
