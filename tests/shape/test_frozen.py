"""Patterns that freeze files."""

from __future__ import annotations

import pytest

from conductor.shape.frozen import frozen_by


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("tests/test_a.py", "tests/**"),
        ("tests/deep/test_a.py", "tests/**"),
        ("tests/deep/test_a.py", "tests"),
        ("tests/deep/test_a.py", "tests/"),
        ("src/tests/x.py", "tests"),
        ("a/b/test_x.py", "test_*.py"),
        ("Tests/test_A.py", "tests/test_a.py"),
        ("tests/a/golden.txt", "tests/*/golden.txt"),
        ("conftest.py", "**/conftest.py"),
        ("a/conftest.py", "./a/conftest.py"),
    ],
)
def test_a_pattern_freezes_a_file(path: str, pattern: str) -> None:
    assert frozen_by(path, ("nothing/here", pattern)) == pattern


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("src/a.py", "tests/**"),
        ("src/tests/x.py", "tests/**"),
        ("tests_of/x.py", "tests"),
        ("tests/a/b/golden.txt", "tests/*/golden.txt"),
        ("a.py", ""),
        ("a.py", "/"),
        ("a.py", "**/b.py"),
    ],
)
def test_a_pattern_leaves_other_files_alone(path: str, pattern: str) -> None:
    assert frozen_by(path, (pattern,)) == ""


def test_a_long_pattern_of_stars_takes_no_time() -> None:
    assert frozen_by("a/" * 200 + "b", ("**/*" * 200 + "/c",)) == ""
