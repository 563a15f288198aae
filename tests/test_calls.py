"""One call under the clutch: what is shown is what runs, edits, rejections, and calls that a crash cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conductor.clutch.limits import Limits
from conductor.clutch.policy import RuleBook
from conductor.clutch.rule import Rule, Verdict
from conductor.clutch.rule_file import RuleFile
from conductor.clutch.scripted import Answer, ScriptedClutch, approve
from conductor.errors import ExitCode, NeedsHuman
from conductor.events import CodeChanged
from conductor.journal import Journal
from conductor.messages import Aborted, Approved, Happened, Preview, Rejected, ToolCall, content_hash
from conductor.models import Ticket, TrustLevel
from tests.bench import DONE, Bench, ListModel, calls, tree


class PowerCut(BaseException):
    """Ends an engine as kill -9 would: nothing in it may handle this."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    return tmp_path.resolve()


def bench_of(root: Path, *turns: Any, **fields: Any) -> Bench:
    return Bench(root, lambda: [Ticket("T1", "Title", "a.py", "Do it.")], ListModel({"T1": [*turns, DONE]}), **fields)


EDIT = ("edit_file", {"path": "a.py", "old_string": "1", "new_string": "2"})
SHELL = ("run_shell", {"command": "echo once >> log.txt"})


def edited(new_string: str) -> Approved:
    return Approved({"path": "a.py", "old_string": "1", "new_string": new_string})


def test_an_edited_payload_is_shown_again_then_runs_and_both_versions_are_kept(root: Path) -> None:
    bench = bench_of(root, calls(EDIT))
    clutch = ScriptedClutch([edited("3"), approve])
    bench.engine(clutch).run()
    assert (root / "a.py").read_text() == "A = 3\n"
    (_, first), (_, second) = clutch.seen
    assert "+A = 2" in first.text
    assert "+A = 3" in second.text
    assert "you changed this call" in second.notices[0]
    decision = bench.of_kind("call_decided")[0]
    assert decision.edited
    assert decision.proposed["new_string"] == "2"
    assert decision.arguments["new_string"] == "3"
    told = bench.model.requests[1][1]  # type: ignore[attr-defined]
    assert told[-1].content.startswith("A human changed your call.")
    assert '"new_string": "3"' in told[-1].content
    assert told[-2].tool_calls[0].arguments["new_string"] == "2", "the worker's history keeps its own call"


def test_what_a_file_held_before_and_after_a_change_is_kept(root: Path) -> None:
    writes = calls(EDIT, ("write_file", {"path": "new.txt", "content": ""}), ("delete_file", {"path": "a.py"}))
    bench = bench_of(root, writes)
    bench.engine().run()

    kept = [
        (c.path, c.before and bench.store.get(c.before), c.after and bench.store.get(c.after))
        for c in bench.of_kind("code_changed")
    ]
    assert kept == [("a.py", b"A = 1\n", b"A = 2\n"), ("new.txt", "", b""), ("a.py", b"A = 2\n", "")]


def test_the_time_for_an_edit_counts_with_that_for_the_call_it_became(root: Path) -> None:
    bench = bench_of(root, calls(EDIT))

    def after(seconds: float, decision: Approved) -> Answer:
        def answer(call: ToolCall, preview: Preview) -> Approved:
            assert preview.looked
            preview.looked(seconds)
            return decision if decision.arguments else Approved(call.arguments)

        return answer

    bench.engine([after(20.0, edited("3")), after(4.0, Approved({}))]).run()
    (decision,) = bench.of_kind("call_decided")
    assert decision.edited and decision.looked_s == decision.attention_s == 24.0


def test_an_edit_that_is_refused_goes_back_to_the_call_before_it(root: Path) -> None:
    bench = bench_of(root, calls(EDIT))
    outside = Approved({"path": "../x.py", "old_string": "1", "new_string": "3"})
    clutch = ScriptedClutch([outside, Approved({"path": "a.py"}), Rejected("no")])
    bench.engine(clutch).run()
    assert "outside the project" in clutch.seen[1][1].notices[0]
    assert "new_string" in clutch.seen[2][1].notices[0]
    assert clutch.seen[2][0].arguments == EDIT[1]
    assert (root / "a.py").read_text() == "A = 1\n"


