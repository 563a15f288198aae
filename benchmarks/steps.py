"""What a harness costs between a model's answer and the next request, the tool run included, over real HTTP.

    python -m benchmarks.steps [--steps 1005] [--rounds 1] [--adapter litellm]

The command is `true`, the clutch approves everything, the journal is the real one. Measured by the server: from its
answer to the whole next request, at step 10 and at the last step but five (the median of eleven steps around it).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks import lockstep
from benchmarks.lockstep import Client
from benchmarks.peer import PEER, PINNED, peer_venv
from benchmarks.report import Figure, options, show

CLIENTS = Path(__file__).parent / "clients"
OURS, OPEN, BARE, FLOOR = "conductor", "conductor, no sandbox", f"{PEER} without its file", "bare loop"
SUBMIT = {"command": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"}
EARLY, LATE_REACH = 10, 5
BARS = {"direct": ("10 ms", "8 ms"), "litellm": ("10 ms", "25 ms")}


def clients(folder: Path, steps: int, peer: Path | None, adapter: str) -> list[Client]:
    """Return who is measured: ours, the peer as it comes and without its trajectory file, and the least there is."""
    program, asking = [sys.executable, "-m", "benchmarks.clients.ours"], [str(steps), "{url}", "--adapter", adapter]
    found = [
        Client(OURS, [*program, str(folder / "ours"), *asking]),
        Client(OPEN, [*program, str(folder / "open"), *asking, "--no-sandbox"]),
    ]
    if peer:
        mini = [str(peer / "bin" / "python"), str(CLIENTS / "mini.py")]
        found.append(Client(PEER, [*mini, str(folder / "mini"), "{url}"], "bash", SUBMIT))
        found.append(Client(BARE, [*mini, str(folder / "bare"), "{url}", "--no-trajectory"], "bash", SUBMIT))
    return [*found, Client(FLOOR, [sys.executable, str(CLIENTS / "floor.py"), "{url}"])]


def scripted(folder: Path, steps: int) -> dict[str, Any]:
    """Run the same track with the scripted model, and return what the client printed."""
    command = [sys.executable, "-m", "benchmarks.clients.ours", str(folder), str(steps)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--steps", type=int, default=1005)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--adapter", choices=sorted(BARS), default="direct", help="who asks the model for ours")
    arguments = parser.parse_args()
    peer = peer_venv(arguments.peer_venv, arguments.no_peer)
    found = measure(arguments, peer)
    notes = [f"Peer: {PINNED}." if peer else "No peer: it was left out or could not be installed."]
    notes.append(
        "Gaps are in turns, step by step. The bare loop has no journal, no review, no bound on time or output. Like\n"
        "the peer it has no sandbox, so the bar is for ours without."
    )
    show(found, PEER if peer else FLOOR, arguments, notes)


def measure(arguments: argparse.Namespace, peer: Path | None) -> list[Figure]:
    """Run everything and return the figures."""
    late = max(1, arguments.steps - LATE_REACH)
    values: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            chosen = clients(folder, arguments.steps, peer, arguments.adapter)
            for who, outcome in lockstep.run(chosen, arguments.steps).items():
                for step in (EARLY, late):
                    values[who, step] += outcome.around(step)
            whole = lockstep.Outcome(scripted(folder / "scripted", arguments.steps)["whole_steps_ms"])
            for step in (EARLY, late):
                values[f"{OURS}, scripted model", step] += whole.around(step)
    found: list[Figure] = []
    for (who, step), gaps in sorted(values.items(), key=lambda item: item[0][1]):
        bar = BARS[arguments.adapter][step != EARLY] if who == OPEN else ""
        found.append(Figure(f"gap at step {step}", who, gaps, "ms", bar))
    return found


if __name__ == "__main__":
    main()
