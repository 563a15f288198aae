"""A finished run, once more from its journal, ends in the same files; what differs is named."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from conductor.clutch.scripted import Answer, approve
from conductor.errors import NeedsHuman, UsageError
from conductor.events import Event
from conductor.gates.base import Gate
from conductor.history.snapshots import Snapshots
from conductor.journal import read
from conductor.messages import Aborted, Approved, Effect, Preview, Rejected, Skipped, ToolCall, ToolResult, ToolSpec
from conductor.models import Archetype, Ticket, Track, TrustLevel
from conductor.replay.record import Record
from conductor.replay.run import Report, Setting, prepare
from conductor.replay.run import replay as run_again
from conductor.sandbox.registry import unconfined
from conductor.tools.base import Action
from conductor.tools.registry import choose
from conductor.tools.workspace import Workspace
from conductor.undo import carry_out, undoing
from tests.bench import ALL_TOOLS, DONE, Bench, ListModel, calls, tree

EDIT = ("edit_file", {"path": "a.py", "old_string": "1", "new_string": "2"})
MORE = ("edit_file", {"path": "a.py", "old_string": "= 2", "new_string": "= 3"})
WRITE = ("write_file", {"path": "src/new.py", "content": "new\n"})
EMPTY = ("write_file", {"path": "empty.txt", "content": ""})
DELETE = ("delete_file", {"path": "old.txt"})
READ = ("read_file", {"path": "other.txt"})
SHELL = ("run_shell", {"command": "echo made > made.txt; chmod 755 made.txt; rm b.txt; echo said; exit 3"})
OUTPUT = ("read_output", {"call_id": "call_1_1"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    for name, content in {"a.py": "A = 1\n", "b.txt": "b\n", "old.txt": "old\n", "other.txt": "other\n"}.items():
        (folder / name).write_text(content)
    return folder.resolve()


def bench_of(root: Path, *turns: Any, second: Sequence[Any] = (), **fields: Any) -> Bench:
    def tickets() -> Iterable[Ticket]:
        yield Ticket("T1", "One", "a.py", "Do it.", verify=fields_verify)
        if second:
            yield Ticket("T2", "Two", "a.py", "Do more.")

    fields_verify = fields.pop("verify", None)
    bench = Bench(root, tickets, ListModel({"T1": [*turns, DONE], "T2": [*second, DONE]}), **fields)
    bench.tree = Snapshots(root, root.parent / "tree.db", (), bench.store.put)
    return bench


def again(bench: Bench, entries: Sequence[Event] | None = None, **fields: Any) -> tuple[Report, Path]:
    """Replay what the bench has done into a folder beside its project."""
    folder = bench.root.parent / "again"
    record = Record(entries or bench.heard)
    prepare(bench.root, folder, record, bench.store.get)
    coder = Archetype("coder", TrustLevel.STEP, ALL_TOOLS, 10, "")
    setting = Setting(Workspace(folder), lambda _: coder, **fields)
    return run_again(Track("t", "A track", "", bench.tickets()), record, bench.store.get, setting), folder


def assert_same(bench: Bench, **fields: Any) -> Report:
    report, folder = again(bench, **fields)
    assert report.differences == ()
    assert tree(folder) == tree(bench.root)
    modes = {name: (bench.root / name).stat().st_mode for name in tree(folder)}
    assert {name: (folder / name).stat().st_mode for name in modes} == modes
    return report


def test_edits_writes_deletes_and_reads(root: Path) -> None:
    bench = bench_of(root, calls(EDIT, WRITE, EMPTY), calls(DELETE, READ), second=[calls(MORE)])
    bench.engine().run()

    report = assert_same(bench)
    assert (report.requests, report.commands, report.notes) == (5, 0, ())
    assert report.files == ("a.py", "empty.txt", "old.txt", "src/new.py")
    assert report.tickets == {"T1": "completed", "T2": "completed"}


def test_what_the_human_changed_rejected_and_said_counts(root: Path) -> None:
    other = Approved({"path": "a.py", "old_string": "1", "new_string": "7"}, comment="a better number")
    answers: list[Answer] = [other, approve, Rejected("not now"), approve]
    bench = bench_of(root, calls(EDIT), calls(WRITE), calls(READ))
    bench.engine(answers).run()

    report = assert_same(bench)
    assert (root / "a.py").read_text() == "A = 7\n"
    assert report.notes == ()


def test_commands_and_checks_are_not_run_and_their_changes_are_made(root: Path) -> None:
    bench = bench_of(root, calls(SHELL), calls(OUTPUT), verify="test -x made.txt && date +%N > stamp.txt")
    bench.engine().run()

    report = assert_same(bench)
    assert report.commands == 2
    assert (root / "stamp.txt").exists()
    assert report.notes == ()


def test_gates_judge_as_they_did_whatever_they_would_find_now(root: Path) -> None:
    (root / "a.py").write_text("import os\n\nA = 1\n")
    ruff = f"{Path(sys.executable).with_name('ruff')} check --isolated --no-cache --select F ."
    gates = (Gate("ruff", ruff, parser="ruff", trusted=True),)
    worse = ("write_file", {"path": "a.py", "content": "import os\n\nA = missing\n"})
    better = ("edit_file", {"path": "a.py", "old_string": "missing", "new_string": "2"})
    bench = bench_of(root, calls(worse), DONE, calls(better), gates=gates)
    bench.engine().run()
    assert [gate.passed for gate in bench.of_kind("gate_finished")] == [False, True]

    report = assert_same(bench, gates=gates)
    assert (report.commands, report.notes) == (2, ())


def test_what_a_check_mends_and_what_it_changes_by_itself_is_decided_as_it_was(root: Path) -> None:
    ruff = f"{Path(sys.executable).with_name('ruff')} check --isolated --no-cache --select F ."
    gates = (
        Gate("odd", "echo B >> b.txt; grep -q odd a.py || echo '# odd' >> a.py", trusted=True),
        Gate("ruff", ruff, parser="ruff", trusted=True),
    )
    write = ("write_file", {"path": "a.py", "content": "import os\nA = 2\n"})
    bench = bench_of(root, calls(write), DONE, gates=gates)
    no = Rejected("leave it")
    bench.engine([approve, approve, approve, no, Rejected("")]).run()
    assert [record.by for record in bench.of_kind("calls_offered")] == ["ruff", "odd", "odd"]
    assert (root / "a.py").read_text() == "A = 2\n# odd\n"

    report = assert_same(bench, gates=gates)
    assert report.notes == ()


def test_a_frozen_file_is_put_back_again(root: Path) -> None:
    (root / "made.txt").write_text("frozen\n")
    bench = bench_of(root, calls(("run_shell", {"command": "echo more >> made.txt; echo >> b.txt"})))
    bench.tickets = lambda: [Ticket("T1", "One", "a.py", "Do it.", frozen=("made.txt",))]
    bench.engine().run()
    report = assert_same(bench)
    assert (report.files, report.notes) == (("b.txt",), ())


def test_commands_can_be_run_again(root: Path) -> None:
    bench = bench_of(root, calls(("run_shell", {"command": "echo made > made.txt"})), verify="date +%N > stamp.txt")
    bench.engine().run()

    report, folder = again(bench, sandbox=unconfined())
    assert (folder / "made.txt").read_text() == "made\n"
    assert report.differences == ("stamp.txt differs",), "it holds the time, so it cannot be the same"


def test_what_people_changed_in_between_is_there_in_time(root: Path) -> None:
    def after_a_person(call: ToolCall, preview: Preview) -> Approved:
        (root / "a.py").write_text("# by hand\n" + (root / "a.py").read_text())
        return Approved(call.arguments)

    bench = bench_of(root, calls(EDIT), calls(("read_file", {"path": "a.py"})), calls(MORE))
    bench.engine([approve, after_a_person, approve]).run()

    assert (root / "a.py").read_text() == "# by hand\nA = 3\n"
    assert_same(bench)


def test_a_skipped_ticket_and_a_second_try(root: Path) -> None:
    bench = bench_of(root, calls(EDIT), calls(WRITE), second=[calls(("read_file", {"path": "a.py"}))])
    bench.engine([approve, lambda call, preview: Skipped(), approve]).run()
    assert_same(bench)

    bench.model = ListModel({"T1": [calls(MORE), DONE], "T2": []})
    bench.engine().run(retry=["T1"])
    assert (root / "a.py").read_text() == "A = 3\n"
    report, folder = again_elsewhere(bench)
    assert report.differences == ()
    assert tree(folder) == tree(root)


def again_elsewhere(bench: Bench) -> tuple[Report, Path]:
    (bench.root.parent / "again").rename(bench.root.parent / "before")
    return again(bench)


def test_out_of_turns_is_out_of_turns_again(root: Path) -> None:
    bench = bench_of(root, calls(EDIT), calls(READ), max_turns=2)
    bench.engine().run()

    report = assert_same(bench)
    assert report.tickets == {"T1": "failed"}


def test_a_journal_that_says_otherwise_is_noticed(root: Path) -> None:
    """The replay is a check: a reply that was swapped leads to other files."""
    bench = bench_of(root, calls(EDIT), calls(WRITE))
    bench.engine().run()
    for event in bench.heard:
        if event.kind == "call_decided" and event.data.arguments["path"] == "src/new.py":  # type: ignore[union-attr]
            event.data.arguments["content"] = "forged\n"  # type: ignore[union-attr]

    report, _ = again(bench)
    assert report.differences == ("src/new.py differs",)


def test_only_a_finished_run_can_be_replayed(root: Path) -> None:
    bench = bench_of(root, calls(EDIT))
    bench.engine().run()

    with pytest.raises(UsageError, match="no finished run"):
        Record(bench.heard[:-1])
    with pytest.raises(UsageError, match="no finished run"):
        Record([])


def test_other_files_than_those_of_then_are_told(root: Path) -> None:
    bench = bench_of(root, calls(READ))
    bench.engine().run()
    (root / "other.txt").write_text("changed since\n")

    report, _ = again(bench)
    assert report.differences == ()
    assert report.notes == ("call call_1_1 told the worker something else than it did then",)


def test_what_was_undone_is_undone_again(root: Path) -> None:
    bench = bench_of(root, calls(EDIT), calls(DELETE, SHELL), second=[calls(READ)])
    with pytest.raises(NeedsHuman):
        bench.engine([approve, approve, approve, Aborted()]).run()
    track = bench.engine().track
    with undoing(track, bench.store, root, "T1", "call_1_1") as (found, journal):
        carry_out(found, journal, track.ticket("T1"), root)
    bench.tree.forget()  # type: ignore[attr-defined]
    assert (root / "a.py").read_text() == "A = 2\n" and (root / "old.txt").exists()
    bench.model = ListModel({"T1": [calls(EDIT), calls(WRITE), DONE], "T2": [calls(READ), DONE]})
    bench.engine().run()

    report, folder = again(bench, list(read(bench.store.rows())))
    assert report.differences == ()
    assert tree(folder) == tree(root)


class Served(Struct, frozen=True):
    """A tool as a server of tools has it."""

    name: str = "desk__ask"
    effect: Effect = Effect.UNSAFE

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, "Ask the desk.", {"type": "object"}, self.effect)

    def prepare(self, workspace: Workspace, arguments: Mapping[str, Any]) -> Action:
        def run() -> ToolResult:
            (workspace.root / "answer.txt").write_text("written by the server\n")
            return ToolResult("the desk says 42")

        return Action("text", "ask the desk", "ask the desk", run, inside=False)


def test_no_server_is_asked(root: Path) -> None:
    bench = bench_of(root, calls(("desk__ask", {"what": "?"})), calls(EDIT))
    bench.choose_tools = lambda names: {**choose(names), "desk__ask": Served()}
    bench.engine().run()
    assert (root / "answer.txt").exists()

    report = assert_same(bench)
    assert report.notes == ()
