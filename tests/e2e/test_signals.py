"""Ctrl-C and SIGTERM at the clutch, while the model thinks, while a command runs; once, and twice at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.e2e.driver import (
    Ended,
    Session,
    assert_calm,
    call,
    copy_demo,
    environment,
    journal,
    make_project,
    run_command,
    session,
)
from tests.e2e.terminal import terminal
from tests.openai_server import OpenAIServer, Silence

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}
both = pytest.mark.parametrize("signum", CODES)
# The command's shell and its child both ignore SIGTERM, as something that hangs would. MARK tells its processes from
# all others: in a sandbox it sees other process ids than we do.
MARK = f"60.{os.getpid()}"
STUBBORN = f"trap '' TERM; sleep {MARK} & echo begun >> tally.txt; wait; sleep {MARK}"


def stop(run: Session, signum: signal.Signals, times: int = 1) -> Ended:
    for _ in range(times):
        run.process.send_signal(signum)
        time.sleep(0.05)
    ended = run.end()
    assert ended.code == CODES[signum], ended.stderr
    assert_calm(ended.stderr)
    return ended


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists() or not path.read_text():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.01)


def at_work() -> list[int]:
    """Return the living processes of the stubborn command."""
    found: list[int] = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if MARK.encode() in line.read_bytes():  # that of a process that has ended is empty
                found.append(int(line.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@both
def test_at_the_clutch(tmp_path: Path, signum: signal.Signals) -> None:
    project = copy_demo(tmp_path)
    with session(project) as run:
        request = run.request()
        ended = stop(run, signum)
    assert "conductor run" in ended.stderr
    paused = journal(project)[-1]
    assert paused.kind == "run_paused" and paused.data.exit_code == CODES[signum]
    with session(project) as run:
        assert run.request() == request
        run.answer(request)
        assert run.play().code == 0


def test_while_the_model_thinks(tmp_path: Path) -> None:
    turns = {"T1": [{"tool_calls": [call("write_file", path="notes.txt", content="new\n")]}, {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1"}], turns)
    with OpenAIServer([Silence(30)]) as server:
        env = environment(project, CONDUCTOR_MODEL="openai/gpt-5-mini", OPENAI_BASE_URL=server.url)
        with session(project, env=env) as run:
            end = time.monotonic() + 40
            while not server.requests and time.monotonic() < end:
                time.sleep(0.02)
            began = time.monotonic()
            stop(run, signal.SIGINT)
            assert time.monotonic() - began < 5
    with session(project) as run:
        assert run.play().code == 0


@pytest.mark.parametrize(
    ("signum", "times", "where"),
    [
        (signal.SIGINT, 1, "call"),
        (signal.SIGINT, 2, "call"),
        (signal.SIGTERM, 2, "call"),
        (signal.SIGHUP, 1, "call"),  # its terminal was closed
        (signal.SIGINT, 2, "check"),
        (signal.SIGTERM, 1, "check"),
    ],
)
def test_while_a_command_runs(tmp_path: Path, signum: signal.Signals, times: int, where: str) -> None:
    turns = [{"tool_calls": [call("run_shell", command=STUBBORN)]}] if where == "call" else []
    verify = STUBBORN if where == "check" else ""
    project = make_project(tmp_path, [{"id": "T1", "verify": verify}], {"T1": [*turns, {"text": "Done."}]})
    with session(project) as run:
        run.answer(run.request())
        wait_for(project / "tally.txt")
        assert at_work()
        began = time.monotonic()
        stop(run, signum, times)
        took = time.monotonic() - began
    assert not at_work()
    assert took < (1.5 if times == 2 else 4)
    with session(project) as run:
        if where == "call":
            request = run.request()
            assert any("OUTCOME UNKNOWN" in notice for notice in request["notices"])
        else:
            run.until("gate_started")
            assert not any(line["type"] == "approval_requested" for line in run.lines)
        if where == "call":
            stop(run, signum)
        else:
            stop(run, signal.SIGINT, 2)
    assert (project / "tally.txt").read_text().count("begun") <= (1 if where == "call" else 2)


def test_at_random_moments(tmp_path: Path) -> None:
    chance = random.Random(3)
    project = copy_demo(tmp_path)
    for _ in range(8):
        with session(project) as run:
            delay = chance.uniform(0, 0.02)
            for _ in range(chance.randrange(1, 12)):
                said = run.read()
                if said is None:
                    break
                if said["type"] == "approval_requested":
                    run.answer(said)
            time.sleep(delay)
            run.process.send_signal(signal.SIGINT)
            ended = run.hang_up()
        assert_calm(ended.stderr)
        assert ended.code in (130, 0), ended.stderr
    with session(project) as run:
        assert run.play().code == 0


def test_a_run_started_with_ctrl_c_ignored_goes_on_ignoring_it(tmp_path: Path) -> None:
    """As a shell starts a background job; SIGTERM still ends it."""
    project = copy_demo(tmp_path)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = Session(project)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        request = run.request()
        os.kill(run.process.pid, signal.SIGINT)
        run.answer(request)
        assert run.until("call_finished")
        stop(run, signal.SIGTERM)
    finally:
        run.close()


def test_ctrl_c_before_anything_is_loaded_is_quiet() -> None:
    early = "import os, signal, conductor.__main__; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(9)"
    ended = subprocess.run([sys.executable, "-c", early], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


# By what is asked: the key that leads there, and what then stands on the screen ("": the editor is a process).
STATES = {
    "prompt": ("", ""),
    "line": ("r", "reason for the worker"),
    "pager": ("v", "back to the decision"),
    "unseen": ("a", "approve unseen"),
    "inline": ("e", "line 0.*line 3"),
    "editor": ("e", ""),
}


def long_write(folder: Path) -> Path:
    """A project whose worker writes more than a screen holds."""
    content = "".join(f"line {number}\n" for number in range(200))
    turns = {"T1": [{"tool_calls": [call("write_file", path="notes.txt", content=content)]}, {"text": "Done."}]}
    return make_project(folder, [{"id": "T1"}], turns)


@pytest.mark.parametrize("where", STATES)
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_left_as_it_was_and_the_call_waits(tmp_path: Path, where: str, signum: signal.Signals) -> None:
    project = long_write(tmp_path)
    env = environment(project, **({"EDITOR": f"sh -c 'sleep {MARK}'"} if where == "editor" else {}))
    with terminal(project, "run", "tracks/track.toml", env=env) as first:
        before = termios.tcgetattr(first.process.child_fd)
        first.prompt()
        key, shown = STATES[where]
        if key:
            first.press(key)
        if shown:
            first.process.expect(shown)
        elif key:
            end = time.monotonic() + 20
            while not at_work():
                assert time.monotonic() < end
                time.sleep(0.02)
        first.process.kill(signum)
        if signum is signal.SIGINT and where in ("line", "unseen", "inline"):  # it gives up what is typed
            first.prompt()
            first.process.kill(signum)
        assert first.end_with_modes() == (CODES[signum], before)
    assert not at_work()
    paused = journal(project)[-1]
    assert paused.kind == "run_paused" and paused.data.exit_code == CODES[signum]
    assert run_command(project, "reject", "T1").returncode == 0


@pytest.mark.parametrize("options", [[], ["--json-logs"]])
def test_a_terminal_that_is_closed_ends_the_run_with_its_code(tmp_path: Path, options: list[str]) -> None:
    """Nobody can read the last words, and that is no fault of its own."""
    project = long_write(tmp_path)
    with terminal(project, "run", "tracks/track.toml", *options) as first:
        first.prompt()
        first.process.ptyproc.fileobj.close()
        assert first.process.wait() in (3, 143)  # by what comes first: that there is no terminal, or the signal
    assert journal(project)[-1].kind == "run_paused"


def test_the_terminal_is_left_as_it_was_while_the_model_thinks(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1"}], {"T1": [{"text": "Done."}]})
    with OpenAIServer([Silence(30)]) as server:
        env = environment(project, CONDUCTOR_MODEL="openai/gpt-5-mini", OPENAI_BASE_URL=server.url)
        with terminal(project, "run", "tracks/track.toml", env=env) as first:
            before = termios.tcgetattr(first.process.child_fd)
            first.process.expect("worker thinking")
            first.process.send("\x03")
            assert first.end_with_modes() == (130, before)
    assert first.screen.rstrip().endswith("`conductor run` goes on from here.")
