"""A sandbox made ahead: it is used where it is what would be made now, and nothing of it is ever left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from conductor.sandbox.ahead import Ahead
from conductor.sandbox.base import Policy, Sandbox
from conductor.sandbox.bubblewrap import Bubblewrap
from conductor.sandbox.registry import try_out, unconfined
from conductor.shell import CommandResult
from tests.sandbox.test_cut_off import until
from tests.sandbox.test_sandbox import git
from tests.test_shell import is_gone

WHY_NOT = try_out(Bubblewrap()).why_not
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"bubblewrap does not work here: {WHY_NOT}")


class Watched(Ahead):
    """One that says which process waits, and whether the last command was run by it."""

    used = False

    @property
    def pid(self) -> int:
        assert until(lambda: self._waiting, 30)
        assert self._waiting
        return self._waiting.started.child.process.pid

    def take(self, launch, cwd):  # type: ignore[no-untyped-def]
        started = super().take(launch, cwd)
        self.used = started is not None
        return started


@pytest.fixture
def ahead() -> Iterator[Watched]:
    with closing(Watched()) as ahead:
        yield ahead


@pytest.fixture
def sandbox(project: Path, ahead: Watched) -> Sandbox:
    """A sandbox that has run a command, so that the next one's is made."""
    git(project, "init", "-q")
    (project / "conductor.toml").write_text("[models]\n")
    made = Sandbox(Bubblewrap(), Policy(project, ("conductor.toml",), hidden=(project / ".conductor",)), ahead)
    assert run(made, "true").exit_code == 0
    assert not ahead.used and ahead.pid
    return made


def run(sandbox: Sandbox, command: str) -> CommandResult:
    return sandbox.run(command, cwd=sandbox.policy.root, timeout_s=30)


