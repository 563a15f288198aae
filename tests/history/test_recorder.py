"""What calls change is in the journal: contents, modes, and what a cut-off command had done."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor import events
from conductor.clutch.scripted import approve
from conductor.gates.base import Gate
from conductor.history.snapshots import Snapshots
from conductor.messages import Approved, Preview, Rejected, Skipped, ToolCall, content_hash
from conductor.models import Ticket
from conductor.stores.memory import MemoryStore
from tests.bench import DONE, Bench, ListModel, Turn, calls


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    return tmp_path.resolve()


def make(root: Path, *turns: Turn, gates: tuple[Gate, ...] = ()) -> Bench:
    """A bench whose engines notice what commands do."""
    store = MemoryStore()
    tree = Snapshots(root, root / ".conductor/trees/t.db", (), store.put)
    model = ListModel({"T1": turns})
    return Bench(root, lambda: [Ticket("T1", "Title", "a.py", "Do it.")], model, store=store, tree=tree, gates=gates)


def changed(bench: Bench) -> list[tuple[str, str, str]]:
    return [(data.path, data.before_mode, data.after_mode) for data in bench.of_kind("code_changed")]


def test_file_tools_keep_what_was_before_and_after(root: Path) -> None:
    (root / "a.py").chmod(0o755)
    bench = make(
        root,
        calls(
            ("edit_file", {"path": "a.py", "old_string": "1", "new_string": "2"}),
            ("write_file", {"path": "sub/new.py", "content": "N = 1\n"}),
            ("delete_file", {"path": "a.py"}),
        ),
        DONE,
    )
    bench.engine().run()
    assert changed(bench) == [
        ("a.py", "100755", "100755"),
        ("sub/new.py", "", "100644"),
        ("a.py", "100755", ""),
    ]
    for data in bench.of_kind("code_changed"):
        assert data.kept
        for digest in filter(None, (data.before, data.after)):
            assert content_hash(bench.store.get(digest)) == digest


def test_what_a_command_and_a_gate_did_is_recorded_with_its_result(root: Path) -> None:
    gates = (Gate("report", "echo r > report.txt", trusted=True),)
    bench = make(root, calls(("run_shell", {"command": "mv a.py b.py; echo x > c; exit 3"})), DONE, gates=gates)
    bench.engine().run()
    assert [path for path, _, _ in changed(bench)] == ["a.py", "b.py", "c", "report.txt"]
    kinds = bench.kinds()
    assert kinds[kinds.index("code_changed") :][:4] == [*["code_changed"] * 3, "call_finished"]
    assert kinds[kinds.index("gate_started") :][:3] == ["gate_started", "code_changed", "gate_finished"]


def test_an_uncovered_command_is_said_to_be_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conductor.history.snapshots.MAX_FILES", 0)
    bench = make(root, calls(("run_shell", {"command": "true"})), DONE)
    bench.engine().run()
    assert bench.of_kind("changes_unknown")[0].call_id == "call_1_1"


@pytest.mark.parametrize("decision", ["again", "reject", "skip"])
def test_what_a_cut_off_command_had_done_is_recorded_however_it_is_settled(root: Path, decision: str) -> None:
    bench = make(root, calls(("run_shell", {"command": "echo x >> made"})), DONE)
    engine = bench.engine()
    finish, bench.store.append = bench.store.append, _until_started(bench)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        engine.run()
    bench.store.append = finish  # type: ignore[method-assign]
    (root / "made").write_text("cut off\n")

    def answer(call: ToolCall, preview: Preview) -> Approved | Rejected | Skipped:
        assert "OUTCOME UNKNOWN" in preview.notices[0]
        return {"again": Approved(call.arguments), "reject": Rejected("it did"), "skip": Skipped()}[decision]

    bench.engine([answer, approve]).run()
    assert changed(bench) == [("made", "", "100644")]
    assert bench.of_kind("code_changed")[0].after == content_hash((root / "made").read_bytes())


def _until_started(bench: Bench):  # type: ignore[no-untyped-def]
    append = bench.store.append

    def cut(seal, *, durable):  # type: ignore[no-untyped-def]
        rows = append(seal, durable=durable)
        if any(row.kind == events.CallStarted.kind for row in rows):
            raise KeyboardInterrupt
        return rows

    return cut
