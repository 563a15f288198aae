"""Tests that a change weakens."""

from __future__ import annotations

import ast

import pytest

from conductor.shape.definitions import module_of
from conductor.shape.weakening import Weakened, is_test_file, weakened

TESTS = """
import pytest

class TestReport:
    def test_total(self):
        assert total([1, 2]) == 3
        assert total([]) == 0

@pytest.mark.parametrize("word", ["a", "b", "c"])
def test_word(word):
    with pytest.raises(ValueError):
        read(word)

def check(value):
    assert value

def helper():
    return 1
"""


def taken(new: str, old: str = TESTS) -> Weakened:
    before, after = ast.parse(old), ast.parse(new)
    return weakened(before, after, module_of(before), module_of(after))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (TESTS[TESTS.index("@pytest") : TESTS.index("def check")], "", Weakened(removed=("test_word",))),
        ("def test_word", "def old_word", Weakened(removed=("test_word",))),
        ("class TestReport:", "class Report:\n  pass\nclass Other:", Weakened(removed=("TestReport.test_total",))),
        ("def test_word", "@pytest.mark.skip\ndef test_word", Weakened(skipped=("test_word",))),
        ("def test_word", "@pytest.mark.xfail(reason='later')\ndef test_word", Weakened(skipped=("test_word",))),
        ("    with pytest", "    pytest.skip('x')\n    with pytest", Weakened(skipped=("test_word",))),
        ("    with pytest", "    return\n    with pytest", Weakened(skipped=("test_word",))),
        ("class TestReport:", "@unittest.skip('')\nclass TestReport:", Weakened(skipped=("TestReport.test_total",))),
        (
            "    def test_total",
            "    __test__ = False\n    def test_total",
            Weakened(skipped=("TestReport.test_total",)),
        ),
        (
            "import pytest",
            "import pytest\npytestmark = pytest.mark.skip",
            Weakened(skipped=("all of the file, at its top",)),
        ),
        ("        assert total([]) == 0\n", "", Weakened(lighter=("TestReport.test_total",))),
        ("assert total([]) == 0", "assert True", Weakened(lighter=("TestReport.test_total",))),
        ("    assert value", "    pass", Weakened(lighter=("check",))),
        ("pytest.raises(ValueError)", "suppress(ValueError)", Weakened(lighter=("test_word",))),
        (', "b", "c"', "", Weakened(lighter=("test_word",))),
        ("return 1", "return 2", Weakened()),
        ("def test_word", "def test_words", Weakened()),
        ("== 3", "== 4", Weakened()),
    ],
)
def test_what_a_change_takes_from_tests_is_named(old: str, new: str, expected: Weakened) -> None:
    assert old in TESTS
    assert taken(TESTS.replace(old, new)) == expected


def test_a_test_that_a_later_one_of_its_name_hides_counts_by_what_it_checks() -> None:
    assert taken(TESTS + "\ndef test_word(word):\n    pass\n").lighter == ("test_word",)


def test_a_class_that_is_skipped_and_inherits_its_tests_is_named_itself() -> None:
    old = "class TestB(Base):\n    pass\n"
    assert taken("@unittest.skip('')\n" + old, old).skipped == ("TestB",)


def test_a_new_test_may_be_skipped_from_the_start() -> None:
    assert taken(TESTS + "\n@pytest.mark.skip\ndef test_new():\n    assert 0\n") == Weakened()


def test_a_file_that_is_deleted_removes_its_tests() -> None:
    assert taken("").removed == ("TestReport.test_total", "test_word")


def test_notices_name_the_tests_and_count_them() -> None:
    assert Weakened(removed=("test_a", "test_b"), skipped=("test_c",)).notices() == (
        "removes 2 tests: test_a, test_b",
        "skips 1 test: test_c",
    )


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("test_a.py", True),
        ("src/a_test.py", True),
        ("tests/a.py", True),
        ("conftest.py", True),
        ("src/testing.py", False),
        ("tests/a.txt", False),
        ("src/attest.py", False),
    ],
)
def test_which_files_hold_tests(path: str, is_one: bool) -> None:
    assert is_test_file(path) is is_one
