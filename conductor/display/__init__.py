"""What happens, as a person or a program reads it while it happens: listeners of the journal, and the closing table."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, Protocol, TextIO

from conductor import events
from conductor.display.live import LiveLine
from conductor.display.narrator import Line, Narrator
from conductor.display.speech import Speech
from conductor.display.summary import TicketStatistics, money, statistics, summary
from conductor.events import Event, as_dict

if TYPE_CHECKING:
    from rich.text import Text

__all__ = [
    "Display",
    "JsonlDisplay",
    "PlainDisplay",
    "TerminalDisplay",
    "TicketStatistics",
    "make_display",
    "money",
    "statistics",
    "summary",
    "text_of",
]

UsedBefore = Callable[[], Mapping[str, TicketStatistics]]

# Entries that leave the live line as it is.
_QUIET = frozenset({events.CodeChanged.kind, events.ContextBuilt.kind, events.ModelReplied.kind})
_STYLES: Mapping[str, str] = {
    "plain": "",
    "title": "bold",
    "dim": "dim",
    "good": "green",
    "bad": "red",
    "wait": "yellow",
    "hint": "cyan",
}


def text_of(line: Line) -> Text:
    """Return a line in the colours of its role."""
    from rich.text import Text

    ticket = (f"{line.ticket_id} ", "bold") if line.ticket_id else ""
    return Text.assemble(ticket, (line.text, _STYLES[line.role]))


class Display(Protocol):
    """A listener of the journal that shows what it hears; `close` leaves the screen clean.

    `on_text` shows what a worker says while it says it, None where nobody would read that. In `aside` others may write
    to the screen; with `cut_off` what was said so far is no answer. After `still` nothing moves until the next entry.
    """

    @property
    def on_text(self) -> Callable[[str], None] | None: ...

    def __call__(self, event: Event) -> None: ...

    def aside(self, *, cut_off: bool = False) -> AbstractContextManager[None]: ...

    def still(self) -> None: ...

    def close(self) -> None: ...


def make_display(
    kind: Literal["auto", "plain", "jsonl"],
    titles: Mapping[str, str],
    *,
    used_before: UsedBefore | None = None,
    out: TextIO | None = None,
) -> Display:
    """Return the display for `out` (standard output): "auto" has colours and a live line where a terminal shows them.

    `titles` are the tickets' by id; `used_before` says what they used in earlier runs, so that totals go on from there.
    It is asked when the run says that it begins or goes on: it has read its journal then, and need not do so twice.
    """
    stream: TextIO = out or sys.stdout
    if kind == "jsonl":
        return JsonlDisplay(stream)
    if kind == "auto" and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return TerminalDisplay(stream, titles, used_before)
    return PlainDisplay(stream, titles, used_before)


class _Lines:
    """What displays that write whole lines have in common."""

    on_text = None

    def aside(self, *, cut_off: bool = False) -> AbstractContextManager[None]:
        """Nothing is in the way of others."""
        del cut_off
        return nullcontext()

    def still(self) -> None:
        """Nothing moves."""

    def close(self) -> None:
        """Nothing to clean up."""


class JsonlDisplay(_Lines):
    """Every entry as one JSON line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        self._out.write(json.dumps({"type": "event", **as_dict(event)}) + "\n")
        self._out.flush()


class PlainDisplay(_Lines):
    """One short line for each entry worth one, without colours: for pipes, log files and dumb terminals."""

    def __init__(self, out: TextIO, titles: Mapping[str, str], used_before: UsedBefore | None = None) -> None:
        self._out = out
        self._narrator = Narrator(titles, used_before)

    def __call__(self, event: Event) -> None:
        for line in self._narrator.lines(event):
            self._out.write(f"{line.ticket_id} {line.text}\n" if line.ticket_id else f"{line.text}\n")
            self._out.flush()


class TerminalDisplay:
    """The same lines with colours, what workers say as they say it, and a live line while something goes on.

    The live line is gone whenever a call is proposed, so that it never stands where the clutch asks.
    """

    def __init__(self, out: TextIO, titles: Mapping[str, str], used_before: UsedBefore | None = None) -> None:
        from rich.console import Console

        self._console = Console(file=out, highlight=False, markup=False, emoji=False)
        self._narrator = Narrator(titles, used_before, seen="terminal")
        self._live = LiveLine(out)
        self._speech = Speech(self._console, self._live)
        self.on_text = self._speech.hear

    def __call__(self, event: Event) -> None:
        lines = self._narrator.lines(event)
        if self._speech.heard and event.kind != events.RequestFailed.kind:  # those before it come with an answer
            is_answer = event.kind == events.ModelReplied.kind
            self._speech.end(cut_off=not is_answer)
            lines = [] if is_answer else lines  # it has been shown
        if lines or event.kind not in _QUIET:
            self._live.hide()
        if event.kind == events.RunPaused.kind:
            return  # the command itself says why, and how to go on, as its last words
        for line in lines:
            self._console.print(text_of(line), soft_wrap=True)
        if doing := self._narrator.doing(event):
            self._live.show(doing)

    @contextmanager
    def aside(self, *, cut_off: bool = False) -> Generator[None]:
        """Take the live line away while others write to the terminal."""
        if cut_off:
            self._speech.end(cut_off=True)
        with self._live.aside():
            yield

    def still(self) -> None:
        """Take the live line away until the next entry."""
        self._live.hide()

    def close(self) -> None:
        """Take the live line away and end its thread."""
        self._live.close()
