from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor.errors import IllegalTransition, UsageError
from conductor.models import Priority, Ticket, TicketStatus, Track, TrustLevel

S = TicketStatus


def ticket(ticket_id: str, *dependencies: str, priority: Priority = Priority.MEDIUM) -> Ticket:
    return Ticket(ticket_id, f"Do {ticket_id}", "a.py", "Do it.", dependencies=dependencies, priority=priority)


def track(*tickets: Ticket) -> Track:
    return Track("t", "T", "", tickets)


def ids(tickets: list[Ticket]) -> list[str]:
    return [each.id for each in tickets]


# How to bring a lone ticket into each status, and what each method needs and leads to.
PATHS: dict[TicketStatus, tuple[Callable[[Ticket], None], ...]] = {
    S.PENDING: (),
    S.RUNNING: (Ticket.mark_running,),
    S.STEP_PAUSED: (Ticket.mark_running, Ticket.mark_step_paused),
    S.COMPLETED: (Ticket.mark_running, Ticket.mark_complete),
    S.FAILED: (Ticket.mark_running, lambda t: t.mark_failed("why")),
    S.CANCELLED: (Ticket.mark_cancelled,),
    S.BLOCKED: (lambda t: t.mark_blocked("T0"),),
}
METHODS: dict[str, tuple[Callable[[Ticket], None], TicketStatus, set[TicketStatus]]] = {
    "mark_pending": (Ticket.mark_pending, S.PENDING, {S.LOCKED}),
    "mark_running": (Ticket.mark_running, S.RUNNING, {S.PENDING, S.STEP_PAUSED}),
    "mark_step_paused": (Ticket.mark_step_paused, S.STEP_PAUSED, {S.RUNNING}),
    "mark_complete": (Ticket.mark_complete, S.COMPLETED, {S.RUNNING}),
    "mark_failed": (lambda t: t.mark_failed("because"), S.FAILED, {S.RUNNING, S.STEP_PAUSED}),
    "mark_cancelled": (Ticket.mark_cancelled, S.CANCELLED, {S.LOCKED, S.PENDING, S.RUNNING, S.STEP_PAUSED}),
    "mark_blocked": (lambda t: t.mark_blocked("T9"), S.BLOCKED, {S.LOCKED, S.PENDING}),
}


def in_status(status: TicketStatus) -> Ticket:
    if status is S.LOCKED:
        return ticket("T1", "T0")
    made = ticket("T1")
    for step in PATHS[status]:
        step(made)
    return made


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("method", METHODS)
def test_each_method_from_each_status_is_legal_or_changes_nothing(status: TicketStatus, method: str) -> None:
    act, goal, sources = METHODS[method]
    subject = in_status(status)
    assert subject.status is status
    before = (subject.failure, subject.blocked_by)
    if status in sources:
        act(subject)
        assert subject.status is goal
        assert subject.failure == ("because" if goal is S.FAILED else "")
        assert subject.blocked_by == ("T9" if goal is S.BLOCKED else "")
    else:
        with pytest.raises(IllegalTransition, match=f"T1 is {status} and cannot become {goal}"):
            act(subject)
        assert (subject.status, subject.failure, subject.blocked_by) == (status, *before)


def test_final_statuses_are_those_no_method_leaves() -> None:
    left = set().union(*(sources for _, _, sources in METHODS.values()))
    assert {status for status in S if status.is_final} == set(S) - left


def test_ranks_follow_the_documented_order() -> None:
    assert [p.value for p in sorted(Priority, key=lambda p: p.rank)] == [
        "critical",
        "high",
        "medium",
        "low",
        "background",
    ]
    assert [t.value for t in sorted(TrustLevel, key=lambda t: t.rank)] == ["step", "guarded", "auto"]


def test_status_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        ticket("T1").status = S.COMPLETED  # type: ignore[misc]


def test_completing_unlocks_dependents_whose_other_dependencies_are_complete() -> None:
    t1, t2, t3 = ticket("T1"), ticket("T2"), ticket("T3", "T1", "T2")
    plan = track(t1, t2, t3)
    t1.mark_running()
    t1.mark_complete()
    assert t3.status is S.LOCKED
    t2.mark_running()
    t2.mark_complete()
    assert t3.status is S.PENDING
    assert ids(plan.get_executable_tickets()) == ["T3"]


