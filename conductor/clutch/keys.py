"""Single key presses from a terminal, none of them accidental.

A key counts only when it was typed while it was asked for: what was typed ahead is thrown away, and so is whatever
arrives with other characters in one burst (a paste, a cat on the keyboard), except a key followed by Enter alone.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import select
import signal
import termios
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TextIO

from conductor.clutch.attention import Attention, on_continue

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyPress

# Two keys of one hand are further apart than this, the characters of a paste are not.
_BURST_S = 0.03
_LOOK_S = 0.1
_PASTE_MARKS_ON, _PASTE_MARKS_OFF = "\x1b[?2004h", "\x1b[?2004l"


@contextlib.contextmanager
def as_found(terminal: TextIO) -> Generator[None]:
    """Leave the modes of a terminal as they are now, whatever happens within.

    prompt-toolkit leaves them raw where a signal's exception comes while it enters or leaves its own raw mode.
    """
    try:
        before = termios.tcgetattr(terminal)
    except termios.error:
        before = None
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # there is no terminal any more
            if before:
                termios.tcsetattr(terminal, termios.TCSANOW, before)


class KeyReader:
    """Reads keys from `stdin`, a terminal, and leaves it as it was found after each."""

    def __init__(self, stdin: TextIO, stdout: TextIO, *, escapes: bool = True) -> None:
        """With `escapes` the terminal understands escape sequences and is asked to mark what is pasted."""
        self._stdin = stdin
        self._fd = stdin.fileno()
        self._stdout = stdout
        self._escapes = escapes

    def read(self, ask: Callable[[], None], look: Callable[[], None] | None, attention: Attention) -> str:
        """Throw away what was typed so far, call `ask` to show the question, wait for a key, and return it.

        A key is its character, "enter" or "escape"; "" stands for anything that is no single key press, "resumed" for
        a return from Ctrl-Z. Raises KeyboardInterrupt on Ctrl-C and EOFError when the terminal is gone or ended by
        Ctrl-D. `look` is called several times a second while a key is waited for; what it raises ends the wait.
        `attention` is told of keys and of absences.
        """
        with self._continue_signal() as continued:
            with as_found(self._stdin), self._raw():
                ask()
                key = self._next(continued, look)
            if key != "resumed":
                attention.acted()
            if key == "suspend":
                os.kill(0, signal.SIGTSTP)  # the whole job, as the terminal itself would have done
                key = "resumed"
            if key == "resumed":
                attention.back()
            return key

    def _next(self, continued: int, look: Callable[[], None] | None) -> str:
        """Return the first burst of input as a key."""
        from prompt_toolkit.input.vt100_parser import Vt100Parser

        presses: list[KeyPress] = []
        parser = Vt100Parser(presses.append)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while True:
            ready, _, _ = select.select([self._fd, continued], [], [], _LOOK_S if look else None)
            if continued in ready:
                return "resumed"
            if not ready and look:
                look()
                continue
            data = self._read()
            if data == b"\x03":
                raise KeyboardInterrupt  # before the parser, which in the middle of a paste would keep it
            parser.feed(decode(data))
            if select.select([self._fd], [], [], _BURST_S)[0]:
                continue
            parser.flush()
            if presses:
                return _key(presses)

    def _read(self) -> bytes:
        """Return what is there. Raises EOFError when there is no more terminal."""
        try:
            data = os.read(self._fd, 4096)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            raise EOFError
        return data

    @contextlib.contextmanager
    def _raw(self) -> Generator[None]:
        """Hand over every key as it is typed, without echo; pasted text marked where the terminal can."""
        from prompt_toolkit.input.vt100 import raw_mode

        try:
            with raw_mode(self._fd):
                self._write(_PASTE_MARKS_ON)
                try:
                    termios.tcflush(self._fd, termios.TCIFLUSH)
                    yield
                finally:
                    self._write(_PASTE_MARKS_OFF)
        except termios.error as error:
            raise EOFError from error

    def _write(self, sequence: str) -> None:
        if self._escapes:
            self._stdout.write(sequence)
            self._stdout.flush()

    @contextlib.contextmanager
    def _continue_signal(self) -> Generator[int]:
        """Yield a descriptor that becomes readable when the process is continued after a stop from outside.

        The shell has changed the terminal's modes by then, so the key has to be asked for again.
        """
        reader, writer = os.pipe()
        try:
            with on_continue(lambda: os.write(writer, b"c")):
                yield reader
        finally:
            os.close(reader)
            os.close(writer)


def _key(presses: list[KeyPress]) -> str:
    """Return the one key that a burst of key presses means, "" when it means none."""
    names = [str(getattr(press.key, "value", press.key)) for press in presses]
    if len(names) > 1 and all(map(_is_enter, names[1:])):
        del names[1:]
    if "c-c" in names:
        raise KeyboardInterrupt
    if names == ["c-d"]:
        raise EOFError
    if len(names) != 1:
        return ""
    name = names[0]
    return "enter" if _is_enter(name) else {"c-z": "suspend"}.get(name, name if _is_plain(name) else "")


def _is_enter(name: str) -> bool:
    return name in ("c-m", "c-j")


def _is_plain(name: str) -> bool:
    return len(name) == 1 or name == "escape"
