"""One line at the bottom of a terminal that shows what is going on right now."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from typing import TextIO

from conductor.visible import visible, width

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_S = 0.1
_ERASE = "\r\x1b[2K"


class LiveLine:
    """Shows a text with a spinner and the seconds since, redrawn by a thread until it is hidden.

    It never hides the cursor or changes a terminal mode, so a killed process leaves nothing behind but the line.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._wanted = threading.Event()  # something is to be shown, or the thread is to end
        self._text = ""
        self._since = 0.0
        self._drawn = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def show(self, text: str) -> None:
        """Show `text` from the next frame on; the clock starts at zero."""
        with self._lock:
            self._text, self._since = visible(text, one_line=True), time.monotonic()
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._redraw, name="live line", daemon=True)
                self._thread.start()
        self._wanted.set()

    def hide(self) -> None:
        """Take the line away; on return nothing of it is on the screen and nothing more is drawn."""
        with self._lock:
            self._text = ""
            self._wanted.clear()
            if self._drawn:
                self._drawn = False
                self._out.write(_ERASE)
                self._out.flush()

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
        seconds = time.monotonic() - self._since
        line = f"{frame} {self._text} · {seconds:.0f} s"
        columns = os.get_terminal_size(self._out.fileno()).columns
        while width(line) >= columns > 0:
            line = line[:-1]
        self._drawn = True
        self._out.write(f"{_ERASE}\x1b[2m{line}\x1b[0m")
        self._out.flush()
