"""Where a view is written: plain to a pipe, and to a terminal in colours and, when it does not fit, through a pager."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from conductor.errors import UsageError
from conductor.visible import visible


class Output:
    """Text for standard output and remarks for standard error. A terminal gets both at `close`, the remarks last."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._shown: list[str] = []
        self._said: list[str] = []

    def write(self, text: str, lexer: str = "python") -> None:
        """Write plain UTF-8 to a pipe; for a terminal, keep text that cannot control it, coloured as `lexer` says."""
        if not self._terminal:
            with _told():
                sys.stdout.buffer.write(text.encode("utf-8", "replace"))
            return
        shown = visible(text)
        self._shown.append(_coloured(shown, lexer) if _wants_colours(os.environ) else shown)

    def say(self, message: str) -> None:
        """Write a line to standard error."""
        if self._terminal:
            self._said.append(message)
            return
        with _told():
            sys.stdout.flush()
        _complain(message)

    def close(self) -> None:
        """Show a terminal what was kept for it."""
        if not self._terminal:
            with _told():
                sys.stdout.flush()
            return
        import shutil

        text = "".join(self._shown)
        if text and not _fits(text, *shutil.get_terminal_size()):
            import pydoc

            # As git does: quit when it fits, keep colours, leave the text on the screen. A LESS of the user's own wins.
            os.environ.setdefault("LESS", "FRX")
            pydoc.pager(text)  # PAGER, else less, else more; plain output where keys cannot be read
        else:
            sys.stdout.write(text)
        sys.stdout.flush()
        for message in self._said:
            _complain(message)


@contextmanager
def _told() -> Generator[None]:
    """Say so when standard output takes no more; a reader that has seen enough is no such case."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"standard output: {error.strerror}", hint="Not all of the view was written.") from error


def _wants_colours(environ: Mapping[str, str]) -> bool:
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _coloured(text: str, lexer: str) -> str:
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console()
    with console.capture() as capture:  # soft_wrap: the terminal breaks long lines, none is cut
        console.print(Syntax("", lexer or "text", theme="ansi_dark").highlight(text), soft_wrap=True, end="")
    return capture.get()


def _fits(text: str, columns: int, rows: int) -> bool:
    """Say whether `text` and the prompt after it fit the screen. Escape sequences take no room."""
    import re

    lines = re.sub(r"\x1b\[[\d;]*m", "", text).split("\n")
    return sum(max(1, -(-len(line) // max(columns, 1))) for line in lines) <= rows


def _complain(message: str) -> None:
    print(visible(message), file=sys.stderr)  # noqa: T201
