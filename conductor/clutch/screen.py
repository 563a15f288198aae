"""A person's terminal: rows that are printed, questions that are answered by a key or a line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import TextIO

from rich.console import Console
from rich.text import Text

from conductor.clutch.attention import Attention, on_continue
from conductor.clutch.editor import NoEditor, ask_line, edit_in_editor, edit_inline
from conductor.clutch.elsewhere import AnsweredElsewhere
from conductor.clutch.keys import KeyReader, as_found
from conductor.clutch.render import Row, fold
from conductor.visible import visible

_KEY = re.compile(r"(?:^|(?<=· ))(\S|space)(?= )")  # in a question, what is to be pressed


class Screen:
    """What is written to, and asked of, the person at a terminal; `stdin` and `stdout` must be one."""

    def __init__(self, stdin: TextIO, stdout: TextIO) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._console = Console(file=stdout, highlight=False, markup=False, emoji=False)
        self._keys = KeyReader(stdin, stdout, escapes=not self._console.is_dumb_terminal)
        self.status: Callable[[], str] = lambda: ""  # what is good to know while a call waits
        self.attention = Attention()
        self.look: Callable[[], None] | None = None  # called now and then while a key is waited for; it may raise

    @property
    def width(self) -> int:
        """How many cells a row has now."""
        return self._console.width

    @property
    def height(self) -> int:
        """How many rows there are now."""
        return self._console.height

    def print(self, *lines: Text) -> None:
        """Print rows that fit."""
        for line in lines:
            self._console.print(line, soft_wrap=True)

    def say(self, message: str, style: str) -> None:
        """Print a message, whatever is in it."""
        self.print(*fold(Text(visible(message, one_line=True), style=style), self.width))

    def page(self, source: Iterator[Row], room: int) -> tuple[Row | None, Iterator[Row]]:
        """Print up to `room` rows; return the first that was not, and the iterator from it on."""
        self.print(*(row.text for row in islice(source, room)))
        hidden = next(source, None)
        return hidden, source if hidden is None else chain([hidden], source)

    def ask(self, question: str) -> str:
        """Return the next key; the question is gone afterwards."""
        text = Text(question, style="dim")
        text.highlight_regex(_KEY, "bold not dim")
        if text.cell_len >= self.width:
            text = Text(" ".join(match[1] for match in _KEY.finditer(question)), style="bold")
        text.append(" ")
        try:
            return self._keys.read(lambda: self._console.print(text, end="", soft_wrap=True), self.look, self.attention)
        finally:
            self._stdout.write("\n" if self._console.is_dumb_terminal else "\r\x1b[2K")
            self._stdout.flush()

    def choose(self, question: str, *, yes: str, no: str) -> bool:
        """Ask until one of two keys is pressed; Escape means no."""
        while (key := self.ask(question)) not in (yes, no, "escape"):
            pass
        return key == yes

    def pick(self, question: str, *keys: str) -> str:
        """Ask until one of the keys is pressed and return it, "" for x or Escape."""
        while (key := self.ask(question)) not in (*keys, "x", "escape"):
            pass
        return key if key in keys else ""

    def line(self, question: str) -> str | None:
        """Return what the person typed behind `question`, None when they gave up."""
        with self._typing():
            return ask_line(question, self._stdin, self._stdout, self.look)

    def edited(self, text: str) -> str | None:
        """Return `text` as the person left it in their editor, or in one right here; None when they gave up."""
        with self._typing():
            try:
                return edit_in_editor(text, os.environ)
            except NoEditor as error:
                self.say(f"{error}: edit it here. Esc Enter or Ctrl-D accepts, Ctrl-C gives up.", "yellow")
                return edit_inline(text, self._stdin, self._stdout, self.look)

    @contextmanager
    def _typing(self) -> Generator[None]:
        """Have it said when what is typed comes too late; nobody interrupts an editor of the person's own."""
        try:
            with as_found(self._stdin), on_continue(self.attention.back):
                yield
            self.attention.acted()
            if self.look:
                self.look()
        except AnsweredElsewhere:
            self.say("Answered in another terminal meanwhile: what you typed here is not used.", "yellow")
            raise
