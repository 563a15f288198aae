"""What is asked of a journal from the command line, where it holds 1,000 entries and where it holds 1,000,000.

    python -m benchmarks.questions [--rounds 5] [--large 1000000]

The figures are processor time, so that other work on the machine matters less; both projects are those of
`benchmarks.resume`, and rounds alternate between them.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from pathlib import Path

from benchmarks.report import Figure, options, show
from benchmarks.resume import LARGE, SMALL, command, project

ASKED = (
    ("log", "-n", "20"),
    ("log", "--kind", "ticket_completed"),
    ("log", "--ticket", "T1", "-n", "20"),
    ("tickets",),
    ("approve",),
    ("reject", "no-such-call"),
    ("intervene", "T10", "Mind the tests."),
    ("cancel", "no-such-ticket"),
    ("cost",),
    ("why", "module.py:1"),
)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=1_000_000, help="entries of the large journal")
    arguments = parser.parse_args()
    times: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        projects = {SMALL: project(Path(name) / "small", 1_000), LARGE: project(Path(name) / "large", arguments.large)}
        for number in range(arguments.rounds + 1):
            for asked in ASKED:
                for who, folder in projects.items():
                    took = processor_ms(folder, asked)
                    times.setdefault((f"conductor {' '.join(asked)}", who), []).extend([took] if number else [])
    found = [Figure(what, who, took, "ms") for (what, who), took in times.items()]
    show(found, SMALL, arguments, [f"The large journal has {arguments.large:,} entries."])


def processor_ms(folder: Path, asked: tuple[str, ...]) -> float:
    """Return the milliseconds of processor time that a command took, whatever it answered."""
    (program, *_), env = command(folder, "", [])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [program, *asked], cwd=folder, env=os.environ | env, stdin=subprocess.DEVNULL, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 2):
        raise RuntimeError(f"{' '.join(asked)}: {done.stderr.decode(errors='replace')}")
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


if __name__ == "__main__":
    main()
