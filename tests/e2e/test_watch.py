"""Watching a run from other terminals: the past first, every step, and nothing of it changed by being watched."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.driver import CONDUCTOR, PATIENCE_S, call, environment, journal, make_project, play, run_command, session
from tests.e2e.terminal import Terminal

WRITE = {"tool_calls": [call("write_file", path="notes.txt", content="one\n")]}
TURNS = {"T1": [WRITE, {"text": "Done."}], "T2": [{"text": "Done."}] * 2}
TICKETS = [{"id": "T1"}, {"id": "T2", "dependencies": ["T1"]}]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path, TICKETS, TURNS)


def watcher(project: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [CONDUCTOR, "watch", *options],
        cwd=project,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_watchers_see_every_entry_and_change_none(tmp_path: Path) -> None:
    alone = make_project(tmp_path / "alone", TICKETS, TURNS)
    assert play(alone).code == 0
    watched = make_project(tmp_path / "watched", TICKETS, TURNS)
    early = [watcher(watched, "--json", "--until-end") for _ in range(2)]
    with session(watched) as run:
        request = run.request()
        late = watcher(watched, "--json", "--until-end")
        run.answer(request)
        assert run.play().code == 0
    kinds = [event.kind for event in journal(watched)]
    assert kinds == [event.kind for event in journal(alone)]
    for process in (*early, late):
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, err) == (0, "")
        entries = [json.loads(line) for line in out.splitlines()]
        assert [entry["kind"] for entry in entries] == kinds
        assert [entry["sequence"] for entry in entries] == list(range(1, len(kinds) + 1))


def test_the_screen_shows_tickets_what_waits_and_the_end(project: Path) -> None:
    with session(project) as run:
        request = run.request()
        watching = Terminal(project, "watch", "--until-end")
        watching.process.expect("T1 waits: conductor approve")
        assert "T2 locked" in watching.screen and "T1 step_paused" in watching.screen
        run.answer(request)
        assert run.play().code == 0
        assert watching.end() == 0
    assert "2 of 2 completed" in watching.screen and "T1 completed in 2 turns" in watching.screen


def test_watching_goes_on_over_a_fresh_start_and_a_retry(project: Path) -> None:
    assert run_command(project, "run", "tracks/track.toml", "--clutch", "deny").returncode == 3
    watching = Terminal(project, "watch", "tracks/track.toml", "-n", "0")
    watching.process.expect("T1 waits")  # only now is it sure to be there before the next run is
    ended = play(project, "--fresh", decide=lambda _: {"decision": "skip"})
    assert ended.code == 1
    assert play(project, "--retry", "T1").code == 0
    watching.process.expect("2 of 2 completed")
    watching.process.kill(signal.SIGINT)
    assert watching.end() == 130
    said = watching.screen
    assert said.count("skipped by the human") and said.count("T1 completed in") == 1
    assert said.index("skipped by the human") < said.index("T1 completed in") < said.index("T2 completed in")


@pytest.mark.parametrize(("options", "code"), [(("--clutch", "deny"), 3), (("--auto",), 0)])
def test_until_end_has_the_exit_code_of_the_run(project: Path, options: tuple[str, ...], code: int) -> None:
    waiting = watcher(project, "tracks/track.toml", "--until-end")  # before there is a journal
    assert run_command(project, "run", "tracks/track.toml", *options).returncode == code
    waiting.communicate(timeout=PATIENCE_S)
    assert waiting.returncode == code
    assert run_command(project, "watch", "--until-end").returncode == code


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_leaving_is_quiet_and_gives_the_terminal_back(project: Path, signum: signal.Signals, code: int) -> None:
    assert run_command(project, "run", "tracks/track.toml", "--clutch", "deny").returncode == 3
    watching = Terminal(project, "watch")
    watching.process.expect("T1 waits")
    watching.process.kill(signum)
    assert watching.end() == code
    assert watching._seen.getvalue().rstrip().endswith("\x1b[?25h")  # the cursor is shown again
    assert "interrupted" not in watching.screen
