"""Twenty small projects with one fault each: the gate names its file and line, and the worker hears it in few words."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import to_builtins

from conductor import events
from conductor.context.verdicts import findings_told
from conductor.gates.base import Gate, run_gate
from conductor.gates.registry import reader_of
from conductor.sandbox.registry import unconfined
from conductor.views.tokens import token_counter

BIN = Path(sys.executable).parent
COMMANDS = {
    "ruff": f"{BIN}/ruff check --isolated --no-cache --select E9,F,B .",
    "pyright": f"{BIN}/pyright --pythonpath {sys.executable} .",
    "pytest": f"{sys.executable} -B -m pytest -q -p no:cacheprovider",
}
STOCK = {
    "shop/__init__.py": "",
    "shop/books.py": "class Book:\n    def __init__(self, title: str, cents: int) -> None:\n"
    "        self.title = title\n        self.cents = cents\n",
    "shop/prices.py": "from shop.books import Book\n\n\ndef total(books: list[Book]) -> int:\n"
    "    return sum(book.cents for book in books)\n",
    "test_shop.py": "from shop.books import Book\nfrom shop.prices import total\n\n\ndef test_total():\n"
    "    assert total([Book('a', 2), Book('b', 3)]) == 5\n",
}
PRICES, BOOKS, TESTS = "shop/prices.py", "shop/books.py", "test_shop.py"
HALF = "def half(n: int) -> int:\n    return {}\n"

FAULTS: list[tuple[str, str, str, int, str]] = [
    # what, checker, file, line, its content ("+": added to what is there)
    ("unused import", "ruff", PRICES, 6, "+import os\n"),
    ("undefined name", "ruff", PRICES, 9, "+\n\ndef tax(n):\n    return n * rate\n"),
    ("unused variable", "ruff", BOOKS, 8, "+\n\ndef load():\n    lines = 1\n"),
    ("mutable default", "ruff", BOOKS, 7, "+\n\ndef shelf(books=[]):\n    return books\n"),
    ("f-string without fields", "ruff", PRICES, 6, "+NAME = f'shop'\n"),
    ("redefinition", "ruff", BOOKS, 7, "+\n\nclass Book:\n    pass\n"),
    ("comparison with a literal by is", "ruff", PRICES, 6, "+FREE = total([]) is 0\n"),
    ("syntax error", "ruff", PRICES, 6, "+def broken(:\n"),
    ("wrong return type", "pyright", PRICES, 9, "+\n\n" + HALF.format("n / 2").replace("def", "def", 1)),
    ("wrong argument", "pyright", PRICES, 6, "+total('books')\n"),
    ("no such attribute", "pyright", PRICES, 6, "+print(Book('a', 1).price)\n"),
    ("missing argument", "pyright", PRICES, 6, "+Book('a')\n"),
    (
        "possibly none",
        "pyright",
        BOOKS,
        8,
        "+\n\ndef first(books: 'list[Book] | None') -> Book:\n    return books[0]\n",
    ),
    ("no such module", "pyright", BOOKS, 5, "+import shop.stocks\n"),
    ("wrong result", "pytest", TESTS, 6, "-    return sum(book.cents for book in books) + 1\n"),
    ("exception in the code", "pytest", TESTS, 6, "-    return sum(book.price for book in books)\n"),
    ("missing key", "pytest", TESTS, 10, "+\n\ndef test_more():\n    {}['a']\n"),
    ("wrong exception", "pytest", TESTS, 10, "+\n\ndef test_more():\n    int('x')\n"),
    ("assertion in a second test", "pytest", TESTS, 10, "+\n\ndef test_more():\n    assert total([]) == 1\n"),
    ("division by zero", "pytest", TESTS, 10, "+\n\ndef test_more():\n    1 / total([])\n"),
]


def write(root: Path, checker: str, path: str, content: str) -> None:
    files: Mapping[str, str] = dict(STOCK)
    if content.startswith("+"):
        files = {**files, path: files[path] + content[1:]}
    else:  # the fault is in the code, the test names it
        files = {**files, PRICES: "".join(files[PRICES].splitlines(keepends=True)[:-1]) + content[1:]}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("checker", "path", "line", "content"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_the_fault_is_named_with_file_and_line_in_few_words(
    tmp_path: Path, checker: str, path: str, line: int, content: str
) -> None:
    root = tmp_path.resolve()
    write(root, checker, path, content)
    gate = Gate(checker, COMMANDS[checker], parser=checker)
    result = run_gate(gate, gate.command, root, unconfined(), reader_of)
    assert result.reading is not None, result.stdout + result.stderr
    assert not result.passed
    assert (path, line) in {(finding.path, finding.line) for finding in result.reading.findings}, result.reading
    assert {finding.path for finding in result.reading.findings} == {path}
    findings = [to_builtins(finding) for finding in result.reading.findings]
    told = findings_told(events.GateFinished(checker, "command", "c", False, 1, "", "", 0.0, findings=findings))
    assert f"{path}:{line} " in told
    assert token_counter()[0](told) < 150


def test_there_are_twenty() -> None:
    assert len(FAULTS) == 20
