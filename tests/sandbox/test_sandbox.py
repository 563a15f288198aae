"""What a sandbox promises, tried for real with each mechanism that works on this machine."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from conductor.errors import UsageError
from conductor.sandbox import registry
from conductor.sandbox.ahead import Ahead
from conductor.sandbox.base import Policy, Sandbox
from conductor.sandbox.none import NoMechanism
from conductor.sandbox.registry import MECHANISMS, choose, try_out, unconfined
from conductor.shell import CommandResult, Launch
from tests.test_shell import is_gone

WORKING = {name: try_out(make()).why_not for name, make in MECHANISMS.items() if name != "none"}
PYTHON = sys.executable


@pytest.fixture(params=[*WORKING, "bubblewrap, made ahead"])
def sandbox(request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox around a project with a repository, in a home that holds a key."""
    name, _, ahead = request.param.partition(", ")
    if why_not := WORKING[name]:
        pytest.skip(f"{name} does not work here: {why_not}")
    home = project.parent / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_rsa").write_text("PRIVATE KEY")
    (home / ".gitconfig").write_text("[user]\n\tname = A\n\temail = a@example.org\n")
    monkeypatch.setenv("HOME", str(home))
    (project / ".git" / "config").unlink()
    git(project, "init", "-q")
    (project / ".conductor" / "journal.db").write_text("journal")
    policy = Policy(project, ("conductor.toml", "tracks/t.toml"), hidden=(project / ".conductor",))
    with closing(Ahead()) as waiting:
        made = Sandbox(MECHANISMS[name](), policy, waiting if ahead else None)
        if ahead:
            run(made, "true")
            time.sleep(0.1)  # tests hold whether it is used or not
        yield made


def git(project: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=project, check=True, capture_output=True, text=True).stdout


def run(sandbox: Sandbox, command: str, timeout_s: float = 30) -> CommandResult:
    return sandbox.run(command, cwd=sandbox.policy.root, timeout_s=timeout_s)


def says(sandbox: Sandbox, command: str) -> str:
    return run(sandbox, command).stdout.decode().strip()


# What cannot be done


def test_the_project_and_temporary_files_are_written_and_nothing_else(sandbox: Sandbox, tmp_path: Path) -> None:
    result = run(sandbox, "echo a >made; mkdir -p x/y; echo b >x/y/z; mv made x; rm top.py; mktemp; cat x/made x/y/z")
    assert (result.exit_code, result.stdout.decode().split()[-2:]) == (0, ["a", "b"])
    assert not (sandbox.policy.root / "top.py").exists()
    victim = tmp_path / "secret.txt"
    for place in (victim, tmp_path / "new", "/etc/new", "/usr/new", "/var/new", Path.home() / "new", "/tmp/../etc/new"):
        run(sandbox, f"echo x >{place}; ln -s {victim} link; echo x >link; rm -f {victim}; truncate -s 0 {victim}")
        assert victim.read_text() == "secret\n"
        assert place == victim or not Path(place).exists()


def test_a_link_to_the_outside_leads_nowhere(sandbox: Sandbox, tmp_path: Path) -> None:
    (sandbox.policy.root / "out").symlink_to(tmp_path)
    (sandbox.policy.root / "hard").hardlink_to(tmp_path / "secret.txt")
    run(sandbox, f"echo x >out/new; ln {tmp_path}/secret.txt mine; mv top.py out/")
    assert sorted(os.listdir(tmp_path)) == ["home", "project", "secret.txt"]  # noqa: PTH208


def test_home_and_what_lies_beside_the_project_are_out_of_sight(sandbox: Sandbox, tmp_path: Path) -> None:
    for path in (Path.home() / ".ssh" / "id_rsa", tmp_path / "secret.txt", "/etc/shadow"):
        result = run(sandbox, f"cat {path}")
        assert result.exit_code != 0, path
        assert b"PRIVATE" not in result.stdout + result.stderr
        assert b"root:" not in result.stdout


