"""A command that was cut off: the human says that it happened, has it run again, or leaves it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.e2e.driver import call, journal, make_project, run_command, session
from tests.e2e.terminal import terminal

AGAIN = "This call was cut off; a human had it run again.\n"
HAPPENED = "This call was cut off. A human says that it happened. It was not run again; what it printed is lost."
LEFT = "A human rejected this call. The outcome of this call is unknown: it was cut off."


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose run was killed in the middle of its first command."""
    command = "echo begun >> tally.txt; [ -e quick ] || sleep 30"
    turns = {"T1": [{"tool_calls": [call("run_shell", command=command)]}, {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1"}], turns)
    with session(project) as run:
        run.answer(run.request())
        while not (project / "tally.txt").exists():
            time.sleep(0.01)
        run.process.kill()
        run.process.wait()
    (project / "quick").touch()
    return project


def ended(project: Path) -> tuple[int, str, str]:
    """How often the command was begun, and how the call ended."""
    (finished,) = [event.data for event in journal(project) if event.kind == "call_finished"]
    return (project / "tally.txt").read_text().count("begun"), finished.outcome, finished.text


EACH = pytest.mark.parametrize(
    ("decision", "key", "outcome"),
    [
        ("happened", "i", (1, "happened", f"{HAPPENED} They said: I looked")),
        ("approve", "a", (2, "ok", AGAIN)),
        ("reject", "r", (1, "unknown", f"{LEFT} Their reason: I looked")),
    ],
)


@EACH
def test_over_json_lines(project: Path, decision: str, key: str, outcome: tuple[int, str, str]) -> None:
    with session(project) as run:
        request = run.request()
        assert request["outcome_unknown"] is True
        run.answer(request, decision, **({} if decision == "approve" else {"reason": "I looked"}))
        assert run.play().code == 0
    begun, ending, text = ended(project)
    assert (begun, ending, text[: len(outcome[2])]) == outcome


@EACH
def test_on_a_terminal(project: Path, decision: str, key: str, outcome: tuple[int, str, str]) -> None:
    with terminal(project, "run", "tracks/track.toml") as run:
        shown = run.prompt()
        assert "OUTCOME UNKNOWN" in shown and "a run again · i it happened · r leave it" in shown
        run.press(key)
        if decision != "approve":
            run.process.expect(r"(may be empty\)|reason for the worker):")
            run.press("I looked\r")
        assert run.end() == 0
    begun, ending, text = ended(project)
    assert (begun, ending, text[: len(outcome[2])]) == outcome


def test_from_another_terminal(project: Path) -> None:
    assert run_command(project, "run", "tracks/track.toml", "--clutch", "deny").returncode == 3
    (waits,) = json.loads(run_command(project, "approve", "--json").stdout)
    assert waits["outcome_unknown"] is True
    done = run_command(project, "approve", "T1", "--happened", "--comment", "I looked")
    assert (done.returncode, done.stdout) == (0, f"it happened: T1 run_shell ({waits['call_id']})\n")
    ran = run_command(project, "run", "tracks/track.toml", "--clutch", "deny")
    assert ran.returncode == 0 and "it happened, a human says" in ran.stdout
    assert ended(project) == (1, "happened", f"{HAPPENED} They said: I looked")
    told = run_command(project, "log", "--kind", "call_decided", "--json").stdout.splitlines()
    assert [json.loads(line)["data"]["decision"] for line in told] == ["approve", "happened"]


def test_a_call_that_has_not_run_did_not_happen(tmp_path: Path) -> None:
    turns = {"T1": [{"tool_calls": [call("run_shell", command="echo one")]}, {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1"}], turns)
    with session(project) as run:
        request = run.request()
        assert "outcome_unknown" not in request
        run.answer(request, "happened")
        assert "unknown outcome only" in run.until("error")["message"]
        elsewhere = run_command(project, "approve", "T1", "--happened")
        assert elsewhere.returncode == 2 and "has not run" in elsewhere.stderr
    with terminal(project, "run", "tracks/track.toml") as run:
        run.prompt()
        run.press("i")
        run.press("q")
        assert run.end() == 3
    assert "call_decided" not in {event.kind for event in journal(project)}
