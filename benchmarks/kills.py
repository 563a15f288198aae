"""What is left after `kill -9`: a run is killed at random moments, and every entry it had acknowledged is looked for.

    python -m benchmarks.kills [--kills 40]

A child works a track of many steps and prints the number of each journal entry once `record` returned. It is killed
at a random moment and started again on the same journal, which goes on where it was. After each kill all acknowledged
entries must be there, unchanged, in one unbroken chain of hashes. A kill ends a process, not a machine: that entries
also survive a loss of power follows from the syncs before each effect, which are counted with strace where it is there.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from benchmarks.report import Figure, options, show
from conductor.journal import read
from conductor.stores.reader import read_only

STEPS = 20_000  # more than 40 runs of a second or two get through
OURS = [sys.executable, "-m", "benchmarks.clients.ours"]
_TRACE = re.compile(r"\b(fsync|fdatasync|execve)\(")
_EFFECT = '"-c", "true '


class Losses(Struct):
    """What was found missing or broken over all kills."""

    kills: int = 0
    acknowledged: int = 0
    missing: int = 0
    breaks: int = 0


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--longest", type=float, default=1.5, help="seconds from the first entry to a kill, at most")
    parser.add_argument("--steps", type=int, default=100, help="steps whose syncs are counted")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        losses = kill_often(Path(name) / "killed", arguments.kills, arguments.longest, random.Random(arguments.seed))
        syncs = syncs_before_effects(Path(name) / "traced", arguments.steps)
    found = [
        Figure("entries acknowledged", "conductor", [losses.acknowledged], ""),
        Figure(f"of them missing after {losses.kills} kills", "conductor", [losses.missing], "", "0"),
        Figure("breaks of the hash chain", "conductor", [losses.breaks], "", "0"),
    ]
    notes: list[str] = []
    if syncs:
        found.append(Figure("syncs before an effect, fewest", "conductor", [min(syncs)], "", "at least 1"))
        found.append(Figure("syncs a step, mean", "conductor", [sum(syncs) / len(syncs)], "", "at most 2"))
        found.append(Figure("syncs a step", "conductor", syncs, ""))
    else:
        notes.append("strace is not installed, or may not trace here: syncs were not counted.")
    show(found, "", arguments, notes)


def kill_often(folder: Path, kills: int, longest_s: float, chance: random.Random) -> Losses:
    """Run, kill and look, `kills` times on one journal."""
    losses = Losses()
    acknowledged: set[int] = set()
    for _ in range(kills):
        acknowledged.update(run_and_kill(folder, chance.uniform(0.0, longest_s)))
        losses.kills += 1
        kept, breaks = examine(folder)
        losses.missing += len(acknowledged - kept)
        losses.breaks += breaks
    losses.acknowledged = len(acknowledged)
    return losses


def run_and_kill(folder: Path, after_s: float) -> Iterator[int]:
    """Start the child, kill it `after_s` seconds after its first entry, and yield the numbers it acknowledged."""
    command = [*OURS, str(folder), str(STEPS), "--acknowledge"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout
        first = os.read(child.stdout.fileno(), 1 << 20)
        if not first:
            raise RuntimeError("the run ended before its first entry")
        time.sleep(after_s)
        child.send_signal(signal.SIGKILL)
        said = first + child.stdout.read()
    whole_lines = said[: said.rfind(b"\n") + 1]
    yield from map(int, whole_lines.split())


def examine(folder: Path) -> tuple[set[int], int]:
    """Return the numbers of the entries in the journal, each checked against its hash, and the breaks of the chain."""
    kept: set[int] = set()
    breaks, previous = 0, ""
    for number, event in enumerate(read(read_only(folder / ".conductor")), 1):
        kept.add(event.sequence)
        breaks += event.previous_hash != previous or event.sequence != number
        previous = event.hash
    return kept, breaks


def syncs_before_effects(folder: Path, steps: int) -> list[int]:
    """Return how many syncs came before each effect, since the one before it; empty where that cannot be traced."""
    if not shutil.which("strace"):
        return []
    trace = folder.with_suffix(".strace")
    strace = ["strace", "-f", "-o", str(trace), "-e", "trace=fsync,fdatasync,execve"]
    done = subprocess.run([*strace, *OURS, str(folder), str(steps)], capture_output=True)
    return _syncs(trace.read_text().splitlines())[1:] if done.returncode == 0 else []  # the first one opens the journal


def _syncs(trace: Iterable[str]) -> list[int]:
    counts, since = list[int](), 0
    for line in trace:
        match = _TRACE.search(line)
        if match and match[1] == "execve":
            if _EFFECT in line:
                counts.append(since)
                since = 0
        elif match:
            since += 1
    return counts


if __name__ == "__main__":
    main()