def test_no_secret_is_in_the_environment_of_any_process(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    monkeypatch.setenv("NEXT_SERVICE", "hunter2")
    monkeypatch.setenv("PYTHONPATH", "https://me:hunter2@example.org")
    assert says(sandbox, "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep hunter2; echo end").endswith(
        "end"
    )
    assert "hunter2" not in says(sandbox, "env; cat /proc/1/environ /proc/$PPID/environ")


def test_a_named_variable_is_passed_on(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:pw@db")
    named = replace(sandbox, policy=replace(sandbox.policy, environment=("DATABASE_URL",)))
    assert says(named, "echo $DATABASE_URL") == "postgres://me:pw@db"
    assert "with $DATABASE_URL" in named.terms


CONNECT = f"{PYTHON} -c \"import socket; socket.create_connection(('127.0.0.1', {{port}}), 2)\""


def test_there_is_no_network(sandbox: Sandbox) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        command = CONNECT.format(port=server.getsockname()[1])
        assert run(sandbox, command).exit_code == 1
        assert run(sandbox, f"{PYTHON} -c 'import socket; socket.getaddrinfo(\"example.org\", 80)'").exit_code == 1
        open_ = Sandbox(type(sandbox.mechanism)(), replace(sandbox.policy, network=True))
        assert run(open_, command).exit_code == 0
        assert "no network" in sandbox.terms
        assert "no network" not in open_.terms


def test_a_service_behind_a_socket_file_cannot_be_asked(sandbox: Sandbox) -> None:
    import socket

    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as server:
        path = f"{name}/docker.sock"
        server.bind(path)
        server.listen()
        assert run(sandbox, f"{PYTHON} -c 'import socket; socket.socket(1).connect(\"{path}\")'").exit_code == 1


def test_root_has_no_capabilities(sandbox: Sandbox) -> None:
    assert set(says(sandbox, "grep Cap /proc/self/status | cut -f2").split()) == {"0" * 16}
    same = Path("/proc/sys/kernel/core_pattern")  # a command that is run by the kernel: written as it is, to be safe
    assert run(sandbox, f"cat {same} >{same}").exit_code != 0
    assert run(sandbox, "mount -t tmpfs none /mnt").exit_code != 0


ORDERS_TO_GIT = [
    "echo evil >.git/hooks/pre-commit",
    "rm -rf .git/hooks; mkdir .git/hooks; echo evil >.git/hooks/post-checkout",
    "git config core.fsmonitor evil",
    "echo '[alias]' >>.git/config",
    "rm .git/config; ln -s ../evil .git/config",
    "mkdir ../evil evil; echo evil >evil/config; echo ../evil >.git/commondir",
    "git config extensions.worktreeConfig true; echo '[core]' >.git/config.worktree",
    "echo '* filter=evil' >.git/info/attributes",
    "mkdir -p .git/modules/x; echo evil >.git/modules/x/config",
    "mkdir .git/remotes; echo 'URL: ext::evil' >.git/remotes/origin",
]


def orders(project: Path) -> dict[str, bytes]:
    """What of a repository git takes orders from."""
    top = project / ".git"
    names = ("config", "config.worktree", "commondir", "hooks", "info", "modules", "remotes", "branches", "worktrees")
    found = (path for name in names for path in [top / name, *(top / name).rglob("*")])
    return {str(path): path.read_bytes() for path in found if path.is_file() and path.suffix != ".sample"}


def shared_orders(project: Path) -> dict[str, bytes]:
    return {path: content for path, content in orders(project).items() if "/worktrees/" not in path}


@pytest.mark.parametrize("command", ORDERS_TO_GIT)
def test_git_takes_no_orders_from_a_command(sandbox: Sandbox, command: str) -> None:
    project = sandbox.policy.root
    before = orders(project)
    run(sandbox, command)
    assert orders(project) == before
    git(project, "status")


def test_a_repository_cannot_be_exchanged(sandbox: Sandbox) -> None:
    project = sandbox.policy.root
    before = orders(project)
    run(sandbox, "mv .git old; git init -q; git config core.fsmonitor evil; echo evil >.git/hooks/post-commit")
    assert orders(project) == before


def test_a_link_in_the_place_of_a_repository_does_not_lead_us_outside(sandbox: Sandbox, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", "other")
    (other / ".git" / "hooks" / "post-commit").write_text("mine")
    before = orders(other)
    run(sandbox, "mv .git old; ln -s ../other/.git .git")
    assert orders(other) == before
    assert not (sandbox.policy.root / ".git").is_symlink()


def test_a_new_repository_brings_no_orders(sandbox: Sandbox) -> None:
    project = sandbox.policy.root
    git(project, "config", "user.name", "x")
    import shutil

    shutil.rmtree(project / ".git")
    result = run(
        sandbox,
        "git init -q && git add top.py && git -c user.name=x commit -qm x && git config core.fsmonitor evil"
        "; echo evil >.git/hooks/post-commit; echo ../x >.git/commondir",
    )
    assert not any(b"evil" in content for content in orders(project).values())
    assert ".git/config" in result.undone
    assert git(project, "log", "--oneline").endswith("x\n")


@pytest.mark.parametrize(
    "command",
    [
        "echo evil >conductor.toml; echo evil >tracks/t.toml",
        "rm -f conductor.toml tracks/t.toml",
        "mv tracks x; mkdir tracks; echo evil >tracks/t.toml",
        "mv tracks x; ln -s ../outside tracks",
        "ln -sf top.py conductor.toml",
    ],
)
def test_the_plan_and_its_settings_stay_as_they_are(sandbox: Sandbox, command: str) -> None:
    project = sandbox.policy.root
    run(sandbox, command)
    assert (project / "conductor.toml").read_text() == ""
    assert (project / "tracks" / "t.toml").read_text() == "schema = 1\n"
    assert not (project / "conductor.toml").is_symlink()


def test_conductors_own_folder_is_out_of_reach(sandbox: Sandbox) -> None:
    if sandbox.mechanism.name == "Landlock":
        assert ".conductor" in sandbox.mechanism.gaps
        return
    assert says(sandbox, "ls -A .conductor; cat .conductor/journal.db; echo x >.conductor/journal.db") == ""
    assert (sandbox.policy.root / ".conductor" / "journal.db").read_text() == "journal"


# What is bounded


@pytest.mark.slow  # for root the kernel sets no limit, so a bomb takes from whatever runs beside it until it is counted
def test_a_fork_bomb_is_bounded_and_gone_afterwards(sandbox: Sandbox) -> None:
    few = replace(sandbox, policy=replace(sandbox.policy, processes=60))
    began = time.monotonic()
    result = run(few, "f() { f | f & }; f; sleep 20", timeout_s=20)
    assert time.monotonic() - began < 15
    assert result.exit_code is None or os.geteuid() != 0  # who is not root cannot start more, and may see it through
    until = time.monotonic() + 10
    while left := [pid for pid in map(str, processes()) if b"f | f &" in command_line(pid)]:
        assert time.monotonic() < until, left  # all are killed at once, but a thousand take a while to be gone
        time.sleep(0.05)


def processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208


def command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_memory_is_bounded_for_all_processes_together(sandbox: Sandbox) -> None:
    little = replace(sandbox, policy=replace(sandbox.policy, memory_mb=200))
    hog = f"{PYTHON} -c 'x = b\"x\" * 120_000_000; import time; time.sleep(20)'"
    assert run(little, f"timeout 2 {hog}").exit_code == 124
    assert run(little, f"{hog} & {hog}").ended_by == "it used more than 200 MiB of memory"


def test_output_and_time_are_bounded(sandbox: Sandbox) -> None:
    assert run(sandbox, "yes").ended_by.startswith("it printed more than")
    result = run(sandbox, "echo begun; trap '' TERM; while :; do sleep 0.05; done", timeout_s=0.5)
    assert (result.status, result.stdout, result.ended_by) == (124, b"begun\n", "it ran longer than 0.5 s")
    assert result.duration_s < 6


def test_no_child_outlives_its_command(sandbox: Sandbox) -> None:
    began = time.monotonic()
    result = run(sandbox, "sleep 61.5 & setsid sleep 61.5 & (setsid nohup sleep 61.5 &) ; echo on")
    assert (result.stdout, result.exit_code) == (b"on\n", 0)
    assert time.monotonic() - began < 5
    time.sleep(0.1)
    assert [pid for pid in processes() if b"61.5" in command_line(str(pid)) and not is_gone(pid)] == []


# What works


@pytest.mark.parametrize(
    ("command", "code"),
    [("true", 0), ("exit 7", 7), ("no-such-command-here", 127), ("kill -9 $$", 137), ("kill -TERM $$", 143)],
)
def test_exit_codes_are_those_a_shell_reports(sandbox: Sandbox, command: str, code: int) -> None:
    assert (run(sandbox, command).exit_code, run(sandbox, command).ended_by) == (code, "")


def test_both_streams_and_the_devices_work(sandbox: Sandbox) -> None:
    result = run(sandbox, "echo a; echo b >&2; echo c >/dev/null; head -c 4 /dev/urandom | wc -c; echo d >>/dev/stderr")
    assert (result.stdout.split(), result.stderr.split()) == ([b"a", b"4"], [b"b", b"d"])


def test_git_works(sandbox: Sandbox) -> None:
    project = sandbox.policy.root
    result = run(
        sandbox,
        "git add top.py && git commit -qm one && git checkout -qb other && git commit -q --allow-empty -m two"
        " && echo more >>top.py && git stash -q && git tag v1 && git log --format=%s",
    )
    assert result.stdout.split() == [b"two", b"one"], result.stderr
    assert result.undone == ()
    assert git(project, "log", "--format=%an %s", "v1") == "A two\nA one\n"
    git(project, "fsck", "--strict")


def test_git_works_in_a_worktree(sandbox: Sandbox, tmp_path: Path) -> None:
    git(sandbox.policy.root, "commit", "-q", "--allow-empty", "-m", "one")
    git(sandbox.policy.root, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "ticket")
    tree = (tmp_path / "tree").resolve()
    held = Sandbox(sandbox.mechanism, Policy(tree))
    (sandbox.policy.root / ".git" / "hooks" / "pre-push").write_text("mine")
    before = shared_orders(sandbox.policy.root)
    result = held.run("echo x >x; git add x && git commit -qm two; git config a.b evil", cwd=tree, timeout_s=20)
    assert shared_orders(sandbox.policy.root) == before, result
    assert git(tree, "log", "-1", "--format=%s") == "two\n", result.stderr


WORK = """
import asyncio, multiprocessing, os, sys, threading
async def main():
    process = await asyncio.create_subprocess_exec("echo", "child", stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].decode().strip()
if __name__ == "__main__":
    print(asyncio.run(main()))
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            print(pool.map(abs, [-1, 2]))
    queue = multiprocessing.Queue(); queue.put("queue"); print(queue.get(timeout=5))
    lock = multiprocessing.Lock()
    with lock: print("lock")
"""


def test_asyncio_and_multiprocessing_work(sandbox: Sandbox) -> None:
    (sandbox.policy.root / "work.py").write_text(WORK)
    result = run(sandbox, f"{PYTHON} work.py")
    assert result.stdout.decode().split("\n")[:-1] == ["child", "[1, 2]", "[1, 2]", "queue", "lock"], result.stderr


def test_pytest_works(sandbox: Sandbox) -> None:
    (sandbox.policy.root / "test_x.py").write_text("def test_x(tmp_path):\n    (tmp_path / 'a').write_text('x')\n")
    result = run(sandbox, f"{PYTHON} -m pytest -q test_x.py")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert (sandbox.policy.root / ".pytest_cache").exists()


# The choice


def test_auto_takes_the_first_that_works_and_a_named_one_must_work(project: Path) -> None:
    found = choose("auto", Policy(project))
    works = [name for name, why_not in WORKING.items() if not why_not]
    assert found.mechanism.name == (works[0] if works else "none")
    for name in (name for name, why_not in WORKING.items() if why_not):
        with pytest.raises(UsageError, match="does not work here"):
            choose(name, Policy(project))


class Broken:
    """Cannot start anything."""

    name, holds, gaps = "broken", True, ""

    def launch(self, policy: Policy, command: str, env: dict[str, str]) -> AbstractContextManager[Launch]:
        raise FileNotFoundError(errno.ENOENT, "it is not installed")


class Puzzled(Broken):
    """Fails in a way that nobody thought of."""

    def launch(self, policy: Policy, command: str, env: dict[str, str]) -> AbstractContextManager[Launch]:
        raise ValueError("what is that?")


def test_auto_goes_on_to_the_next_and_ends_with_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MECHANISMS", {"broken": Broken, "other": Broken, "none": NoMechanism})
    found = choose("auto", Policy(project))
    assert (found.holds, found.terms) == (False, "without a sandbox")
    assert run(found, "echo out").stdout == b"out\n"


def test_an_unforeseen_failure_of_the_trial_reaches_whoever_would_run_something(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MECHANISMS", {"puzzled": Puzzled, "none": NoMechanism})
    with pytest.raises(ValueError, match="what is that"):
        run(choose("auto", Policy(project)), "echo out")


def test_none_says_so_loudly(project: Path) -> None:
    none = choose("none", Policy(project))
    assert (none.holds, none.terms) == (False, "without a sandbox")
    assert none.warnings[0].startswith("NO SANDBOX")
    assert unconfined().terms == none.terms


def test_the_terms_name_everything_that_is_allowed_besides(project: Path) -> None:
    policy = Policy(project, network=True, writable=(Path("/w"),), readable=(Path("/r"),), environment=("V",))
    assert policy.terms == "network, also writable: /w, also readable: /r, with $V"


def test_what_a_command_used_is_known(sandbox: Sandbox) -> None:
    busy = "import time; held = bytearray(100_000_000)\nwhile time.process_time() < 0.5: pass"
    result = run(sandbox, f"{shlex.quote(sys.executable)} -c {shlex.quote(busy)}")
    assert result.cpu_s >= 0.3  # seen from outside, ten times a second
    assert result.peak_bytes >= 100_000_000
