from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.errors import ModelError, TransientModelError
from conductor.llm.retry import Retrying
from conductor.messages import Completion, Message, ToolSpec


class Flaky:
    """Fails with the given errors, one a call, then answers."""

    name = "flaky"

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return Completion("fine")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def passing(retry_after: float | None = None) -> TransientModelError:
    return TransientModelError("429 from somewhere", retry_after=retry_after)


def test_what_may_pass_is_tried_again_and_each_wait_is_told() -> None:
    clock, told = Clock(), list[tuple[int, float, str]]()
    flaky = Flaky(passing(), passing())
    model = Retrying(
        flaky, sleep=clock.sleep, clock=clock, on_retry=lambda n, wait, error: told.append((n, wait, str(error)))
    )
    assert model.complete([], []).text == "fine"
    assert model.name == "flaky"
    assert flaky.calls == 3
    assert told == [(1, clock.waits[0], "429 from somewhere"), (2, clock.waits[1], "429 from somewhere")]


def test_six_attempts_and_the_last_error() -> None:
    clock = Clock()
    flaky = Flaky(*[passing() for _ in range(9)])
    last = flaky.errors[5]
    with pytest.raises(TransientModelError) as caught:
        Retrying(flaky, sleep=clock.sleep, clock=clock).complete([], [])
    assert caught.value is last
    assert (flaky.calls, len(clock.waits)) == (6, 5)


def test_an_error_may_allow_for_fewer_attempts() -> None:
    clock = Clock()
    flaky = Flaky(*[TransientModelError("nothing listens there", attempts=3) for _ in range(9)])
    with pytest.raises(TransientModelError):
        Retrying(flaky, sleep=clock.sleep, clock=clock).complete([], [])
    assert (flaky.calls, len(clock.waits)) == (3, 2)


@pytest.mark.parametrize("error", [ModelError("401"), KeyboardInterrupt(), ValueError("a bug")])
def test_nothing_else_is_tried_again(error: BaseException) -> None:
    clock, flaky = Clock(), Flaky(error)
    with pytest.raises(type(error)):
        Retrying(flaky, sleep=clock.sleep, clock=clock).complete([], [])
    assert (flaky.calls, clock.waits) == (1, [])


@given(st.lists(st.none() | st.floats(0, 120), min_size=5, max_size=5))
def test_waits_stay_in_their_bounds_and_never_undercut_the_provider(asked: list[float | None]) -> None:
    clock = Clock()
    Retrying(Flaky(*map(passing, asked)), sleep=clock.sleep, clock=clock, give_up_after_s=1e9).complete([], [])
    for n, (wait, wanted) in enumerate(zip(clock.waits, asked, strict=True), 1):
        assert max(1.0, wanted or 0.0) <= wait <= max(30.0, wanted or 0.0)
        assert wait <= max(2.0**n, wanted or 0.0)


def test_a_provider_that_asks_for_an_hour_ends_it_at_once() -> None:
    clock, flaky = Clock(), Flaky(passing(3600))
    with pytest.raises(TransientModelError):
        Retrying(flaky, sleep=clock.sleep, clock=clock).complete([], [])
    assert (flaky.calls, clock.waits) == (1, [])


def test_slow_failures_end_with_the_time_that_was_given() -> None:
    clock = Clock()

    class Slow(Flaky):
        def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
            clock.now += 600
            return super().complete(messages, tools)

    slow = Slow(*[passing() for _ in range(6)])
    with pytest.raises(TransientModelError):
        Retrying(slow, sleep=clock.sleep, clock=clock, give_up_after_s=900).complete([], [])
    assert slow.calls == 2
