"""What is said of a change: its shape, the callers that do not follow, frozen files, and nothing where nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor.shape.base import Findings
from conductor.shape.callers import Callers
from conductor.shape.reader import ChangeReader
from conductor.tools.base import FileChange
from conductor.tools.workspace import Workspace

SHOP = """\
from dataclasses import dataclass


@dataclass
class Book:
    title: str
    price: float = 0.0


class Shelf:
    def __init__(self, name):
        self.name = name

    def put_book(self, book, place=0):
        return self.weigh_book(book)

    def weigh_book(self, book):
        return 1


def total(books, tax):
    return sum(book.price for book in books) * tax
"""


@pytest.fixture
def reader(tmp_path: Path) -> ChangeReader:
    (tmp_path / "shop").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "core.py").write_text(SHOP)
    (tmp_path / "shop" / "cli.py").write_text(
        "from .core import Book, total as sum_up\n\nprint(sum_up([Book('a')], 2))\n"
    )
    (tmp_path / "tests" / "test_core.py").write_text(
        "import shop.core\nfrom shop.core import Shelf\n\nshop.core.total([], tax=1)\nShelf('a').put_book(1, 2)\n"
    )
    (tmp_path / "other.py").write_text("def total(a): ...\n\ntotal(1, 2, 3)\nx.total(1)\n")
    return ChangeReader(Workspace(tmp_path))


def read(reader: ChangeReader, *replaced: tuple[str, str], path: str = "shop/core.py") -> Findings:
    new = SHOP
    for old, text in replaced:
        assert old in new
        new = new.replace(old, text)
    return reader.read(FileChange(path, SHOP.encode(), new.encode()))


@pytest.mark.parametrize(
    ("old", "new", "shape"),
    [
        ("total(books, tax)", "total(books, tax=1)", "changes total(books, tax) → (books, tax=1)"),
        ("def total(books, tax)", "async def total(books, tax)", "changes total(books, tax) → (books, tax) async"),
        ("def weigh_book(self, book)", "def heavy(self, book)", "removes Shelf.weigh_book; adds Shelf.heavy(book)"),
        ("total(books, tax)", "total(books: list, tax)", "annotates total"),
        ("class Shelf:", "class Shelf(Book):", "changes class Shelf → (Book)"),
        (
            "    price: float = 0.0\n",
            "    price: float = 0.0\n    pages: int = 0\n",
            "changes class Book(title, price=…) → (title, price=…, pages=…)",
        ),
        (
            "    def put_book",
            "    @classmethod\n    def put_book",
            "changes Shelf.put_book now @classmethod",
        ),
        ("(self, name)", "(self, name, *, size=1)", "changes Shelf.__init__(name) → (name, *, size=1)"),
        ("def total(books, tax)", "def sums(books, tax)", "renames total to sums"),
        ("def total", "def tax_of(a):\n    return a\n\n\ndef total", "adds tax_of(a)"),
    ],
)
def test_the_shape_of_a_change_is_said_in_one_line(reader: ChangeReader, old: str, new: str, shape: str) -> None:
    assert read(reader, (old, new)).shape == shape


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        ("total(books, tax)", "total(books)", "shop/cli.py:3 (total), tests/test_core.py:4 (total)"),
        ("total(books, tax)", "total(books, taxes)", "tests/test_core.py:4 (total)"),
        ("def total(", "def sums(", "shop/cli.py:3 (total), tests/test_core.py:4 (total)"),
        ("title: str", "title: str\n    isbn: str", "shop/cli.py:3 (Book)"),
        ("def __init__(self, name)", "def __init__(self)", "tests/test_core.py:5 (Shelf)"),
        ("book, place=0", "book", "tests/test_core.py:5 (put_book)"),
        ("def weigh_book(self, book)", "def weigh_book(self, book, scale)", "shop/core.py:15 (weigh_book)"),
    ],
)
def test_callers_that_do_not_follow_are_named(reader: ChangeReader, old: str, new: str, places: str) -> None:
    (notice,) = read(reader, (old, new)).notices
    assert notice.endswith(f" not follow: {places}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total(books, tax)", "total(books, tax, *more)"),
        ("total(books, tax)", "total(books, tax=2, *, extra=None, **rest)"),
        ("place=0", "place=1, lid=None"),
        ("def total(", "sums = print\n\n\ndef total("),
        ("def total(books, tax):", "from other import total\n\n\ndef _total(books, tax):"),
    ],
)
def test_callers_that_still_fit_are_not_named(reader: ChangeReader, old: str, new: str) -> None:
    assert read(reader, (old, new)).notices == ()


def test_a_method_that_others_have_too_is_left_alone(reader: ChangeReader, tmp_path: Path) -> None:
    (tmp_path / "third.py").write_text("class Box:\n    def put_book(self, a, b): ...\n")
    assert read(reader, ("book, place=0", "book")).notices == ()


def test_names_that_objects_of_the_language_have_are_left_alone(reader: ChangeReader, tmp_path: Path) -> None:
    (tmp_path / "third.py").write_text("from shop.core import Shelf\n{}.get(1, 2)\n")
    new = SHOP.replace("weigh_book", "get")
    change = FileChange("shop/core.py", new.encode(), new.replace("get(self, book)", "get(self)").encode())
    assert reader.read(change).notices == ("1 caller does not follow: shop/core.py:15 (get)",)


def test_few_of_many_callers_are_listed(reader: ChangeReader, tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text("from shop.core import total\n" + "total(1, 2)\n" * 9)
    (notice,) = read(reader, ("books, tax", "books")).notices
    assert notice.startswith("11 callers do not follow: ")
    assert notice.endswith(" and 8 more")


def test_what_was_read_of_a_file_is_read_again_when_it_changed(reader: ChangeReader, tmp_path: Path) -> None:
    assert "shop/cli.py" in read(reader, ("books, tax", "books")).notices[0]
    (tmp_path / "shop" / "cli.py").write_text("from .core import total\n\ntotal([])\n")
    assert "shop/cli.py" not in read(reader, ("books, tax", "books")).notices[0]


def test_when_the_time_is_up_it_says_how_far_it_came(reader: ChangeReader, tmp_path: Path) -> None:
    reader._callers = Callers(Workspace(tmp_path), seconds=-1)
    found = read(reader, ("def total(books, tax)", "def total(books)"))
    assert found.shape.endswith("; callers looked for in 0 files only")


def test_new_content_that_does_not_parse_is_said(reader: ChangeReader) -> None:
    (notice,) = read(reader, ("def total(", "def total((")).notices
    assert notice.startswith("the new content does not parse: line 21: ")


def test_a_frozen_file_is_dangerous_whatever_changes_in_it(tmp_path: Path) -> None:
    reader = ChangeReader(Workspace(tmp_path), ("data/**",))
    found = reader.read(FileChange("data/a.txt", b"a", b"b"))
    assert found == Findings("", ('this file is frozen ("data/**")',), ("this changes a frozen file",))
    assert reader.read(FileChange("b.txt", b"a", b"b")) == Findings()
    assert reader.read(FileChange("b.txt", b"a", b"b"), ("b.*",)).dangers == ("this changes a frozen file",)


def test_a_frozen_link_to_another_file_is_frozen_by_its_name(tmp_path: Path) -> None:
    reader = ChangeReader(Workspace(tmp_path), ("tests/**",))
    change = FileChange("shared/a.txt", b"a", b"b")
    assert reader.read(change, written="./tests/../tests/a.txt").dangers
    assert not reader.read(change, written="").dangers


def test_what_cannot_be_compared_is_said(reader: ChangeReader) -> None:
    large = b"# " + b"x" * 1_000_000
    assert reader.read(FileChange("tests/test_a.py", large, b"")).notices[0].startswith("this file is too large")
    deep = b"def test_a(a=" + b"1+" * 900 + b"1): ...\n"
    found = reader.read(FileChange("tests/test_a.py", deep, b""))
    assert found.notices and ("removes 1 test" in found.notices[0] or "too deeply" in found.notices[0])


def test_a_test_that_is_removed_is_named_and_dangerous(reader: ChangeReader) -> None:
    tests = b"def test_a():\n    assert 1 + 1 == 2\n\n\ndef test_b():\n    assert 2\n"
    found = reader.read(FileChange("tests/test_x.py", tests, tests[:38]))
    assert (found.shape, found.notices) == ("removes test_b", ("removes 1 test: test_b",))
    assert found.dangers == ("this removes 1 test",)


@pytest.mark.parametrize(
    "source",
    [
        b"\xff\xfe\x00",
        b"\0",
        b"x = " + b"(" * 5000 + b")" * 5000,
        b"x = " + b"-" * 50_000 + b"1",
        b"def f(a=" + b"1+" * 20_000 + b"1): ...\n",
        b"f" + b".a" * 20_000,
        b"if x: pass\n" + b"elif x: pass\n" * 5000,
        b"class A:\n class B:\n  class C:\n   def f(self): ...\n",
        b"def f(" + b",".join(b"a%d" % n for n in range(3000)) + b"): ...\n",
        "def ſ(ﬁ): ...\n".encode(),
        b"# coding: utf-7\n",
        b"\xef\xbb\xbfdef f(): ...\n",
    ],
)
def test_hostile_sources_are_borne(reader: ChangeReader, source: bytes) -> None:
    for change in (FileChange("a.py", b"def f(): ...\n", source), FileChange("a.py", source, b"def g(): ...\n")):
        found = reader.read(change)
        assert len(found.shape) < 1000
        assert all(len(notice) < 1000 for notice in found.notices)


NAMES = st.sampled_from(["alpha", "beta", "gamma"])
BODIES = st.sampled_from(["pass", "return 1", "x = 2\n    return x", "raise ValueError('x')", "print('def no(): ...')"])
SIGNATURES = st.sampled_from(["", "a", "a, b=1", "*a, **b", "a, /, b, *, c"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(NAMES, SIGNATURES, BODIES, BODIES), max_size=4, unique_by=lambda entry: entry[0]))
def test_nothing_is_said_where_only_bodies_and_comments_change(
    reader: ChangeReader, entries: list[tuple[str, str, str, str]]
) -> None:
    old = "".join(f"def {name}({given}):\n    {body}\n" for name, given, body, _ in entries)
    new = "# new\n" + "\n\n".join(f"def {name}({given}):  # x\n    {body}\n" for name, given, _, body in entries)
    assert reader.read(FileChange("a.py", old.encode(), new.encode())) == Findings()
