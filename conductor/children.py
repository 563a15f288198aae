"""A started process until it has ended: waiting for it, what it used, and ending its group."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator

_GRACE_S = 2.0


class Child:
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
        with exit_watch(self.process) as watch:
            while not self.has_ended() and (left := until - time.monotonic()) > 0:
                watch(left)
        return self.process.returncode is not None


def _own_peak() -> int:
    """Return the most bytes this program has held; what was before its exec counts in getrusage, but not in /proc."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as file:  # noqa: PTH123 - read for every command
            return int(file.readall().partition(b"VmHWM:")[2].split(maxsplit=1)[0]) * 1024
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextlib.contextmanager
def exit_watch(process: subprocess.Popen[bytes]) -> Generator[Callable[[float], object]]:
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


def end_group(child: Child) -> None:
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