def test_a_tracks_ticket_is_not_unlocked_early() -> None:
    t2 = ticket("T2", "T1")
    track(ticket("T1"), t2)
    with pytest.raises(IllegalTransition, match="still waits for 1"):
        t2.mark_pending()
    assert t2.status is S.LOCKED


def fail(subject: Ticket) -> None:
    subject.mark_running()
    subject.mark_failed("no")


@pytest.mark.parametrize("end", [fail, Ticket.mark_cancelled, lambda t: t.mark_blocked("X")])
def test_what_waits_is_blocked_by_its_own_dependency(end: Callable[[Ticket], None]) -> None:
    t1, t2, t3, t4 = ticket("T1"), ticket("T2", "T1"), ticket("T3", "T2"), ticket("T4")
    plan = track(t1, t2, t3, t4)
    end(t1)
    assert [(t.status, t.blocked_by) for t in (t2, t3)] == [(S.BLOCKED, "T1"), (S.BLOCKED, "T2")]
    assert not plan.is_finished
    assert ids(plan.get_executable_tickets()) == ["T4"]


def test_a_cancelled_dependent_stays_cancelled_whatever_its_dependencies_do() -> None:
    t1, t2, t3 = ticket("T1"), ticket("T2"), ticket("T3", "T1", "T2")
    plan = track(t1, t2, t3)
    t3.mark_cancelled()
    t1.mark_running()
    t1.mark_complete()
    t2.mark_running()
    t2.mark_failed("no")
    assert t3.status is S.CANCELLED
    assert t3.blocked_by == ""
    assert plan.is_finished
    assert {s: n for s, n in plan.counts.items() if n} == {S.COMPLETED: 1, S.FAILED: 1, S.CANCELLED: 1}


def test_order_is_priority_then_file_order() -> None:
    plan = track(
        ticket("low", priority=Priority.LOW),
        ticket("b"),
        ticket("a"),
        ticket("top", "a", priority=Priority.CRITICAL),
    )
    assert ids(plan.get_executable_tickets()) == ["b", "a", "low"]
    assert ids(plan.planned_order()) == ["b", "a", "top", "low"]
    first = plan.next_executable()
    assert first is plan.ticket("b")  # the rehearsal left the plan as it was
    first.mark_cancelled()
    assert plan.next_executable() is plan.ticket("a")


def test_a_track_without_tickets_is_finished() -> None:
    assert track().is_finished
    assert track().next_executable() is None


