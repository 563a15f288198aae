"""What checks can mend, or change by themselves: offered at the clutch, decided there, and told to the worker."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conductor.clutch.rules import DenyClutch
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.display.narrator import Narrator
from conductor.errors import ExitCode, NeedsHuman
from conductor.gates.base import Gate
from conductor.history.snapshots import Snapshots
from conductor.messages import Approved, Preview, Rejected, Skipped, ToolCall
from conductor.models import Ticket, TicketStatus, TrustLevel
from tests.bench import DONE, Bench, ListModel, calls

RUFF = Path(sys.executable).with_name("ruff")
LINT = Gate("lint", f"{RUFF} check --isolated --no-cache --select F {{files}}", ("*.py",), parser="ruff", trusted=True)
LAYOUT = Gate("layout", f"{RUFF} format --isolated --no-cache --check .", parser="ruff", trusted=True)
MESSY = "import os\nA = 2\n"
CLEAN = "A = 2\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    (folder / "a.py").write_text("A = 1\n")
    return folder


def writes(content: str, path: str = "a.py") -> Any:
    return calls(("write_file", {"path": path, "content": content}))


def checked(root: Path, gates: tuple[Gate, ...], *turns: Any, **fields: Any) -> Bench:
    tickets = lambda: [Ticket("T1", "Title", "a.py", "Do it.")]  # noqa: E731
    bench = Bench(root, tickets, ListModel({"T1": list(turns)}), gates=gates, **fields)
    bench.tree = Snapshots(root, root.parent / "tree.db", (), bench.store.put)
    return bench


def told(bench: Bench, request: int) -> str:
    """What stood last in a request to the worker's model."""
    return bench.model.requests[request][1][-1].content  # type: ignore[attr-defined]


def test_what_can_be_mended_is_a_diff_of_its_own_and_needs_no_turn_of_the_worker(root: Path) -> None:
    bench = checked(root, (LINT,), writes(MESSY), DONE)
    clutch = ScriptedClutch([approve, approve])
    assert bench.engine(clutch).run() is ExitCode.OK
    call, preview = clutch.seen[1]
    assert (call.tool, call.arguments) == ("write_file", {"path": "a.py", "content": CLEAN})
    assert "-import os" in preview.text
    said = "proposed by the check lint, not by the worker: it mends what it can: F401 `os` imported but unused"
    assert preview.notices == (said,)
    assert (root / "a.py").read_text() == CLEAN
    assert [(gate.passed, list(gate.fixable)) for gate in bench.of_kind("gate_finished")] == [
        (False, ["a.py"]),
        (True, []),
    ]
    assert len(bench.model.requests) == 2  # type: ignore[attr-defined]
    assert bench.of_kind("correction_started") == []
    assert [change.call_id for change in bench.of_kind("code_changed")] == ["call_1_1", call.call_id]


def test_what_is_left_goes_to_the_worker_who_is_told_what_was_mended(root: Path) -> None:
    edit = ("edit_file", {"path": "a.py", "old_string": "missing", "new_string": "2"})
    bench = checked(root, (LINT,), writes("import os\nA = missing\n"), DONE, calls(edit), DONE)
    assert bench.engine().run() is ExitCode.OK
    assert told(bench, 2) == "Not done yet: lint found 1:\nF821 a.py:1 Undefined name `missing`"
    mended = bench.model.requests[2][1][-2].content  # type: ignore[attr-defined]
    assert mended.startswith("The check lint mends what it can: F401 `os` imported but unused. It was approved.\nwrote")
    assert "-import os" in mended
    assert [each.outcome for each in bench.of_kind("call_finished")] == ["ok"] * 3, "its edit was not sent back"


def test_lines_that_a_check_wrote_are_not_the_workers(root: Path) -> None:
    rewritten = "x = {  'a':1,\n   'b':2 }\nA = missing\n"
    edit = ("edit_file", {"path": "a.py", "old_string": '"b": 2', "new_string": '"b": 3'})
    layout = Gate("layout", f"{RUFF} format --isolated --no-cache --diff a.py", parser="ruff", trusted=True)
    lint = Gate("lint", f"{RUFF} check --isolated --no-cache --select F a.py", parser="ruff", trusted=True)
    bench = checked(root, (layout, lint), writes(rewritten), DONE, calls(edit), calls(edit), writes("x = 1\n"), DONE)
    bench.engine().run()
    results = [each for each in bench.of_kind("call_finished") if each.tool == "edit_file"]
    assert [each.outcome for each in results] == ["refused", "ok"]
    assert "a.py was changed since you saw it" in results[0].text or "other lines" in results[0].text


def test_a_rejected_fix_leaves_the_finding_and_the_reason_to_the_worker(root: Path) -> None:
    bench = checked(root, (LINT,), writes(MESSY), DONE, writes("import os\nA = os.sep\n"), DONE)
    assert bench.engine([approve, Rejected("os is needed"), approve]).run() is ExitCode.OK
    assert told(bench, 2) == "Not done yet: lint found 1:\nF401 a.py:1 `os` imported but unused"
    before = bench.model.requests[2][1][-2].content  # type: ignore[attr-defined]
    assert before == ("A human did not let the check lint change a.py. It did not run. Their reason: os is needed")


