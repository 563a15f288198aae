"""What the inspector reads off real runs: engines with scripted workers and humans."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor import events
from conductor.clutch.scripted import Answer, approve
from conductor.gates.base import Gate
from conductor.inspector.advice import advise
from conductor.inspector.base import Count
from conductor.inspector.observe import Attempt, attempts
from conductor.inspector.odds import workers
from conductor.inspector.plot import bar, svg
from conductor.journal import read
from conductor.messages import Approved, Completion, Decision, Preview, Rejected, ToolCall, Usage
from conductor.models import Ticket, TrustLevel
from conductor.undo import carry_out, undoing
from tests.bench import DONE, Bench, ListModel, calls

WRITE = ("write_file", {"path": "a.py", "content": "x = 1\n"})


def worked(
    tmp_path: Path, turns: list[Completion], answers: list[Answer], *, verify: str = "", gates: tuple[Gate, ...] = ()
) -> Attempt:
    bench = Bench(
        tmp_path, lambda: [Ticket("T1", "A", "a.py", "Do it.", verify=verify)], ListModel({"T1": turns}), gates=gates
    )
    bench.engine(answers).run()
    (attempt,) = attempts(bench.heard)
    return attempt


def edited(call: ToolCall, preview: Preview) -> Decision:
    del preview
    return Approved(call.arguments | {"content": "x = 2\n"})


def test_decisions_are_counted_as_the_human_made_them(tmp_path: Path) -> None:
    second = calls(("write_file", {"path": "a.py", "content": "x = 3\n"}))
    turns = [calls(WRITE), second, calls(("write_file", {"path": "b.py", "content": "y\n"})), DONE]
    attempt = worked(tmp_path, turns, [approve, edited, approve, Rejected("not that file")])
    assert attempt.state == "completed"
    assert attempt.unedited == Count(1, 3)
    assert (attempt.edits, attempt.rejections) == (1, 1)
    assert attempt.undone == Count(0, 2)
    assert attempt.passed is None  # nothing checked it
    assert attempt.tokens == 4 * 110


def test_a_check_that_fails_once_is_no_first_try(tmp_path: Path) -> None:
    turns = [calls(WRITE), DONE, calls(("write_file", {"path": "a.py", "content": "good\n"})), DONE]
    attempt = worked(tmp_path, turns, [approve] * 5, verify="grep -q good a.py")
    assert attempt.state == "completed"
    assert (attempt.gates, attempt.gates_failed, attempt.passed) == (2, 1, False)
    assert attempt.unedited == Count(2, 2)  # the yes to the check is not about the worker


def test_checks_that_pass_at_once_are(tmp_path: Path) -> None:
    attempt = worked(tmp_path, [calls(WRITE), DONE], [approve], gates=(Gate("g", "true", trusted=True),))
    assert attempt.passed is True
    assert attempt.commands == 1
    assert attempt.cpu_s > 0


def test_a_gate_that_was_skipped_has_checked_nothing(tmp_path: Path) -> None:
    missing = Gate("types", "pyright-is-not-here", parser="pyright", trusted=True)
    attempt = worked(tmp_path, [calls(WRITE), DONE], [approve], gates=(missing,))
    assert (attempt.gates, attempt.passed) == (0, None)


def test_what_a_trust_level_let_through_says_nothing_of_a_human(tmp_path: Path) -> None:
    tickets = [Ticket("T1", "A", "a.py", "Do it.")]
    bench = Bench(tmp_path, lambda: tickets, ListModel({"T1": [calls(WRITE), DONE]}), level=TrustLevel.AUTO)
    bench.engine().run()
    (attempt,) = attempts(bench.heard)
    assert (attempt.by_policy, attempt.unedited) == (1, Count())
    advice = advise(workers([attempt]), threshold=0.9, level=0.95)
    assert any("no human looked" in reason for piece in advice for reason in piece.reasons)


def test_a_second_worker_of_a_ticket_is_an_attempt_of_its_own(tmp_path: Path) -> None:
    turns = [Completion("", usage=Usage(1, 1))] * 2
    bench = Bench(tmp_path, lambda: [Ticket("T1", "A", "a.py", "Do it.")], ListModel({"T1": turns}), max_turns=2)
    bench.engine().run()
    bench.model = ListModel({"T1": [calls(WRITE), DONE]})
    bench.engine().run(retry=["T1"])
    assert [attempt.state for attempt in attempts(bench.heard)] == ["failed", "completed"]


def test_the_odds_move_with_what_humans_do() -> None:
    fine = Attempt("t", "T1", "m", "coder", "step", "completed", passed=True, gates=1, unedited=Count(10, 10))
    poor = Attempt("t", "T1", "m", "coder", "step", "completed", passed=False, gates=2, unedited=Count(4, 10))
    (good,), (bad,) = workers([fine] * 3), workers([poor] * 3)
    for question in ("first_try", "unedited"):
        assert good.rates[question].mean > bad.rates[question].mean + 0.3


@pytest.mark.parametrize(("undone", "ready"), [(Count(0, 200), True), (Count(30, 200), False)])
def test_more_trust_is_advised_only_when_both_bounds_are_above_the_threshold(undone: Count, ready: bool) -> None:
    seen = Attempt("t", "T1", "m", "coder", "step", "completed", passed=True, unedited=Count(200, 200), undone=undone)
    trust = [piece for piece in advise(workers([seen]), threshold=0.9, level=0.95) if piece.kind == "trust"]
    assert [("could move" in piece.text) for piece in trust] == [ready]
    assert not any("could move" in p.text for p in advise(workers([seen]), threshold=0.999, level=0.95))


def test_no_more_trust_is_advised_for_what_is_already_guarded() -> None:
    seen = Attempt("t", "T1", "m", "coder", "guarded", "completed", unedited=Count(200, 200), undone=Count(0, 99))
    assert not [piece for piece in advise(workers([seen]), threshold=0.9, level=0.95) if piece.kind == "trust"]


def test_a_dearer_model_has_to_pass_more_often() -> None:
    def attempt(model: str, usd: float, passed: bool) -> Attempt:
        return Attempt("t", "T1", model, "coder", "auto", "completed", passed=passed, gates=1, usd=usd)

    cheap = [attempt("cheap", 0.01, n % 5 == 0) for n in range(30)]
    worth = [attempt("dear", 0.05, n % 5 != 0) for n in range(30)]
    same = [attempt("dear", 0.05, n % 5 == 0) for n in range(30)]
    (piece,) = (p for p in advise(workers([*cheap, *worth]), threshold=0.9, level=0.95) if p.kind == "model")
    assert piece.subject == "dear"
    (piece,) = (p for p in advise(workers([*cheap, *same]), threshold=0.9, level=0.95) if p.kind == "model")
    assert piece.subject == "cheap"


def test_the_pictures_show_the_interval_and_escape_names() -> None:
    seen = Attempt("t", "T1", "<m&>", "coder", "step", unedited=Count(9, 10))
    (worker,) = workers([seen])
    line = bar(worker.rates["unedited"], 0.95, width=20)
    assert len(line) == 20
    assert line.count("●") == 1
    assert "━" in line
    picture = svg([worker], 0.95)
    assert "&lt;m&amp;&gt;" in picture
    assert "<m&>" not in picture
    assert picture.count("<polygon") == 6


def test_all_of_it_follows_from_the_journal_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda: [Ticket("T1", "A", "a.py", "Do it.")], ListModel({"T1": [calls(WRITE), DONE]}))
    engine = bench.engine()
    engine.run()
    again = [events.from_json(event.kind, events.to_json(event.data)) for event in bench.heard]
    assert again == [event.data for event in bench.heard]


def test_changes_that_were_undone_count_as_undone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n")
    edits = [("edit_file", {"path": "a.py", "old_string": str(n), "new_string": str(n + 1)}) for n in (1, 2, 3)]
    bench = Bench(
        tmp_path.resolve(), lambda: [Ticket("T1", "T", "a.py", "Do.")], ListModel({"T1": [calls(*edits), DONE]})
    )
    bench.engine().run()
    track = bench.engine().track
    for to, undone in (("call_1_2", 1), ("call_1_1", 2)):
        with undoing(track, bench.store, bench.root, "T1", to) as (found, journal):
            carry_out(found, journal, track.ticket("T1"), bench.root)
        assert attempts(read(bench.store.rows()))[0].undone == Count(undone, 3)