@pytest.mark.parametrize(
    ("tickets", "message"),
    [
        ([ticket("T1"), ticket("T1")], "two tickets have the id T1"),
        ([ticket("T1", "T7")], "T1 depends on T7, which is not in this track"),
        ([ticket("T1", "T1")], "T1 depends on itself"),
        ([ticket("T0", "T1"), ticket("T1", "T2"), ticket("T2", "T1")], "cycle: T1 -> T2 -> T1"),
    ],
)
def test_plans_that_cannot_run_are_refused(tickets: list[Ticket], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        track(*tickets)


def test_a_ticket_has_one_track_and_comes_fresh() -> None:
    taken, begun = ticket("T1"), ticket("T2")
    track(taken)
    begun.mark_running()
    with pytest.raises(UsageError, match="already belongs"):
        track(taken)
    with pytest.raises(UsageError, match="already running"):
        track(begun)


def test_an_unknown_ticket_is_named() -> None:
    plan = track(ticket("T1"))
    assert "T1" in plan
    assert "T9" not in plan
    with pytest.raises(UsageError, match="no ticket T9"):
        plan.ticket("T9")


def test_what_is_blocked_through_a_ticket_is_found_through_others() -> None:
    plan = track(ticket("T1"), ticket("T2", "T1"), ticket("T3", "T2"), ticket("T4"), ticket("T5", "T4", "T1"))
    plan.ticket("T4").mark_cancelled()
    plan.ticket("T1").mark_cancelled()
    assert ids(plan.blocked_through("T1")) == ["T2", "T3"]
    assert ids(plan.blocked_through("T4")) == ["T5"]
    assert plan.blocked_through("T3") == []


@st.composite
def plans(draw: st.DrawFn) -> Track:
    n = draw(st.integers(1, 15))
    order = draw(st.permutations(range(n)))  # file order need not be dependency order
    made: list[Ticket] = [ticket("unused")] * n
    for rank, position in enumerate(order):
        earlier = st.lists(st.sampled_from(order[:rank]), max_size=3, unique=True) if rank else st.just([])
        dependencies = draw(earlier)
        made[position] = ticket(
            f"T{position}", *(f"T{d}" for d in dependencies), priority=draw(st.sampled_from(Priority))
        )
    return track(*made)


def check_invariants(plan: Track) -> None:
    for each in plan.tickets:
        dependencies = [plan.ticket(d).status for d in each.dependencies]
        all_complete = all(s is S.COMPLETED for s in dependencies)
        lost = any(s in {S.FAILED, S.CANCELLED, S.BLOCKED} for s in dependencies)
        if each.status is S.LOCKED:
            assert not all_complete
            assert not lost
        elif each.status is S.BLOCKED:
            assert plan.ticket(each.blocked_by).status in {S.FAILED, S.CANCELLED, S.BLOCKED}
            assert each.blocked_by in each.dependencies
        elif each.status is not S.CANCELLED:
            assert all_complete
    executable = plan.get_executable_tickets()
    keys = [(t.priority.rank, plan.tickets.index(t)) for t in executable]
    assert keys == sorted(keys)
    assert set(ids(executable)) == {t.id for t in plan.tickets if t.status is S.PENDING}
    assert plan.next_executable() is (executable[0] if executable else None)
    assert plan.counts == {s: sum(t.status is s for t in plan.tickets) for s in S}
    assert plan.is_finished == all(t.status.is_final for t in plan.tickets)


@settings(deadline=None)
@given(plans(), st.data())
def test_any_run_keeps_the_rules_and_ends(plan: Track, data: st.DataObject) -> None:
    check_invariants(plan)
    while (current := plan.next_executable()) is not None:
        current.mark_running()
        check_invariants(plan)
        if data.draw(st.booleans()):
            current.mark_step_paused()
            check_invariants(plan)
            if data.draw(st.booleans()):
                current.mark_running()
        endings: list[Callable[[], None]] = [lambda t=current: t.mark_failed("no"), current.mark_cancelled]
        if current.status is S.RUNNING:
            endings += [current.mark_complete] * 4
        data.draw(st.sampled_from(endings))()
        check_invariants(plan)
        unfinished = [t for t in plan.tickets if t.status in {S.LOCKED, S.PENDING}]
        if unfinished and data.draw(st.integers(0, 9)) == 0:
            data.draw(st.sampled_from(unfinished)).mark_cancelled()
            check_invariants(plan)
    assert plan.is_finished


def test_a_chain_of_ten_thousand_needs_no_recursion() -> None:
    def chain() -> Track:
        return track(ticket("T0"), *(ticket(f"T{i}", f"T{i - 1}") for i in range(1, 10_000)))

    plan = chain()
    plan.ticket("T0").mark_cancelled()
    assert plan.is_finished
    assert plan.ticket("T9999").blocked_by == "T9998"
    assert ids(chain().planned_order()) == [f"T{i}" for i in range(10_000)]


def run_seconds(n: int) -> float:
    plan = track(*(ticket(f"T{i}", *(f"T{d}" for d in {i // 2, i // 3} if d < i)) for i in range(n)))
    began = time.process_time()
    while (current := plan.next_executable()) is not None:
        current.mark_running()
        current.mark_complete()
    assert plan.is_finished
    return time.process_time() - began


def test_scheduling_grows_with_the_plan_and_not_with_its_square() -> None:
    small = min(run_seconds(1_000) for _ in range(3))
    large = min(run_seconds(10_000) for _ in range(3))
    assert large < 40 * small  # 10 when linear, 100 when quadratic
