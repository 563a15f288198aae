"""How long the quick commands take, next to the peer's `mini --help`, and which heavy packages they load.

    python -m benchmarks.startup [--rounds 15]

All commands are run once a round, one after the other, so that they share what else the machine does.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.peer import PINNED, peer_venv
from benchmarks.report import Figure, options, show

MINI = "mini --help"
FLOOR = "python -c pass"
HEAVY = ("typer", "click", "rich", "pydantic", "litellm", "prompt_toolkit", "tree_sitter", "tomlkit", "asyncio", "ssl")
BAR = "0.40 of mini"


class Run(NamedTuple):
    """How long a command took and how much of a processor it used, in milliseconds."""

    wall: float
    cpu: float


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    peer = peer_venv(arguments.peer_venv, arguments.no_peer)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "big.py"
        source.write_text(big_source())
        commands = _commands(source, peer)
        mini = {"MSWEA_GLOBAL_CONFIG_DIR": name, "MSWEA_CONFIGURED": "true", "MSWEA_SILENT_STARTUP": "1"}
        # Python's own cache of compiled modules is part of any installation.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        runs = measure(commands, arguments.rounds, env | mini)
        notes = [_loaded(title, command) for title, command in commands.items() if title.startswith("conductor")]
    notes.append(f"Peer: {PINNED}." if peer else "No peer: it was left out or could not be installed.")
    notes.append(f"The viewed file has {len(big_source()) // 1000} kB.")
    found = [
        Figure(
            what, title, [run[place] for run in own], "ms", BAR if title.startswith("conductor") and not place else ""
        )
        for place, what in enumerate(("wall clock", "processor time"))
        for title, own in runs.items()
    ]
    show(found, MINI if peer else FLOOR, arguments, notes)


def _commands(source: Path, peer: Path | None) -> dict[str, list[str]]:
    conductor = str(Path(sys.executable).with_name("conductor"))
    found = {
        "conductor --version": [conductor, "--version"],
        "conductor --help": [conductor, "--help"],
        "conductor view": [conductor, "view", str(source)],
        "conductor view --curated": [conductor, "view", "--curated", str(source)],
        FLOOR: [sys.executable, "-c", "pass"],
    }
    return found | ({MINI: [str(peer / "bin" / "mini"), "--help"]} if peer else {})


def measure(commands: Mapping[str, Sequence[str]], rounds: int, env: Mapping[str, str]) -> dict[str, list[Run]]:
    """Return the runs of each command; a first round, which brings files into the cache, is left out."""
    runs: dict[str, list[Run]] = {title: [] for title in commands}
    for number in range(rounds + 1):
        for title, command in commands.items():
            run = _timed(command, env)
            if number:
                runs[title].append(run)
    return runs


def _timed(command: Sequence[str], env: Mapping[str, str]) -> Run:
    began, used = time.perf_counter(), _cpu_of_children()
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet, env=env)  # a timeout would poll
    return Run((time.perf_counter() - began) * 1000, (_cpu_of_children() - used) * 1000)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _loaded(title: str, command: Sequence[str]) -> str:
    """Say how many modules a command loads, and which of the heavy packages are among them."""
    log = [sys.executable, "-X", "importtime", *command]
    done = subprocess.run(log, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    modules = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    heavy = [name for name in HEAVY if name in modules]
    return f"{title}: {len(modules)} modules; heavy ones: {', '.join(heavy) or 'none'}"


def big_source() -> str:
    """Return Python source of about 100 kB: classes with methods of some length, decorators, docstrings, comments."""
    method = '''
    @property
    def value_{n}(self) -> dict[str, list[int]]:
        """Return what belongs to {n}."""
        found: dict[str, list[int]] = {{}}
        for key, number in self.items.items():  # in the order they came
            if number % {n} == 0:
                found.setdefault(key, []).append(number)
        return found
'''
    classes = (
        f'class Part{c}(Base):\n    """Part {c} of the whole."""\n\n    limit: int = {c}\n'
        + "".join(method.format(n=n) for n in range(1, 11))
        for c in range(30)
    )
    return "from __future__ import annotations\n\n\nclass Base:\n    items: dict[str, int]\n\n\n" + "\n\n".join(classes)


if __name__ == "__main__":
    main()
