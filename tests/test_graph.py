from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.graph import PlanMistake, find_cycles, plan_mistakes

graphs = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=30).map(
        lambda edges: (n, edges)
    )
)


@given(graphs)
def test_breaking_every_reported_cycle_leaves_none(graph: tuple[int, list[tuple[int, int]]]) -> None:
    n, edges = graph
    successors = {str(i): [str(b) for a, b in edges if a == i] for i in range(n)}
    cycles = list(find_cycles(successors))
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(b in successors[a] for a, b in pairwise(cycle))
    broken = {cycle[-2:] for cycle in cycles}
    rest = {a: {b for b in bs if (a, b) not in broken} for a, bs in successors.items()}
    while rest:  # Kahn: a graph without cycles can be taken apart leaf by leaf
        leaves = [a for a, bs in rest.items() if not bs]
        assert leaves
        rest = {a: bs.difference(leaves) for a, bs in rest.items() if a not in leaves}


def test_a_plan_without_mistakes_has_none() -> None:
    assert list(plan_mistakes([("T2", ["T1"]), ("T1", []), ("T3", ["T1", "T2", "T1"])])) == []


def test_every_mistake_is_found_and_says_where() -> None:
    plan = [("T1", ["T1", "T2"]), ("T2", ["T9", "T3", "T9"]), ("T3", ["T2"]), ("T1", [])]
    assert list(plan_mistakes(plan)) == [
        PlanMistake(3, "two tickets have the id T1"),
        PlanMistake(1, "T2 depends on T9, which is not in this track", "T9"),
        PlanMistake(0, "T1 depends on itself", "T1"),
        PlanMistake(1, "dependencies form a cycle: T2 -> T3 -> T2", "T3"),
    ]


@pytest.mark.parametrize(
    ("tickets", "shown"),
    [
        (11, "T0 -> T1 -> T2 -> T3 -> T4 -> T5 -> T6 -> T7 -> T8 -> T9 -> T10 -> T0"),
        (12, "T0 -> T1 -> T2 -> T3 -> T4 -> T5 -> ... -> T8 -> T9 -> T10 -> T11 -> T0"),
    ],
)
def test_a_long_cycle_is_shown_in_short(tickets: int, shown: str) -> None:
    plan = [(f"T{number}", [f"T{(number + 1) % tickets}"]) for number in range(tickets)]
    assert [mistake.message for mistake in plan_mistakes(plan)] == [f"dependencies form a cycle: {shown}"]
