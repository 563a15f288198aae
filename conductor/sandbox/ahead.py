"""A sandbox that is made before it is known what it is to hold: the next command does not wait for its mounts.

What waits is a shell that has done nothing yet, in name spaces made for the last command. It is taken only where all
that it was made from is the same for the next one; else it is ended, and the sandbox is made as if there were none.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from conductor.shell import Launch, Started, start_waiting

_MOUNTS = Path("/proc/self/mountinfo")
_REST_S = 0.01

Identity = tuple[int, int, int] | None


class _Made(Struct, frozen=True):
    """What a sandbox was made from. `places` are the paths it was made of: what was there then."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    mounts: bytes
    places: Mapping[str, Identity]


class _Waiting(Struct, frozen=True):
    made: _Made
    started: Started
    pins: contextlib.ExitStack

    def end(self) -> None:
        self.pins.close()
        self.started.end()


class Ahead:
    """Holds one waiting sandbox at most, used once. `close` ends it; so does the end of Conductor, however it comes.

    A thread makes it, a moment after a command: then whoever ran that waits for a model or a person. It is one thread
    for all, since what bubblewrap holds ends with the thread that started it.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted: tuple[Launch, Path] | None = None
        self._waiting: _Waiting | None = None
        self._closed = False

    def prepare(self, launch: Launch, cwd: Path) -> None:
        """Have one made for another command like this one, if its mechanism can have it wait."""
        with self._turn:
            if self._closed or not launch.script:
                return
            self._wanted = launch, cwd
            if self._thread is None:
                self._thread = threading.Thread(target=self._make, daemon=True)
                self._thread.start()
            self._turn.notify()

    def take(self, launch: Launch, cwd: Path) -> Started | None:
        """Return what waits for such a launch; None where nothing does. What waits for another is ended."""
        with self._turn:
            waiting, self._waiting, self._wanted = self._waiting, None, None
        if waiting is None:
            return None
        with contextlib.suppress(OSError):
            if launch.script and waiting.made == _made(launch, cwd, _identities(_paths(launch, cwd))):
                waiting.pins.close()
                return waiting.started
        waiting.end()
        return None

    def close(self) -> None:
        """End what waits; from now on nothing does."""
        with self._turn:
            waiting, self._waiting, self._closed = self._waiting, None, True
            self._turn.notify()
        if waiting:
            waiting.end()

    def _make(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._wanted or self._closed)
            time.sleep(_REST_S)
            with self._turn, contextlib.suppress(OSError):
                if self._closed:
                    return
                wanted, self._wanted = self._wanted, None
                if wanted and self._waiting is None:
                    self._waiting = _begin(*wanted)


def _begin(launch: Launch, cwd: Path) -> _Waiting:
    with contextlib.ExitStack() as pins:
        places = _pin(pins, _paths(launch, cwd))
        made = _made(launch, cwd, places)  # before it is started: what changes meanwhile is another place then
        return _Waiting(made, start_waiting(launch, cwd), pins.pop_all())


def _made(launch: Launch, cwd: Path, places: Mapping[str, Identity]) -> _Made:
    # What is mounted on the machine meanwhile would appear inside as well, and be writable there.
    return _Made(launch.argv, launch.env or {}, cwd, _MOUNTS.read_bytes(), places)


def _paths(launch: Launch, cwd: Path) -> set[str]:
    return {word for word in (*launch.argv, str(cwd)) if word.startswith("/")}


def _pin(pins: contextlib.ExitStack, paths: set[str]) -> dict[str, Identity]:
    """Return what is at the paths, kept open: else what takes the place of a deleted file could get its number."""
    for path in paths:
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined,unused-ignore]
            pins.callback(os.close, handle)
    return _identities(paths)


def _identities(paths: set[str]) -> dict[str, Identity]:
    return {path: _identity(path) for path in paths}


def _identity(path: str) -> Identity:
    """Return by what another thing at this path is known: a mount stays with the one it was made for."""
    try:
        found = os.stat(path)  # noqa: PTH116 - called for every path of every command
    except OSError:
        return None
    changed = 0 if stat.S_ISDIR(found.st_mode) else found.st_ctime_ns  # names given and taken change a folder
    return found.st_dev, found.st_ino, changed
