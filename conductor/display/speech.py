"""What a worker says, while it says it: markdown, block by block, and what is not a whole block yet as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conductor.display.live import INDENT, LiveLine
from conductor.visible import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.markdown import Markdown

_FENCES = ("```", "~~~")
_TAIL = 20


class Speech:
    """One answer after the other, heard piece by piece.

    A block (a paragraph, a list, code between fences) is printed for good once it is whole. Nothing a model says
    reaches the terminal but through `visible`.
    """

    def __init__(self, console: Console, live: LiveLine) -> None:
        self._console = console
        self._live = live
        self._lines: list[str] = []  # whole lines of the block that is not
        self._line: list[str] = []  # pieces of the line that is not
        self._fence = ""
        self.heard = False  # something of this answer has arrived

    def hear(self, text: str) -> None:
        """Take the next piece of the answer."""
        self.heard = True
        first, *more = text.split("\n")
        self._line.append(first)
        for piece in more:
            self._end_line()
            self._line.append(piece)
        self._live.put_above(self._unfinished)

    def end(self, *, cut_off: bool = False) -> None:
        """Print what is left of the answer; `cut_off` says that it is none."""
        if self.heard:
            self._end_line()
            self._print_block()
            if cut_off:
                with self._live.aside():
                    self._console.print(INDENT + "[cut off: this is no answer]", style="yellow")
        self._fence, self.heard = "", False

    def _end_line(self) -> None:
        line = "".join(self._line)
        self._line.clear()
        mark = line.strip()[:3]
        closes = bool(self._fence) and mark == self._fence
        if closes or not self._fence:
            self._fence = mark if mark in _FENCES and not closes else ""
        self._lines.append(line)
        if closes or (not self._fence and not line.strip()):
            self._print_block()

    def _print_block(self) -> None:
        text = visible("\n".join(self._lines))
        self._lines.clear()
        self._live.put_above(None)
        if not text.strip():
            return
        from rich.padding import Padding

        with self._live.aside():
            self._console.print(Padding(_markdown(text), (0, 0, 0, len(INDENT))))

    def _unfinished(self) -> str:
        """Return the end of the block that is not whole, for the thread of the live line."""
        return visible("\n".join([*self._lines[-_TAIL:], "".join(self._line)]))


def _markdown(text: str) -> Markdown:
    """Return `text` rendered; markup of HTML, which a terminal has no use for, is shown as it stands."""
    from markdown_it import MarkdownIt
    from rich.markdown import Markdown

    markdown = Markdown("", code_theme="ansi_dark", hyperlinks=False)
    markdown.parsed = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).parse(text)
    return markdown
