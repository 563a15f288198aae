"""What pyright's re-check costs after an edit of a file drawn at random, and of those that most others build on.

    python -m benchmarks.edits [FILES]

The project is a copy of Conductor's own package under its own strict settings. Each file drawn gets three edits, each
followed by a check: inside a function that states what it returns, a new name, and inside again. The cold command runs
in between. Wall time and processor time (of all processes) are each held against the median of the cold runs.
"""

from __future__ import annotations

import ast
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from conductor.gates.base import Gate
from conductor.gates.cache import GateCache
from conductor.sandbox.base import Policy
from conductor.sandbox.registry import choose
from conductor.sandbox.usage import descendants

BIN = Path(sys.executable).parent
PACKAGE = Path(__file__).parent.parent / "conductor"
HUBS = ("errors.py", "messages.py", "models.py", "visible.py")
SETTINGS = """{{"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["conductor"],
"exclude": ["conductor/demo_project"], "venvPath": "{folder}", "venv": "{name}"}}"""


def body(text: str) -> str:
    """Add a statement to a function that states what it returns; a comment where there is none."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.returns:
            lines, at = text.splitlines(keepends=True), node.body[-1].lineno - 1
            indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
            return "".join([*lines[:at], f"{indent}print(1)\n", *lines[at:]])
    return text + "# more\n"


def used() -> float:
    """Return the processor time of this process and all that it has started."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    for pid in descendants(os.getpid()):
        if pid != os.getpid():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Return the wall time and the processor time that something takes."""
    cpu, began = used(), time.perf_counter()
    action()
    return time.perf_counter() - began, used() - cpu


def measure(root: Path, files: int) -> None:
    """Print what was measured."""
    found = sorted(path for path in root.rglob("*.py") if path.stat().st_size > 200 and "demo_" not in str(path))
    drawn = [*random.Random(7).sample(found, files), *(root / "conductor" / name for name in HUBS)]
    gate, sandbox = Gate("types", f"{BIN}/pyright", parser="pyright"), choose("auto", Policy(root))
    cache = GateCache(root, warm=True)
    first = timed(lambda: cache.ask(gate, gate.command, sandbox))
    cold, rows = list[tuple[float, float]](), list[tuple[str, str, tuple[float, float]]]()

    def check(path: Path, edit: str) -> None:
        text = path.read_text()
        path.write_text(f"{text}\n\nadded_name: int = 3\n" if edit == "new name" else body(text))
        took = timed(lambda: cache.ask(gate, gate.command, sandbox))
        rows.append(("hub" if path in drawn[files:] else "random", edit, took))

    for number, path in enumerate(drawn):
        if number % 8 == 0:
            cold.append(timed(lambda: subprocess.run([BIN / "pyright"], cwd=root, capture_output=True, check=False)))
        for edit in ("body", "new name", "body"):
            check(path, edit)
    cache.close()
    floor = [statistics.median(each) for each in zip(*cold, strict=True)]
    print(f"{len(found)} files, load {os.getloadavg()[0]:.1f}, {sandbox.mechanism.name}")
    print(f"cold command: {floor[0]:.1f} s, processor {floor[1]:.1f} s; first gate: {first[0]:.1f} s, {first[1]:.1f} s")
    for kind in ("random", "hub"):
        for edit in ("body", "new name"):
            took = [took for k, e, took in rows if (k, e) == (kind, edit)]
            for what, index in (("wall", 0), ("processor", 1)):
                ratios = sorted(each[index] / floor[index] for each in took)
                p90 = ratios[int(0.9 * (len(ratios) - 1))]
                print(
                    f"{kind:7} {edit:9} {what:9} median {statistics.median(ratios):.3f}  p90 {p90:.3f}  "
                    f"worst {ratios[-1]:.3f}  of cold, {len(ratios)} edits"
                )


def main() -> None:
    """Copy the package and measure."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch).resolve() / "project"
        shutil.copytree(PACKAGE, root / "conductor", ignore=shutil.ignore_patterns("__pycache__"))
        venv = BIN.parent
        (root / "pyrightconfig.json").write_text(SETTINGS.format(folder=venv.parent, name=venv.name))
        measure(root, files)


if __name__ == "__main__":
    main()
