"""How true, small and fast views are, beside other tools.

Run from the repository: python -m benchmarks.views [--no-peer] [--folder DIR]. Peers, and the packages whose files are
measured, are installed once, into environments of their own below DIR; what cannot be had is named.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.report import machine
from benchmarks.view_peers import Peer, corpus, installed
from conductor.views.decode import decode_source
from conductor.views.parser import ASTParser
from conductor.views.tokens import token_counter
from tests.views.signatures import signatures

LARGE = (
    "litellm/router.py litellm/utils.py litellm/main.py litellm/cost_calculator.py sqlalchemy/orm/session.py "
    "sqlalchemy/sql/selectable.py sqlalchemy/sql/compiler.py sqlalchemy/orm/query.py pandas/core/frame.py "
    "pandas/core/generic.py pandas/core/series.py django/db/models/query.py django/db/models/sql/query.py "
    "django/contrib/admin/options.py rich/console.py typing.py argparse.py _pydecimal.py tarfile.py inspect.py"
)
VIEW = [sys.executable, "-m", "conductor", "view"]
WHOLE_LIBRARY = """
import re, sys, time
from pathlib import Path
from conductor.views.decode import decode_source
from conductor.views.parser import ASTParser
started, parser, size = time.process_time(), ASTParser(), 0
files = [Path(line) for line in sys.stdin.read().splitlines()]
for file in files:
    text, _ = decode_source(file.read_bytes())
    size += len(text)
    parser.get_skeleton_view(text)
seconds = time.process_time() - started
# Not ru_maxrss: a child starts with its parent's. This is what the program itself reached, on Linux.
status = Path("/proc/self/status")
peak = re.search(r"VmHWM:\\s+(\\d+)", status.read_text()) if status.exists() else None
memory = int(peak[1]) / 1024 if peak else float("nan")
print(f"{len(files)} files, {size / 1e6:.1f} M characters: {seconds:.2f} s of CPU, {memory:.0f} MB")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-peer", action="store_true", help="measure without other tools")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "conductor-bench-views")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    print("{when}  {cpu}, {cores} cores, load {load}\n{python}  {versions}".format(**machine()))
    peers = [] if arguments.no_peer else installed(arguments.folder)
    library, packages = Path(sysconfig.get_paths()["stdlib"]), corpus(arguments.folder)
    files = [place / name for name in LARGE.split() if (place := packages if "/" in name else library)]
    files = [file for file in files if file.is_file() or print(f"not there: {file.name}")]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        large_files(files)
        large_files_of_peers(files, peers, Path(folder))
        one_file(library / "argparse.py", peers, Path(folder))
        whole_library(library, peers, Path(folder))


def large_files(files: Sequence[Path]) -> None:
    """Print how many views of `files` parse, keep every signature, and how many tokens they have."""
    parser, (count, tokenizer) = ASTParser(), token_counter()
    forms = {
        "readable": parser.get_skeleton_view,
        "compact": lambda code: parser.get_skeleton_view(code, compact=True),
        "curated": parser.get_curated_view,
        "curated, first lines": lambda code: parser.get_curated_view(code, docs="first"),
    }
    codes = [decode_source(file.read_bytes())[0] for file in files]
    before = [count(code) for code in codes]
    for name, view in forms.items():
        shown = [view(code) for code in codes]
        exact = sum(signatures(code) == signatures(text) for code, text in zip(codes, shown, strict=True))
        after = [count(text) for text in shown]
        small = sum(new < 0.15 * old for old, new in zip(before, after, strict=True))
        share = 100 * sum(after) / sum(before)
        print(
            f"{name}: {exact} of {len(codes)} parse with every signature, {share:.2f} % of {sum(before)} tokens "
            f"({tokenizer}), {small} below 15 %"
        )


def large_files_of_peers(files: Sequence[Path], peers: Sequence[Peer], folder: Path) -> None:
    """Print of each peer's views of `files`: how many parse, how many definitions are named, how many tokens."""
    count, _ = token_counter()
    codes = [decode_source(file.read_bytes())[0] for file in files]
    before = sum(map(count, codes))
    for peer in peers:
        after = parsed = named = wanted = 0
        for index, (file, code) in enumerate(zip(files, codes, strict=True)):
            text = subprocess.run(peer.command(alone(file, folder / str(index), peer)), capture_output=True).stdout
            shown = text.decode("utf-8", "replace")
            after += count(shown)
            parsed += parses(shown)
            words, names = set(re.findall(r"\w+", shown)), [entry[0].split(".")[-1] for entry in signatures(code)]
            wanted += len(names)
            named += sum(name in words for name in names)
        share = f"{100 * after / before:.1f} % of the tokens"
        print(
            f"{peer.name}: {parsed} of {len(files)} parse, {100 * named / wanted:.1f} % of definitions named, {share}"
        )


def alone(file: Path, folder: Path, peer: Peer) -> Path:
    """Return a copy of `file` in a folder of its own, or that folder for a peer that takes nothing smaller."""
    folder.mkdir(exist_ok=True)
    shutil.copy(file, folder)
    return folder if peer.folders else folder / file.name


def parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(ast.parse(text).body)
        except (SyntaxError, ValueError):
            return False


def one_file(file: Path, peers: Sequence[Peer], folder: Path) -> None:
    """Print the CPU time of one command for one file, all commands by turns."""
    commands = {"bare interpreter": [sys.executable, "-c", "pass"], "conductor view": [*VIEW, str(file)]}
    commands |= {peer.name: peer.command(alone(file, folder / "one", peer)) for peer in peers}
    spent = by_turns(commands, 11)
    own = statistics.median(spent["conductor view"])
    print(f"one file of {file.stat().st_size // 1000} kB from the command line, CPU time (median, least, ratio):")
    for name, times in spent.items():
        middle = statistics.median(times)
        print(f"  {name}: {1000 * middle:.0f} ms, {1000 * min(times):.0f} ms, {middle / own:.2f}")


def whole_library(library: Path, peers: Sequence[Peer], folder: Path) -> None:
    """Print the CPU time of all of the standard library: in one process and cold, from the cache, and of peers."""
    place = folder / "library"
    shutil.copytree(library, place, ignore=shutil.ignore_patterns("site-packages", "__pycache__", "*.pyc", "*.so"))
    for file in place.rglob("*.py"):
        os.utime(file, (1_000_000_000, 1_000_000_000))  # not of this moment: those would not be kept
    listing = "\n".join(map(str, sorted(place.rglob("*.py"))))
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", WHOLE_LIBRARY], input=listing, capture_output=True, text=True)
        print("whole standard library, one process, cold:", done.stdout.strip() or done.stderr)
    subprocess.run([*VIEW, str(place)], capture_output=True)
    warm = by_turns({"warm": [*VIEW, str(place)]}, 9)["warm"]
    print(f"the same from the cache: {statistics.median(warm):.3f} s of CPU, least {min(warm):.3f} s")
    for peer in peers:
        (seconds,) = by_turns({peer.name: peer.command(place)}, 1)[peer.name]
        print(f"  {peer.name}, cold: {seconds:.1f} s of CPU")


def by_turns(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of CPU that each command took, each round all of them."""
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return spent


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"({time.monotonic() - started:.0f} s)")
