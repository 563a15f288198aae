"""What a worker says, shown while it says it."""

from __future__ import annotations

import fcntl
import io
import struct
import termios
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from conductor.display import TerminalDisplay
from conductor.display.live import LiveLine, last_rows
from conductor.display.speech import Speech
from conductor.errors import FailedRequest
from conductor.visible import is_suspect, width
from tests.bench import DONE, Bench, ListModel
from tests.display.test_display import Screen

TEXT = """# Plan

I look at **it**, then <b>write</b> `a < b`.

- one
- two

```python
def f():

    return 1
```
The end"""


def shown(*pieces: str, cut_off: bool = False) -> str:
    out = io.StringIO()
    speech = Speech(Console(file=out, width=60, markup=False), LiveLine(io.StringIO()))
    for piece in pieces:
        speech.hear(piece)
    speech.end(cut_off=cut_off)
    return out.getvalue()


def test_markdown_is_rendered_and_markup_of_html_shown_as_it_is() -> None:
    lines = [line.strip() for line in shown(TEXT).splitlines() if line.strip()]
    assert lines == [
        "Plan",
        "I look at it, then <b>write</b> a < b.",
        "• one",
        "• two",
        "def f():",
        "return 1",
        "The end",
    ]


@given(st.data())
def test_it_is_the_same_however_it_is_cut_into_pieces(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(TEXT)), max_size=12)))
    pieces = [TEXT[start:end] for start, end in zip([0, *cuts], [*cuts, len(TEXT)], strict=True)]
    assert shown(*pieces) == shown(TEXT)


@given(st.text(st.sampled_from("ab `*_#-<>&[]()!|1.\n\t~\x1b[2J\u202e\u200b\x07\ud800")))
def test_nothing_in_it_controls_the_terminal(text: str) -> None:
    assert not is_suspect(shown(text))


def test_blocks_are_printed_when_they_are_whole() -> None:
    out = io.StringIO()
    speech = Speech(Console(file=out, width=60, markup=False), LiveLine(io.StringIO()))
    speech.hear("One.\n\nTwo")
    assert out.getvalue().split() == ["One."]
    assert speech._unfinished() == "Two"
    speech.hear(" and\n\n```\ncode\n\nmore")
    assert out.getvalue().split() == ["One.", "Two", "and"]
    assert speech._unfinished() == "```\ncode\n\nmore"
    speech.hear("\n```\n")
    assert out.getvalue().split() == ["One.", "Two", "and", "code", "more"]


def test_an_answer_that_was_cut_off_is_marked_as_none() -> None:
    assert "[cut off: this is no answer]" in shown("Half of", cut_off=True)
    assert shown("", cut_off=False) == ""


@given(st.text(st.sampled_from("abc世\u0301 \n\t"), max_size=200), st.integers(3, 30), st.integers(1, 6))
def test_the_last_rows_fit_the_screen(text: str, columns: int, most: int) -> None:
    rows = last_rows(text, columns, most)
    assert len(rows) <= most
    assert all(width(row) <= columns for row in rows)


def test_last_rows_are_the_end_of_the_text() -> None:
    assert last_rows("a\nbcdefgh", 5, 3) == ["a", "bcde", "fgh"]
    assert last_rows("a\nbcdefgh", 5, 1) == ["fgh"]
    assert last_rows("", 5, 3) == [] == last_rows("abc", 5, 0)


@pytest.fixture
def screen() -> Screen:
    screen = Screen()
    fcntl.ioctl(screen.out.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return screen


def test_the_display_shows_an_answer_once_and_leaves_nothing_behind(tmp_path: Path, screen: Screen) -> None:
    from conductor.models import Ticket

    display = TerminalDisplay(screen.out, {})
    seen: list[str] = []

    class Speaking(ListModel):
        def complete(self, messages: object, tools: object) -> object:  # type: ignore[override]
            display.on_text("It is ")
            seen.append(screen.settled())
            with display.aside(cut_off=True):
                screen.out.write("TRY AGAIN\n")
            display.on_text("It is done.")
            seen.append(screen.settled())
            said = super().complete(messages, tools)  # type: ignore[arg-type]
            return replace(said, attempts=2, failed=(FailedRequest("the answer was cut off", "", 1.0),))

    (tmp_path / "a.py").write_text("")
    bench = Bench(tmp_path, lambda: [Ticket("T1", "Title", "a.py", "Do it.")], Speaking({"T1": [DONE]}))
    bench.heard = type("Heard", (list,), {"append": lambda self, event: display(event)})()
    bench.engine().run()
    display.close()
    assert "   It is \r\n" in seen[0] and "worker thinking" in seen[0], "above the live line, as it comes"
    last = screen.settled()
    before, _, after = last.partition("TRY AGAIN")
    assert "cut off" in before and "cut off" not in after, "the second try was an answer"
    printed = last.split("TRY AGAIN")[1].rpartition("\x1b[1A\x1b[2K")[2]
    assert printed.count("It is done.") == 1 and "completed" in printed
