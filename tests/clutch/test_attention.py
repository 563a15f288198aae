from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conductor.clutch.attention import Attention
from conductor.events.calls import MAX_LOOK_S


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def looked(*steps: tuple[float, str]) -> float:
    """Return what counts when after so many seconds each of these happened."""
    clock = Clock()
    attention = Attention(clock)
    for seconds, what in steps:
        clock.now += seconds
        getattr(attention, what)()
    return attention.seconds


def test_the_time_between_things_done_counts_and_absences_do_not() -> None:
    assert looked((5, "acted"), (3, "acted")) == 8
    assert looked((5, "acted"), (600, "back"), (3, "acted")) == 8
    assert looked((600, "back"), (2, "acted")) == 2
    assert looked((9_000, "acted"), (1, "acted")) == MAX_LOOK_S + 1
    assert looked() == looked((50, "back")) == 0


@given(st.lists(st.tuples(st.floats(0, 1e5), st.sampled_from(("acted", "back")))))
def test_it_is_never_more_than_the_time_there_was_nor_than_each_stretch_may_count(
    steps: list[tuple[float, str]],
) -> None:
    there = sum(seconds for seconds, what in steps if what == "acted")
    most = MAX_LOOK_S * sum(what == "acted" for _, what in steps)
    assert 0 <= looked(*steps) <= min(there, most) + 1e-6
