"""Gates at work: the one-time yes, the verify command, what the worker hears of a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor.clutch.rules import DenyClutch
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import ExitCode, NeedsHuman
from conductor.gates import Gate
from conductor.messages import Approved, Effect, Rejected, Skipped
from conductor.models import Ticket, TicketStatus, TrustLevel
from tests.bench import DONE, Bench, ListModel, calls


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    return tmp_path.resolve()


def verified(root: Path, *turns: object, verify: str = "grep -q 2 a.py", **fields: object) -> Bench:
    def tickets() -> list[Ticket]:
        return [Ticket("T1", "Title", "a.py", "Do it.", verify=verify)]

    return Bench(root, tickets, ListModel({"T1": list(turns)}), **fields)  # type: ignore[arg-type]


WRITE = calls(("write_file", {"path": "a.py", "content": "A = 2\n"}))


def test_a_ticket_completes_only_when_its_verify_command_does(root: Path) -> None:
    bench = verified(root, DONE, WRITE, DONE)
    clutch = ScriptedClutch([approve] * 2)
    assert bench.engine(clutch).run() is ExitCode.OK
    assert [record.passed for record in bench.of_kind("gate_finished")] == [False, True]
    told = bench.model.requests[1][1][-1].content  # type: ignore[attr-defined]
    assert told.startswith("Not done yet: the check `grep -q 2 a.py` ended with exit code 1.")
    assert "Hint: " in told


def test_the_yes_to_a_verify_command_is_asked_for_once_and_for_that_track_file_only(root: Path) -> None:
    bench = verified(root, DONE, WRITE, DONE)
    clutch = ScriptedClutch([approve] * 5)
    bench.engine(clutch).run()
    asked = [preview for call, preview in clutch.seen if call.tool == "run_shell"]
    assert len(asked) == 1
    assert asked[0].effect is Effect.UNSAFE
    assert asked[0].text == "grep -q 2 a.py"
    bench.digest = "another file"
    again = ScriptedClutch([approve] * 5)
    bench.engine(again).run(fresh=True)
    assert any(call.tool == "run_shell" for call, _ in again.seen)


def test_nothing_of_a_track_runs_without_a_yes(root: Path) -> None:
    bench = verified(root, DONE, verify="touch ran.txt")
    engine = bench.engine(DenyClutch())
    with pytest.raises(NeedsHuman):
        engine.run()
    assert engine.track.ticket("T1").status is TicketStatus.STEP_PAUSED
    assert not (root / "ran.txt").exists()
    assert bench.engine([approve]).run() is ExitCode.OK
    assert bench.kinds().count("call_proposed") == 1


def test_at_auto_no_question_is_asked_and_no_lasting_yes_is_kept(root: Path) -> None:
    bench = verified(root, DONE, verify="true", level=TrustLevel.AUTO)
    assert bench.engine([]).run() is ExitCode.OK
    assert bench.permits.allowed == {}


def test_a_rejected_check_sends_the_worker_back_with_the_reason(root: Path) -> None:
    bench = verified(root, DONE, WRITE, DONE)
    bench.engine([Rejected("you have not even tried"), approve, approve]).run()
    assert "you have not even tried" in bench.model.requests[1][1][-1].content  # type: ignore[attr-defined]


def test_a_comment_on_a_check_reaches_the_worker_before_it_may_be_done(root: Path) -> None:
    bench = verified(root, DONE, DONE, verify="true")
    said = lambda call, _: Approved(call.arguments, comment="write a changelog too")  # noqa: E731
    assert bench.engine([said]).run() is ExitCode.OK
    told = [message.content for message in bench.model.requests[-1][1]]  # type: ignore[attr-defined]
    assert told.count("A human approved this check and said: write a changelog too") == 1


def test_an_edited_check_runs_for_this_time_and_is_not_kept(root: Path) -> None:
    bench = verified(root, DONE, verify="false")
    clutch = ScriptedClutch([Approved({"command": "true"}), approve])
    assert bench.engine(clutch).run() is ExitCode.OK
    assert clutch.seen[1][1].text == "true"
    assert bench.permits.allowed == {}
    assert bench.of_kind("gate_finished")[0].command == "true"


def test_skipping_at_a_check_cancels_the_ticket(root: Path) -> None:
    bench = verified(root, DONE)
    engine = bench.engine([Skipped()])
    assert engine.run() is ExitCode.TICKETS_FAILED
    assert engine.track.ticket("T1").status is TicketStatus.CANCELLED


def test_configured_gates_run_before_verify_and_only_for_their_files(root: Path) -> None:
    gates = (
        Gate("python", "echo {files} >> seen.txt", files=("*.py",), trusted=True),
        Gate("rust", "exit 1", files=("*.rs",), trusted=True),
    )
    bench = verified(root, WRITE, DONE, verify="test -f seen.txt", gates=gates)
    assert bench.engine().run() is ExitCode.OK
    assert (root / "seen.txt").read_text() == "a.py\n"
    assert [record.gate for record in bench.of_kind("gate_finished")] == ["python", "verify"]
