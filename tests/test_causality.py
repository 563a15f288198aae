from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from conductor.causality import Basis, VectorClock, staleness

NODES = st.sampled_from(["engine@a", "engine@b", "cli@a"])
CLOCKS = st.dictionaries(NODES, st.integers(0, 3)).map(VectorClock)


@given(CLOCKS, CLOCKS, CLOCKS)
def test_happens_before_is_a_strict_partial_order(a: VectorClock, b: VectorClock, c: VectorClock) -> None:
    assert not a.happens_before(a)
    assert not (a.happens_before(b) and b.happens_before(a))
    if a.happens_before(b) and b.happens_before(c):
        assert a.happens_before(c)


@given(CLOCKS, CLOCKS)
def test_two_clocks_are_equal_ordered_or_concurrent(a: VectorClock, b: VectorClock) -> None:
    assert [a == b, a.happens_before(b), b.happens_before(a), a.concurrent(b)].count(True) == 1
    assert a.concurrent(b) == b.concurrent(a)


@given(CLOCKS, CLOCKS, CLOCKS)
def test_merge_is_the_least_clock_above_both(a: VectorClock, b: VectorClock, c: VectorClock) -> None:
    both = a.merge(b)
    assert both.knows(a) and both.knows(b)
    if c.knows(a) and c.knows(b):
        assert c.knows(both)
    assert both == b.merge(a) and a.merge(a) == a
    assert a.merge(b.merge(c)) == both.merge(c)


@given(CLOCKS, NODES)
def test_a_tick_comes_after_and_adds_one(clock: VectorClock, node: str) -> None:
    later = clock.tick(node)
    assert clock.happens_before(later)
    assert later.counts.get(node, 0) == clock.counts.get(node, 0) + 1
    assert {**later.counts, node: 0} == {**clock.counts, node: 0}


def test_nodes_that_were_never_heard_of_make_no_difference() -> None:
    assert VectorClock({"a": 1, "b": 0}) == VectorClock({"a": 1})
    assert hash(VectorClock({"b": 2, "a": 1})) == hash(VectorClock({"a": 1, "b": 2}))


def test_a_clock_does_not_change() -> None:
    counts = {"a": 1}
    clock = VectorClock(counts)
    counts["a"] = 5
    assert clock == VectorClock({"a": 1})
    with pytest.raises(TypeError):
        clock.counts["a"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError):
        clock.counts = {}  # type: ignore[misc]
    with pytest.raises(ValueError, match="below 0"):
        VectorClock({"a": -1})


@given(st.lists(NODES, min_size=1, max_size=12), st.data())
def test_a_report_is_fresh_exactly_while_the_code_is_as_its_writer_knew_it(
    changes: list[str], data: st.DataObject
) -> None:
    """Changes by several nodes, each of which has seen those before; a report by one that saw the first `seen`."""
    code = [Basis()]
    for sequence, node in enumerate(changes, 1):
        code.append(Basis(sequence, code[-1].clock.tick(node), sequence))
    seen = data.draw(st.integers(0, len(changes)))
    report = replace(code[seen], clock=code[seen].clock.tick("cli@b"), sequence=data.draw(st.integers(seen, 20)))

    for version, now in enumerate(code):
        assert (staleness(report, now) == "") == (version == seen)


@given(CLOCKS, CLOCKS, st.integers(0, 3))
def test_of_two_that_counted_to_the_same_version_only_what_knows_the_change_is_fresh(
    report: VectorClock, change: VectorClock, version: int
) -> None:
    found = staleness(Basis(version, report, 9), Basis(version, change, 1))
    if report.counts and change.counts:
        assert (found == "") == report.knows(change)


@given(st.integers(1, 9), st.integers(1, 9))
def test_without_clocks_the_order_in_the_journal_decides(said: int, changed: int) -> None:
    assert (staleness(Basis(1, sequence=said), Basis(1, sequence=changed)) == "") == (said >= changed)
