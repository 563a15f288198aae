"""Frozen files and the shape of a change where the human decides: at every trust level, and said of commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conductor.clutch.limits import Limits
from conductor.clutch.policy import RuleBook
from conductor.clutch.rule import Rule, Verdict
from conductor.clutch.rule_file import RuleFile
from conductor.clutch.scripted import ScriptedClutch
from conductor.display.narrator import Narrator
from conductor.errors import NeedsHuman
from conductor.history.snapshots import Snapshots
from conductor.messages import Aborted
from conductor.models import Ticket, TrustLevel
from conductor.stores.memory import MemoryStore
from tests.bench import DONE, Bench, ListModel, calls

FROZEN = ("edit_file", {"path": "tests/test_a.py", "old_string": "== 2", "new_string": "== 3"})
SKIPPED = ("edit_file", {"path": "test_b.py", "old_string": "    assert", "new_string": "    return\n    assert"})
SIGNATURE = ("edit_file", {"path": "a.py", "old_string": "one(a)", "new_string": "one(a, b)"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "a.py").write_text("def one(a):\n    return a\n")
    (tmp_path / "b.py").write_text("from a import one\n\none(1)\n")
    (tmp_path / "test_b.py").write_text("def test_b():\n    assert 1 + 1 == 2\n")
    (tmp_path / "tests" / "test_a.py").write_text("def test_a():\n    assert 1 + 1 == 2\n")
    return tmp_path.resolve()


def bench_of(root: Path, *turns: Any, **fields: Any) -> Bench:
    def tickets() -> list[Ticket]:
        return [Ticket("T1", "Title", "a.py", "Do it.", frozen=("tests/**",))]

    return Bench(root, tickets, ListModel({"T1": [*turns, DONE]}), **fields)


@pytest.mark.parametrize("call", [FROZEN, SKIPPED])
def test_no_trust_level_and_no_rule_answers_for_a_test_that_may_be_weakened(root: Path, call: Any) -> None:
    rules = RuleFile(root / "home")
    rules.add(Rule(Verdict.ALLOW, "edit_file", path="**/*.py"))
    book = RuleBook(rules, Limits(root), "digest-1", lambda: iter(()))
    seen = ("read_file", {"path": call[1]["path"]})
    bench = bench_of(root, calls(seen), calls(call), level=TrustLevel.AUTO, book=book)
    clutch = ScriptedClutch([Aborted()])
    with pytest.raises(NeedsHuman):
        bench.engine(clutch).run()
    ((_, shown),) = clutch.seen
    assert shown.must_ask
    assert shown.offers is None
    assert shown.dangerous in ("this changes a frozen file", "this skips 1 test")
    assert shown.notices[0] in ('this file is frozen ("tests/**")', "skips 1 test: test_b")


def test_the_shape_of_a_change_is_shown_and_kept(root: Path) -> None:
    bench = bench_of(root, calls(SIGNATURE))
    clutch = ScriptedClutch([Aborted()])
    with pytest.raises(NeedsHuman):
        bench.engine(clutch).run()
    ((_, shown),) = clutch.seen
    assert shown.shape == "changes one(a) → (a, b)"
    assert shown.notices == ("1 caller does not follow: b.py:3 (one)",)
    assert not shown.dangerous
    (proposed,) = bench.of_kind("call_proposed")
    assert proposed.preview["shape"] == shown.shape


def test_trust_goes_as_far_as_before_where_no_test_is_weakened(root: Path) -> None:
    bench = bench_of(root, calls(SIGNATURE), level=TrustLevel.AUTO)
    bench.engine(ScriptedClutch([])).run()
    assert "one(a, b)" in (root / "a.py").read_text()


def test_what_a_command_did_to_a_frozen_file_is_put_back_and_said(root: Path) -> None:
    store = MemoryStore()
    trees = Snapshots(root, root / ".conductor" / "trees" / "t.db", (), store.put)
    before = (root / "tests/test_a.py").read_bytes()
    command = ("run_shell", {"command": "echo >> tests/test_a.py; echo new > tests/test_b.py; echo >> a.py"})
    bench = bench_of(root, calls(command), level=TrustLevel.AUTO, store=store, tree=trees)
    bench.engine(ScriptedClutch([])).run()
    assert [data.path for data in bench.of_kind("code_changed")] == ["a.py"]
    assert (root / "tests/test_a.py").read_bytes() == before
    assert not (root / "tests/test_b.py").exists()
    narrator = Narrator({})
    said = [line.text for event in bench.heard for line in narrator.lines(event)]
    assert "the command changed tests/test_a.py, created tests/test_b.py, which is frozen: put back" in said
    assert "Put back, because it is frozen: tests/test_a.py, tests/test_b.py" in bench.of_kind("call_finished")[0].text
