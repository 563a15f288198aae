"""SIGKILL before and after appends to the journal, and at any moment: nothing twice, nothing lost, the same tree.

All of it, some minutes: python -m pytest -m "slow or not slow" tests/e2e/test_crash_points.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import call, copy_demo, environment, make_project

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


def fifty_calls(folder: Path) -> Path:
    """A project whose one ticket takes fifty calls, of every kind of effect, one after the other."""
    turns: list[dict[str, Any]] = []
    for number in range(10):
        turns += [
            {
                "tool_calls": [
                    call("run_shell", command=f"echo word{number} >> tally.txt"),
                    call("write_file", path=f"made{number}.txt", content=f"{number}\n"),
                ]
            },
            {
                "tool_calls": [
                    call("edit_file", path="notes.txt", old_string="end", new_string=f"{number} end"),
                    call("read_file", path="notes.txt"),
                    call("delete_file", path=f"old{number}.txt"),
                ]
            },
        ]
    settings = '[archetypes.coder]\ntools = ["read_file", "write_file", "edit_file", "delete_file", "run_shell"]\n'
    files = {"notes.txt": "end\n", **{f"old{number}.txt": "old\n" for number in range(10)}}
    return make_project(folder, [{"id": "T1"}], {"T1": [*turns, {"text": "Done."}]}, files=files, settings=settings)


def crash(project: Path, scratch: Path, *arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.crash_points", str(project), str(scratch), *arguments],
        cwd=ROOT,
        env=environment(scratch) | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_all_come_to_the_same(runs: list[dict[str, Any]]) -> None:
    """Hold every run that was killed and resumed against the last one, which was not."""
    whole = runs[-1]
    assert not whole["died"] and whole["code"] == 0
    for run in runs:
        where = f"at {run['at']}, before: {run.get('before')}"
        assert run["code"] == 0 and run["last"] == "track_completed", where
        assert run["tree"] == whole["tree"], where
        assert run["finished"] == whole["finished"], where  # each call once: no result lost, none a second time
        assert run["gaps"] == run["lost"] == [], where


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A run for each point of death, the last of which is one that nothing cut off."""
    folder = tmp_path_factory.mktemp("crash")
    return crash(tally_project(folder), folder / "scratch" / "project", "appends")


def test_every_run_reaches_the_same_end(runs: list[dict[str, Any]]) -> None:
    whole = runs[-1]
    assert len(runs) > 80 and all(run["died"] for run in runs[:-1])
    assert whole["tree"]["tally.txt"] == "one\nthree\ntwo\n"
    assert whole["tree"]["notes.txt"] == "first and more\n"
    assert "made.txt" in whole["tree"] and "old.txt" not in whole["tree"]
    assert_all_come_to_the_same(runs)


def test_an_answered_call_is_not_asked_again(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert run["rejections"] == 1, (run["at"], run["before"])


@pytest.mark.parametrize("sample", [5, pytest.param(0, marks=pytest.mark.slow, id="all")])
def test_the_demo_killed_before_and_after_an_append(tmp_path: Path, sample: int) -> None:
    runs = crash(copy_demo(tmp_path), tmp_path / "scratch" / "project", "appends", "--sample", str(sample))
    assert all(run["died"] for run in runs[:-1]) and len(runs) == 2 * sample + 1 if sample else len(runs) > 80
    assert "Category.full_name" in runs[-1]["tree"]["CHANGELOG.md"]
    assert_all_come_to_the_same(runs)


@pytest.mark.parametrize("sample", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_fifty_calls_killed_at_random_moments(tmp_path: Path, sample: int) -> None:
    runs = crash(fifty_calls(tmp_path), tmp_path / "scratch" / "project", "moments", "--sample", str(sample))
    whole = runs[-1]
    assert whole["tree"]["tally.txt"].split() == [f"word{number}" for number in range(10)]
    assert len(whole["finished"]) == 50
    assert sum(run["died"] for run in runs) == sample
    assert_all_come_to_the_same(runs)


@pytest.mark.parametrize(("appends", "level"), [("4", "step"), ("6", "auto")])
def test_a_run_that_dies_again_and_again_repeats_nothing(tmp_path: Path, appends: str, level: str) -> None:
    """Each life is so short that a run also dies while it asks about what the last death left open."""
    options = ["lives", "--length", appends, *(["--level", level] if level == "auto" else [])]
    for run in crash(tally_project(tmp_path), tmp_path / "scratch" / "project", *options):
        assert 5 < run["lives"] < 60
        assert run["tree"]["tally.txt"].split() == EACH_ONCE[level]
        assert run["last"] == "track_completed" and run["lost"] == []