def test_what_a_human_made_of_a_fix_is_what_runs(root: Path) -> None:
    other = {"path": "a.py", "content": "A = 3\n"}
    bench = checked(root, (LINT,), writes(MESSY), DONE, DONE)
    commented: Callable[[ToolCall, Preview], Approved] = lambda call, _: Approved(call.arguments, comment="three")  # noqa: E731
    assert bench.engine([approve, Approved(other), commented]).run() is ExitCode.OK
    assert (root / "a.py").read_text() == "A = 3\n"
    assert "It was changed by a human.\nA human approved this and said: three\n" in told(bench, 2)


def test_skipping_at_a_fix_cancels_the_ticket(root: Path) -> None:
    bench = checked(root, (LINT,), writes(MESSY), DONE)
    engine = bench.engine([approve, Skipped()])
    assert engine.run() is ExitCode.TICKETS_FAILED
    assert engine.track.ticket("T1").status is TicketStatus.CANCELLED


def test_at_auto_a_fix_needs_nobody_and_at_guarded_it_waits(root: Path) -> None:
    bench = checked(root, (LINT,), writes(MESSY), DONE, level=TrustLevel.AUTO)
    assert bench.engine([]).run() is ExitCode.OK
    assert (root / "a.py").read_text() == CLEAN
    assert [each.by for each in bench.of_kind("call_decided")] == ["trust:auto"] * 2
    (root / "a.py").write_text("A = 1\n")
    bench = checked(root, (LINT,), writes(MESSY), DONE, level=TrustLevel.GUARDED)
    with pytest.raises(NeedsHuman):
        bench.engine([approve]).run()
    with pytest.raises(NeedsHuman):
        bench.engine(DenyClutch()).run()
    assert (root / "a.py").read_text() == MESSY
    assert bench.engine([approve]).run() is ExitCode.OK
    assert (root / "a.py").read_text() == CLEAN


def test_only_files_of_the_ticket_are_mended_and_format_is_offered_too(root: Path) -> None:
    (root / "other.py").write_text("import re\nx  = 1\n")
    bench = checked(root, (LAYOUT,), writes("A  = 2\n"), DONE)
    assert bench.engine().run() is ExitCode.OK
    assert (root / "a.py").read_text() == CLEAN
    assert (root / "other.py").read_text() == "import re\nx  = 1\n"
    first, second = bench.of_kind("gate_finished")
    assert (list(first.fixable), first.old, second.passed) == (["a.py"], 1, True)


def test_gates_after_each_call_offer_as_well(root: Path) -> None:
    gate = Gate("lint", LINT.command, LINT.files, "call", trusted=True, parser="ruff")
    bench = checked(root, (gate,), writes(MESSY), DONE)
    assert bench.engine().run() is ExitCode.OK
    assert (root / "a.py").read_text() == CLEAN
    assert [each.kind for each in bench.heard].index("calls_offered") < len(bench.heard) - 5
    assert "-import os" in told(bench, 1)


def test_a_worker_that_may_not_write_has_its_file_mended_all_the_same(root: Path) -> None:
    bench = checked(root, (LINT,), writes(MESSY), DONE)
    engine = bench.engine()
    engine.run()
    assert bench.of_kind("calls_offered")[0].why.startswith("mends")


@pytest.mark.parametrize(
    "command", ["{} check --isolated --select F a.py | cat", "{} check --isolated --select F . ; true"]
)
def test_a_command_that_is_more_than_ruff_is_not_turned_into_another(root: Path, command: str) -> None:
    gate = Gate("lint", "set -o pipefail; " + command.format(RUFF), parser="ruff", trusted=True)
    bench = checked(root, (gate,), writes(MESSY), DONE, writes(CLEAN), DONE)
    bench.engine().run()
    assert all(not each.tool_calls for each in bench.of_kind("calls_offered"))


CHANGES = Gate("odd", "printf '# checked\\n' >> a.py; printf more >> data.txt; echo new > report.xml", trusted=True)


def odd(root: Path, *turns: Any) -> Bench:
    (root / "data.txt").write_text("data\n")
    return checked(root, (CHANGES,), *turns)


def test_what_a_check_changes_by_itself_is_put_back_and_offered(root: Path) -> None:
    gate = Gate("layout", f"{RUFF} format --isolated --no-cache a.py", trusted=True)
    bench = checked(root, (gate,), writes("A  = 2\n"), DONE)
    seen: list[str] = []

    def look(call: ToolCall, preview: Preview) -> Approved:
        seen.append((root / "a.py").read_text())
        return Approved(call.arguments)

    assert bench.engine([approve, look]).run() is ExitCode.OK
    assert seen == ["A  = 2\n"]
    assert (root / "a.py").read_text() == CLEAN
    first, second = bench.of_kind("gate_finished")
    assert first.stale == "it changed a.py by itself, which was put back"
    assert second.passed
    assert bench.of_kind("calls_offered")[0].why == "changes this file by itself"
    said = [line.text for event in bench.heard for line in Narrator({}).lines(event)]
    assert "layout changed a.py by itself: put back" in said


