from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor.clutch.commands import MAX_COMMAND, Unclear, read_command

OPERATORS = (
    ";",
    "&",
    "|",
    "&&",
    "||",
    "|&",
    ";;",
    "<",
    ">",
    ">>",
    "<<",
    "<<<",
    "<(",
    ">(",
    "&>",
    "(",
    ")",
    "$(",
    "`",
    "\n",
)
# What bash gives a meaning, next to what it does not, so that most texts are nearly plain.
_SIGNS = "abz019-_./=:,@%+^~ '\"\\$`!#&|;<>(){}[]*?\t\n\r"
FRAGMENTS = st.sampled_from(
    [*_SIGNS, "''", '""', "=~", ":~", "$IFS", "${x}", "a=", "'a b'", '"a b"', "'$x'", "é", "\u00a0"]
)
WORDS = st.lists(st.text("abcxyz0189-_./=:,@%+^", min_size=1, max_size=6), min_size=1, max_size=4)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


def words_as_bash_has_them(texts: list[str]) -> list[list[str]]:
    """Return the words of each text by asking bash itself, which expands and splits what it would for a command."""
    script = "".join(f"printf '%s\\0' {text}; printf '\\1\\0'\n" for text in texts)
    printed = subprocess.run(["bash", "-c", script], capture_output=True, check=True, cwd="/").stdout.decode()
    return [part.split("\0")[:-1] for part in printed.split("\1\0")[:-1]]


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("ls", ["ls"]),
        ("  git   status ", ["git", "status"]),
        ("pytest -k 'a and (b or c)' tests/a.py::t", ["pytest", "-k", "a and (b or c)", "tests/a.py::t"]),
        ("grep \"it's\" 'a;b'", ["grep", "it's", "a;b"]),
        ("a'b'\"c\"d ''", ["abcd", ""]),
        ("git diff HEAD~2 v1^", ["git", "diff", "HEAD~2", "v1^"]),
        ("ls a=b --x=1 2", ["ls", "a=b", "--x=1", "2"]),
    ],
)
def test_plain_commands_are_read(text: str, argv: list[str]) -> None:
    assert list(read_command(text)) == argv
    assert words_as_bash_has_them([text]) == [argv]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ls; rm x", "chains"),
        ("ls *.py", "more than plain words"),
        ("ls && rm x", "chains"),
        ("ls | sh", "pipeline"),
        ("ls > x", "redirects"),
        ("X=1 ls", "sets a variable"),
        ("ls $x", "expands a variable"),
        ("ls $(id)", "inside a command"),
        ("ls # x", "comment"),
        ("ls\nid", "several lines"),
        ("ls 'x", "not a command"),
        ("", "not a command"),
        ("x" * (MAX_COMMAND + 1), "longer than"),
    ],
)
def test_the_reason_says_what_is_unclear(text: str, why: str) -> None:
    with pytest.raises(Unclear, match=why):
        read_command(text)


@QUICK
@given(st.lists(st.lists(FRAGMENTS, min_size=1, max_size=8).map("".join), min_size=20, max_size=60))
def test_what_is_accepted_means_the_same_to_bash(texts: list[str]) -> None:
    accepted = {text: read for text in texts if (read := _read("c " + text))}
    found = words_as_bash_has_them(["c " + text for text in accepted])

    assert found == [list(read) for read in accepted.values()]


@QUICK
@given(WORDS)
def test_quoted_words_come_back(words: list[str]) -> None:
    text = "run " + " ".join(f"'{word} x'" for word in words)

    assert list(read_command(text)) == shlex.split(text) == ["run", *(f"{word} x" for word in words)]


@QUICK
@given(WORDS, st.sampled_from(OPERATORS), WORDS, st.sampled_from(["", " "]), st.sampled_from(["", " "]))
def test_an_operator_is_never_accepted(
    before: list[str], operator: str, after: list[str], left: str, right: str
) -> None:
    text = f"ls {' '.join(before)}{left}{operator}{right}{' '.join(after)}"

    assert _read(text) is None


@QUICK
@given(st.text(max_size=40))
def test_no_text_makes_it_fail(text: str) -> None:
    read = _read(text)
    assert read is None or (read == tuple(shlex.split(text)) and text.isascii())


def test_a_deep_command_is_answered_quickly() -> None:
    for text in ("$(" * 2_000, "(" * 4_000, "'a'" * 1_300, "{" * 4_000, "a\\\n" * 1_000):
        _read(text)


def _read(text: str) -> tuple[str, ...] | None:
    try:
        return read_command(text)
    except Unclear:
        return None
