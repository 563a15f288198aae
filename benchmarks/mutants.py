"""Whether tests notice when the code of the views, or what stands between a worker and an effect, is wrong.

Small mistakes are made in it, one by one.

Run from the repository: python -m benchmarks.mutants [--every N] [MODULE...], on copies of it. Each line of the report
is a mistake that no test noticed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pytest

# A module, and the tests that most likely notice what is wrong with it: they run first, those of all views after them.
VIEWS = {
    "python": "parser", "clauses": "forms", "header": "forms", "outline": "parser", "parser": "parser",
    "precut": "precut", "render": "forms", "curated": "forms", "select": "select", "budget": "select",
    "recover": "parser", "ast_outline": "parser", "cpython": "registry", "decode": "registry", "registry": "registry",
    "map": "tree", "digest": "tree", "tree": "tree", "many": "many", "cache": "many", "braced": "braced",
    "languages": "braced",
}  # fmt: skip
OF_VIEWS = ["forms", "precut", "parser", "registry", "select", "braced", "tree", "many", "properties"]
# What decides whether a human is asked, what they are shown, and whether work counts as good.
RULES = (
    "clutch/test_limits.py clutch/test_commands.py clutch/test_policy.py clutch/test_rule_file.py "
    "security/test_allow_list.py"
)
SAFETY = {
    "clutch/rules": f"clutch/test_rules.py {RULES}",
    "clutch/commands": RULES,
    "clutch/limits": RULES,
    "clutch/profiles": RULES,
    "clutch/rule": f"{RULES} cli/test_rules.py",
    "tools/danger": "tools/test_danger.py clutch/test_terminal.py",
    "visible": "test_visible.py security/test_display.py",
    "withheld": "security/test_secrets.py",
    "loosening": "test_config.py",
    "gates/surface": "gates/test_surface.py",
    "gates/ruff": "gates/test_refusals.py gates/test_readers.py",
    "gates/pyright": "gates/test_refusals.py gates/test_readers.py",
    "judging": "test_checks.py test_offers.py",
    "typed": "test_typed.py test_config.py test_track_file.py",
    "graph": "test_graph.py test_models.py test_track_file.py",
    "budgets": "test_budgets.py llm/test_budget.py",
}
MODULES = {f"views/{name}": f"views/test_{tests}.py" for name, tests in VIEWS.items()} | SAFETY
LAST = [
    "test_deep_nesting",
    "test_many_at_once",
    "test_several_processes",
    "test_a_budget_is_kept",
    "test_what_is_left_out",
    "test_signatures_of_any",
    "test_half",
]
LIMIT_S = 30
JOBS = 2
OTHER: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try every Nth mistake only")
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE")
    arguments = parser.parse_args()
    sys.dont_write_bytecode = True
    load_what_stays()
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(JOBS, initializer=copy_tree, initargs=(folder,)) as pool,
    ):
        right = [Mistake("", "", "", MODULES[module]) for module in arguments.modules]
        for module, failed in zip(arguments.modules, pool.map(noticed, right), strict=True):
            if failed:
                sys.exit(f"the tests of {module} fail without any mistake")
        score = [0, 0]
        for module in arguments.modules:
            found, tried = try_all(module, arguments.every, pool)
            print(f"{module}: {found} of {tried} noticed", flush=True)
            score = [score[0] + found, score[1] + tried]
        print(f"all: {score[0]} of {score[1]} mistakes noticed ({100 * score[0] / max(score[1], 1):.1f} %)")


def load_what_stays() -> None:
    """Load what the tests need and no mistake is in, once: each try is a fork."""
    import hypothesis
    import pytest
    import tree_sitter
    import tree_sitter_python

    from conductor.views.tokens import token_counter

    token_counter()
    del hypothesis, pytest, tree_sitter, tree_sitter_python
    for name in [name for name in sys.modules if name.startswith("conductor")]:
        del sys.modules[name]


def copy_tree(folder: str) -> None:
    """Copy what the tests need into a folder of this process's own below `folder`, and go there."""
    own = Path(folder) / str(os.getpid())
    own.mkdir()
    for name in ("conductor", "tests", "docs", "README.md", "pyproject.toml"):
        copied = shutil.copytree if Path(name).is_dir() else shutil.copy
        copied(name, own / name)
    for cache in list(own.rglob("__pycache__")):
        shutil.rmtree(cache)
    os.chdir(own)


