"""Death before and after every append to the journal: nothing happens twice, nothing is lost, the tree is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import call, environment, make_project

EACH_ONCE = {"step": ["one", "three", "two"], "auto": ["one", "three", "two", "forbidden"]}
ROOT = Path(__file__).parents[2]


def tally_project(folder: Path) -> Path:
    """A project whose commands leave a trace each time they run, and whose tickets use every kind of effect."""
    tickets = [
        {"id": "T1", "verify": "grep -q two tally.txt"},
        {"id": "T2", "target_file": "made.txt", "dependencies": ["T1"]},
    ]
    turns = {
        "T1": [
            {"tool_calls": [call("run_shell", command="echo one >> tally.txt")]},
            {
                "tool_calls": [
                    call("edit_file", path="notes.txt", old_string="first", new_string="first and more"),
                    call("read_file", path="notes.txt"),
                    call("no_such_tool"),
                    call("run_shell", command="echo three >> tally.txt; exit 3"),
                ]
            },
            {"text": "Done, I think."},
            {"tool_calls": [call("run_shell", command="echo two >> tally.txt")]},
            {"text": "Done."},
        ],
        "T2": [
            {
                "tool_calls": [
                    call("write_file", path="made.txt", content="made\n"),
                    call("run_shell", command="echo forbidden >> tally.txt"),
                    call("delete_file", path="old.txt"),
                ]
            },
            {"text": "Done."},
        ],
    }
    settings = '[archetypes.coder]\ntools = ["read_file", "write_file", "edit_file", "delete_file", "run_shell"]\n'
    return make_project(folder, tickets, turns, files={"notes.txt": "first\n", "old.txt": "old\n"}, settings=settings)


def crash(project: Path, scratch: Path, *arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.crash_points", str(project), str(scratch), *arguments],
        cwd=ROOT,
        env=environment(scratch) | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A run for each point of death, the last of which is one that nothing cut off."""
    folder = tmp_path_factory.mktemp("crash")
    return crash(tally_project(folder), folder / "scratch" / "project")


def test_every_run_reaches_the_same_end(runs: list[dict[str, Any]]) -> None:
    whole = runs[-1]
    assert not whole["died"] and len(runs) > 80
    assert whole["tree"]["tally.txt"] == "one\nthree\ntwo\n"
    assert whole["tree"]["notes.txt"] == "first and more\n"
    assert "made.txt" in whole["tree"] and "old.txt" not in whole["tree"]
    for run in runs:
        where = f"append {run['at']}, before: {run['before']}"
        assert run["code"] == 0, where
        assert run["tree"] == whole["tree"], where
        assert run["last"] == "track_completed", where


def test_no_call_gets_a_second_result_and_none_is_lost(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert run["finished"] == runs[-1]["finished"], (run["at"], run["before"])
        assert run["gaps"] == []


@pytest.mark.parametrize(("appends", "level"), [("4", "step"), ("6", "auto")])
def test_a_run_that_dies_again_and_again_repeats_nothing(tmp_path: Path, appends: str, level: str) -> None:
    """Each life is so short that a run also dies while it asks about what the last death left open."""
    for run in crash(tally_project(tmp_path), tmp_path / "scratch" / "project", appends, level):
        assert 5 < run["lives"] < 60
        assert run["tree"]["tally.txt"].split() == EACH_ONCE[level]
        assert run["last"] == "track_completed"


def test_an_answered_call_is_not_asked_again(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert run["rejections"] == 1, (run["at"], run["before"])