def test_a_target_that_changes_while_the_human_looks_is_shown_again(root: Path) -> None:
    def meddle(call: ToolCall, preview: Preview) -> Approved:
        (root / "a.py").write_text("A = 1  # by another hand\n")
        return Approved(call.arguments)

    bench = bench_of(root, calls(EDIT))
    clutch = ScriptedClutch([meddle, approve])
    bench.engine(clutch).run()
    assert len(clutch.seen) == 2
    assert "by another hand" in clutch.seen[1][1].text
    assert "changed meanwhile" in clutch.seen[1][1].notices[0]
    assert (root / "a.py").read_text() == "A = 2  # by another hand\n"
    assert len(bench.of_kind("call_started")) == 1


def test_a_file_with_the_same_content_but_another_inode_is_shown_again(root: Path) -> None:
    def meddle(call: ToolCall, preview: Preview) -> Approved:
        (root / "twin.py").write_text("A = 1\n")
        (root / "twin.py").replace(root / "a.py")
        return Approved(call.arguments)

    bench = bench_of(root, calls(EDIT))
    clutch = ScriptedClutch([meddle, approve])
    bench.engine(clutch).run()
    assert len(clutch.seen) == 2
    assert (root / "a.py").read_text() == "A = 2\n"


def test_a_rule_that_forbids_counts_even_when_it_came_while_the_human_looked(root: Path, tmp_path: Path) -> None:
    kept = RuleFile(tmp_path / "user")

    def forbid(call: ToolCall, preview: Preview) -> Approved:
        kept.add(Rule(Verdict.REFUSE, "edit_file", path="*.py", reason="Not this file."))
        return Approved(call.arguments)

    bench = bench_of(root, calls(EDIT), book=RuleBook(kept, Limits(root), "digest-1", list))
    bench.engine([forbid]).run()
    assert (root / "a.py").read_text() == "A = 1\n"
    assert "Not this file." in bench.of_kind("call_finished")[0].text


def test_a_target_that_can_no_longer_be_edited_is_told_to_the_worker(root: Path) -> None:
    def meddle(call: ToolCall, preview: Preview) -> Approved:
        (root / "a.py").write_text("nothing of that kind\n")
        return Approved(call.arguments)

    bench = bench_of(root, calls(EDIT))
    assert bench.engine([meddle]).run() is ExitCode.OK
    assert bench.of_kind("call_finished")[0].outcome == "refused"
    assert (root / "a.py").read_text() == "nothing of that kind\n"


def test_a_clutch_that_changes_the_payload_in_place_approves_nothing_unseen(root: Path) -> None:
    def tamper(call: ToolCall, preview: Preview) -> Approved:
        call.arguments["new_string"] = "666"  # type: ignore[index]
        return Approved(call.arguments)

    bench = bench_of(root, calls(EDIT))
    with pytest.raises(NeedsHuman):
        bench.engine([tamper, Aborted()]).run()
    assert (root / "a.py").read_text() == "A = 1\n"


@pytest.mark.parametrize(
    ("path", "word"),
    [("../a.py", "outside"), ("/etc/passwd", "outside"), (".git/config", "protected"), ("tracks/t.toml", "protected")],
)
def test_what_the_path_rules_refuse_never_reaches_the_human(root: Path, path: str, word: str) -> None:
    bench = bench_of(root, calls(("write_file", {"path": path, "content": "x"})))
    assert bench.engine([]).run() is ExitCode.OK
    assert word in bench.of_kind("call_finished")[0].text