def try_all(module: str, every: int, pool: ProcessPoolExecutor) -> tuple[int, int]:
    """Return how many mistakes in a module are noticed, and how many were made."""
    file = Path(f"conductor/{module}.py")
    tries = [Mistake(what, str(file), text, MODULES[module]) for what, text in mutants(file.read_text())][::every]
    found = 0
    for mistake, seen in zip(tries, pool.map(noticed, tries), strict=True):
        found += seen
        if not seen:
            print(f"  {file.name}:{mistake.what}", flush=True)
    return found, len(tries)


class Mistake(NamedTuple):
    """What was changed in a file ("": in none), the text it has then, and the files of tests that are to run first."""

    what: str
    file: str
    text: str
    first: str


def noticed(mistake: Mistake) -> bool:
    """Say whether a test fails, or takes too long, while a file has a mistake in it."""
    file = Path(mistake.file or os.devnull)
    right = file.read_text()
    file.write_text(mistake.text)
    try:
        return fails(mistake.first)
    finally:
        file.write_text(right)


def fails(first: str) -> bool:
    """Say whether a test fails with the code as it is now. Each try is a fork: what it loads does not stay."""
    child = os.fork()
    if child == 0:
        try:
            signal.setitimer(signal.ITIMER_PROF, LIMIT_S)  # of CPU: the machine may be busy
            os._exit(run_tests(first))
        finally:
            os._exit(1)  # whatever happens, a child never goes on as if it were the parent
    return os.waitpid(child, 0)[1] != 0


def run_tests(first: str) -> int:
    """Run the tests on the copy in the current folder, those of `first` before others; return pytest's exit code."""
    import pytest

    with open(os.devnull, "w") as sink:  # noqa: PTH123
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    sys.path.insert(0, str(Path.cwd()))
    names = first.split()
    if first.startswith("views/"):
        names += [f"views/test_{name}.py" for name in OF_VIEWS]
    files = [f"tests/{name}" for name in dict.fromkeys(names)]
    return pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files], plugins=[QuickFirst()])


class QuickFirst:
    """Has the slow tests run last: most mistakes are noticed before."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the tests named in LAST behind the others."""
        items.sort(key=lambda item: item.name.startswith(tuple(LAST)))


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield what was changed ("line: what"), and the whole module with that one change."""
    tree = ast.parse(source)
    ignored = set(map(id, passed_over(tree)))
    for index, node in enumerate(ast.walk(tree)):
        if id(node) in ignored:
            continue
        for change in changes(node):
            other = copy.deepcopy(tree)
            twin = next(found for place, found in enumerate(ast.walk(other)) if place == index)
            before = ast.unparse(twin)[:70]
            change(twin)
            text = ast.unparse(ast.fix_missing_locations(other))
            yield f"{getattr(node, 'lineno', 0)}: {before!r} -> {ast.unparse(twin)[:70]!r}", text


def passed_over(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what no test could notice: annotations, docstrings, imports, and how text is encoded."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            yield from ast.walk(body[0]) if isinstance(body[0].value, ast.Constant) else ()
        coded = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr[2:] == "code"
        parts: Sequence[ast.AST | None] = node.args if coded else ()  # type: ignore[union-attr]
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in (
            *parts,
            getattr(node, "annotation", None),
            getattr(node, "returns", None),
            node if typing else None,
        ):
            yield from ast.walk(part) if part else ()


def changes(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    """Yield functions that make one mistake each in a node like this one."""

    def assign(name: str, make: Callable[[ast.AST], object]) -> Callable[[ast.AST], None]:
        return lambda twin: setattr(twin, name, make(twin))

    def negated(twin: ast.AST) -> ast.expr:
        return ast.UnaryOp(ast.Not(), twin.test)  # type: ignore[attr-defined]

    match node:
        case ast.Compare(ops=[op, *rest]) if type(op) in OTHER:
            yield assign("ops", lambda _: [OTHER[type(op)](), *rest])
        case ast.BoolOp(op=op) | ast.BinOp(op=op) if type(op) in OTHER:
            yield assign("op", lambda _: OTHER[type(op)]())
        case ast.If() | ast.IfExp() | ast.While():
            yield assign("test", negated)
        case ast.Constant(value=bool() as value):
            yield assign("value", lambda _: not value)
        case ast.Constant(value=int() as value):
            yield assign("value", lambda _: value + 1)
        case ast.Constant(value=(str() | bytes()) as value) if value:
            yield assign("value", lambda _: value[:-1])
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield assign("value", lambda _: ast.Constant(None))
        case ast.Expr():
            yield assign("value", lambda _: ast.Constant(None))
        case ast.AugAssign(target=target):
            yield assign("value", lambda _: ast.Constant(0 if isinstance(target, ast.Name) else None))
        case _:
            pass


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"({time.monotonic() - started:.0f} s)")
