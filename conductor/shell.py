"""The only place that starts a process: a command in its own session, bounded in time and output, all bytes kept."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct, field

from conductor.children import Child, end_group, exit_watch
from conductor.withheld import hide_bytes

DEFAULT_TIMEOUT_S = 120.0
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
SHELL = "/bin/sh"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LEAVE_S = 0.5
_MOST_TOLD = 32 * 1024  # what a pipe takes at once, whether it is read or not


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
    script: Sequence[str] = ()

    @property
    def whole(self) -> list[str]:
        """The argument list with the script."""
        return [*self.argv, "-c", *self.script] if self.script else list(self.argv)


def shell_argv(command: str, *, plain: bool = False) -> list[str]:
    """Return the argument list that runs `command`: bash where there is one, else sh; sh for one that is `plain`."""
    return [SHELL if plain else shutil.which("bash") or SHELL, "-c", command]


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


class Started:
    """A process and the files its output goes to."""

    def __init__(self, launch: Launch, cwd: Path, *, waits: bool = False) -> None:
        """Start the process; one that `waits` is the launch's shell without its script. Raises OSError."""
        with contextlib.ExitStack() as opened:
            self.out = opened.enter_context(tempfile.TemporaryFile(dir=launch.scratch))
            self.err = opened.enter_context(tempfile.TemporaryFile(dir=launch.scratch))
            self.child = Child(_start(launch, cwd, self.out, self.err, waits=waits))
            self._opened = opened.pop_all()

    def tell(self, script: Sequence[str]) -> bool:
        """Have a shell that waits run the script, with nothing to read; say whether it was there to be told."""
        text, _, *parameters = script
        told = os.fsencode(f"set -- {shlex.join(parameters)}; exec </dev/null; {text}\n")
        pipe = self.child.process.stdin
        if pipe is None or len(told) > _MOST_TOLD or b"\0" in told or self.child.has_ended():
            return False
        try:
            with pipe:
                pipe.write(told)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Give back its files."""
        if self.child.process.stdin:
            self.child.process.stdin.close()
        self._opened.close()

    def end(self) -> None:
        """End it, with all it has started."""
        self.close()
        end_group(self.child)


def start_waiting(launch: Launch, cwd: Path) -> Started:
    """Start the shell of a launch that has a script; `run` tells it the script. Raises OSError."""
    with _signals_held():
        return Started(launch, cwd, waits=True)


def run(
    launch: Launch,
    *,
    cwd: Path,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_output: int = MAX_OUTPUT_BYTES,
    waiting: Started | None = None,
) -> CommandResult:
    """Start a process and wait for it. Raises OSError when it cannot be started.

    One that is `waiting` for such a launch is told to go on instead; if it cannot, it is ended.

    Standard input is closed. Output goes to temporary files, not pipes, so a background child that keeps a pipe open
    cannot hold up the caller. When the command ends, runs out of time, uses too much, or prints more than `max_output`
    bytes, its whole process group is ended. An exception in the wait (Ctrl-C) ends the group as well and is passed on.
    """
    began = time.monotonic()
    with contextlib.ExitStack() as after:
        with _signals_held() as let_through:
            started = _told(waiting, launch) or Started(launch, cwd)
            after.callback(started.close)
            with launch.around(started.child.process.pid):
                try:
                    let_through()
                    ended_by = _wait(started, began + timeout_s, max_output, launch.watch)
                finally:
                    end_group(started.child)
        return CommandResult(
            exit_code=None if ended_by else _shell_status(started.child.process.returncode),
            stdout=_read(started.out, max_output, launch.hide),
            stderr=_read(started.err, max_output, launch.hide),
            duration_s=time.monotonic() - began,
            ended_by=ended_by.format(timeout_s=timeout_s, max_output=max_output),
            cpu_s=max(started.child.cpu_s, launch.watch.cpu_s),
            peak_bytes=max(started.child.peak_bytes, launch.watch.peak_bytes),
        )


def _told(waiting: Started | None, launch: Launch) -> Started | None:
    if waiting is None or waiting.tell(launch.script):
        return waiting
    waiting.end()
    return None


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


def _start(launch: Launch, cwd: Path, out: IO[bytes], err: IO[bytes], *, waits: bool) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            launch.argv if waits else launch.whole,
            bufsize=0,
            cwd=cwd,
            env=None if launch.env is None else dict(launch.env),
            stdin=subprocess.PIPE if waits else subprocess.DEVNULL,
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


def start_service(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], prepare: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that goes on by itself and is talked to by its pipes; `end_service` ends it.

    It has a session of its own, so that a Ctrl-C meant for Conductor does not reach it; `prepare` is as in `Launch`.
    Raises OSError.
    """
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            bufsize=0,
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509 - calls the system only, takes no lock
        )
    except subprocess.SubprocessError as error:
        raise OSError(errno.EPERM, f"the process could not be prepared: {error}") from None


def end_service(process: subprocess.Popen[bytes]) -> None:
    """End a service and all it started: by the end of its input first, which is how it is asked to leave."""
    streams = [stream for stream in (process.stdin, process.stdout, process.stderr) if stream]
    if process.stdin:
        process.stdin.close()
    child = Child(process)
    child.wait(_LEAVE_S)
    end_group(child)
    for stream in streams:
        stream.close()


def _shell_status(returncode: int) -> int:
    """Return the status a shell would report: 128 + N where the process itself ended by signal N."""
    return returncode if returncode >= 0 else 128 - returncode


def _wait(started: Started, deadline: float, max_output: int, seen: Watch) -> str:
    """Wait for the process; return "" when it ended by itself, else why it has to be ended."""
    pause, child = 0.015, started.child  # most commands that only look at something are over before the first look
    with exit_watch(child.process) as watch:
        while True:
            ended = child.has_ended()
            left = deadline - time.monotonic()
            # Looked at after the end as well: whether it was caught in time must not change what is reported.
            printed = sum(os.fstat(f.fileno()).st_size for f in (started.out, started.err))
            if printed > max_output:
                return "it printed more than {max_output} bytes"
            if ended:
                return ""
            if left <= 0:
                return "it ran longer than {timeout_s:g} s"
            pause = min(2 * pause, 0.1 if printed < max_output // 64 else 0.02)
            watch(min(left, pause))
            if not child.has_ended() and (too_much := seen.beyond(child.process.pid)):
                return too_much


def _read(stream: IO[bytes], limit: int, hide: Callable[[bytes], bytes]) -> bytes:
    size = min(os.fstat(stream.fileno()).st_size, limit)  # room for the limit would be made for every command
    stream.seek(0)
    return hide(stream.read(size)) if size else b""
