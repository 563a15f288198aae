"""What a process and all its children use, counted from the outside: Linux only, nothing is known elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

_PROC = Path("/proc")


def watch(processes: int, memory_mb: int) -> Callable[[int], str]:
    """Return a function that says what a process and its descendants use too much of, "" for nothing.

    Limits of the kernel are not enough: one on processes does not bind root, and one on memory is for each alone.
    Threads count as processes; memory is what is not shared with files.
    """

    def beyond(pid: int) -> str:
        running = used = 0
        for member in descendants(pid):
            running += len(_listed(_PROC / str(member) / "task"))
            used += _private_memory(member)
            if running > processes:
                return f"it had more than {processes} processes and threads"
            if used > memory_mb * 1024 * 1024:
                return f"it used more than {memory_mb} MiB of memory"
        return ""

    return beyond


def descendants(pid: int) -> Iterator[int]:
    """Yield `pid` and all its descendants."""
    found = [pid]
    while found:
        member = found.pop()
        yield member
        for thread in _listed(_PROC / str(member) / "task"):
            with contextlib.suppress(OSError):
                found += map(int, (_PROC / str(member) / "task" / thread / "children").read_text().split())


def _private_memory(pid: int) -> int:
    try:
        _, resident, shared, *_ = map(int, (_PROC / str(pid) / "statm").read_text().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - called often, and only the names are needed
    except OSError:
        return []
