"""Gates at work: the one-time yes, the verify command, what the worker hears of a failure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conductor.clutch.rules import DenyClutch
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import ExitCode, NeedsHuman
from conductor.gates.base import Gate
from conductor.messages import Approved, Effect, Preview, Rejected, Skipped, ToolCall
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


def test_a_check_that_is_asked_about_again_says_what_was_allowed_before(root: Path) -> None:
    bench = verified(root, DONE, verify="true")
    first = ScriptedClutch([approve])
    bench.engine(first).run()
    assert len(first.seen[0][1].notices) == 2  # where it comes from, and that nothing holds it

    bench.digest = "the same check in a changed file"
    same = ScriptedClutch([approve])
    bench.engine(same).run(fresh=True)
    assert "you allowed this very command before" in " ".join(same.seen[0][1].notices)

    bench.tickets = lambda: [Ticket("T1", "Title", "a.py", "Do it.", verify="touch x")]
    bench.digest = "another check"
    other = ScriptedClutch([approve])
    bench.engine(other).run(fresh=True)
    assert "CHANGED: what you allowed before was true" in other.seen[0][1].notices


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


# Gates whose findings are read

RUFF = f"{Path(sys.executable).with_name('ruff')} check --isolated --no-cache --select F {{files}}"


def linted(root: Path, *turns: object, **fields: object) -> Bench:
    gates = (Gate("ruff", RUFF, files=("*.py",), parser="ruff", trusted=True),)
    tickets = lambda: [Ticket("T1", "Title", "a.py", "Do it.")]  # noqa: E731
    return Bench(root, tickets, ListModel({"T1": list(turns)}), gates=gates, **fields)  # type: ignore[arg-type]


def writes(content: str) -> object:
    return calls(("write_file", {"path": "a.py", "content": content}))


def test_only_what_the_ticket_brought_in_counts(root: Path) -> None:
    (root / "a.py").write_text("import os\n\nA = 1\n")
    (root / "other.py").write_text("import re\n")
    bench = linted(root, writes("# a comment above\nimport os\n\nA = 2\n"), DONE)
    assert bench.engine().run() is ExitCode.OK
    (taken,) = bench.of_kind("baseline_taken")
    assert [finding["path"] for finding in taken.findings] == ["a.py", "other.py"]
    (gate,) = bench.of_kind("gate_finished")
    assert (gate.passed, gate.exit_code, gate.old, list(gate.findings)) == (True, 1, 1, [])


def test_what_is_new_reaches_the_worker_as_a_short_list_and_needs_no_hint(root: Path) -> None:
    bench = linted(root, writes("A = missing\n"), DONE, writes("A = 2\n"), DONE)
    assert bench.engine().run() is ExitCode.OK
    told = bench.model.requests[2][1][-1].content  # type: ignore[attr-defined]
    assert told == "Not done yet: ruff found 1:\nF821 a.py:1 Undefined name `missing`"
    assert bench.of_kind("hint_given") == []
    rounds = [(event.kind, event.data.round) for event in bench.heard if event.kind.startswith("correction_")]
    assert rounds == [("correction_started", 1), ("correction_completed", 1)]
    assert bench.of_kind("correction_completed")[0].succeeded


def test_a_long_list_is_cut_and_says_so(root: Path) -> None:
    many = "".join(f"print(name_number_{n})\n" for n in range(60))
    bench = linted(root, writes(many), DONE, writes("A = 2\n"), DONE)
    bench.engine().run()
    told = bench.model.requests[2][1][-1].content  # type: ignore[attr-defined]
    assert told.startswith("Not done yet: ruff found 60:\n")
    assert "and 52 more. Its output is kept back: read_output" in told
    assert len(told) < 900


def test_the_worker_has_so_many_rounds_then_a_human_is_needed_and_gives_it_as_many_again(root: Path) -> None:
    bench = linted(root, *[writes(f"A = missing + {n}\n") if n % 2 else DONE for n in range(1, 99)])
    with pytest.raises(NeedsHuman, match=r"ruff still fails after 3 corrections: F821 a\.py:1"):
        bench.engine().run()
    assert [event.round for event in bench.of_kind("correction_started")] == [1, 2, 3]
    assert len(bench.of_kind("gate_finished")) == 4
    assert bench.of_kind("run_paused")[0].exit_code == ExitCode.PAUSED
    with pytest.raises(NeedsHuman):
        bench.engine().run()
    assert len(bench.of_kind("gate_finished")) == 8


def test_cheap_gates_come_first_and_the_first_failure_ends_the_round(root: Path) -> None:
    gates = (
        Gate("tests", "touch tests-ran", parser="pytest", trusted=True),
        Gate("any", "touch any-ran", trusted=True),
        Gate("ruff", RUFF, parser="ruff", trusted=True),
    )
    bench = linted(root, writes("A = missing\n"), DONE, writes("A = 2\n"), DONE)
    bench.gates = gates
    engine = bench.engine()
    engine.run()
    order = [(gate.gate, gate.passed) for gate in bench.of_kind("gate_finished")]
    assert order == [("ruff", False), ("ruff", True), ("any", True), ("tests", True)]


def test_the_same_files_are_not_checked_twice(root: Path) -> None:
    bench = linted(root, writes("A = 2\n"), DONE)
    bench.gates = (Gate("ruff", RUFF.replace("{files}", "."), parser="ruff", trusted=True),)
    bench.engine().run()
    assert [gate.cached for gate in bench.of_kind("gate_finished")] == [False]
    bench = linted(root, DONE)
    bench.gates = (Gate("ruff", RUFF.replace("{files}", "."), parser="ruff", trusted=True),)
    bench.engine().run()
    assert [gate.cached for gate in bench.of_kind("gate_finished")] == [True]


def test_a_missing_checker_is_said_and_skips_its_gate(root: Path) -> None:
    bench = linted(root, DONE)
    bench.gates = (Gate("types", "pyright-is-not-here", parser="pyright", trusted=True),)
    assert bench.engine().run() is ExitCode.OK
    (gate,) = bench.of_kind("gate_finished")
    assert gate.skipped == "pyright-is-not-here not found, gate skipped: pip install pyright"


def test_a_checker_that_crashes_fails_by_its_exit_code(root: Path) -> None:
    bench = linted(root, DONE, writes("A = 2\n"), DONE)
    bench.gates = (Gate("ruff", "grep -q 2 a.py || { echo '{not json'; exit 2; }", parser="ruff", trusted=True),)
    assert bench.engine().run() is ExitCode.OK
    assert bench.of_kind("baseline_taken")[0].note == "its output could not be read, exit code 2"
    assert [(gate.passed, gate.exit_code) for gate in bench.of_kind("gate_finished")] == [(False, 2), (True, 0)]


def test_tests_that_passed_before_are_named_when_they_fail(root: Path) -> None:
    (root / "test_a.py").write_text(
        "import a\n\ndef test_one():\n    assert a.A == 1\n\ndef test_old():\n    assert 0\n"
    )
    command = f"{sys.executable} -B -m pytest -q -p no:cacheprovider"
    bench = linted(root, writes("A = 2\n"), DONE, writes("A = 1  # kept\n"), DONE)
    bench.gates = (Gate("tests", command, parser="pytest", trusted=True),)
    assert bench.engine().run() is ExitCode.OK
    failed, passed = bench.of_kind("gate_finished")
    assert [finding["text"] for finding in failed.findings] == ["test_one"]
    assert failed.findings[0]["message"].endswith("(it passed before this ticket)")
    assert (passed.passed, passed.old) == (True, 1)
    told = bench.model.requests[2][1][-1].content  # type: ignore[attr-defined]
    assert "test_a.py:4 test_one failed" in told
    assert "Hint: " in told


def test_a_file_that_is_gone_is_not_checked(root: Path) -> None:
    (root / "b.py").write_text("B = 1\n")
    command = RUFF.replace("--select F", "--select E,F")
    gates = (
        Gate("ruff", command, files=("*.py",), parser="ruff", trusted=True),
        Gate("count", "echo {files} > seen.txt", trusted=True),
        Gate("any", "test ! -f b.py", files=("*.py",), trusted=True),
    )
    bench = linted(root, calls(("delete_file", {"path": "b.py"})), DONE, writes("A = 2\n"), DONE)
    bench.gates = gates
    assert bench.engine().run() is ExitCode.OK
    assert [gate.gate for gate in bench.of_kind("gate_finished")] == ["any"]


# A checker that cannot check


@pytest.mark.parametrize(
    ("checker", "name", "content", "said"),
    [
        ("ruff check .", "ruff.toml", "line-length = 'x'\n", r"ruff\.toml:1 invalid type: string"),
        ("pyright", "pyrightconfig.json", "{not json", r"pyrightconfig\.json could not be parsed"),
        ("pytest -q", "pytest.ini", "[pytest]\naddopts = --nope\n", r"pytest\.ini unrecognized arguments: --nope"),
    ],
)
def test_settings_that_are_broken_stop_the_ticket_before_its_first_turn(
    root: Path, checker: str, name: str, content: str, said: str
) -> None:
    (root / name).write_text(content)
    bench = linted(root, DONE)
    command = str(Path(sys.executable).parent / checker)
    bench.gates = (Gate("check", command, parser=checker.partition(" ")[0], trusted=True),)
    with pytest.raises(NeedsHuman, match=f"^T1: check cannot check: {said}") as stop:
        bench.engine().run()
    assert command in stop.value.hint
    assert bench.model.requests == []  # type: ignore[attr-defined]
    (root / name).unlink()
    bench.gates = (Gate("check", "true", parser="ruff", trusted=True),)
    assert bench.engine().run() is ExitCode.OK
    assert [bool(taken.broken) for taken in bench.of_kind("baseline_taken")] == [True, False]


def test_settings_that_somebody_breaks_meanwhile_pause_the_run_and_count_against_nobody(root: Path) -> None:
    def breaks(call: ToolCall, _: Preview) -> Approved:
        (root / "ruff.toml").write_text("nonsense")
        return Approved(call.arguments)

    bench = linted(root, writes("A = 2\n"), DONE)
    bench.gates = (Gate("ruff", RUFF.replace("--isolated ", ""), parser="ruff", trusted=True),)
    with pytest.raises(NeedsHuman, match=r"ruff cannot check: ruff\.toml:1 "):
        bench.engine([breaks]).run()
    (gate,) = bench.of_kind("gate_finished")
    assert (gate.passed, list(gate.findings)) == (False, [])
    with pytest.raises(NeedsHuman, match=r"ruff cannot check: ruff\.toml:1 "):
        bench.engine().run()
    (root / "ruff.toml").write_text("")
    assert bench.engine().run() is ExitCode.OK
    assert [gate.passed for gate in bench.of_kind("gate_finished")] == [False, False, True]
    assert not [kind for kind in bench.kinds() if kind.startswith("correction_")]
    assert len(bench.model.requests) == 2  # type: ignore[attr-defined]


def test_settings_that_the_ticket_breaks_are_the_workers_to_mend(root: Path) -> None:
    settings = lambda text: calls(("write_file", {"path": "ruff.toml", "content": text}))  # noqa: E731
    bench = linted(root, settings("nonsense"), DONE, settings("line-length = 90\n"), DONE)
    bench.gates = (Gate("ruff", RUFF.replace("--isolated ", "").replace("{files}", "."), parser="ruff", trusted=True),)
    assert bench.engine().run() is ExitCode.OK
    told = bench.model.requests[2][1][-1].content  # type: ignore[attr-defined]
    assert told.startswith("Not done yet: ruff found 1:\nbroken ruff.toml:1 ")
    assert [event.succeeded for event in bench.of_kind("correction_completed")] == [True]
    assert bench.of_kind("hint_given") == []


def test_a_ticket_about_broken_settings_begins(root: Path) -> None:
    (root / "ruff.toml").write_text("nonsense")
    bench = linted(root, calls(("write_file", {"path": "ruff.toml", "content": ""})), DONE)
    bench.tickets = lambda: [Ticket("T1", "Title", "ruff.toml", "Mend it.")]
    bench.gates = (Gate("ruff", RUFF.replace("--isolated ", "").replace("{files}", "."), parser="ruff", trusted=True),)
    assert bench.engine().run() is ExitCode.OK
    (taken,) = bench.of_kind("baseline_taken")
    assert taken.note.startswith("ruff cannot check: ruff.toml:1 ")


def test_a_ticket_whose_file_a_gate_does_not_look_at_begins(root: Path) -> None:
    (root / "ruff.toml").write_text("nonsense")
    bench = linted(root, DONE)
    bench.tickets = lambda: [Ticket("T1", "Title", "README.md", "Do it.")]
    bench.gates = (Gate("ruff", RUFF.replace("--isolated ", ""), files=("*.py",), parser="ruff", trusted=True),)
    assert bench.engine().run() is ExitCode.OK


def test_a_verify_command_whose_program_is_missing_or_whose_settings_are_broken_needs_a_human_at_once(
    root: Path,
) -> None:
    bench = verified(root, DONE, verify="pytest-is-not-here")
    with pytest.raises(NeedsHuman, match="T1: verify cannot check: pytest-is-not-here not found"):
        bench.engine().run()
    assert bench.of_kind("correction_started") == []
    (root / "pytest.ini").write_text("[pytest]\nminversion = 99\n")
    bench = verified(root, DONE, verify=f"{sys.executable} -m pytest -q")
    with pytest.raises(NeedsHuman, match=r"verify cannot check: pytest\.ini 'minversion' requires"):
        bench.engine().run()


def test_a_script_of_the_project_that_is_missing_is_the_workers_to_write(root: Path) -> None:
    script = calls(("write_file", {"path": "check.sh", "content": "true\n"}))
    bench = verified(root, DONE, script, DONE, verify="sh ./check.sh")
    assert bench.engine().run() is ExitCode.OK
    assert [gate.passed for gate in bench.of_kind("gate_finished")] == [False, True]