def test_a_failing_command_reaches_the_worker_as_a_hint_and_no_line_of_its_trace(root: Path) -> None:
    script = "import sys\nfor n in range(300): print('  File \"lib.py\", line', n, file=sys.stderr)\n"
    (root / "boom.py").write_text(script + "raise KeyError('price')\n")
    bench = bench_of(root, calls(("run_shell", {"command": "python3 boom.py"})))
    bench.engine().run()
    told = bench.model.requests[1][1][-1].content  # type: ignore[attr-defined]
    hint = bench.of_kind("hint_given")[0].text
    assert told.startswith("exit code 1\n")
    assert f"Hint: {hint}" in told
    assert len(hint.split()) <= 20
    assert "KeyError" in hint
    assert 'read_output(call_id="call_1_1")' in told
    assert "lib.py" not in told
    assert "Traceback" not in told


def test_output_on_standard_error_with_exit_code_0_is_no_failure(root: Path) -> None:
    bench = bench_of(root, calls(("run_shell", {"command": "echo warning >&2"})))
    bench.engine().run()
    assert bench.of_kind("hint_given") == []
    assert bench.model.requests[1][1][-1].content == "exit code 0\nwarning"  # type: ignore[attr-defined]


def test_kept_back_output_can_be_read_in_slices(root: Path) -> None:
    bench = bench_of(
        root,
        calls(("run_shell", {"command": "seq 1 500; exit 3"})),
        calls(("read_output", {"call_id": "call_1_1", "start_line": 400, "end_line": 402})),
        calls(("read_output", {"call_id": "nope"})),
    )
    bench.engine().run()
    results = [record.text for record in bench.of_kind("call_finished")]
    assert results[1].endswith("400\n401\n402")
    assert "call_1_1" in results[2]


def cut_off_at(bench: Bench, kind: str, answers: list[Answer] | None = None) -> None:
    """Run an engine that loses its power right after the first entry of `kind` was kept."""
    engine = bench.engine(answers)
    journal = engine._ledger.journal

    def cut(event: Any) -> None:
        if event.kind == kind:
            raise PowerCut

    journal._listeners = (*journal._listeners, cut)
    with pytest.raises(PowerCut):
        engine.run()


ENTRIES = ("ticket_started", "context_built", "model_replied", "call_proposed", "call_started", "call_finished")


@pytest.mark.parametrize("kind", [*ENTRIES, "code_changed", "hint_given", "gate_started", "ticket_completed"])
def test_a_cut_at_any_entry_ends_in_the_same_tree_and_no_effect_happens_twice(root: Path, kind: str) -> None:
    turns = [
        calls(EDIT),
        calls(("run_shell", {"command": "echo once >> log.txt; exit 1"}), ("delete_file", {"path": "b.py"})),
        calls(("write_file", {"path": "c/d.py", "content": "D = 1\n"})),
    ]

    def tickets() -> list[Ticket]:
        return [Ticket("T1", "Title", "a.py", "Do it.", verify="test -f c/d.py")]

    (root / "b.py").write_text("B = 1\n")
    bench = Bench(root, tickets, ListModel({"T1": [*turns, DONE]}))
    cut_off_at(bench, kind)
    clutch = ScriptedClutch([approve] * 20)
    assert bench.engine(clutch).run() is ExitCode.OK
    expected = {"a.py": b"A = 2\n", "c/d.py": b"D = 1\n", "log.txt": b"once\n"}
    assert tree(root) == expected
    told = [message.call_id for message in bench.model.requests[-1][1] if message.role == "tool"]  # type: ignore[attr-defined]
    assert told == ["call_1_1", "call_2_1", "call_2_2", "call_3_1"], "each result reaches the worker exactly once"


def test_a_command_that_was_cut_off_is_shown_as_unknown_and_never_run_again_silently(root: Path) -> None:
    bench = bench_of(root, calls(SHELL), level=TrustLevel.AUTO)
    cut_off_at(bench, "call_started")
    assert not (root / "log.txt").exists()
    clutch = ScriptedClutch([Rejected("look at the log first")])
    assert bench.engine(clutch).run() is ExitCode.OK
    assert "OUTCOME UNKNOWN" in clutch.seen[0][1].notices[0]
    assert not (root / "log.txt").exists()
    finished = bench.of_kind("call_finished")[0]
    assert finished.outcome == "unknown"
    assert "outcome of this call is unknown" in finished.text
    assert "look at the log first" in finished.text


