"""SIGKILL, at prompts and at random moments: what was acknowledged is kept, what was approved runs once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.driver import Ended, Json, Session, call, copy_demo, environment, journal, make_project, session, tree
from tests.e2e.test_crash_points import tally_project

KILLS = 8


def kill(run: Session) -> Ended:
    run.process.send_signal(signal.SIGKILL)
    ended = run.hang_up()
    assert ended.code == -signal.SIGKILL
    return ended


def as_a_human(project: Path, request: Json) -> Json:
    """Approve; asked about a command of unknown outcome, wait until it cannot run any more, and look what it did."""
    if any("OUTCOME UNKNOWN" in notice for notice in request["notices"]):
        time.sleep(0.3)
        tally = project / "tally.txt"
        if tally.exists() and request["arguments"]["command"].split()[1] in tally.read_text():
            return {"decision": "reject", "reason": "it happened"}
    return {"decision": "approve"}


def assert_acknowledged(project: Path, *runs: Ended) -> None:
    kept = {event.event_id for event in journal(project)}
    printed = {event["event_id"] for run in runs for event in run.events}
    assert printed <= kept


def killed_and_resumed(project: Path, after_lines: int, delay_s: float) -> None:
    """Kill a run that long after it printed that many lines, then let another one end it."""
    with session(project) as run:
        for _ in range(after_lines):
            said = run.read()
            if said is None:
                break
            if said["type"] == "approval_requested":
                run.answer(said, **as_a_human(project, said))
        time.sleep(delay_s)
        first = kill(run) if run.process.poll() is None else run.hang_up()
    assert_acknowledged(project, first)
    with session(project) as run:
        second = run.play(lambda request: as_a_human(project, request))
    assert second.code == 0, second.stderr
    assert_acknowledged(project, first, second)


def test_killed_at_each_prompt_the_tree_is_as_it_was(tmp_path: Path) -> None:
    project = copy_demo(tmp_path)
    waiting: Json | None = None
    for _ in range(12):
        before = tree(project)
        with session(project) as run:
            request = run.request()
            assert waiting in (None, request)
            assert tree(project) == before
            run.answer(request)
            while (waiting := run.read()) and waiting["type"] != "approval_requested":
                pass
            if waiting is None:
                assert run.end().code == 0
                break
            before = tree(project)
            kill(run)
            assert tree(project) == before
    assert "Category.full_name" in (project / "CHANGELOG.md").read_text()


def check_random_moments(tmp_path: Path, seed: int, times: int) -> None:
    chance = random.Random(seed)
    expected = tally_project(tmp_path / "whole")
    with session(expected) as run:
        whole = run.play()
    assert whole.code == 0
    for number in range(times):
        project = tally_project(tmp_path / str(number))
        moment = chance.randrange(len(whole.lines) + 1), chance.choice([0, 0.001, 0.004, 0.02])
        killed_and_resumed(project, *moment)
        assert tree(project) == tree(expected), moment
        lines = (project / "tally.txt").read_text().split()
        assert sorted(lines) == sorted(set(lines)), moment


def test_killed_at_random_moments_it_comes_to_the_same_end(tmp_path: Path) -> None:
    check_random_moments(tmp_path, 1, KILLS)


@pytest.mark.slow
def test_killed_at_forty_random_moments(tmp_path: Path) -> None:
    check_random_moments(tmp_path, 2, 40)


def test_a_command_that_was_cut_off_is_shown_as_unknown_until_a_human_decides(tmp_path: Path) -> None:
    command = "echo begun >> tally.txt; sleep 3; echo ended >> tally.txt"
    turns = {"T1": [{"tool_calls": [call("run_shell", command=command)]}, {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1"}], turns)
    with session(project) as run:
        run.answer(run.request())
        while not (project / "tally.txt").exists():
            time.sleep(0.01)
        kill(run)
    for arguments in ([], ["--auto"], ["--auto"], []):  # no trust level may answer this, however often it is asked
        with session(project, *arguments) as run:
            request = run.request()
            assert any("OUTCOME UNKNOWN" in notice for notice in request["notices"])
            assert request["arguments"] == {"command": command}
            kill(run)
    with session(project) as run:
        run.answer(run.request(), "reject", reason="I looked: it ran.")
        ended = run.play()
    assert ended.code == 0
    (result,) = ended.kinds("call_finished")
    assert result["outcome"] == "unknown" and "I looked: it ran." in result["text"]
    assert (project / "tally.txt").read_text().count("begun") == 1


def test_an_edited_command_that_was_cut_off_is_asked_about_as_it_ran(tmp_path: Path) -> None:
    turns = {"T1": [{"tool_calls": [call("run_shell", command="echo other")]}, {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1"}], turns)
    edited = {"command": "echo begun >> tally.txt; sleep 3"}
    with session(project) as run:
        run.answer(run.request(), "edit", arguments=edited)
        run.answer(run.request())
        while not (project / "tally.txt").exists():
            time.sleep(0.01)
        kill(run)
    for _ in range(2):
        with session(project) as run:
            assert run.request()["arguments"]["command"] == edited["command"]
            kill(run)


def cut_off_in_a_write(folder: Path) -> Path:
    """Return a project whose run died after it had journaled that a write starts, and before the write."""
    turns = {"T1": [{"tool_calls": [call("write_file", path="notes.txt", content="new\n")]}, {"text": "Done."}]}
    project = make_project(folder, [{"id": "T1"}], turns, files={"notes.txt": "old\n"})
    program = (
        "import os, sys; from pathlib import Path; from tests.e2e import crash_points as c; "
        "p = Path(sys.argv[1]); print(c.Crashes(p, p, None).live(6))"
    )
    env = environment(project) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program, str(project)], env=env, capture_output=True, text=True)
    assert done.stdout == f"{-signal.SIGKILL}\n", done.stderr
    assert journal(project)[-1].kind == "call_started"
    assert (project / "notes.txt").read_text() == "old\n"
    return project


def test_what_a_cut_off_write_left_behind_goes_when_it_is_done_again(tmp_path: Path) -> None:
    project = cut_off_in_a_write(tmp_path)
    part = project / ".notes.txt.0123456789ab.conductor"
    part.write_text("ne")  # as a kill between making the new file and renaming it leaves it
    kept = project / ".notes.txt.conductor"
    kept.write_text("someone's own")
    with session(project) as run:
        assert run.play().code == 0
    assert (project / "notes.txt").read_text() == "new\n"
    assert kept.exists() and not part.exists()


def test_a_file_changed_by_others_after_the_cut_is_left_to_the_human(tmp_path: Path) -> None:
    """What the file holds now is neither what it was nor what it was to be."""
    project = cut_off_in_a_write(tmp_path)
    (project / "notes.txt").write_text("someone else's\n")
    for arguments in ([], ["--auto"]):
        with session(project, *arguments) as run:
            request = run.request()
            assert any("OUTCOME UNKNOWN" in notice for notice in request["notices"])
            assert "-someone else's" in request["preview"]["text"]
            kill(run)
    assert (project / "notes.txt").read_text() == "someone else's\n"
