"""What it costs to notice what a command did, beside the way most agents take: a shadow repository of git.

    python -m benchmarks.undo [FILES] [ROUNDS]

A git project of FILES files of 2 KB; a command changes one of them. Ours: `begin` and `changes` around it, contents
kept. The peer: `git add -A` and `git write-tree` before and after, in a repository of its own. Interleaved; medians of
processor time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from conductor.history.snapshots import Snapshots
from conductor.stores.memory import MemoryStore


def project(root: Path, files: int) -> None:
    for n in range(files):
        path = root / f"p{n % 50}" / f"m{n}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# {n}\n" + "value = 1\n" * 200)
    subprocess.run(["git", "init", "-q", str(root)], check=True)


def shadow(root: Path, folder: Path) -> Callable[[], None]:
    env = {**os.environ, "GIT_DIR": str(folder), "GIT_WORK_TREE": str(root)}
    subprocess.run(["git", "init", "-q"], env=env, cwd=root, check=True)

    def snapshot() -> None:
        for step in (["add", "-A"], ["write-tree"]):
            subprocess.run(["git", *step], env=env, cwd=root, check=True, stdout=subprocess.DEVNULL)

    return snapshot


def timed(action: Callable[[], object]) -> float:
    """Return the processor time it took in milliseconds, child processes included: the machine may be busy."""
    began = sum(os.times()[:4])
    action()
    return (sum(os.times()[:4]) - began) * 1000


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "project"
        root.mkdir()
        project(root, files)
        (root / ".git/info/exclude").write_text(".conductor/\n")
        store = MemoryStore()
        tree = Snapshots(root, Path(scratch) / "tree.db", (), store.put)
        snapshot = shadow(root, Path(scratch) / "shadow")
        time.sleep(0.2)  # what was written just now is read twice
        first = timed(lambda: tree.begin("first")), timed(snapshot)
        ours: list[float] = []
        peer: list[float] = []
        for n in range(rounds):
            took = timed(lambda n=n: tree.begin(str(n)))
            before = timed(snapshot)
            (root / "p0/m0.py").write_text(f"changed {n}\n")
            ours.append(took + timed(lambda n=n: tree.changes(str(n))))
            peer.append(before + timed(snapshot))
        tree.close()
    one, other = statistics.median(ours), statistics.median(peer)
    print(f"{files} files, {rounds} rounds")
    print(
        f"first reading      ours {first[0]:7.0f} ms   shadow repository {first[1]:7.0f} ms   {first[0] / first[1]:.2f}"
    )
    print(f"around a command   ours {one:7.1f} ms   shadow repository {other:7.1f} ms   {one / other:.2f}")


if __name__ == "__main__":
    main()
