"""How long a person looked at a call: measured by what they do, not by how long the question stood there."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Generator

from conductor.events.calls import MAX_LOOK_S


class Attention:
    """Adds up the time from one thing a person does to the next: keys, lines, what they edit.

    Of each stretch no more than `MAX_LOOK_S` counts, and none of it when they were away: the program was stopped, or
    the machine was (the clock stands still then).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self.seconds = 0.0

    def acted(self) -> None:
        """Note that the person did something: they have looked since they last did."""
        now = self._clock()
        self.seconds += min(now - self._since, MAX_LOOK_S)
        self._since = now

    def back(self) -> None:
        """Note that the person was away until now."""
        self._since = self._clock()


@contextlib.contextmanager
def on_continue(tell: Callable[[], object]) -> Generator[None]:
    """Have `tell` called when the process is continued after a stop. Signals reach the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def wake(signum: int, frame: object) -> None:
        del signum, frame
        tell()

    before = signal.signal(signal.SIGCONT, wake)
    try:
        yield
    finally:
        signal.signal(signal.SIGCONT, before)