COMMANDS = (
    "pwd; env | sort; ls -a / /tmp .; id; umask; ulimit -a; echo $0 $# $- $$ $PPID $SHLVL",
    "cat; echo \"it's $(tty)\"; printf '%s\\n' \"a  b\" 'c\nd' $'\\t' >&2; exit 7",
    "cat <<'end'\nfirst 'line'\n$HOME `x` \\\nend\nkill -9 $$",
    "nonsense --of 'a b'",
    "if then",
    'set -- x; echo "$@" "$1" ; (exec 3<&0; ls -l /proc/self/fd | grep -c pipe); trap "" TERM; kill $$; echo on',
    "é=ü; echo \udce9; sleep 0.05 & wait; ulimit -c 1",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_cannot_tell_it_from_another(sandbox: Sandbox, ahead: Watched, command: str) -> None:
    now = run(replace(sandbox, ahead=None), command)
    then = run(sandbox, command)
    assert ahead.used
    plain = [line for line in now.stdout.splitlines() if not line.startswith(b"max user processes")]
    assert [line for line in then.stdout.splitlines() if not line.startswith(b"max user processes")] == plain
    assert (then.exit_code, then.stderr, then.undone) == (now.exit_code, now.stderr, now.undone)


def test_a_plain_command_is_run_by_the_shell_that_waits(sandbox: Sandbox, ahead: Watched) -> None:
    command = "export A=b; exec env"
    root = sandbox.policy.root
    now = replace(sandbox, ahead=None).run(command, cwd=root, timeout_s=30, plain=True)
    then = sandbox.run(command, cwd=root, timeout_s=30, plain=True)
    assert ahead.used
    assert then.stdout == now.stdout
    assert b"A=b\n" in then.stdout
    ended = sandbox.run("cat; exit 7", cwd=root, timeout_s=30, plain=True)
    assert (ended.stdout, ended.exit_code) == (b"", 7)


def test_each_is_used_once_and_begins_with_nothing(sandbox: Sandbox, ahead: Watched) -> None:
    pids = [ahead.pid]
    for _ in range(3):
        assert run(sandbox, "ls /tmp/left 2>/dev/null; touch /tmp/left; sleep 100 &").stdout == b""
        assert ahead.used
        pids.append(ahead.pid)
    assert len(set(pids)) == 4
    assert all(map(is_gone, pids[:-1]))


def test_files_made_and_changed_since_are_seen(sandbox: Sandbox, ahead: Watched) -> None:
    (sandbox.policy.root / "top.py").write_text("new")
    (sandbox.policy.root / "folder").mkdir()
    assert run(sandbox, "cat top.py; ls -d folder; rm -r folder").stdout == b"newfolder\n"
    assert ahead.used


def _replaced(root: Path) -> None:
    (root / "other").write_text("[other]\n")
    (root / "other").replace(root / "conductor.toml")


def _made_anew(root: Path) -> None:
    (root / "conductor.toml").unlink()
    (root / "conductor.toml").write_text("[models]\n")


def _linked_back(root: Path) -> None:
    (root / "other").hardlink_to(root / "conductor.toml")
    (root / "conductor.toml").unlink()
    (root / "other").rename(root / "conductor.toml")


def _another_git(root: Path) -> None:
    (root / ".git").rename(root / "old")
    git(root, "init", "-q")


@pytest.mark.parametrize("change", [_replaced, _made_anew, _linked_back, _another_git])
def test_it_is_not_used_where_a_mount_is_of_something_else_by_now(
    sandbox: Sandbox, ahead: Watched, change: Callable[[Path], None]
) -> None:
    waiting = ahead.pid
    change(sandbox.policy.root)
    kept = (sandbox.policy.root / "conductor.toml").read_text()
    result = run(sandbox, "echo x >conductor.toml; echo x >.git/config; cat conductor.toml")
    assert not ahead.used
    assert (result.stdout.decode(), result.undone) == (kept, ())
    assert is_gone(waiting)


def test_it_is_not_used_where_more_must_be_kept(sandbox: Sandbox, ahead: Watched) -> None:
    root = sandbox.policy.root
    (root / ".git" / "something-new").write_text("kept")
    assert run(sandbox, "echo x >.git/something-new; cat .git/something-new").stdout == b"kept"
    assert not ahead.used and ahead.pid
    assert run(replace(sandbox, policy=replace(sandbox.policy, network=True)), "true").exit_code == 0
    assert not ahead.used and ahead.pid
    ran = sandbox.run("pwd", cwd=root / ".conductor" / "..", timeout_s=30)
    assert not ahead.used and ran.exit_code == 0


def test_it_is_not_used_in_another_environment(
    sandbox: Sandbox, ahead: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert run(sandbox, "echo $LC_ALL").stdout == b"C\n"
    assert not ahead.used


def test_it_outlives_the_thread_whose_command_it_was_made_after(sandbox: Sandbox, ahead: Watched) -> None:
    thread = threading.Thread(target=run, args=(sandbox, "true"))
    thread.start()
    thread.join()
    assert ahead.used and ahead.pid
    assert run(sandbox, "echo on").stdout == b"on\n"
    assert ahead.used


def test_a_command_right_after_another_does_not_wait_for_one(sandbox: Sandbox, ahead: Watched) -> None:
    for _ in range(3):
        assert run(sandbox, "echo on").stdout == b"on\n"
    assert ahead.pid


def test_one_that_was_ended_from_outside_is_made_again(sandbox: Sandbox, ahead: Watched) -> None:
    os.kill(ahead.pid, signal.SIGKILL)
    assert is_gone(ahead.pid)
    assert run(sandbox, "echo on").stdout == b"on\n"


def test_what_a_pipe_cannot_take_at_once_is_run_as_before(sandbox: Sandbox, ahead: Watched) -> None:
    waiting = ahead.pid
    assert run(sandbox, f"echo {'x' * 40_000} | wc -c").stdout.split() == [b"40001"]
    assert is_gone(waiting)
    with pytest.raises(ValueError, match="null byte"):
        run(sandbox, "echo a\0b")


def test_only_the_command_itself_is_counted(sandbox: Sandbox, ahead: Watched) -> None:
    threading.Event().wait(0.3)
    result = run(sandbox, "true")
    assert ahead.used
    assert result.duration_s < 0.3
    assert result.peak_bytes < 64 * 1024 * 1024


def test_it_has_a_session_of_its_own_and_ends_when_it_is_closed(sandbox: Sandbox, ahead: Watched) -> None:
    waiting = ahead.pid
    assert os.getsid(waiting) == waiting
    ahead.close()
    assert is_gone(waiting)
    assert run(sandbox, "echo on").stdout == b"on\n"
    assert not ahead.used and not ahead._waiting


def test_without_a_sandbox_nothing_waits(project: Path, ahead: Watched) -> None:
    bare = replace(unconfined(), ahead=ahead)
    assert bare.run("echo on", cwd=project, timeout_s=30).stdout == b"on\n"
    assert not ahead._waiting


RUNNER = """
import sys, time
from pathlib import Path
from conductor.sandbox.ahead import Ahead
from conductor.sandbox.base import Policy, Sandbox
from conductor.sandbox.bubblewrap import Bubblewrap
root, ahead = Path(sys.argv[1]), Ahead()
Sandbox(Bubblewrap(), Policy(root), ahead).run("true", cwd=root, timeout_s=60)
while not ahead._waiting:
    time.sleep(0.01)
print(ahead._waiting.started.child.process.pid, flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_nothing_that_waits_outlives_conductor_however_it_ends(tmp_path: Path, end: signal.Signals | None) -> None:
    command = [sys.executable, "-c", RUNNER, str(tmp_path), "60" if end else "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as runner:
        assert runner.stdout
        waiting = int(runner.stdout.readline())
        if end:
            runner.send_signal(end)
    assert until(lambda: is_gone(waiting), 5)
