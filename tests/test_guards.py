"""A run that goes on finds what it left, or says what is different and waits for the human's word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conductor.clutch.scripted import approve
from conductor.errors import NeedsHuman, StateMismatch
from conductor.gates.base import Gate
from conductor.messages import Aborted
from conductor.models import Ticket, TrustLevel
from tests.bench import DONE, Bench, ListModel, calls

READ = ("read_file", {"path": "seen.py"})
WRITE = ("write_file", {"path": "made.py", "content": "one\n"})
LATER = ("run_shell", {"command": "true"})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "seen.py").write_text("as it was\n")
    (tmp_path / "other.py").write_text("nobody saw it\n")
    model = ListModel({"T1": [calls(READ, WRITE), calls(LATER), DONE]})
    return Bench(tmp_path, lambda: [Ticket("T1", "One", "target.py", "Do it.")], model)


def parked(bench: Bench) -> Bench:
    with pytest.raises(NeedsHuman):
        bench.engine([approve, approve, Aborted()]).run()
    return bench


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("seen.py", "seen.py changed since call call_1_1 showed it"),
        ("made.py", "made.py changed since call call_1_2 wrote it"),
    ],
)
@pytest.mark.parametrize("gone", [True, False])
def test_a_file_the_worker_knows_is_not_changed_behind_its_back(bench: Bench, path: str, why: str, gone: bool) -> None:
    parked(bench)
    (bench.root / path).unlink() if gone else (bench.root / path).write_text("by hand\n")
    before = list(bench.store.rows())

    for _ in range(2):
        with pytest.raises(StateMismatch, match=re.escape(why)) as refused:
            bench.engine().run()
        assert "--accept-changes" in refused.value.hint
        assert list(bench.store.rows()) == before

    assert bench.engine([approve, Aborted()]).run(accept_changes=True) == 0
    (accepted,) = bench.of_kind("changes_accepted")
    assert list(accepted.files) == [path]
    said = [message.content for message in bench.model.requests[-1][1] if message.role == "user"]  # type: ignore[attr-defined]
    assert sum(f"read them again before you rely on them: {path}." in text for text in said) == 1


def test_what_was_accepted_is_not_asked_about_again(bench: Bench) -> None:
    parked(bench)
    (bench.root / "made.py").write_text("by hand\n")
    with pytest.raises(NeedsHuman):
        bench.engine([Aborted()]).run(accept_changes=True)
    assert bench.engine().run() == 0


def test_files_nobody_saw_may_change(bench: Bench) -> None:
    parked(bench)
    (bench.root / "other.py").write_text("mended by hand\n")
    (bench.root / "new.py").write_text("made by hand\n")
    assert bench.engine().run() == 0


def test_settings_that_matter_are_named_with_what_they_were(bench: Bench) -> None:
    bench.settings = {"models.default": "a", "gates.lint": "call: ruff"}
    parked(bench)
    bench.settings = {"models.default": "b", "archetypes.coder.tools": "read_file"}
    with pytest.raises(StateMismatch) as refused:
        bench.engine().run()
    for part in (
        '[models] default was "a", now it is "b"',
        '[gates] lint was "call: ruff", now it is not set',
        '[archetypes.coder] tools was not set, now it is "read_file"',
    ):
        assert part in str(refused.value)
    with pytest.raises(NeedsHuman):
        bench.engine([Aborted()]).run(accept_changes=True)
    assert bench.engine().run() == 0


def test_a_check_whose_files_changed_under_it_counts_for_nothing_and_runs_again_once(bench: Bench) -> None:
    """The check itself changes a file of the ticket each time: the second report stands."""
    from conductor.history.base import Changed, Changes, FileState

    class Moving:
        """Finds the ticket's file changed by every check."""

        def begin(self, mark: str) -> None:
            pass

        def changes(self, mark: str) -> Changes:
            found = Changed("made.py", FileState("1", "100644"), FileState("2", "100644"), True)
            return Changes((found,) if "check" in mark else (), "")

    bench.tree = Moving()  # type: ignore[assignment]
    bench.level = TrustLevel.AUTO
    bench.gates = (Gate("lint", "echo x >> ran.txt", trusted=True),)
    bench.engine().run()

    reports = bench.of_kind("gate_finished")
    assert [report.stale for report in reports] == ["made.py changed while it ran", ""]
    assert (bench.root / "ran.txt").read_text() == "x\nx\n"
