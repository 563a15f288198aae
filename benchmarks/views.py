"""How true, small and fast views are, beside other tools where they are installed.

Run from the repository: python -m benchmarks.views. Peers (grep-ast, ctags) and the packages whose files are measured
are used when they are there and named when they are not.
"""

from __future__ import annotations

import importlib.util
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

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
VIEW = "import sys; from conductor.cli.view import main; sys.exit(main(sys.argv[1:]))"
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
    library = Path(sysconfig.get_paths()["stdlib"])
    large_files([path for name in LARGE.split() if (path := located(name, library))])
    files = [path for path in library.rglob("*.py") if "site-packages" not in path.parts]
    listing = "\n".join(map(str, files))
    done = subprocess.run([sys.executable, "-c", WHOLE_LIBRARY], input=listing, capture_output=True, text=True)
    print("whole standard library, one process, cold:", done.stdout.strip() or done.stderr)
    one_file(library / "argparse.py")


def located(name: str, library: Path) -> Path | None:
    """Return where the file `name` of the standard library or an installed package is, None when it is not."""
    package, _, rest = name.partition("/")
    if not rest:
        return library / name
    spec = importlib.util.find_spec(package)
    found = Path(spec.origin).parent / rest if spec and spec.origin else None
    if found is None or not found.is_file():
        print(f"not installed: {name}")
        return None
    return found


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


def one_file(file: Path) -> None:
    """Print the CPU time of one command for one file, all commands by turns."""
    commands = {
        "bare interpreter": [sys.executable, "-c", "pass"],
        "conductor view": [sys.executable, "-c", VIEW, str(file)],
    }
    if shutil.which("ctags"):
        commands["ctags"] = ["ctags", "-f", "-", str(file)]
    if importlib.util.find_spec("grep_ast"):
        commands["grep-ast"] = [sys.executable, "-m", "grep_ast.main", "def ", str(file)]
    spent: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryFile() as sink:
        for _ in range(15):
            for name, command in commands.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run(command, stdout=sink, stderr=sink)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                spent[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    for name, times in spent.items():
        print(f"{name}, one file of {file.stat().st_size // 1000} kB: {1000 * sorted(times)[len(times) // 2]:.0f} ms")


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"({time.monotonic() - started:.0f} s)")
