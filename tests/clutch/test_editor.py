"""What ends a typed line: Enter, Esc, something found meanwhile, and the signals that end the program."""

from __future__ import annotations

import os
import pty
import signal
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

import pytest

from conductor.clutch.editor import ask_line
from conductor.errors import Terminated

# Where prompt-toolkit's own handler of exceptions is called, a coroutine of it is left behind: it would wait for Enter.
pytestmark = pytest.mark.filterwarnings("error")


class Found(Exception):
    pass


class Terminal:
    """A pseudo-terminal: its keyboard, and a question asked in it."""

    def __init__(self, keyboard: int, inside: int, opened: ExitStack) -> None:
        self.keyboard = keyboard
        self._stdin = opened.enter_context(os.fdopen(os.dup(inside), encoding="utf-8"))
        self._stdout = opened.enter_context(os.fdopen(os.dup(inside), "w", encoding="utf-8"))

    def ask(self, look: Callable[[], None] | None) -> str | None:
        return ask_line("why? ", self._stdin, self._stdout, look)

    def type(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)


@pytest.fixture
def terminal() -> Generator[Terminal]:
    keyboard, inside = pty.openpty()
    with ExitStack() as opened:
        opened.callback(os.close, keyboard)
        opened.callback(os.close, inside)
        yield Terminal(keyboard, inside, opened)


@contextmanager
def heard(*signals: int) -> Generator[None]:
    """As the command line hears them."""

    def end(signum: int, frame: object) -> None:
        raise Terminated

    before = {signum: signal.signal(signum, end) for signum in signals}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def once(action: Callable[[], None]) -> Callable[[], None]:
    actions = [action]
    return lambda: actions.pop()() if actions else None


def test_a_line(terminal: Terminal) -> None:
    assert terminal.ask(once(lambda: terminal.type(b"not asked for\r"))) == "not asked for"


def test_esc_gives_it_up(terminal: Terminal) -> None:
    assert terminal.ask(once(lambda: terminal.type(b"no\x1b"))) is None


def test_what_is_found_meanwhile_comes_out(terminal: Terminal) -> None:
    def look() -> None:
        raise Found

    with pytest.raises(Found):
        terminal.ask(look)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_looking_ends_it(terminal: Terminal, signum: signal.Signals) -> None:
    """There the event loop would keep what a handler raises, and wait for a key."""
    with heard(signum):
        with pytest.raises(Terminated):
            terminal.ask(once(lambda: os.kill(os.getpid(), signum)))
        with pytest.raises(Terminated):  # the handler of before is back
            os.kill(os.getpid(), signum)


def test_a_signal_with_the_answer_still_ends_the_program(terminal: Terminal) -> None:
    def both() -> None:
        terminal.type(b"yes\r")
        os.kill(os.getpid(), signal.SIGTERM)

    with heard(signal.SIGTERM), pytest.raises(Terminated):
        terminal.ask(once(both))


def test_a_signal_that_is_ignored_stays_so(terminal: Terminal) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def both() -> None:
            os.kill(os.getpid(), signal.SIGHUP)
            terminal.type(b"yes\r")

        assert terminal.ask(once(both)) == "yes"
    finally:
        signal.signal(signal.SIGHUP, before)
