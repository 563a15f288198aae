from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.visible import is_suspect, visible, width

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_no_control_or_invisible_character_survives(text: str) -> None:
    shown = visible(text)

    hidden = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")}
    assert hidden <= {"\t", "\n"}
    assert visible(shown) == shown
    assert not is_suspect(shown)
    assert not set(visible(text, one_line=True)) & {"\t", "\n"}


def test_every_format_and_control_character_of_unicode_is_written_out() -> None:
    missed = [
        f"U+{code:04X}"
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        and chr(code) not in "\t\n"
        and not is_suspect(chr(code))
    ]
    assert missed == []


@pytest.mark.parametrize(
    "text",
    [
        "plain ASCII ~!",
        "日本語と漢字",
        "Crème brûlée",
        "🙂🚀",
        "e\u0301",
        "עברית",
        "ไทย",
        "a\tb\nc",
        "привет, мир",
        "ΑΒΓ",
        "Δt = λ_1 · 3 μs",
        "全角　空白",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text
    assert not is_suspect(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2K\rsafe", "␛[2K␍safe"),
        ("\x00\x07\x08\x7f\x0b", "␀␇␈␡<U+000B>"),
        ("привет\np\u0430ypal\n", "привет\np<U+0430>ypal\n"),
        ("a\u202eb", "a<U+202E>b"),
        ("❤\ufe0f", "❤<U+FE0F>"),
        ("👩\u200d💻", "👩<U+200D>💻"),
        ("x\U000e0041", "x<U+E0041>"),
        ("\x9b31m", "<U+009B>31m"),
        ("\ud800", "<U+D800>"),
        ("\u3164", "<U+3164>"),
        ("a\xa0b\u2003c", "a<U+00A0>b<U+2003>c"),
        ("p\u0430ypal", "p<U+0430>ypal"),
        ("if \u0430dmin:", "if <U+0430>dmin:"),
        ("import \u043e\u0455", "import <U+043E><U+0455>"),
        ("\u039fpen and close", "<U+039F>pen and close"),
        ("ｅval(x)", "<U+FF45>val(x)"),
        ("𝐞val(x)", "<U+1D41E>val(x)"),
        ("see URL в тексте, а не тут", "see URL в тексте, а не тут"),
        ("a\u0301\u0430", "a\u0301<U+0430>"),
    ],
)
def test_what_could_fool_a_reader_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_one_line_has_no_line_breaks() -> None:
    assert visible("a\n\tb", one_line=True) == "a⏎⇥b"


@pytest.mark.parametrize(
    ("text", "cells"), [("abc", 3), ("漢字", 4), ("e\u0301", 1), ("1\u20dd", 1), ("ก\u0e31", 1), ("", 0)]
)
def test_width_counts_terminal_cells(text: str, cells: int) -> None:
    assert width(text) == cells
