"""The only place that starts a process: a command in its own session, bounded in time and output, all bytes kept."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct, field

from conductor.withheld import hide_bytes

DEFAULT_TIMEOUT_S = 120.0
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE_S = 2.0
_LEAVE_S = 0.5


class CommandResult(Struct, frozen=True):
    """How a command ended. `exit_code` is None when it was ended from here; `ended_by` then says why.

    `undone` says, in words, what it had done that was taken back. `cpu_s` (seconds of processor time) and `peak_bytes`
    (of memory) are the most that is known: what the system says of an ended process and the children it waited for, or
    what was seen while they ran, ten times a second. 0 is not known: too short, or less than this process holds itself.
    """

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    duration_s: float
    ended_by: str = ""
    undone: tuple[str, ...] = ()
    cpu_s: float = 0.0
    peak_bytes: int = 0

    @property
    def status(self) -> int:
        """The exit code, or 124 (as timeout(1) has it) for a command that was ended from here."""
        return 124 if self.exit_code is None else self.exit_code


class Watch:
    """Looks at a running process and its children from time to time; this one sees nothing.

    `cpu_s` and `peak_bytes` are what they were seen to use.
    """

    cpu_s = 0.0
    peak_bytes = 0

    def beyond(self, pid: int) -> str:
        """Say what they use too much of, "" for nothing."""
        del pid
        return ""


class Launch(Struct, frozen=True):
    """How a process is started: what a sandbox makes of a command.

    `prepare` runs in the new process before its program does. `scratch` is the folder its output is kept in meanwhile
    (None: the system's own). `watch` looks at what runs meanwhile, and is for this one launch. `around` is entered with
    the process's id while it runs. `hide` takes secrets out of what was printed.
    """

    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    prepare: Callable[[], None] | None = None
    scratch: Path | None = None
    watch: Watch = field(default_factory=Watch)
    around: Callable[[int], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
    hide: Callable[[bytes], bytes] = hide_bytes


def shell_argv(command: str) -> list[str]:
    """Return the argument list that runs `command`: bash where there is one, else sh."""
    return [shutil.which("bash") or "/bin/sh", "-c", command]


def run_command(
    command: str,
    *,
    cwd: Path,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    env: Mapping[str, str] | None = None,
    max_output: int = MAX_OUTPUT_BYTES,
) -> CommandResult:
    """Run a shell command line as `run` does."""
    return run(Launch(shell_argv(command), env), cwd=cwd, timeout_s=timeout_s, max_output=max_output)


def run(
    launch: Launch, *, cwd: Path, timeout_s: float = DEFAULT_TIMEOUT_S, max_output: int = MAX_OUTPUT_BYTES
) -> CommandResult:
    """Start a process and wait for it. Raises OSError when it cannot be started.

    Standard input is closed. Output goes to temporary files, not pipes, so a background child that keeps a pipe open
    cannot hold up the caller. When the command ends, runs out of time, uses too much, or prints more than `max_output`
    bytes, its whole process group is ended. An exception in the wait (Ctrl-C) ends the group as well and is passed on.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile(dir=launch.scratch) as out, tempfile.TemporaryFile(dir=launch.scratch) as err:
        with _signals_held() as let_through:
            child = _Child(_start(launch, cwd, out, err))
            with launch.around(child.process.pid):
                try:
                    let_through()
                    ended_by = _wait(child, started + timeout_s, (out, err), max_output, launch.watch)
                finally:
                    _end_group(child)
        return CommandResult(
            exit_code=None if ended_by else _shell_status(child.process.returncode),
            stdout=launch.hide(_read(out, max_output)),
            stderr=launch.hide(_read(err, max_output)),
            duration_s=time.monotonic() - started,
            ended_by=ended_by.format(timeout_s=timeout_s, max_output=max_output),
            cpu_s=max(child.cpu_s, launch.watch.cpu_s),
            peak_bytes=max(child.peak_bytes, launch.watch.peak_bytes),
        )


@contextlib.contextmanager
def _signals_held() -> Generator[Callable[[], None]]:
    """Hold back what ends this program until the function yielded is called, so that no process is started and lost.

    They are held by handlers, not by the mask: a mask would be passed on to the process.
    """
    came: list[int] = []
    held = _ENDING if threading.current_thread() is threading.main_thread() else ()  # elsewhere they never arrive
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in held}

    def let_through() -> None:
        while before:
            signal.signal(*before.popitem())
        while came:
            signal.raise_signal(came.pop())

    try:
        yield let_through
    finally:
        let_through()


