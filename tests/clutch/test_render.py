"""Previews as lines and rows: all of it, at its place."""

from __future__ import annotations

import io
import time

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from conductor.clutch.render import Line, fold, header, preview_lines, rows
from conductor.messages import Effect, Preview
from conductor.tools.text import unified_diff

CODE = st.lists(st.sampled_from(["a = 1", "-- x", "++ y", "@@ -1 +1 @@", "--- a/x", "", '"""', "\\ no"]), max_size=12)


def preview(kind, text, path="x.py", **fields):
    return Preview(kind, text, "title", Effect.IDEMPOTENT, "digest", ticket_id="T1", path=path, **fields)


@given(CODE, CODE)
def test_a_diff_is_shown_whole_each_line_with_its_number(before, after):
    diff = unified_diff("x.py", "".join(f"{line}\n" for line in before), "".join(f"{line}\n" for line in after))
    lines = preview_lines(preview("diff", diff)) if diff else []
    assert [line.sign for line in lines if line.sign in ("+", "-")] == [
        line[0] for line in diff.split("\n")[2:] if line[:1] in ("+", "-")
    ]
    for line in lines:
        if line.number:
            file = before if line.sign == "-" else after
            assert file[line.number - 1] == line.text
    if diff:
        shown = {line.number for line in lines if line.sign != "-"}
        assert all(number in shown for number, line in enumerate(after, 1) if line not in before)


def test_the_names_of_further_files_and_a_missing_newline_are_shown():
    diff = unified_diff("x.py", "a\n", "b") + unified_diff("y.py", "c\n", "d\n")
    assert preview_lines(preview("diff", diff)) == [
        Line("-", "a", 1),
        Line("+", "b", 1),
        Line("!", "No newline at end of file"),
        Line("", "--- a/y.py"),
        Line("", "+++ b/y.py"),
        Line("⋮", ""),
        Line("-", "c", 1),
        Line("+", "d", 1),
    ]


def test_every_line_of_a_command_is_shown():
    lines = preview_lines(preview("command", "cd x &&\n\trm -r y\r ls\n", path=""))
    assert [row.text.plain for row in rows(lines, "", 80)] == ["$ cd x &&", "> ⇥   rm -r y␍ ls"]


@given(st.text(st.sampled_from("ab 漢é́\t"), max_size=60), st.integers(2, 30))
def test_folding_loses_nothing_and_fits(text, width):
    folded = fold(Text(text), width)
    assert "".join(row.plain for row in folded) == text
    assert all(cell_len(row.plain) <= width for row in folded)


def test_colours_change_no_character():
    source = 'class A:\n\tdef f(self):\n\t\t"""Doc\n\n  doc"""\n\t\treturn "\\x1b"  # é\n' * 60
    for path in ("x.py", "Makefile", "x.unknown", "x.md", "x.json"):
        lines = preview_lines(preview("diff", unified_diff(path, None, source), path))
        plain = [row.text.plain for row in rows(lines, "", 200)]
        assert [row.text.plain for row in rows(lines, path, 200)] == plain
    styled = next(rows(lines, "x.py", 200)).text
    assert styled.spans


def test_the_header_names_what_the_change_is():
    console = Console(file=io.StringIO(), width=200)

    def said(before, after):
        shown = preview("diff", unified_diff("x.py", before, after))
        for row in header(shown, "write_file", preview_lines(shown), 100):
            console.print(row)
        return console.file.getvalue()

    assert "T1 · write_file · x.py · new file  +2 −0 ─" in said(None, "a\nb\n")
    assert "changes a file  +1 −1" in said("a\n", "b\n")
    assert "deletes the file  +0 −1" in said("a\n", None)


def test_a_screen_of_a_huge_change_is_quick():
    source = "".join(f"def f{number}(a, b):\n    return a + {number}\n" for number in range(50_000))
    shown = preview("diff", unified_diff("x.py", None, source))
    list(rows(preview_lines(preview("text", "warm up")), "x.py", 80))
    began = time.process_time()
    lines = preview_lines(shown)
    taken = [row for row, _ in zip(rows(lines, "x.py", 80), range(60), strict=False)]
    assert len(taken) == 60
    assert time.process_time() - began < 2  # 100,000 lines; coloured whole it takes tens of seconds
