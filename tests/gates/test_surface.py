"""What of a module others can notice: an edit that is missed here would let an error of another file through."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor.gates.base import run_gate
from conductor.gates.cache import GateCache
from conductor.gates.registry import reader_of
from conductor.gates.surface import surface
from conductor.sandbox.registry import unconfined
from tests.gates.test_warm import PYRIGHT, found, was_warm

MODULE = """
from __future__ import annotations
from typing import Protocol
LIMIT: int = 3
class Shop:
    name = "x"
    def __init__(self, n: int) -> None:
        self.n = n
    def price(self, of: str = "all") -> float:
        found = len(of) + self.n
        return found / 2
    def guess(self, of: str):
        return len(of)
class Reads(Protocol):
    def read(self) -> str: ...
def total(shops: list[Shop]) -> float:
    return sum(shop.price() for shop in shops)
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return found / 2", "return found / 3"),
        ("return found / 2", "return 'text'"),
        ("return found / 2", "other: str = 3\n        return found"),
        ("        found = len(of) + self.n\n", "        # said\n\n        found = self.n\n"),
        ("return sum(", "for shop in shops:\n        print(shop.name)\n    return sum("),
        ("LIMIT: int = 3", "LIMIT: int = 3  # three"),
        ("return sum(", "def inner(x):\n        return x\n    return sum("),
    ],
)
def test_what_nobody_else_can_notice(old: str, new: str) -> None:
    changed = MODULE.replace(old, new)
    assert changed != MODULE
    assert surface(changed.encode()) == surface(MODULE.encode()) != ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT: int = 3", "LIMIT: int = 4"),
        ('name = "x"', "name = 3"),
        ("self.n = n", "self.n = str(n)"),
        ("return found / 2", "self.last = found\n        return found / 2"),
        ("return found / 2", "del self.n\n        return found / 2"),
        ("return found / 2", "for self.n in (): pass\n        return found / 2"),
        ("return found / 2", "import shop\n        return found / 2"),
        ("return found / 2", "from shop import x\n        return found / 2"),
        ("return found / 2", "yield 1"),
        ("return found / 2", "yield from ()"),
        ("return found / 2", "global LIMIT\n        return found / 2"),
        ("return found / 2", "raise NotImplementedError"),
        ("return found / 2", "raise NotImplementedError('no')"),
        ("        found = len(of) + self.n\n        return found / 2", "        pass"),
        ("        found = len(of) + self.n\n        return found / 2", "        'said'"),
        ("def read(self) -> str: ...", "def read(self) -> str: return ''"),
        ("return len(of)", "return of"),
        ('of: str = "all"', "of: str"),
        ("-> float:\n    return sum", "-> int:\n    return sum"),
        ("-> float:\n    return sum", ":\n    return sum"),
        ("def total(", "async def total("),
        ("def total(", "@cached\ndef total("),
        ("def total(", "def sums("),
        ("class Shop:", "class Shop(Base):"),
        ("from typing import Protocol", "from typing import Protocol, Any"),
        ("return sum(", "return sum(("),
    ],
)
def test_what_others_may_notice(old: str, new: str) -> None:
    changed = MODULE.replace(old, new, 1)
    assert changed != MODULE
    assert surface(changed.encode()) != surface(MODULE.encode())


@pytest.mark.parametrize("content", [b"def f(:", b"\0", b"# coding: nowhere\n", b"(" * 5000])
def test_of_what_cannot_be_parsed_nothing_is_known(content: bytes) -> None:
    assert surface(content) == ""


def test_a_comment_that_is_a_type_counts() -> None:
    assert surface(b"x = []  # type: list[int]\n") != surface(b"x = []  # type: list[str]\n")


USES = """
from shop import Shop, total

def show(shop: Shop) -> str:
    price: float = shop.price()
    number: int = shop.n
    return f"{price}{number}{total([shop])}{shop.guess('x') + 1}"
"""


@pytest.mark.slow
def test_errors_that_an_edit_makes_elsewhere_are_found_and_so_are_those_of_what_was_edited(tmp_path: Path) -> None:
    """Each edit is held against the plain command."""
    root = tmp_path.resolve()
    (root / "uses.py").write_text(USES)
    (root / "shop.py").write_text(MODULE)
    (root / "far.py").write_text("from uses import show\nfrom shop import Shop\n\nA: str = show(Shop(3))\n")
    cache = GateCache(root, warm=True)
    ask = lambda: cache.ask(PYRIGHT, PYRIGHT.command, unconfined())[0]  # noqa: E731
    edits = [
        ("return found / 2", "return 'text'", False),
        ("-> float:\n        found", "-> str:\n        found", True),
        ("return found / 2", "return found", False),
        ("self.n = n", "self.n = str(n)", True),
        ("return len(of)", "return of", True),
        ("def total(", "def sums(", True),
    ]
    try:
        ask()
        for old, new, elsewhere in edits:
            (root / "shop.py").write_text(MODULE.replace(old, new))
            warm, plain = ask(), run_gate(PYRIGHT, PYRIGHT.command, root, unconfined(), reader_of)
            assert was_warm(warm)
            assert found(warm) == found(plain), new
            assert any(" uses.py:" in line for line in found(warm)) == elsewhere, new
    finally:
        cache.close()
