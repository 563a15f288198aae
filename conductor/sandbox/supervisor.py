"""A process that stays above a command and leaves nothing of it behind, where there is no name space that could."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from functools import partial

from conductor.sandbox.usage import descendants

_SET_PARENT_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36
_GRACE_S = 1.5
_GIVE_UP_S = 5.0


def supervise(libc: ctypes.CDLL, conductor: int) -> None:
    """Split the calling process in two, between fork and exec: return in the lower, stay in the upper.

    `conductor` is the process that forked, which may be gone by now.

    The upper one inherits every child that outlives its parent, whatever session it moved to, and ends with the exit
    status of the lower one, once all are gone. SIGTERM, and the end of Conductor itself, end them all.
    """
    libc.prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    lower = os.fork()
    if lower == 0:
        return
    os.closerange(3, 1 << 16)  # whoever started us waits for the other end of a pipe
    signal.signal(signal.SIGTERM, partial(_end, lower))
    signal.signal(signal.SIGHUP, _end_at_once)
    libc.prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGHUP), 0, 0, 0)
    if os.getppid() != conductor:
        _end_at_once()
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == lower:
            _end_all()
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _end(lower: int, *_: object) -> None:
    """Give the command, which has had a SIGTERM as well, a moment to end; then end everything."""
    deadline = time.monotonic() + _GRACE_S
    with suppress(ChildProcessError):
        while time.monotonic() < deadline and os.waitpid(lower, os.WNOHANG)[0] == 0:
            time.sleep(0.01)
    _end_all()
    os._exit(128 + signal.SIGTERM)


def _end_at_once(*_: object) -> None:
    """Conductor is gone: whoever goes on with its run must find nothing of it alive."""
    _end_all()
    os._exit(128 + signal.SIGHUP)


def _end_all() -> None:
    me = os.getpid()
    deadline = time.monotonic() + _GIVE_UP_S
    while time.monotonic() < deadline:
        for pid in descendants(me):
            if pid != me:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)
