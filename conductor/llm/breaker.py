"""Not asking a provider that has stopped answering: after some failures in a row requests fail at once, for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from conductor.errors import ModelError, TransientModelError
from conductor.llm.base import Model
from conductor.messages import Completion, Message, ToolSpec

FAILURES = 6  # as many as one question has attempts: the first one to fail is tried to its end
PAUSE_S = 30.0


class Breaker:
    """Whether one model at one address may be asked. Threads share it; no lock is held while a request is under way.

    It opens after `failures` requests in a row that failed with a `TransientModelError`. When `pause_s` seconds are
    over one request is let through: it closes the breaker, or opens it for another pause.
    """

    def __init__(
        self, *, failures: int = FAILURES, pause_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._shut_until = 0.0  # when the next probe may begin

    def enter(self, name: str) -> None:
        """Let a request through, or raise `ModelError`, which nobody tries again, saying for how long not."""
        with self._lock:
            if self._failures < self._most:
                return
            left = self._shut_until - self._clock()
            if left > 0:
                raise ModelError(
                    f"{name} failed {self._failures} times in a row and is not asked for another {left:.0f} s",
                    hint="Run again later: it goes on where it stopped.",
                )
            self._shut_until = self._clock() + self._pause_s  # this request is the probe; others wait for it

    def passed(self) -> None:
        """Note that the provider answered, be it with a refusal."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """Note a failure that may pass."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._most:
                self._shut_until = self._clock() + self._pause_s


class Breakers:
    """The breakers of a run: one for each model and address, shared by everybody who asks it."""

    def __init__(self) -> None:
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def of(self, name: str, address: str) -> Breaker:
        """Return the breaker of the model called `name` at `address`, "" for its provider's own."""
        return self._breakers.setdefault((name, address), Breaker())


class Breaking:
    """A model that asks the one it holds only while its breaker lets it."""

    def __init__(self, model: Model, breaker: Breaker) -> None:
        self.name = model.name
        self._model = model
        self._breaker = breaker

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """As `Model.complete`; a `ModelError` at once while the breaker is open."""
        self._breaker.enter(self.name)
        try:
            completion = self._model.complete(messages, tools)
        except TransientModelError:
            self._breaker.failed()
            raise
        except ModelError:
            self._breaker.passed()
            raise
        self._breaker.passed()
        return completion
