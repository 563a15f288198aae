"""Where the parts meet: which project and track are meant, what is read, what the next request would be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import conductor
from conductor.app import build_engine, next_request, workspace_of
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import AlreadyRunning, ExitCode, InvalidFile, NeedsHuman, Refused, UsageError
from conductor.messages import Aborted
from conductor.models import TicketStatus, TrustLevel
from conductor.plan import find_project, find_track, load_plan
from conductor.reading import replayed


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "bookshop"
    shutil.copytree(Path(conductor.__file__).parent / "demo_project", project, ignore=shutil.ignore_patterns("__py*"))
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(tmp_path / "user"))
    return project.resolve()


def test_the_project_is_the_nearest_with_a_conductor_toml_then_with_git(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_project(inner) == inner.resolve()
    (tmp_path / "a" / ".git").mkdir()
    assert find_project(inner) == (tmp_path / "a").resolve()
    (tmp_path / "conductor.toml").touch()
    assert find_project(inner) == tmp_path.resolve()


def test_an_unnamed_track_is_the_last_one_run_or_the_only_one(demo: Path) -> None:
    assert find_track(demo) == demo / "tracks" / "demo.toml"
    shutil.copy(demo / "tracks" / "demo.toml", demo / "tracks" / "another.toml")
    with pytest.raises(UsageError, match=r"another\.toml, tracks/demo\.toml"):
        find_track(demo)
    with build_engine(load_plan(demo / "tracks" / "demo.toml", demo), ScriptedClutch([])) as engine:
        engine.open()
    assert find_track(demo) == demo / "tracks" / "demo.toml"


def test_the_demo_track_completes_and_is_known_from_its_journal_alone(demo: Path) -> None:
    plan = load_plan(None, demo)
    with build_engine(plan, ScriptedClutch([approve] * 20)) as engine:
        assert engine.run() is ExitCode.OK
    again = load_plan(None, demo)
    entries = replayed(again).entries
    assert again.track.counts[TicketStatus.COMPLETED] == 3
    hints = [event.data for event in entries if event.kind == "hint_given"]
    assert [hint.source for hint in hints] == ["model"]
    assert len([event for event in entries if event.kind == "call_decided"]) == 7


def test_hints_can_do_without_a_model(demo: Path) -> None:
    settings = demo / "conductor.toml"
    settings.write_text('[models]\ndefault = "scripted:tracks/worker.json"\ndefault_cheap = "builtin"\n')
    plan = load_plan(None, demo)
    assert plan.loaded.withheld == ()
    with build_engine(plan, ScriptedClutch([approve] * 20)) as engine:
        assert engine.run() is ExitCode.OK
    (hint,) = [event.data for event in replayed(load_plan(None, demo)).entries if event.kind == "hint_given"]
    assert (hint.source, hint.note, hint.usage["input_tokens"]) == ("builtin", "no model", 0)
    assert "RecursionError" in hint.text


def test_the_next_request_is_the_conversation_so_far(demo: Path) -> None:
    with (
        build_engine(load_plan(None, demo), ScriptedClutch([approve, approve, approve, Aborted()])) as engine,
        pytest.raises(NeedsHuman),
    ):
        engine.run()
    plan = load_plan(None, demo)
    entries = replayed(plan).entries
    request = next_request(plan, plan.track.ticket("T2"), entries)
    messages, tools = request.messages, request.tools
    assert [message.role for message in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert "run_shell" in {tool.name for tool in tools}
    fresh = next_request(plan, plan.track.ticket("T3"), entries).messages
    assert [message.role for message in fresh] == ["system", "user"]


def test_two_engines_do_not_work_on_one_track_at_once(demo: Path) -> None:
    plan = load_plan(None, demo)
    with (
        build_engine(plan, ScriptedClutch([])),
        pytest.raises(AlreadyRunning, match=str(os.getpid())),
        build_engine(plan, ScriptedClutch([])),
    ):
        pass
    with build_engine(plan, ScriptedClutch([])):
        pass


def test_an_unknown_archetype_is_named_with_its_line(demo: Path) -> None:
    track = demo / "tracks" / "demo.toml"
    track.write_text(track.read_text().replace('priority = "high"', 'worker_archetype = "codr"'))
    with pytest.raises(InvalidFile) as caught:
        load_plan(None, demo)
    assert caught.value.problems[0].line == 13
    assert "coder" in caught.value.problems[0].message


def test_the_level_of_the_command_line_outranks_the_configured_one(demo: Path) -> None:
    assert load_plan(None, demo).archetype("coder").trust_level is TrustLevel.STEP
    assert load_plan(None, demo, level=TrustLevel.AUTO).archetype("coder").trust_level is TrustLevel.AUTO


def test_workers_cannot_reach_the_track_file(demo: Path) -> None:
    with pytest.raises(Refused, match="protected"):
        workspace_of(load_plan(None, demo)).resolve("tracks/demo.toml")


def test_a_run_loads_nothing_heavy() -> None:
    heavy = "{'litellm', 'numpy', 'pydantic', 'rich', 'scipy', 'tree_sitter', 'typer'}"
    code = f"import conductor.app, conductor.cli.running, sys; print(sorted({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