def test_a_human_may_run_a_call_of_unknown_outcome_again(root: Path) -> None:
    bench = bench_of(root, calls(SHELL), level=TrustLevel.AUTO)
    cut_off_at(bench, "call_started")
    assert bench.engine([approve]).run() is ExitCode.OK
    assert (root / "log.txt").read_text() == "once\n"


def test_a_change_that_was_cut_off_is_settled_by_the_disk(root: Path) -> None:
    for on_disk, asked in (("A = 1\n", 0), ("A = 2\n", 0), ("A = 9\n", 1)):
        (root / "a.py").write_text("A = 1\n")
        bench = bench_of(root, calls(("write_file", {"path": "a.py", "content": "A = 2\n"})))
        cut_off_at(bench, "call_started")
        (root / "a.py").write_text(on_disk)
        clutch = ScriptedClutch([approve])
        assert bench.engine(clutch).run() is ExitCode.OK
        assert len(clutch.seen) == asked
        assert (root / "a.py").read_text() == "A = 2\n"
        assert len(bench.of_kind("code_changed")) == 1


def test_the_worker_is_told_a_rejection_exactly_once(root: Path) -> None:
    bench = bench_of(root, calls(EDIT), calls(("list_files", {})))
    bench.engine([Rejected("use a constant"), approve]).run()
    last = bench.model.requests[-1][1]  # type: ignore[attr-defined]
    assert sum("use a constant" in message.content for message in last) == 1


def with_comment(comment: str) -> Callable[[ToolCall, Preview], Approved]:
    return lambda call, _: Approved(call.arguments, comment=comment)


def times_told(bench: Bench, said: str) -> int:
    return sum(message.content.count(said) for message in bench.model.requests[-1][1])  # type: ignore[attr-defined]


def test_a_comment_reaches_the_worker_once_and_stays_in_the_journal(root: Path) -> None:
    bench = bench_of(root, calls(EDIT), calls(("list_files", {})))
    assert bench.engine([with_comment("mind the units"), approve]).run() is ExitCode.OK
    told = bench.model.requests[1][1][-1].content  # type: ignore[attr-defined]
    assert told == "A human approved this and said: mind the units\nedited a.py, 1 lines"
    assert times_told(bench, "mind the units") == 1
    assert [record.reason for record in bench.of_kind("call_decided")] == ["mind the units", ""]


def test_what_was_said_to_an_edit_and_to_its_approval_reaches_the_worker(root: Path) -> None:
    bench = bench_of(root, calls(EDIT))
    refused = Approved({"path": "a.py"}, comment="never shown")
    bench.engine([Approved(edited("3").arguments, comment="three"), refused, with_comment("done")]).run()
    assert bench.of_kind("call_decided")[0].reason == "three\ndone"
    assert "said: three\ndone\n" in bench.of_kind("call_finished")[0].text


def test_a_comment_outlives_a_target_that_changed_and_a_crash(root: Path) -> None:
    def meddle(call: ToolCall, preview: Preview) -> Approved:
        (root / "a.py").write_text("A = 1  # by another hand\n")
        return Approved(call.arguments, comment="as you like")

    bench = bench_of(root, calls(EDIT))
    bench.engine([meddle, approve]).run()
    assert times_told(bench, "as you like") == 1

    for on_disk in ("A = 1\n", "A = 2\n", "A = 9\n"):
        (root / "a.py").write_text("A = 1\n")
        bench = bench_of(root, calls(("write_file", {"path": "a.py", "content": "A = 2\n"})))
        cut_off_at(bench, "call_started", [with_comment("before the crash")])
        (root / "a.py").write_text(on_disk)
        assert bench.engine([approve]).run() is ExitCode.OK
        assert times_told(bench, "before the crash") == 1


def test_the_human_is_told_what_is_dangerous(root: Path) -> None:
    bench = bench_of(root, calls(EDIT, SHELL, ("delete_file", {"path": "a.py"})))
    clutch = ScriptedClutch([approve] * 3)
    bench.engine(clutch).run()
    dangers = [preview.dangerous for _, preview in clutch.seen]
    assert dangers == ["", "no sandbox holds this command", "this deletes a file"]


