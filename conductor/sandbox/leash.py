"""What ends a command when Conductor itself is ended by SIGKILL, where the sandbox does not see to that."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from conductor.shell import start_service

# The group that is named last is ended with the pipe; an empty line names none. `read` and `kill` start no process.
_WATCHER = 'held=; while read -r group; do held=$group; done; [ -z "$held" ] || kill -s KILL -- "-$held"'


class Leash:
    """Holds the group of a running command: one small shell, started with the first, that waits at the end of a pipe.

    Nobody but this process has the other end, so it closes when this process ends, however it ends.
    """

    def __init__(self) -> None:
        self._watcher: subprocess.Popen[bytes] | None = None

    @contextmanager
    def around(self, pid: int) -> Generator[None]:
        """Have the process group of `pid` ended if this process ends within; see `Launch.around`."""
        self._name(str(pid))
        try:
            yield
        finally:
            self._name("")

    def _name(self, group: str) -> None:
        for _ in range(2):  # once more where somebody ended the watcher
            with suppress(OSError):  # a command without a leash is better than none
                self._pipe().write(f"{group}\n".encode())
                return
            self._watcher = None

    def _pipe(self) -> IO[bytes]:
        if self._watcher is None:
            self._watcher = start_service(["/bin/sh", "-c", _WATCHER], cwd=Path("/"), env={})
        assert self._watcher.stdin
        return self._watcher.stdin
