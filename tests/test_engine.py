"""The engine's loop: order, resumption, turns, budgets, failures, and what one ticket may know of another."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from conductor.budgets import Budget, Budgets
from conductor.clutch.rules import DenyClutch
from conductor.clutch.scripted import approve
from conductor.errors import BudgetReached, ExitCode, ModelError, NeedsHuman, StateMismatch, Terminated, UsageError
from conductor.gates.base import Gate
from conductor.messages import Aborted, Approved, Completion, Rejected, Skipped, ToolCall, Usage
from conductor.models import Priority, Ticket, TicketStatus, TrustLevel
from tests.bench import DONE, Bench, ListModel, calls, tree


def ticket(ticket_id: str, **fields: object) -> Ticket:
    planned = {"title": f"Title of {ticket_id}", "target_file": "a.py", "prompt": f"Do {ticket_id}.", **fields}
    return Ticket(ticket_id, **planned)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    return tmp_path.resolve()


def write(text: str, path: str = "a.py") -> tuple[str, dict[str, object]]:
    return "write_file", {"path": path, "content": text}


def test_tickets_run_by_dependency_then_priority_then_file_order(root: Path) -> None:
    def tickets() -> list[Ticket]:
        return [
            ticket("T1", dependencies=("T3",)),
            ticket("T2"),
            ticket("T3", priority=Priority.LOW),
            ticket("T4", priority=Priority.CRITICAL),
        ]

    model = ListModel({name: [DONE] for name in ("T1", "T2", "T3", "T4")})
    bench = Bench(root, tickets, model)
    assert bench.engine().run() is ExitCode.OK
    assert [asked for asked, _ in model.requests] == ["T4", "T2", "T3", "T1"]
    assert bench.kinds()[-1] == "track_completed"


def test_a_failed_ticket_blocks_its_dependents_and_the_others_go_on(root: Path) -> None:
    def tickets() -> list[Ticket]:
        return [ticket("T1"), ticket("T2", dependencies=("T1",)), ticket("T3", dependencies=("T2",)), ticket("T4")]

    model = ListModel({"T1": [calls(("read_file", {"path": "a.py"}))] * 3, "T4": [DONE]})
    bench = Bench(root, tickets, model, max_turns=2)
    engine = bench.engine()
    assert engine.run() is ExitCode.TICKETS_FAILED
    states = [t.status for t in engine.track.tickets]
    assert states == [TicketStatus.FAILED, TicketStatus.BLOCKED, TicketStatus.BLOCKED, TicketStatus.COMPLETED]
    assert engine.track.ticket("T1").failure == "out of turns after 2"
    assert [(e.ticket_id, e.data.dependency_id) for e in bench.heard if e.kind == "ticket_blocked"] == [
        ("T2", "T1"),
        ("T3", "T2"),
    ]
    ended = bench.of_kind("track_failed")[0]
    assert (list(ended.failed), list(ended.blocked)) == (["T1"], ["T2", "T3"])


def test_the_next_tickets_requests_carry_nothing_of_the_last_conversation(root: Path) -> None:
    model = ListModel({"T1": [calls(write("SECRET = 'of T1'\n", "b.py"), text="marker-of-T1"), DONE], "T2": [DONE]})
    bench = Bench(root, lambda: [ticket("T1"), ticket("T2")], model)
    bench.engine().run()
    seen = [message for asked, messages in model.requests if asked == "T2" for message in messages]
    assert len(seen) == 2
    assert not any("T1" in message.content or "marker" in message.content for message in seen)


def test_nothing_happens_before_approval_and_deny_keeps_the_call(root: Path) -> None:
    model = ListModel({"T1": [calls(write("A = 2\n")), DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    before = tree(root)
    engine = bench.engine(DenyClutch())
    with pytest.raises(NeedsHuman):
        engine.run()
    assert tree(root) == before
    assert engine.track.ticket("T1").status is TicketStatus.STEP_PAUSED
    assert bench.kinds()[-2:] == ["ticket_paused", "run_paused"]
    assert bench.of_kind("run_paused")[0].tickets == ["T1"]
    paused = bench.of_kind("ticket_paused")[0]
    assert (paused.turns, paused.call_id) == (1, "call_1_1")
    assert paused.reason.startswith(bench.of_kind("run_paused")[0].reason)


def test_the_plan_is_recorded_with_the_start_and_when_it_changed(root: Path) -> None:
    def planned() -> list[Ticket]:
        late = Ticket("T2", "Late", "a.py", "Do it.", dependencies=("T1",), priority=Priority.CRITICAL)
        return [ticket("T3"), late, ticket("T1")]

    bench = Bench(root, planned, ListModel({"T1": [DONE], "T2": [DONE], "T3": [calls(write("A = 2\n")), DONE]}))
    with pytest.raises(NeedsHuman):
        bench.engine(DenyClutch()).run()
    assert bench.kinds()[:2] == ["track_started", "planning_completed"]
    assert bench.heard[1].correlation_id == bench.heard[0].event_id
    plan = bench.of_kind("planning_completed")[0]
    assert (plan.order, plan.ready, plan.needs) == (["T3", "T1", "T2"], ["T3", "T1"], {"T2": ["T1"]})
    assert plan.track_digest == "digest-1"

    bench.digest = "digest-2"
    bench.engine().run(accept_changes=True)
    assert [plan.track_digest for plan in bench.of_kind("planning_completed")] == ["digest-1", "digest-2"]


def test_a_parked_call_is_taken_up_by_another_engine_without_asking_the_model_again(root: Path) -> None:
    model = ListModel({"T1": [calls(write("A = 2\n")), DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    with pytest.raises(NeedsHuman):
        bench.engine([Aborted()]).run()
    assert bench.engine([approve]).run() is ExitCode.OK
    assert (root / "a.py").read_text() == "A = 2\n"
    assert len(model.requests) == 2
    assert bench.kinds().count("call_proposed") == 1, "the very same question is not journaled twice"


def test_one_ticket_can_be_advanced_until_it_is_parked(root: Path) -> None:
    model = ListModel({"T1": [calls(write("A = 2\n")), DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    first = bench.engine([Aborted()])
    assert first.run_worker_lifecycle(first.track.ticket("T1")) is TicketStatus.STEP_PAUSED
    second = bench.engine([approve])
    second.open()
    assert second.run_worker_lifecycle(second.track.ticket("T1")) is TicketStatus.COMPLETED


def test_completed_tickets_stay_completed_and_the_conversation_is_rebuilt(root: Path) -> None:
    model = ListModel({"T1": [DONE], "T2": [calls(write("A = 2\n")), ModelError("gone"), DONE]})
    bench = Bench(root, lambda: [ticket("T1"), ticket("T2")], model)
    with pytest.raises(ModelError):
        bench.engine().run()
    asked = model.requests[-1][1]
    model._turns["T2"] = [calls(write("A = 2\n")), DONE]  # the provider is back
    assert bench.engine().run() is ExitCode.OK
    assert model.requests[-1][1] == asked, "the request after the restart is the one that failed, to the letter"
    assert [name for name, _ in model.requests].count("T1") == 1


def test_a_finished_track_runs_nothing_again(root: Path) -> None:
    bench = Bench(root, lambda: [ticket("T1")], ListModel({"T1": [DONE]}))
    assert bench.engine().run() is ExitCode.OK
    count = len(bench.heard)
    assert bench.engine().run() is ExitCode.OK
    assert len(bench.heard) == count


def test_fresh_starts_over(root: Path) -> None:
    model = ListModel({"T1": [DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    bench.engine().run()
    assert bench.engine().run(fresh=True) is ExitCode.OK
    assert len(model.requests) == 2
    engine = bench.engine()
    engine.open()
    assert engine.track.ticket("T1").status is TicketStatus.COMPLETED
    counts = [event.node_count for event in bench.heard]
    assert counts == list(range(1, len(counts) + 1)), "the writer's own count never starts over"


def test_a_changed_track_file_is_refused_until_accepted(root: Path) -> None:
    bench = Bench(root, lambda: [ticket("T1")], ListModel({"T1": [calls(write("A = 2\n")), DONE]}))
    with pytest.raises(NeedsHuman):
        bench.engine([Aborted()]).run()
    bench.digest = "digest-2"
    with pytest.raises(StateMismatch, match="changed"):
        bench.engine().run()
    assert bench.engine().run(accept_changes=True) is ExitCode.OK


def test_budgets_stop_before_the_next_request(root: Path) -> None:
    turns = [calls(("list_files", {}))] * 5
    model = ListModel({"T1": turns})
    bench = Bench(root, lambda: [ticket("T1")], model, budgets=Budgets(Budget(tokens=200)))
    with pytest.raises(BudgetReached, match="200 tokens for the run does not allow the next request: 0 tokens spent"):
        bench.engine().run()
    assert not model.requests
    bench.budgets = Budgets(Budget(minutes=10**-9, tokens=10**6))
    with pytest.raises(BudgetReached, match="minutes for the run is reached"):
        bench.engine().run()
    assert len(model.requests) == 1
    bench.budgets = Budgets(Budget(usd=0.5, tokens=10**6))
    model._turns["T1"] = [*turns[:1], replace(turns[0], usage=Usage(100, 10, 0, 0.5)), DONE]
    with pytest.raises(BudgetReached, match=r"\$0.5000 for the run is reached: \$0.5000 spent"):
        bench.engine().run()
    assert len(model.requests) == 2
    assert bench.kinds()[-3:] == ["budget_reached", "ticket_paused", "run_paused"]
    bench.budgets = Budgets(Budget(usd=0.6))
    assert bench.engine().run() is ExitCode.OK, "a raised budget goes on where it stopped"


def test_an_empty_answer_and_a_cut_answer_come_back_to_the_worker(root: Path) -> None:
    model = ListModel({"T1": [Completion("  "), Completion("I was go", finish_reason="length"), DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    assert bench.engine().run() is ExitCode.OK
    told = [record.text for record in bench.of_kind("worker_told")]
    assert "empty" in told[0]
    assert "cut off" in told[1]
    assert model.requests[1][1][-1].content == told[0]


def test_several_calls_of_one_turn_are_reviewed_one_by_one_in_order(root: Path) -> None:
    turn = calls(write("A = 2\n"), ("no_such_tool", {}), write("B = 1\n", "b.py"))
    model = ListModel({"T1": [turn, DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    bench.engine([Rejected("not like that"), approve]).run()
    assert (root / "b.py").read_text() == "B = 1\n"
    assert (root / "a.py").read_text() == "A = 1\n"
    results = [message for message in model.requests[1][1] if message.role == "tool"]
    assert [message.call_id for message in results] == ["call_1_1", "call_1_2", "call_1_3"]
    assert "not like that" in results[0].content
    assert "There is no tool 'no_such_tool'" in results[1].content


def test_malformed_calls_come_back_as_results(root: Path) -> None:
    broken = ToolCall("c1", "write_file", {}, raw="{oops", malformed="line 1: expected a name")
    model = ListModel({"T1": [Completion("", (broken,), "tool_calls"), calls(("write_file", {"path": 3})), DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    assert bench.engine([]).run() is ExitCode.OK, "no human is bothered with them"
    assert "expected a name" in model.requests[1][1][-1].content
    assert "path" in model.requests[2][1][-1].content
    assert "content" in model.requests[2][1][-1].content


def test_skipping_cancels_the_ticket_and_blocks_its_dependents(root: Path) -> None:
    model = ListModel({"T1": [calls(write("A = 2\n"))], "T3": [DONE]})
    bench = Bench(root, lambda: [ticket("T1"), ticket("T2", dependencies=("T1",)), ticket("T3")], model)
    engine = bench.engine([Skipped()])
    assert engine.run() is ExitCode.TICKETS_FAILED
    states = [t.status for t in engine.track.tickets]
    assert states == [TicketStatus.CANCELLED, TicketStatus.BLOCKED, TicketStatus.COMPLETED]
    assert (root / "a.py").read_text() == "A = 1\n"


def test_trust_levels(root: Path) -> None:
    turns = [calls(("read_file", {"path": "a.py"}), write("A = 2\n"), ("run_shell", {"command": "true"})), DONE]
    for level, asked in ((TrustLevel.STEP, 3), (TrustLevel.GUARDED, 2), (TrustLevel.AUTO, 0)):
        (root / "a.py").write_text("A = 1\n")
        bench = Bench(root, lambda: [ticket("T1")], ListModel({"T1": turns}), level=level)
        engine = bench.engine()
        engine.run()
        assert sum(record.by == "scripted" for record in bench.of_kind("call_decided")) == asked


def test_ctrl_c_and_sigterm_are_journaled_and_passed_on(root: Path) -> None:
    for stop, code in ((KeyboardInterrupt(), 130), (Terminated(), 143)):
        bench = Bench(root, lambda: [ticket("T1")], ListModel({"T1": [stop, DONE]}))
        with pytest.raises(KeyboardInterrupt):
            bench.engine().run()
        assert bench.of_kind("run_paused")[0].exit_code == code


def test_an_unreadable_context_fails_the_ticket_and_asks_no_model(root: Path) -> None:
    model = ListModel({})
    bench = Bench(root, lambda: [ticket("T1", context=("gone.py",))], model)
    engine = bench.engine()
    assert engine.run() is ExitCode.TICKETS_FAILED
    assert "gone.py" in engine.track.ticket("T1").failure
    assert model.requests == []


def test_call_gates_run_after_a_turn_that_changed_their_files(root: Path) -> None:
    gate = Gate("no-two", "! grep -q 2 {files}", files=("*.py",), when="call", trusted=True)
    model = ListModel({"T1": [calls(write("A = 2\n")), calls(write("A = 3\n")), DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model, gates=(gate,))
    assert bench.engine().run() is ExitCode.OK
    assert [record.passed for record in bench.of_kind("gate_finished")] == [False, True]
    assert "Not done yet" in model.requests[1][1][-1].content


def test_one_durable_commit_before_each_effect(root: Path) -> None:
    class CountingStore(type(Bench(root, list, ListModel({})).store)):  # type: ignore[misc]
        durable: list[list[str]] = []  # noqa: RUF012

        def append(self, seal, *, durable):  # type: ignore[no-untyped-def]
            rows = super().append(seal, durable=durable)
            if durable:
                self.durable.append([row.kind for row in rows])
            return rows

    model = ListModel({"T1": [calls(write("A = 2\n")), calls(("run_shell", {"command": "true"})), DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model, store=CountingStore())
    bench.engine().run()
    assert bench.store.durable[1:-1] == [["call_decided", "call_started"]] * 2  # type: ignore[attr-defined]


def test_an_approval_of_other_arguments_is_no_approval_of_what_was_shown(root: Path) -> None:
    model = ListModel({"T1": [calls(write("A = 2\n")), DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    edited = Approved({"path": "a.py", "content": "A = 3\n"})
    with pytest.raises(NeedsHuman):
        bench.engine([edited, Aborted()]).run()
    assert (root / "a.py").read_text() == "A = 1\n"


def test_a_failed_ticket_can_be_tried_again_and_unblocks_its_dependents(root: Path) -> None:
    def tickets() -> list[Ticket]:
        return [ticket("T1"), ticket("T2", dependencies=("T1",)), ticket("T3")]

    model = ListModel({"T1": [calls(("read_file", {"path": "a.py"}))] * 2, "T2": [DONE], "T3": [DONE]})
    bench = Bench(root, tickets, model, max_turns=2)
    assert bench.engine().run() is ExitCode.TICKETS_FAILED
    with pytest.raises(UsageError, match="T3 has not failed"):
        bench.engine().run(retry=["T3"])
    model._turns["T1"] = [DONE]
    assert bench.engine().run(retry=["T1"]) is ExitCode.OK
    assert [name for name, _ in model.requests] == ["T1", "T1", "T3", "T1", "T2"]
    assert len(model.requests[3][1]) == 2, "the second try begins with a fresh worker"
    engine = bench.engine()
    engine.open()
    assert engine.track.counts[TicketStatus.COMPLETED] == 3


def test_a_decision_never_fits_the_calls_of_two_tickets(root: Path) -> None:
    turn = calls(("list_files", {}), ("read_file", {"path": "a.py"}))
    model = ListModel({"T1": [turn, DONE], "T2": [turn, DONE]})
    bench = Bench(root, lambda: [ticket("T1", verify="true"), ticket("T2", verify="true")], model)
    assert bench.engine().run() is ExitCode.OK
    decided = [record.call_id for record in bench.of_kind("call_decided")]
    assert len(decided) == len(set(decided)) == 5
    results = [message.call_id for message in model.requests[-1][1] if message.role == "tool"]
    proposed = [call.call_id for message in model.requests[-1][1] for call in message.tool_calls]
    assert results == proposed, "the conversation is whole under the new names"


@pytest.mark.parametrize("useless", [Completion(""), Completion("and so on " * 9, finish_reason="length")])
def test_a_worker_whose_answers_are_useless_three_times_in_a_row_waits_for_a_human(
    root: Path, useless: Completion
) -> None:
    model = ListModel({"T1": [useless, useless, useless, useless, DONE]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    with pytest.raises(NeedsHuman, match="last 3 answers of list were empty or cut off"):
        bench.engine().run()
    assert bench.engine().run() is ExitCode.OK


FENCE = "Here it is:\n```python\nA = 2\n```"


def test_a_worker_that_only_writes_in_its_answer_what_it_should_change_is_told_so_once(root: Path) -> None:
    model = ListModel({"T1": [Completion(FENCE), Completion(FENCE)]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    assert bench.engine().run() is ExitCode.OK
    assert [message.content for message in model.requests[1][1]][-1].startswith("Nothing was changed yet")
    assert bench.of_kind("ticket_completed")[0].unchanged


def test_a_worker_that_says_it_made_a_file_which_is_not_there_is_told_so(root: Path) -> None:
    model = ListModel({"T1": [Completion("I have created new.py."), calls(write("A = 2\n", "new.py")), DONE]})
    bench = Bench(root, lambda: [ticket("T1", target_file="new.py")], model)
    assert bench.engine().run() is ExitCode.OK
    assert (root / "new.py").read_text() == "A = 2\n"
    assert not bench.of_kind("ticket_completed")[0].unchanged


def test_code_in_the_last_answer_of_a_worker_that_did_change_something_is_done(root: Path) -> None:
    model = ListModel({"T1": [calls(("read_file", {"path": "a.py"})), calls(write("A = 2\n")), Completion(FENCE)]})
    bench = Bench(root, lambda: [ticket("T1")], model)
    assert bench.engine().run() is ExitCode.OK
    assert "worker_told" not in bench.kinds()
