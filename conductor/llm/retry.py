"""Trying again after failures that may pass, and only after those."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from conductor.errors import FailedRequest, ModelError, TransientModelError
from conductor.llm.base import Model
from conductor.messages import Completion, Message, ToolSpec

OnRetry = Callable[[int, float, TransientModelError], None]


def _say_nothing(attempt: int, wait_s: float, error: TransientModelError) -> None:
    """The default of `on_retry`."""


class Retrying:
    """A model that asks the one it holds again when that fails with a `TransientModelError`.

    Waits are exponential with full jitter, between 1 and 30 seconds
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), never shorter than the provider asked
    for. A provider that asks for more than `longest_wait_s` ends it at once, no attempt begins more than
    `give_up_after_s` after the first, and an error may allow for fewer `attempts` itself.
    `on_retry(attempt, wait_s, error)` is told before each wait, attempts from 1.
    """

    def __init__(
        self,
        model: Model,
        *,
        attempts: int = 6,
        longest_wait_s: float = 120.0,
        give_up_after_s: float = 900.0,
        on_retry: OnRetry = _say_nothing,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = model.name
        self._model = model
        self._attempts = attempts
        self._longest_wait_s = longest_wait_s
        self._give_up_after_s = give_up_after_s
        self._on_retry = on_retry
        self._sleep = sleep or time.sleep
        self._clock = clock

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """As `Model.complete`; the last attempt's error is raised when none of them worked."""
        end = self._clock() + self._give_up_after_s
        failed: list[FailedRequest] = []
        while True:
            attempt = len(failed) + 1
            try:
                completion = self._model.complete(messages, tools)
                return replace(completion, attempts=attempt, failed=tuple(failed))
            except ModelError as error:
                wait_s = self._wait(error, attempt, end)
                failed.append(FailedRequest(str(error), error.about.get("request", ""), wait_s))
                if wait_s is None or not isinstance(error, TransientModelError):
                    error.failed = tuple(failed)
                    raise
                self._on_retry(attempt, wait_s, error)
                self._sleep(wait_s)

    def _wait(self, error: ModelError, attempt: int, end: float) -> float | None:
        """Return how long to wait before asking again; None: that is of no use."""
        if not isinstance(error, TransientModelError) or attempt >= min(self._attempts, error.attempts or attempt + 1):
            return None
        wait_s = max(_backoff(attempt), error.retry_after or 0.0)
        return None if wait_s > self._longest_wait_s or self._clock() + wait_s > end else wait_s


def _backoff(attempt: int) -> float:
    return random.uniform(1.0, min(30.0, 2.0**attempt))
