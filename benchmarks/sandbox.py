"""What a sandbox adds to a command: each mechanism, next to bwrap with the least mounts, and to no sandbox at all.

    python -m benchmarks.sandbox [--rounds 100]

The command is `true`, run in turns in a project with a repository, so that all share what else the machine does. Before
each there is a pause, as there is in a run between two commands: a sandbox that is made ahead is made in it.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.report import Figure, options, show
from conductor.sandbox.ahead import Ahead
from conductor.sandbox.base import Policy, Sandbox
from conductor.sandbox.registry import MECHANISMS, try_out, unconfined
from conductor.shell import Launch, run

BARE = "bwrap, least mounts"
NONE = "no sandbox"
PAUSE_S = 0.05
_LEAST = "bwrap --unshare-all --die-with-parent --cap-drop ALL --ro-bind / / --dev /dev --proc /proc"


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = _project(Path(name).resolve() / "project")
        with closing(Ahead()) as ahead:
            subjects, notes = _subjects(root, ahead)
            times = measure(subjects, arguments.rounds)
    base = sorted(times[NONE])[len(times[NONE]) // 2]
    notes.append(f"Added to `true` without a sandbox, whose median is {base:.1f} ms.")
    found = [
        Figure("added", title, [value - base for value in values], "ms", "" if title in (NONE, BARE) else "10 ms")
        for title, values in times.items()
    ]
    show(found, BARE if BARE in times else NONE, arguments, notes)


def _project(root: Path) -> Path:
    (root / ".conductor").mkdir(parents=True)
    (root / "conductor.toml").write_text("")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def _subjects(root: Path, ahead: Ahead) -> tuple[dict[str, Callable[[], object]], list[str]]:
    policy = Policy(root, ("conductor.toml",), hidden=(root / ".conductor",))
    subjects: dict[str, Callable[[], object]] = {
        NONE: partial(unconfined().run, "true", cwd=root, timeout_s=10),
    }
    notes: list[str] = []
    for name, make in MECHANISMS.items():
        if why_not := try_out(make()).why_not:
            notes.append(f"{name} does not work here: {why_not}.")
        elif name != "none":
            subjects[name] = partial(Sandbox(make(), policy).run, "true", cwd=root, timeout_s=10)
    if "bubblewrap" in subjects:
        held = Sandbox(MECHANISMS["bubblewrap"](), policy, ahead)
        subjects["bubblewrap, made ahead"] = partial(held.run, "true", cwd=root, timeout_s=10)
        subjects[BARE] = partial(run, Launch([*_LEAST.split(), "bash", "-c", "true"]), cwd=root)
    return subjects, notes


def measure(subjects: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each; a first round, which looks up what stays the same, is left out."""
    times: dict[str, list[float]] = {title: [] for title in subjects}
    for number in range(rounds + 1):
        for title, subject in subjects.items():
            time.sleep(PAUSE_S)
            began = time.perf_counter()
            subject()
            if number:
                times[title].append((time.perf_counter() - began) * 1000)
    return times


if __name__ == "__main__":
    main()
