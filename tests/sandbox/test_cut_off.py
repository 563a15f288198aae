"""kill -9 of whoever runs a command: nothing of the command lives on, whatever held it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conductor.sandbox.leash import Leash
from conductor.sandbox.registry import MECHANISMS, try_out

RUNNER = """
import sys
from pathlib import Path
from conductor.sandbox.base import Policy, Sandbox
from conductor.sandbox.registry import MECHANISMS
root = Path(sys.argv[2])
Sandbox(MECHANISMS[sys.argv[1]](), Policy(root)).run(sys.argv[3], cwd=root, timeout_s=60)
print("ended", flush=True)
"""
COMMAND = "trap '' TERM HUP; (trap '' TERM; sleep {mark}) & echo >begun; sleep {mark}; sleep {mark}"


def alive(mark: str) -> list[int]:
    found: list[int] = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"sleep\0{mark}".encode() in line.read_bytes():
                found.append(int(line.parent.name))
        except OSError:
            continue
    return found


def until(holds: object, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not holds():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("name", MECHANISMS)
def test_nothing_of_a_command_outlives_a_kill(tmp_path: Path, name: str) -> None:
    if why_not := try_out(MECHANISMS[name]()).why_not:
        pytest.skip(f"{name} does not work here: {why_not}")
    mark = f"61.{os.getpid()}"
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, name, str(tmp_path), COMMAND.format(mark=mark)])
    assert until(lambda: (tmp_path / "begun").exists() and len(alive(mark)) == 2, 30)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert until(lambda: not alive(mark), 1)


def test_a_leash_that_was_cut_is_made_anew_and_names_one_group_at_a_time() -> None:
    leash = Leash()
    held = [subprocess.Popen(["sleep", "60"], start_new_session=True) for _ in range(2)]
    with leash.around(held[0].pid):
        pass
    first = leash._watcher
    assert first
    first.kill()
    first.wait()
    with leash.around(held[1].pid):
        second = leash._watcher
        assert second and second.stdin and second is not first
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), second.stdin.fileno())  # closes the pipe, as the end of this process does
        assert held[1].wait(10) == -signal.SIGKILL
    assert held[0].poll() is None
    held[0].kill()
    held[0].wait()
    second.wait(10)
