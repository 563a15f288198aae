"""What gates cost: ruff's beside the bare command, one whose files are known, pyright's after an edit beside a cold.

    python -m benchmarks.gates [--rounds 15] [--files 200]

A project made of so many files, parts of 20 whose first file the rest import. ruff: the gate in the sandbox of this
machine and in none, beside the same command by hand and in the sandbox, interleaved, medians of wall time. Before each
there is a pause, as there is in a run, where a gate comes after a model's answer: a sandbox is made ahead in it, which
the line "at once" cannot use, that comes right after another command. pyright: an
edit of a file that nothing imports, and of one that 19 import; best of the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from conductor.gates.base import Gate
from conductor.gates.cache import GateCache
from conductor.sandbox.ahead import Ahead
from conductor.sandbox.base import Policy
from conductor.sandbox.registry import choose, unconfined

BIN = Path(sys.executable).parent
PAUSE_S = 0.05
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


def timed(action: Callable[[], object], pause: float = 0.0) -> float:
    time.sleep(pause)
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def ruff(root: Path, rounds: int, ahead: Ahead) -> None:
    gate = Gate("ruff", f"{BIN}/ruff check --isolated --no-cache .", parser="ruff")
    sandbox = replace(choose("auto", Policy(root)), ahead=ahead)
    cache = GateCache(root)
    bare = [str(BIN / "ruff"), "check", "--isolated", "--no-cache", "--output-format=json", "."]
    subjects: dict[str, Callable[[], object]] = {
        "bare command": lambda: subprocess.run(bare, cwd=root, stdout=subprocess.DEVNULL, check=False),
        "in the sandbox": lambda: sandbox.run(gate.command, cwd=root, timeout_s=60),
        "gate": lambda: cache.ask(gate, gate.command, sandbox),
        "gate, no sandbox": lambda: cache.ask(gate, gate.command, unconfined()),
        "gate, files known": lambda: cache.ask(gate, gate.command, sandbox),
        "gate, at once": lambda: GateCache(root).ask(gate, gate.command, sandbox),
    }
    times: dict[str, list[float]] = {name: [] for name in subjects}
    ours = (root / "m000.py").read_text()
    for n in range(rounds + 1):
        (root / "m000.py").write_text(f"{ours}# {n}\n")
        for name, subject in subjects.items():
            if name == "gate, at once":
                sandbox.run("true", cwd=root, timeout_s=60)
            took = timed(subject, 0.0 if name == "gate, at once" else PAUSE_S)
            if n:  # the first round looks up what stays the same
                times[name].append(took)
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--files", type=int, default=200)
    asked = parser.parse_args()
    rounds, files = asked.rounds, asked.files
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch).resolve() / "project"
        root.mkdir()
        project(root, files)
        print(f"{files} files, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
        with closing(Ahead()) as ahead:
            ruff(root, rounds, ahead)
        pyright(root, rounds)


if __name__ == "__main__":
    main()
