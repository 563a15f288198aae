"""Four processes write one journal and are killed, each again and again, until each has had its entries acknowledged.

    python -m benchmarks.writers [--entries 1000] [--kills 200]

A writer prints the number of each entry once `record` returned. Killed at a random moment (SIGKILL) and started again,
it looks in the journal how far it had come, and goes on there. In the end the journal must have every entry once, none
that was acknowledged may be missing, and `conductor journal verify` must find nothing.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Figure, options, show
from conductor.events import Event, WorkerTold
from conductor.journal import Journal, chained, read
from conductor.proof import verify
from conductor.stores.reader import read_only
from conductor.stores.sqlite import SqliteStore

WRITERS = 4
_TRACK = "t"


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--entries", type=int, default=1000, help="entries of each writer")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="be one of the writers")
    parser.add_argument("--node", default="")
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.write, arguments.node, arguments.entries)
        return
    with tempfile.TemporaryDirectory() as name:
        kills = run_all(Path(name), arguments)
        figures = examine(Path(name), arguments.entries)
    show([Figure("kills", "conductor", [kills], ""), *figures], "", arguments)


def write(folder: Path, node: str, entries: int) -> None:
    """Record what this writer has not recorded yet; every third entry reaches the disk."""
    store = SqliteStore(folder)
    journal = Journal(store, _TRACK, node=node)
    for n in range(store.count(track_id=_TRACK, node=node), entries):
        kept = journal.record(WorkerTold(f"{node} {n} " + "x" * (n % 3000)), durable=n % 3 == 0)
        print(kept[-1].sequence, flush=True)
    store.close()


def run_all(folder: Path, arguments: Namespace) -> int:
    """Have all writers come to their end, killing one of them now and then; return how often one was killed."""
    chance, killed = random.Random(arguments.seed), 0
    running = {node: _started(folder, node, arguments.entries) for node in _nodes()}
    while any(child.poll() is None for child in running.values()):
        time.sleep(chance.uniform(0.0, 0.15))
        victim = chance.choice(_nodes())
        if killed == arguments.kills or running[victim].poll() is not None:
            continue
        running[victim].send_signal(signal.SIGKILL)
        killed += running[victim].wait() == -signal.SIGKILL
        running[victim] = _started(folder, victim, arguments.entries)
    if any(child.returncode for child in running.values()):
        raise RuntimeError("a writer failed")
    return killed


def _nodes() -> Sequence[str]:
    return [f"writer{n}" for n in range(1, WRITERS + 1)]


def _started(folder: Path, node: str, entries: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.writers", "--write", str(folder), "--node", node]
    with (folder / f"{node}.said").open("ab") as said:
        return subprocess.Popen([*command, "--entries", str(entries)], stdout=said)


def examine(folder: Path, entries: int) -> list[Figure]:
    """Return what is wrong with the journal the writers left, counted."""
    found = list(read(chained(read_only(folder))))
    numbers = [event.sequence for event in found]
    acknowledged = [number for node in _nodes() for number in _acknowledged(folder / f"{node}.said")]
    texts = [_text(event) for event in found]
    wanted = {f"{node} {n}" for node in _nodes() for n in range(entries)}
    counts = {
        "entries": len(found),
        "acknowledged": len(acknowledged),
        "of them missing": len(set(acknowledged) - set(numbers)),
        "acknowledged twice": len(acknowledged) - len(set(acknowledged)),
        "gaps in the numbers": max(numbers, default=0) - len(numbers),
        "gaps in what a writer wrote": len(wanted - set(texts)),
        "entries written twice": len(texts) - len(set(texts)),
        "torn or changed, by `journal verify`": len(verify(folder).findings),
    }
    return [Figure(what, "conductor", [n], "", _bar(what, entries)) for what, n in counts.items()]


def _bar(what: str, entries: int) -> str:
    return {"entries": str(WRITERS * entries), "acknowledged": ""}.get(what, "0")


def _acknowledged(path: Path) -> list[int]:
    """Return the numbers on whole lines: a kill may come between two bytes."""
    return [int(line) for line in path.read_bytes().rpartition(b"\n")[0].split(b"\n") if line]


def _text(event: Event) -> str:
    return event.data.text.rstrip("x").strip() if isinstance(event.data, WorkerTold) else ""


if __name__ == "__main__":
    main()
