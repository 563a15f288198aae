"""What a process and all its children use, counted from the outside: Linux only, nothing is known elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from conductor.shell import Watch


class Bounds(Watch):
    """Says what a process and its descendants use too much of, and keeps the most they were seen to use.

    Limits of the kernel are not enough: one on processes does not bind root, and one on memory is for each alone.
    Threads count as processes; memory is what no file stands behind. That of `pid` itself does not count: it is what
    holds the command, a small program or a fork of this one that has all of its memory in common with it.
    """

    def __init__(self, processes: int, memory_mb: int) -> None:
        self._processes = processes
        self._memory_mb = memory_mb

    def beyond(self, pid: int) -> str:
        running = used = 0
        cpu_s = 0.0
        for member in descendants(pid):
            running += len(_threads(member))
            used += _private_memory(member) if member != pid else 0
            cpu_s += _processor_time(member)
            if running > self._processes:
                return f"it had more than {self._processes} processes and threads"
            if used > self._memory_mb * 1024 * 1024:
                return f"it used more than {self._memory_mb} MiB of memory"
        self.cpu_s, self.peak_bytes = max(self.cpu_s, cpu_s), max(self.peak_bytes, used)
        return ""


def descendants(pid: int) -> Iterator[int]:
    """Yield `pid` and all its descendants."""
    found = [pid]
    while found:
        member = found.pop()
        yield member
        for thread in _threads(member):
            with contextlib.suppress(OSError):
                found += map(int, _told(f"{member}/task/{thread}/children").split())


def _private_memory(pid: int) -> int:
    """Return the bytes of `pid` that no file stands behind, and its part of what forks share where that may be read."""
    with contextlib.suppress(OSError):
        lines = _told(f"{pid}/smaps_rollup").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(b"Pss_Anon:")) * 1024
    with contextlib.suppress(OSError, ValueError):
        _, resident, shared, *_ = map(int, _told(f"{pid}/statm").split())
        return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _processor_time(pid: int) -> float:
    """Return the seconds of processor time of `pid` and of the children it has waited for."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        after_name = _told(f"{pid}/stat").rpartition(b")")[2].split()
        return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _told(name: str) -> bytes:
    """Return what the system tells; read often, so without pathlib and decoding."""
    with open(f"/proc/{name}", "rb", buffering=0) as file:  # noqa: PTH123
        return file.readall()


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return []
