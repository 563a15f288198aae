"""The bottom of a terminal, where it is shown what is going on right now."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Generator
from typing import TextIO

from conductor.visible import visible, width

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_S = 0.1
_ERASE = "\r\x1b[2K"
_UP = "\x1b[1A\x1b[2K"
INDENT = "   "
_MOST_ROWS = 10
_ROWS_LEFT_ALONE = 4


class LiveLine:
    """Shows a text with a spinner and the seconds since, redrawn by a thread until it is hidden.

    Above it may stand the end of a longer text that is still arriving. It never hides the cursor or changes a terminal
    mode, so a killed process leaves nothing behind but these lines.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.RLock()
        self._wanted = threading.Event()  # something is to be shown, or the thread is to end
        self._text = ""
        self._above: Callable[[], str] | None = None
        self._since = 0.0
        self._drawn = 0  # rows on the screen
        self._closed = False
        self._thread: threading.Thread | None = None

    def show(self, text: str) -> None:
        """Show `text` from the next frame on; the clock starts at zero."""
        with self._lock:
            self._text, self._above, self._since = visible(text, one_line=True), None, time.monotonic()
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._redraw, name="live line", daemon=True)
                self._thread.start()
        self._wanted.set()

    def put_above(self, text: Callable[[], str] | None) -> None:
        """Show the end of what `text` returns, which must be display-safe, above the line from the next frame on."""
        self._above = text

    def hide(self) -> None:
        """Take the line away; on return nothing of it is on the screen and nothing more is drawn."""
        with self._lock:
            self._text, self._above = "", None
            self._wanted.clear()
            self._erase()

    @contextlib.contextmanager
    def aside(self) -> Generator[None]:
        """Leave the screen to others for a moment; what is shown comes back with the next frame."""
        with self._lock:
            self._erase()
            yield

    def close(self) -> None:
        """Take the line away for good and end the thread."""
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone needs no cleaning
            self.hide()
        self._closed = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _redraw(self) -> None:
        for frame in itertools.cycle(_FRAMES):
            self._wanted.wait()
            time.sleep(_FRAME_S)  # before the first frame too: what is over sooner is not worth a flicker
            if self._closed:
                return
            with self._lock, contextlib.suppress(OSError, ValueError):
                if self._text:
                    self._draw(frame)

    def _draw(self, frame: str) -> None:
        columns, rows = os.get_terminal_size(self._out.fileno())
        seconds = time.monotonic() - self._since
        line = f"{frame} {self._text} · {seconds:.0f} s"
        while width(line) >= columns > 0:
            line = line[:-1]
        above = last_rows(
            self._above() if self._above else "", columns - len(INDENT), min(_MOST_ROWS, rows - _ROWS_LEFT_ALONE)
        )
        erased = _UP * (self._drawn - 1)
        self._drawn = len(above) + 1
        self._out.write("".join([_ERASE, erased, *(f"{INDENT}{row}\n" for row in above), f"\x1b[2m{line}\x1b[0m"]))
        self._out.flush()

    def _erase(self) -> None:
        if self._drawn:
            self._out.write(_ERASE + _UP * (self._drawn - 1))
            self._drawn = 0
            self._out.flush()


def last_rows(text: str, columns: int, most: int) -> list[str]:
    """Return the last rows that `text` takes on a screen of so many columns, at most `most` of them."""
    rows: list[str] = []
    if not text or most < 1 or columns < 3:
        return rows
    for line in reversed(text.expandtabs(4).split("\n")):
        rows[:0] = _folded(line, columns - 1)
        if len(rows) >= most:
            break
    return rows[-most:]


def _folded(line: str, room: int) -> list[str]:
    """Return `line` in rows, always broken at the same places, so that text that grows does not jump."""
    if line.isascii():
        return [line[start : start + room] for start in range(0, len(line), room)] or [""]
    rows, used = [""], 0
    for char in line:
        cells = width(char)
        if used + cells > room:
            rows.append("")
            used = 0
        rows[-1] += char
        used += cells
    return rows
