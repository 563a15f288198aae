"""What an entry of the journal costs until it is kept, and until it is on the disk, next to a bare write and fsync.

    python -m benchmarks.appends [--rounds 2000]

All are done in turns, in one folder: what else the disk does falls on all alike. The journal has as many entries to
begin with as a long run leaves.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.report import Figure, options, show
from conductor.events import CallStarted, WorkerTold
from conductor.journal import Journal
from conductor.stores.sqlite import SqliteStore

PLAIN, DURABLE, FLOOR = "an entry", "an entry on the disk", "a write and fsync"
_BEFORE = 20_000
_PAGE = b"x" * 4096
_ENTRY = CallStarted("c1", "run_shell", {"command": "pytest -q tests/test_report.py"}, "unsafe", "0" * 64)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where to write; another disk than that of temporary files")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        journal = Journal(SqliteStore(Path(name)), "t")
        for _ in range(_BEFORE // 100):
            journal.record(*[WorkerTold("An entry of a usual size. " * 10)] * 100)
        bare = os.open(Path(name) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        subjects: dict[str, Callable[[], object]] = {
            PLAIN: partial(journal.record, _ENTRY, ticket_id="T1"),
            DURABLE: partial(journal.record, _ENTRY, ticket_id="T1", durable=True),
            FLOOR: lambda: (os.write(bare, _PAGE), os.fsync(bare)),
        }
        times: dict[str, list[float]] = {who: [] for who in subjects}
        for _ in range(arguments.rounds):
            for who, act in subjects.items():
                began = time.perf_counter()
                act()
                times[who].append((time.perf_counter() - began) * 1000)
        os.close(bare)
        journal.store.close()
    found = [Figure("append", who, took, "ms") for who, took in times.items()]
    found += [
        Figure("append, p99", who, [sorted(took)[len(took) * 99 // 100]], "ms", "2 ms" if who != FLOOR else "")
        for who, took in times.items()
    ]
    show(found, FLOOR, arguments)


if __name__ == "__main__":
    main()
