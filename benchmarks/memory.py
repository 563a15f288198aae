"""The most memory a run of many steps takes: over HTTP, with the scripted model, and what the peer takes.

    python -m benchmarks.memory [--steps 1000] [--adapter litellm]

The peak of the resident memory (VmHWM) of each client at its end. The packages loaded are listed for ours.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import lockstep
from benchmarks.peer import PEER, PINNED, peer_venv
from benchmarks.report import Figure, options, show
from benchmarks.steps import BARE, OURS, clients, scripted

BARS = {"direct": "60 MiB", "litellm": "300 MiB"}
_IMPORTS = "import sys; sys.path.insert(0, {folder!r}); from memory import peak_mib; {statement}; print(peak_mib())"


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--adapter", choices=sorted(BARS), default="direct", help="who asks the model for ours")
    arguments = parser.parse_args()
    peer = peer_venv(arguments.peer_venv, arguments.no_peer)
    what = f"peak after {arguments.steps} steps"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = [client for client in clients(folder, arguments.steps, peer, arguments.adapter) if client.name != BARE]
        outcomes = lockstep.run(chosen, arguments.steps)
        alone = scripted(folder / "scripted", arguments.steps)
    bars = {OURS: BARS[arguments.adapter]}
    found = [
        Figure(what, who, [outcome.said["peak_mib"]], "MiB", bars.get(who, "")) for who, outcome in outcomes.items()
    ]
    found.append(Figure(what, f"{OURS}, scripted model", [alone["peak_mib"]], "MiB", "60 MiB"))
    imports = ("pass", "import pydantic", "import litellm", "import conductor.app")
    found += [Figure("peak after imports", statement, [_after(statement)], "MiB") for statement in imports]
    notes = [
        f"Loaded with the adapter {arguments.adapter}: {', '.join(outcomes[OURS].said['modules'])}.",
        f"Loaded with the scripted model: {', '.join(alone['modules'])}.",
        f"Peer: {PINNED}." if peer else "No peer: it was left out or could not be installed.",
    ]
    show(found, PEER, arguments, notes)


def _after(statement: str) -> float:
    folder = str(Path(__file__).parent / "clients")
    program = _IMPORTS.format(folder=folder, statement=statement)
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
