from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor.errors import Refused
from conductor.tools.text import TextFile, nearest, split_lines, unified_diff

BYTES = st.binary().map(lambda raw: raw.replace(b"\0", b""))
LINE = st.sampled_from(["a", "b", "--x", "++y", "-- ", "\x0c", "@@ z", "", "\u2028", "é"])
TEXT = st.lists(LINE, max_size=12).map("\n".join)
MESSY = st.lists(st.sampled_from(["a", "b", "\r", "\n", "\r\n", "é", "\x0c"]), max_size=20).map("".join)


def edit(content: bytes, old: str, new: str, *, everywhere: bool = False) -> bytes:
    return TextFile.decode(content).edited(old, new, everywhere=everywhere)


@given(BYTES)
def test_any_bytes_without_null_survive_decoding_and_encoding(content: bytes) -> None:
    try:
        found = TextFile.decode(content)
    except Refused as refusal:
        assert content.startswith(b"\xef\xbb\xbf")
        assert "UTF-8" in str(refusal)
    else:
        assert found.encode(found.text) == content


@given(MESSY, st.sampled_from(["new", "x\ny", "", "\n"]), MESSY, st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_an_edit_changes_nothing_outside_the_replaced_text(head: str, new: str, tail: str, bom: bytes) -> None:
    content = bom + f"{head}MARK{tail}".encode()

    after = edit(content, "MARK", new)

    assert after.startswith(bom + head.encode())
    assert after.endswith(tail.encode())
    middle = after[len(bom + head.encode()) : len(after) - len(tail.encode())]
    assert split_lines(middle.decode()) == split_lines(new)


@pytest.mark.parametrize(
    "cookie", ["utf-7", "unicode_escape", "undefined", "punycode", "idna", "rot13", "no-such", "utf-16", "hz"]
)
def test_a_hostile_coding_cookie_neither_crashes_nor_changes_how_ascii_is_read(cookie: str) -> None:
    content = f"# coding: {cookie}\nx = '+AAo- \\x41 ~'\n".encode()

    found = TextFile.decode(content)

    assert found.text == content.decode()


def test_a_latin_1_cookie_is_honoured_and_kept() -> None:
    content = "# -*- coding: latin-1 -*-\nname = 'é'\n".encode("latin-1")

    assert edit(content, "'é'", "'ü'") == content.replace("é".encode("latin-1"), "ü".encode("latin-1"))
    with pytest.raises(Refused, match=r"latin-1, which has no '€'"):
        edit(content, "'é'", "'€'")


def test_null_bytes_are_no_text() -> None:
    with pytest.raises(Refused, match="binary"):
        TextFile.decode(b"a\0b")


@pytest.mark.parametrize(
    ("content", "old", "new", "after"),
    [
        (b"a\r\nb\r\n", "a\nb", "x\ny\nz", b"x\r\ny\r\nz\r\n"),
        (b"a\rb\r", "a\nb", "x\ny", b"x\ry\r"),
        (b"a\r\nb\nc\nd\n", "a\nb", "x\ny", b"x\r\ny\nc\nd\n"),
        (b"a", "a", "b", b"b"),
        (b"\xef\xbb\xbfa\n", "a", "b", b"\xef\xbb\xbfb\n"),
        (b"a\r\nb", "a\r\nb", "x\r\ny", b"x\r\ny"),
        (b"a.b\n", "a.b", "\\1\\g<0>", b"\\1\\g<0>\n"),
    ],
)
def test_endings_mark_and_final_newline_are_kept(content: bytes, old: str, new: str, after: bytes) -> None:
    assert edit(content, old, new) == after


def test_one_crlf_is_not_a_blank_line() -> None:
    with pytest.raises(Refused, match="not found"):
        edit(b"a\r\nb\r\n", "a\n\nb", "x")


@pytest.mark.parametrize(
    ("before", "content", "after"),
    [
        (b"a\r\n", "x\ny", b"x\r\ny\r\n"),
        (b"a\nx", "y", b"y"),  # no final newline, though the last but one character is one
        (b"a\r", "x\ny\n", b"x\ry\r"),
        (b"a\n", "x\r\ny\r\n", b"x\ny\n"),
        (b"a\n", "", b""),
        (b"", "x\n", b"x\n"),
    ],
)
def test_a_whole_new_content_takes_the_manner_of_the_old(before: bytes, content: str, after: bytes) -> None:
    assert TextFile.decode(before).replaced(content) == after


@pytest.mark.parametrize("content", [b"x\n\ny\nx\n", b"x\r\n\r\ny\r\nx\r\n", b"x\r\ry\rx\r"])
def test_more_than_once_names_the_lines(content: bytes) -> None:
    with pytest.raises(Refused, match="2 times, at lines 1, 4"):
        edit(content, "x", "z")
    assert edit(content, "x", "z", everywhere=True) == content.replace(b"x", b"z")


def test_places_that_overlap_are_ambiguous() -> None:
    with pytest.raises(Refused, match="2 times, at lines 1, 2"):
        edit(b"x\nx\nx\n", "x\nx", "y")


def test_not_found_shows_the_nearest_match_with_its_line() -> None:
    text = "def one():\n    return 1\n\ndef two():\n    return 2\n"

    assert "line 4 (only the indentation differs):\ndef two():\n    return 2" in nearest(
        text, "  def two():\n  return 2"
    )
    shown = nearest(text, "def twoo():\n    return 3")
    assert "line 4:" in shown
    assert "indentation" not in shown
    assert "Nothing" in nearest(text, "zzzzzzzz")
    assert "no such text" in nearest("", "x")


def test_the_nearest_of_many_equal_first_lines_is_the_one_that_goes_on_alike() -> None:
    text = "try:\n    a()\ntry:\n    b()\ntry:\n    c()\n"

    assert "line 3" in nearest(text, "try:\n  b()")


def test_the_nearest_match_is_found_in_bounded_time() -> None:
    long_line = "x" * 200_000
    begun = time.monotonic()

    nearest(f"{long_line}y\n" + "".join(f"value_{n} = {n}\n" for n in range(20_000)), f"{long_line}z")
    assert time.monotonic() - begun < 5


@given(MESSY)
def test_lines_are_split_at_line_ends_only(text: str) -> None:
    assert "".join(split_lines(text, keepends=True)) == text
    assert split_lines(text) == [line.rstrip("\r\n") for line in split_lines(text, keepends=True)]
    assert len(split_lines(text)) == len(text.encode().splitlines())  # bytes know of no other line ends


@settings(max_examples=40, deadline=None)
@given(TEXT, TEXT)
def test_a_diff_applied_gives_the_text_after(before: str, after: str) -> None:
    diff = unified_diff("f.txt", before, after)
    assert bool(diff) == (before != after)
    if not diff:
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "f.txt")
        target.write_bytes(before.encode())
        subprocess.run(["git", "apply", "-p1", "-"], input=diff.encode(), cwd=folder, check=True)
        # git deletes nothing here: an empty file stays a file
        assert target.read_bytes() == after.encode()


@pytest.mark.parametrize(("before", "after"), [(None, "a\nb"), ("a\nb\n", None)])
def test_a_diff_of_a_new_or_deleted_file_applies_with_patch(
    tmp_path: Path, before: str | None, after: str | None
) -> None:
    target = tmp_path / "f.txt"
    if before is not None:
        target.write_text(before)
    subprocess.run(
        ["patch", "-p1", "-s"], input=unified_diff("f.txt", before, after).encode(), cwd=tmp_path, check=True
    )
    assert (target.read_text() if target.exists() else None) == after


def test_a_diff_hides_no_change_of_line_endings() -> None:
    assert unified_diff("f", "a\r\nb\r\n", "a\r\nc\r\n") == "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    assert "-a\r\n" in unified_diff("f", "a\r\nb\n", "a\nb\n")


def test_a_removed_line_that_looks_like_a_header_keeps_its_missing_newline() -> None:
    assert unified_diff("f", "--x", "y\n").endswith("@@ -1 +1 @@\n---x\n\\ No newline at end of file\n+y\n")