class _Child:
    """A started process and, once it has ended, what it used. Popen's own wait would throw that away."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.cpu_s = 0.0
        self.peak_bytes = 0

    def has_ended(self) -> bool:
        """Say whether the process has ended, and take its end from the system when it has."""
        if self.process.returncode is None:
            pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                self.cpu_s = used.ru_utime + used.ru_stime
                # A child begins as a copy of us, and the system counts that: only more than ours is its own.
                peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
                self.peak_bytes = peak if peak > _own_peak() else 0
        return self.process.returncode is not None

    def wait(self, seconds: float) -> bool:
        """Wait for the end, that long at most, and say whether it came."""
        if self.has_ended():
            return True
        until = time.monotonic() + seconds
        with _exit_watch(self.process) as watch:
            while not self.has_ended() and (left := until - time.monotonic()) > 0:
                watch(left)
        return self.process.returncode is not None


def _own_peak() -> int:
    """Return the most bytes this program has held; what was before its exec counts in getrusage, but not in /proc."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _start(launch: Launch, cwd: Path, out: IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            launch.argv,
            cwd=cwd,
            env=None if launch.env is None else dict(launch.env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=launch.prepare,  # noqa: PLW1509 - calls the system only, takes no lock
        )
    except subprocess.SubprocessError as error:
        raise OSError(errno.EPERM, f"the process could not be prepared: {error}") from None


def run_in_foreground(argv: Sequence[str]) -> int:
    """Run a program of the person's own (an editor) on their terminal, wait for it, and return its exit code.

    Raises OSError when it cannot be started.
    """
    return subprocess.run(argv, check=False).returncode


def start_service(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program that goes on by itself and is talked to by its pipes; `end_service` ends it.

    It has a session of its own, so that a Ctrl-C meant for Conductor does not reach it. Raises OSError.
    """
    pipe = subprocess.PIPE
    return subprocess.Popen(
        argv, cwd=cwd, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
    )


def end_service(process: subprocess.Popen[bytes]) -> None:
    """End a service and all it started: by the end of its input first, which is how it is asked to leave."""
    streams = [stream for stream in (process.stdin, process.stdout, process.stderr) if stream]
    if process.stdin:
        process.stdin.close()
    child = _Child(process)
    child.wait(_LEAVE_S)
    _end_group(child)
    for stream in streams:
        stream.close()


def _shell_status(returncode: int) -> int:
    """Return the status a shell would report: 128 + N where the process itself ended by signal N."""
    return returncode if returncode >= 0 else 128 - returncode


def _wait(
    child: _Child,
    deadline: float,
    outputs: tuple[IO[bytes], ...],
    max_output: int,
    seen: Watch,
) -> str:
    """Wait for the process; return "" when it ended by itself, else why it has to be ended."""
    pause = 0.01
    with _exit_watch(child.process) as watch:
        while True:
            ended = child.has_ended()
            left = deadline - time.monotonic()
            # Looked at after the end as well: whether it was caught in time must not change what is reported.
            printed = sum(os.fstat(f.fileno()).st_size for f in outputs)
            if printed > max_output:
                return "it printed more than {max_output} bytes"
            if ended:
                return ""
            if left <= 0:
                return "it ran longer than {timeout_s:g} s"
            pause = min(2 * pause, 0.1 if printed < max_output // 64 else 0.02)
            watch(min(left, pause))
            if too_much := seen.beyond(child.process.pid):
                return too_much


@contextlib.contextmanager
def _exit_watch(process: subprocess.Popen[bytes]) -> Generator[Callable[[float], object]]:
    """Yield wait(seconds), which returns early when the process ends: at once by a pidfd, elsewhere by polling."""

    def poll(seconds: float) -> None:
        time.sleep(min(seconds, 0.005))

    def watch(seconds: float) -> None:
        select.select([pidfd], [], [], seconds)

    if not hasattr(os, "pidfd_open"):
        yield poll
        return
    pidfd = os.pidfd_open(process.pid)
    try:
        yield watch
    finally:
        os.close(pidfd)


def _end_group(child: _Child) -> None:
    """End what is left of the process's group: SIGTERM, a grace period while the leader lives, then SIGKILL."""
    pid = child.process.pid
    try:
        if not child.has_ended():
            _signal_group(pid, signal.SIGTERM)
        child.wait(_GRACE_S)
    finally:  # a second Ctrl-C cuts the grace short, not the end
        _signal_group(pid, signal.SIGKILL)
        while not child.wait(60.0):
            pass


def _signal_group(pgid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, signum)


def _read(stream: IO[bytes], limit: int) -> bytes:
    stream.seek(0)
    return stream.read(limit)