def cut_off_in_a_command(root: Path) -> Bench:
    bench = bench_of(root, calls(SHELL), calls(("list_files", {})), level=TrustLevel.AUTO)
    cut_off_at(bench, "call_started")
    return bench


def test_a_call_of_unknown_outcome_may_be_said_to_have_happened(root: Path) -> None:
    bench = cut_off_in_a_command(root)
    clutch = ScriptedClutch([Happened("one line is in the log")])
    assert bench.engine(clutch).run() is ExitCode.OK
    assert clutch.seen[0][1].outcome_unknown and len(clutch.seen) == 1
    assert not (root / "log.txt").exists(), "it is not run again"
    assert bench.of_kind("call_decided")[-2].decision == "happened"
    assert bench.of_kind("call_finished")[0].outcome == "happened"
    told = [message for message in bench.model.requests[-1][1] if message.call_id == "call_1_1"]  # type: ignore[attr-defined]
    assert [message.content for message in told] == [
        "This call was cut off. A human says that it happened. It was not run again; what it printed is lost. "
        "They said: one line is in the log"
    ]


def test_the_worker_is_told_that_a_call_was_run_again_also_when_it_was_cut_off_twice(root: Path) -> None:
    bench = cut_off_in_a_command(root)
    cut_off_at(bench, "call_started")
    assert bench.engine([approve]).run() is ExitCode.OK
    assert (root / "log.txt").read_text() == "once\n"
    told = bench.of_kind("call_finished")[0].text
    assert told.startswith("This call was cut off; a human had it run again.\n") and told.count("cut off") == 1


def test_an_edit_of_a_call_of_unknown_outcome_keeps_saying_so(root: Path) -> None:
    bench = cut_off_in_a_command(root)
    clutch = ScriptedClutch([Approved({"command": "echo other"}), Happened()])
    assert bench.engine(clutch).run() is ExitCode.OK
    notices = clutch.seen[1][1].notices
    assert "OUTCOME UNKNOWN" in notices[0] and "you changed this call" in notices[1]
    assert bench.of_kind("call_finished")[0].outcome == "happened"


def test_a_hint_about_code_that_was_changed_meanwhile_is_kept_and_not_told(root: Path) -> None:
    bench = bench_of(root, calls(("run_shell", {"command": "echo 'ValueError: no' >&2; exit 1"})))
    cut_off_at(bench, "call_finished")
    unchanged = content_hash(b"A = 1\n")
    other = Journal(bench.store, "t", node="other")
    other.record(CodeChanged("another call", "a.py", "", unchanged), ticket_id="T1")
    assert bench.engine([approve]).run() is ExitCode.OK
    (hint,) = bench.of_kind("hint_given")
    assert hint.text and hint.stale == "it is about version 0 of the code, which is at version 1"
    assert times_told(bench, "Hint:") == 0


@pytest.mark.parametrize("kind", ["ticket_failed", "ticket_blocked"])
def test_what_a_failed_ticket_blocks_is_said_once_also_after_a_cut(root: Path, kind: str) -> None:
    def tickets() -> list[Ticket]:
        needs = {"T1": (), "T2": ("T1",), "T3": ("T2",), "T4": ()}
        return [Ticket(name, "Title", "a.py", "Do it.", dependencies=of) for name, of in needs.items()]

    looks = [calls(("read_file", {"path": "a.py"}))]
    bench = Bench(root, tickets, ListModel({"T1": looks, "T4": [DONE]}), level=TrustLevel.AUTO, max_turns=1)
    cut_off_at(bench, kind)
    assert bench.engine().run() is ExitCode.TICKETS_FAILED
    blocked = [(event.ticket_id, event.data.dependency_id) for event in bench.heard if event.kind == "ticket_blocked"]
    assert blocked == [("T2", "T1"), ("T3", "T2")]
    assert bench.kinds("T4")[-1] == "ticket_completed"
