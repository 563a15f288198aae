"""What gates cost: ruff's beside the bare command, one whose files are known, pyright's after an edit beside a cold.

    python -m benchmarks.gates [ROUNDS] [FILES]

A made project of FILES files, in parts of 20 whose first file the others import. ruff: the gate in the sandbox of this
machine and in none, beside the same command by hand and in the sandbox, interleaved, medians of wall time. pyright: an
edit of a file that nothing imports, and of one that 19 import; best of the rounds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from conductor.gates.base import Gate
from conductor.gates.cache import GateCache
from conductor.sandbox.base import Policy
from conductor.sandbox.registry import choose, unconfined

BIN = Path(sys.executable).parent
BODY = """def f{n}_{k}(a: int, b: str = 'x') -> list[str]:
    found = [m.group() for m in re.finditer(b, str(a))]
    return sorted(found, key=len)[:a]


"""
KIND = """

@dataclass
class T{n}:
    x: int

    def text(self) -> str:
        return json.dumps(self.x)


"""


def project(root: Path, files: int) -> None:
    for n in range(files):
        part = n - n % 20  # the first file of each part is imported by the others of it
        imports = [f"from m{part:03} import T{part}\n"] if n % 20 else []
        imports += [f"from m{n - 1:03} import T{n - 1}\n"] if n % 20 > 1 and n % 2 else []
        head = "import json\nimport re\nfrom dataclasses import dataclass\n\n" + "".join(imports)
        (root / f"m{n:03}.py").write_text(head + KIND.format(n=n) + "".join(BODY.format(n=n, k=k) for k in range(12)))


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def ruff(root: Path, rounds: int) -> None:
    gate = Gate("ruff", f"{BIN}/ruff check --isolated --no-cache .", parser="ruff")
    sandbox = choose("auto", Policy(root))
    cache = GateCache(root)
    bare = [str(BIN / "ruff"), "check", "--isolated", "--no-cache", "--output-format=json", "."]
    times: dict[str, list[float]] = {
        "bare command": [],
        "in the sandbox": [],
        "gate": [],
        "gate, no sandbox": [],
        "gate, files known": [],
    }
    ours = (root / "m000.py").read_text()
    for n in range(rounds):
        (root / "m000.py").write_text(f"{ours}# {n}\n")
        times["bare command"].append(
            timed(lambda: subprocess.run(bare, cwd=root, stdout=subprocess.DEVNULL, check=False))
        )
        times["in the sandbox"].append(timed(lambda: sandbox.run(gate.command, cwd=root, timeout_s=60)))
        times["gate"].append(timed(lambda: cache.ask(gate, gate.command, sandbox)))
        times["gate, no sandbox"].append(timed(lambda: cache.ask(gate, gate.command, unconfined())))
        times["gate, files known"].append(timed(lambda: cache.ask(gate, gate.command, sandbox)))
    (root / "m000.py").write_text(ours)
    floor = statistics.median(times["bare command"])
    print(f"sandbox: {sandbox.mechanism.name}")
    for name, took in times.items():
        median = statistics.median(took)
        print(f"ruff, {name:20} {median:8.1f} ms  least {min(took):8.1f} ms  {median / floor:5.2f}")


def pyright(root: Path, rounds: int) -> None:
    gate = Gate("types", f"{BIN}/pyright", parser="pyright")
    sandbox = choose("auto", Policy(root))
    cache = GateCache(root, warm=True)
    by_hand = partial(subprocess.run, [BIN / "pyright"], cwd=root, stdout=subprocess.DEVNULL, check=False)
    plain = [timed(by_hand) for _ in range(max(1, rounds // 5))]
    print(f"pyright, cold command       {min(plain):8.0f} ms")
    print(f"pyright, first gate         {timed(lambda: cache.ask(gate, gate.command, sandbox)):8.0f} ms")
    for name, what in (("m019.py", "imported by none"), ("m000.py", "imported by 19")):
        text, took = (root / name).read_text(), list[float]()
        for n in range(rounds):
            (root / name).write_text(f"{text}\n\nbad{n}: int = ''\n")
            took.append(timed(lambda: cache.ask(gate, gate.command, sandbox)))
            result, _ = cache.ask(gate, gate.command, sandbox)
            assert result.reading and len(result.reading.findings) == 1, result.stdout
        (root / name).write_text(text)
        median, best = statistics.median(took), min(took)
        print(f"pyright, edit, {what:17} {best:6.0f} ms  {best / min(plain):5.3f}   median {median:6.0f} ms")
    cache.close()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch).resolve() / "project"
        root.mkdir()
        project(root, files)
        print(f"{files} files, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
        ruff(root, rounds)
        pyright(root, rounds)


if __name__ == "__main__":
    main()
