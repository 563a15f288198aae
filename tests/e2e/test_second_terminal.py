"""Correcting, cancelling and answering a run from a second process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conductor.stores.reader import reader
from tests.e2e.driver import CONDUCTOR, call, environment, journal, make_project, run_command, session
from tests.e2e.terminal import Terminal, terminal

WRITE = {"tool_calls": [call("write_file", path="notes.txt", content="one\n")]}
TURNS = {"T1": [WRITE, {"text": "Done."}, {"text": "Done."}], "T2": [{"text": "Done."}] * 2}
TICKETS = [{"id": "T1"}, {"id": "T2"}]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path, TICKETS, TURNS)


def park(project: Path, *options: str) -> None:
    assert run_command(project, "run", "tracks/track.toml", "--clutch", "deny", *options).returncode == 3


def decisions(project: Path) -> list[tuple[str, str]]:
    return [(event.data.decision, event.data.by[:4]) for event in journal(project) if event.kind == "call_decided"]


def test_a_call_at_a_prompt_is_approved_in_another_terminal(project: Path) -> None:
    with terminal(project, "run", "tracks/track.toml") as first:
        first.prompt()
        assert run_command(project, "intervene", "T1", "Mind the tests.").returncode == 0
        listed = json.loads(run_command(project, "approve", "--json").stdout)
        assert [(waits["ticket_id"], waits["tool"]) for waits in listed] == [("T1", "write_file")]
        assert "+one" in listed[0]["preview"]["text"]
        done = run_command(project, "approve", listed[0]["call_id"], "--yes", "--json", "--comment", "fine")
        assert done.returncode == 0 and json.loads(done.stdout)["decision"] == "approve"
        assert first.end() == 0
    assert "approved by" in first.screen and "in another terminal" in first.screen
    assert decisions(project) == [("approve", "cli:")]
    (applied,) = [event.data for event in journal(project) if event.kind == "intervention_applied"]
    assert (applied.text, applied.request) == ("Mind the tests.", 2)


def test_a_failing_output_is_piped_in_as_a_bug(project: Path) -> None:
    park(project)
    failing = "import sys; print('x\\n' * 5000, flush=True); {}['total']"
    pipe = f'{sys.executable} -c "{failing}" 2>&1 | {CONDUCTOR} intervene T1 --bug "It fails." --bug-file -'
    done = subprocess.run(["bash", "-c", pipe], cwd=project, env=environment(project), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "It fails. What failed comes to this:" in done.stdout and "KeyError" in done.stdout

    (bug,) = [event.data for event in journal(project) if event.kind == "bug_reported"]
    assert (bug.text, bug.about) == ("It fails.", 0)
    with reader(project / ".conductor") as kept:
        assert kept.get(bug.output).startswith(b"x\nx\n") and b"KeyError" in kept.get(bug.output)


def test_a_call_over_json_lines_is_rejected_elsewhere(project: Path) -> None:
    with session(project) as run:
        request = run.request()
        done = run_command(project, "reject", request["call_id"][:4], "--reason", "not there")
        assert done.returncode == 0, done.stderr
        assert run.until("call_decided")["data"]["reason"] == "not there"
        late = run_command(project, "approve", request["call_id"], "--yes")
        assert late.returncode == 2 and "no call waits" in late.stderr
        assert run.hang_up().code == 0
    assert not (project / "notes.txt").exists()


def test_a_ticket_is_cancelled_while_its_call_waits(project: Path) -> None:
    with terminal(project, "run", "tracks/track.toml") as first:
        first.prompt()
        assert run_command(project, "cancel", "T1", "--reason", "by hand").returncode == 0
        assert first.end() == 1
    assert "cancelled by" in first.screen and "by hand" in first.screen
    assert [event.ticket_id for event in journal(project) if event.kind == "ticket_completed"] == ["T2"]


def test_the_answer_to_a_parked_call_is_used_by_the_next_run(project: Path) -> None:
    park(project)
    shown = run_command(project, "approve")
    assert "+ one" in shown.stdout and "write_file" in shown.stdout
    unasked = run_command(project, "approve", "T1")
    assert unasked.returncode == 2 and "--digest" in unasked.stderr
    digest = json.loads(run_command(project, "approve", "--json").stdout)[0]["digest"]
    assert run_command(project, "approve", "T1", "--digest", "0" * 64).returncode == 2
    assert run_command(project, "approve", "T1", "--digest", digest).returncode == 0
    assert "No call waits" in run_command(project, "approve").stderr
    assert run_command(project, "run", "tracks/track.toml", "--clutch", "deny").returncode == 0
    assert (project / "notes.txt").read_text() == "one\n"


def test_a_yes_is_typed_to_what_was_shown(project: Path) -> None:
    park(project)
    for keys, code in (("n", 3), ("\x1b", 3), ("y", 0)):
        second = Terminal(project, "approve", "T1")
        second.process.expect("approve it")
        second.press(keys)
        assert second.end() == code
        assert "+ one" in second.screen
    assert [event.kind for event in journal(project)].count("call_answered") == 1


def test_a_dangerous_call_takes_a_word_or_its_digest(tmp_path: Path) -> None:
    turns = {"T1": [{"tool_calls": [call("run_shell", command="true")]}, {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1"}], turns)
    park(project, "--no-sandbox")
    refused = run_command(project, "approve", "T1", "--yes")
    assert refused.returncode == 2 and "dangerous" in refused.stderr and "--digest" in refused.stderr
    for word, code in (("y\r", 3), ("yes\r", 0)):
        second = Terminal(project, "approve", "T1")
        second.process.expect("Type yes")
        second.press(word)
        assert second.end() == code


def test_of_answers_at_once_exactly_one_counts(project: Path) -> None:
    park(project)
    commands = [["approve", "T1", "--yes"], ["reject", "T1"]] * 2
    racers = [
        subprocess.Popen(
            [CONDUCTOR, *command], cwd=project, env=environment(project), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for command in commands
    ]
    ended = [racer.communicate(timeout=60) and racer.returncode for racer in racers]
    assert sorted(ended) == [0, 2, 2, 2]
    (answered,) = [event.data for event in journal(project) if event.kind == "call_answered"]
    assert answered.decision == commands[ended.index(0)][0]
    assert run_command(project, "run", "tracks/track.toml", "--clutch", "deny").returncode == 0
    assert decisions(project) == [(answered.decision, "cli:")]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["intervene", "T9", "x"], "no ticket T9"),
        (["intervene", "T1", "x"], "T1 is completed"),
        (["intervene", "T1", "  "], "nothing to tell"),
        (["intervene", "T1"], "either what to tell"),
        (["intervene", "T1", "x", "--bug", "y"], "either what to tell"),
        (["intervene", "T1", "--bug", " "], "nothing to report"),
        (["intervene", "T1", "--bug-file", "none.txt"], "cannot be read"),
        (["intervene", "T1", "--bug", "x"], "T1 is completed"),
        (["cancel", "T9"], "no ticket T9"),
        (["cancel", "T2"], "T2 is completed"),
        (["reject", "call_1"], "no call waits"),
    ],
)
def test_what_nobody_can_heed_is_an_error_and_not_stored(project: Path, arguments: list[str], why: str) -> None:
    assert run_command(project, "run", "tracks/track.toml", "--auto").returncode == 0
    before = len(journal(project))
    done = run_command(project, *arguments)
    assert done.returncode == 2 and why in done.stderr
    assert len(journal(project)) == before


def test_before_the_first_run_there_is_nobody_to_tell(project: Path) -> None:
    done = run_command(project, "intervene", "T1", "x", "--track", "tracks/track.toml")
    assert done.returncode == 2 and "not run yet" in done.stderr
    assert not (project / ".conductor").exists()


def test_a_reason_that_is_being_typed_comes_too_late(project: Path) -> None:
    with terminal(project, "run", "tracks/track.toml") as first:
        first.prompt()
        first.press("r")
        first.process.expect("reason for the worker")
        first.press("I do not")
        assert run_command(project, "approve", "T1", "--yes").returncode == 0
        assert first.end() == 0
    assert "what you typed here is not used" in first.screen and "approved by" in first.screen
    assert decisions(project) == [("approve", "cli:")]
    assert (project / "notes.txt").read_text() == "one\n"


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_an_answer_comes_while_the_payload_is_in_an_editor(project: Path, tmp_path: Path, command: str) -> None:
    """What was on the screen is what was answered: the edit is neither run nor shown, and whoever made it is told."""
    go = tmp_path / "go"
    script = tmp_path / "edit.sh"
    script.write_text(
        f'#!/bin/sh\ntouch "{go}.open"; while [ ! -e "{go}" ]; do sleep 0.02; done\nsed -i s/one/edited-text/ "$1"\n'
    )
    script.chmod(0o755)
    with terminal(project, "run", "tracks/track.toml", env=environment(project, EDITOR=str(script))) as first:
        first.prompt()
        first.press("e")
        end = time.monotonic() + 20
        while not Path(f"{go}.open").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        assert run_command(project, command, "T1", *(["--yes"] if command == "approve" else [])).returncode == 0
        assert not (project / "notes.txt").exists()
        go.touch()
        assert first.end() == 0
    assert "what you typed here is not used" in first.screen
    assert f"{command}{'d' if command == 'approve' else 'ed'} by" in first.screen
    assert decisions(project) == [(command, "cli:")]
    assert "edited-text" not in first.screen
    assert (project / "notes.txt").exists() is (command == "approve")
    assert [event.kind for event in journal(project)].count("call_finished") == 1