def test_a_check_that_changes_the_tickets_files_unasked_fails_and_others_stay_as_they_were(root: Path) -> None:
    bench = odd(root, writes(CLEAN), DONE, DONE, DONE, DONE, DONE, DONE)
    no = Rejected("")
    with pytest.raises(NeedsHuman, match="odd still fails"):
        bench.engine([approve, *[no] * 20]).run()
    assert ((root / "a.py").read_text(), (root / "data.txt").read_text()) == (CLEAN, "data\n")
    assert (root / "report.xml").exists(), "what tests leave behind stays, and can be undone"
    assert {change.path for change in bench.of_kind("code_changed")} == {"a.py", "report.xml"}
    finding = "changes a.py is changed by this check itself, which was not approved and is put back"
    assert finding in told(bench, 2)


def test_a_check_that_changes_other_files_passes_and_they_are_put_back(root: Path) -> None:
    gate = Gate("tests", "date +%N >> data.txt", trusted=True)
    (root / "data.txt").write_text("data\n")
    bench = checked(root, (gate,), writes(CLEAN), DONE)
    assert bench.engine([approve, Rejected("")]).run() is ExitCode.OK
    assert (root / "data.txt").read_text() == "data\n"


def test_a_binary_file_is_put_back_and_cannot_be_offered(root: Path) -> None:
    (root / "data.bin").write_bytes(b"\0\1")
    bench = checked(root, (Gate("tests", "printf '\\0\\2' > data.bin", trusted=True),), writes(CLEAN), DONE)
    assert bench.engine([approve]).run() is ExitCode.OK
    assert (root / "data.bin").read_bytes() == b"\0\1"
    assert bench.of_kind("calls_offered")[0].tool_calls == []


def test_what_the_baseline_of_tests_changes_is_undone(root: Path) -> None:
    (root / "data.txt").write_text("data\n")
    (root / "test_it.py").write_text("def test_it():\n    open('data.txt', 'a').write('x')\n    open('new.txt', 'w')\n")
    gate = Gate("tests", f"{sys.executable} -B -m pytest -q -p no:cacheprovider", parser="pytest", trusted=True)
    bench = checked(root, (gate,), DONE)
    assert bench.engine([approve] * 5).run() is ExitCode.OK
    assert bench.of_kind("baseline_taken")[0].tests == ["test_it.py::test_it"]
    created = [change for change in bench.of_kind("code_changed") if change.path == "new.txt"]
    assert [change.call_id for change in created] == ["baseline_T1_tests"]
    assert bench.kinds().index("code_changed") < bench.kinds().index("baseline_taken")


def test_what_a_check_leaves_behind_is_not_among_the_tickets_files(root: Path) -> None:
    tests = Gate("tests", "echo '<x>' > report.xml; echo '1 passed in 0.1s'", parser="pytest", trusted=True)
    seen = Gate("seen", "echo {files} >> ../seen.txt", trusted=True)
    bench = checked(root, (tests, seen), writes(CLEAN), DONE)
    assert bench.engine([approve] * 9).run() is ExitCode.OK
    assert "report.xml" in {change.path for change in bench.of_kind("code_changed")}
    assert (root.parent / "seen.txt").read_text() == "a.py\n"


class PowerCut(BaseException):
    """The end of a process that nothing can catch."""


@pytest.mark.slow
@pytest.mark.parametrize("level", [TrustLevel.STEP, TrustLevel.AUTO])
def test_a_cut_after_any_entry_ends_in_the_same_files_with_each_change_made_once(root: Path, level: TrustLevel) -> None:
    gates = (LINT, LAYOUT, Gate("odd", "grep -q odd a.py || echo '# odd' >> a.py; echo x >> data.txt", trusted=True))
    origin = shutil.copytree(root, root.parent / "origin")
    (origin / "data.txt").write_text("data\n")
    at, cuts = 0, True
    while cuts:
        at += 1
        shutil.rmtree(root)
        shutil.copytree(origin, root)
        (root.parent / "tree.db").unlink(missing_ok=True)
        bench = checked(root, gates, writes("import os\nA  = 2\n"), DONE, level=level)
        cuts = False
        engine = bench.engine()
        journal = engine._ledger.journal

        def cut(event: Any, last: int = at) -> None:
            if event.sequence == last:
                raise PowerCut

        journal._listeners = (*journal._listeners, cut)
        try:
            engine.run()
        except PowerCut:
            cuts = True
            bench.tree.close()  # type: ignore[attr-defined]
            assert bench.engine().run() is ExitCode.OK, at
        assert (root / "a.py").read_text() == "A = 2\n# odd\n", at
        assert (root / "data.txt").read_text() in ("data\n", "data\nx\n"), at
        offered = [call["call_id"] for each in bench.of_kind("calls_offered") for call in each.tool_calls]
        finished = [each.call_id for each in bench.of_kind("call_finished")]
        assert sorted(finished) == sorted({"call_1_1", *offered}), at
    assert at > 30
