"""Undo: the tree byte for byte, the conversation with it, refused where somebody else changed the same files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor.clutch.scripted import approve
from conductor.errors import AlreadyRunning, NeedsHuman, StateMismatch, UsageError
from conductor.events import TicketCommitted
from conductor.history.snapshots import Snapshots
from conductor.journal import read
from conductor.messages import Aborted, Rejected
from conductor.models import Ticket
from conductor.stores.memory import MemoryStore
from conductor.undo import Undo, carry_out, settle, undoing
from tests.bench import DONE, Bench, ListModel, Turn, calls

Tree = dict[str, tuple[str, bytes]]


def whole_tree(root: Path) -> Tree:
    """Every file and link with its mode and content."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.startswith(".conductor") or (path.is_dir() and not path.is_symlink()):
            continue
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        found[name] = (f"{path.lstat().st_mode:o}", content)
    return found


def make(root: Path, turns: dict[str, Sequence[Turn]], dependencies: dict[str, tuple[str, ...]] | None = None) -> Bench:
    store = MemoryStore()
    tree = Snapshots(root, root / ".conductor/trees/t.db", (), store.put)

    def tickets() -> list[Ticket]:
        after = dependencies or {}
        return [Ticket(name, "Title", "a.py", "Do it.", dependencies=after.get(name, ())) for name in turns]

    return Bench(root, tickets, ListModel(turns), store=store, tree=tree, max_turns=50)


def undo(bench: Bench, ticket: str, to: str = "", said: str = "") -> Undo:
    track = bench.engine().track
    with undoing(track, bench.store, bench.root, ticket, to) as (found, journal):
        carry_out(found, journal, track.ticket(ticket), bench.root, said)
    bench.tree.forget()  # type: ignore[attr-defined]
    return found


def statuses(bench: Bench) -> dict[str, str]:
    engine = bench.engine()
    engine.open()
    return {ticket.id: str(ticket.status) for ticket in engine.track.tickets}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "project"
    root.mkdir()
    (root / "a.py").write_text("A = 1\n")
    (root / "old.bin").write_bytes(b"\0\xff\r\n")
    (root / "old.bin").chmod(0o750)
    (root / "link").symlink_to("a.py")
    return root


EDIT = ("edit_file", {"path": "a.py", "old_string": "1", "new_string": "2"})
MESS = ("run_shell", {"command": "mkdir -p n/m; echo x > n/m/x; rm old.bin link; chmod 600 a.py; ln -s n link"})


def test_a_whole_undo_gives_the_tree_back_and_makes_the_ticket_pending(root: Path) -> None:
    before = whole_tree(root)
    bench = make(root, {"T1": [calls(EDIT, MESS), DONE]})
    bench.engine().run()
    assert whole_tree(root) != before
    found = undo(bench, "T1")
    assert whole_tree(root) == before
    assert not (root / "n").exists(), "a folder that was made goes with its last file"
    assert {file.path for file in found.files} == {"a.py", "old.bin", "link", "n/m/x"}
    assert statuses(bench) == {"T1": "pending"}
    bench.engine().run()
    assert statuses(bench) == {"T1": "completed"}, "it runs again, from the start"


def test_undo_to_a_call_goes_on_from_there_and_tells_the_worker(root: Path) -> None:
    write = ("write_file", {"path": "b.py", "content": "B\n"})
    last = ("write_file", {"path": "c.py", "content": "C\n"})
    bench = make(root, {"T1": [calls(EDIT), calls(write), calls(last), DONE]})
    bench.engine().run()
    undo(bench, "T1", "call_1_1", "Not that way.")
    assert (root / "a.py").read_text() == "A = 2\n"
    assert not (root / "b.py").exists() and not (root / "c.py").exists()
    assert statuses(bench) == {"T1": "running"}
    bench.engine().run()
    model = bench.model
    assert isinstance(model, ListModel)
    asked = model.requests[4][1]
    assert [message.role for message in asked[-3:]] == ["assistant", "tool", "user"]
    assert asked[-1].content == "A human undid everything you did after this. They said: Not that way."
    assert (root / "c.py").exists()


def test_calls_of_the_same_turn_are_answered_as_undone(root: Path) -> None:
    write = ("write_file", {"path": "b.py", "content": "B\n"})
    bench = make(root, {"T1": [calls(EDIT, write, MESS), DONE]})
    bench.engine().run()
    undo(bench, "T1", "call_1_1")
    assert set(whole_tree(root)) == {"a.py", "old.bin", "link"}
    bench.engine().run()
    assert isinstance(bench.model, ListModel)
    told = [message.content for message in bench.model.requests[-1][1] if message.role == "tool"]
    assert told[1:] == ["A human undid this call: it is as if it had not happened."] * 2


def test_the_hint_of_the_call_that_stays_stays(root: Path) -> None:
    bench = make(root, {"T1": [calls(("run_shell", {"command": "echo boom >&2; exit 3"})), calls(EDIT), DONE]})
    bench.engine().run()
    undo(bench, "T1", "call_1_1")
    bench.heard.clear()
    bench.engine().run()
    assert "hint_given" not in bench.kinds()


def test_what_a_later_ticket_changed_is_named_and_nothing_is_touched(root: Path) -> None:
    other = ("edit_file", {"path": "a.py", "old_string": "2", "new_string": "3"})
    bench = make(root, {"T1": [calls(EDIT, MESS), DONE], "T2": [calls(other), DONE]})
    bench.engine().run()
    after = whole_tree(root)
    with pytest.raises(StateMismatch, match=r"a\.py: T2 changed it later \(call call_1_1_2\); undo T2 first"):
        undo(bench, "T1")
    assert whole_tree(root) == after
    undo(bench, "T2")
    undo(bench, "T1")
    assert (root / "a.py").read_text() == "A = 1\n"


@pytest.mark.parametrize(
    ("meddle", "why"),
    [
        (lambda root: (root / "a.py").write_text("mine\n"), "a.py: it was changed since"),
        (lambda root: (root / "a.py").unlink(), "a.py: it was deleted since"),
        (lambda root: (root / "n/m/x").chmod(0o600), "n/m/x: it was changed since"),
        (lambda root: (root / "old.bin").write_text("back\n"), "old.bin: it was changed since"),
    ],
)
def test_what_a_person_changed_since_is_named_and_nothing_is_touched(root: Path, meddle: Any, why: str) -> None:
    bench = make(root, {"T1": [calls(EDIT, MESS), DONE]})
    bench.engine().run()
    meddle(root)
    after = whole_tree(root)
    with pytest.raises(StateMismatch, match=why):
        undo(bench, "T1")
    assert whole_tree(root) == after


def test_what_a_person_changed_between_two_calls_is_not_lost(root: Path) -> None:
    again = ("edit_file", {"path": "a.py", "old_string": "2", "new_string": "3"})
    bench = make(root, {"T1": [calls(EDIT), calls(again), DONE]})
    with pytest.raises(NeedsHuman):
        bench.engine([approve, Aborted()]).run()
    (root / "a.py").write_text("A = 2\nB = 'a person'\n")
    with pytest.raises(StateMismatch, match=r"a\.py changed since call call_1_1 wrote it"):
        bench.engine().run()
    bench.engine().run(accept_changes=True)
    with pytest.raises(StateMismatch, match="somebody else changed it between"):
        undo(bench, "T1")
    undo(bench, "T1", "call_1_1")
    assert (root / "a.py").read_text() == "A = 2\nB = 'a person'\n"


def test_a_file_that_is_what_it_was_already_stands_in_nobodys_way(root: Path) -> None:
    bench = make(root, {"T1": [calls(EDIT, MESS), DONE]})
    bench.engine().run()
    (root / "a.py").write_text("A = 1\n")
    (root / "a.py").chmod(0o644)
    assert "a.py" not in {file.path for file in undo(bench, "T1").files}


def test_tickets_that_build_on_it_have_to_be_undone_first(root: Path) -> None:
    turns: dict[str, Sequence[Turn]] = {"T1": [calls(EDIT), DONE], "T2": [DONE], "T3": [DONE]}
    bench = make(root, turns, {"T2": ("T1",), "T3": ("T2",)})
    bench.engine().run()
    with pytest.raises(UsageError, match="T3, T2 built on T1") as refused:
        undo(bench, "T1")
    assert refused.value.hint == "Begin with: conductor undo T3"
    for ticket in ("T3", "T2", "T1"):
        undo(bench, ticket)
    assert statuses(bench) == {"T1": "pending", "T2": "locked", "T3": "locked"}


def test_a_ticket_that_waits_at_the_clutch_can_be_undone(root: Path) -> None:
    bench = make(root, {"T1": [calls(EDIT), DONE], "T2": [DONE]}, {"T2": ("T1",)})
    with pytest.raises(NeedsHuman):
        bench.engine([Aborted()]).run()
    undo(bench, "T1")
    assert statuses(bench) == {"T1": "pending", "T2": "locked"}


@pytest.mark.parametrize(
    ("ticket", "to", "said"),
    [
        ("T9", "", "has no ticket T9"),
        ("T2", "", "has not been worked on"),
        ("T1", "call_9", "no finished call call_9"),
        ("T1", "call_1_1", "nothing was done after call call_1_1"),
    ],
)
def test_what_cannot_be_undone_is_said(root: Path, ticket: str, to: str, said: str) -> None:
    bench = make(root, {"T1": [calls(EDIT, MESS), DONE], "T2": [DONE]}, {"T2": ("T1",)})
    with pytest.raises(NeedsHuman):
        bench.engine([approve, Aborted()]).run()
    with pytest.raises(UsageError, match=said):
        undo(bench, ticket, to)


def test_nothing_is_undone_while_a_run_holds_the_track(root: Path) -> None:
    bench = make(root, {"T1": [calls(EDIT), DONE]})
    bench.engine().run()
    with bench.store.lock("t"), pytest.raises(AlreadyRunning):
        undo(bench, "T1")


def test_a_commit_is_said_to_stay(root: Path) -> None:
    bench = make(root, {"T1": [calls(EDIT), DONE]})
    done = [("T1", TicketCommitted("c0ffee" * 6, 1))]
    bench.commits = lambda: [done.pop()] if done and "ticket_completed" in bench.kinds() else []
    bench.engine().run()
    assert undo(bench, "T1").uncovered == ("its commit c0ffeec0ff stays; take it back with: git revert c0ffeec0ff",)


def test_a_rejected_call_undoes_to_nothing(root: Path) -> None:
    bench = make(root, {"T1": [calls(EDIT), DONE]})
    bench.engine([Rejected("no")]).run()
    assert undo(bench, "T1").files == ()
    assert statuses(bench) == {"T1": "pending"}


def test_earlier_tries_of_a_ticket_are_undone_with_it(root: Path) -> None:
    bench = make(root, {"T1": [calls(EDIT), DONE]})
    bench.engine().run()
    undo(bench, "T1")
    bench.engine().run()
    undo(bench, "T1")
    assert (root / "a.py").read_text() == "A = 1\n"
    with pytest.raises(UsageError, match="has not been worked on"):
        undo(bench, "T1")


class Dying(MemoryStore):
    """Ends the process, as it were, before or after its n-th append."""

    left = 0
    before = True

    def append(self, seal, *, durable):  # type: ignore[no-untyped-def]
        self.left -= 1
        if self.left == 0 and self.before:
            raise KeyboardInterrupt
        rows = super().append(seal, durable=durable)
        if self.left == 0:
            raise KeyboardInterrupt
        return rows


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("to", ["", "call_1_1"])
def test_an_undo_that_is_cut_off_is_finished_by_the_next_run(root: Path, at: int, before: bool, to: str) -> None:
    clean = whole_tree(root)
    bench = make(root, {"T1": [calls(EDIT), calls(MESS), DONE]})
    bench.store = Dying()
    bench.tree = Snapshots(root, root / ".conductor/trees/t.db", (), bench.store.put)
    bench.engine().run()
    bench.store.left, bench.store.before = at, before
    with pytest.raises(KeyboardInterrupt):
        undo(bench, "T1", to)
    engine = bench.engine()
    settle(engine.track, engine._ledger.journal, root)
    if at == 1 and before:
        undo(bench, "T1", to)
    assert statuses(bench) == {"T1": "running" if to else "pending"}
    if not to:
        assert whole_tree(root) == clean
    kinds = [event.kind for event in read(bench.store.rows())]
    assert kinds.count("changes_undone") == 1
    bench.engine().run()
    assert statuses(bench) == {"T1": "completed"}


def test_what_somebody_changed_while_an_undo_was_cut_off_is_theirs(root: Path) -> None:
    bench = make(root, {"T1": [calls(EDIT, MESS), DONE]})
    bench.store = Dying()
    bench.tree = Snapshots(root, root / ".conductor/trees/t.db", (), bench.store.put)
    bench.engine().run()
    bench.store.left, bench.store.before = 1, False
    with pytest.raises(KeyboardInterrupt):
        undo(bench, "T1")
    (root / "a.py").write_text("mine\n")
    engine = bench.engine()
    assert settle(engine.track, engine._ledger.journal, root) == ["a.py"]
    assert (root / "a.py").read_text() == "mine\n"
    assert (root / "old.bin").exists()


PATHS = st.sampled_from(["a.py", "b", "d/e", "d/f", "d", "g/h/i"])
CONTENTS = st.sampled_from(["", "one\n", "two\n", "three"])
COMMANDS = st.builds(
    lambda form, one, two: form.format(one=one, two=two),
    st.sampled_from(
        [
            "mkdir -p $(dirname {one}); echo made > {one}",
            "rm -rf {one}",
            "mkdir -p $(dirname {two}); mv {one} {two}",
            "chmod 755 {one}",
            "chmod 600 {one}; echo more >> {one}",
            "rm -rf {one}; mkdir -p $(dirname {one}); ln -s {two} {one}",
            "mkdir -p $(dirname {one}); printf '\\0\\377' > {one}; exit 3",
            "cp -a {one} {two}; touch {one}",
            "true",
        ]
    ),
    PATHS,
    PATHS,
)
ACTIONS = st.one_of(
    st.builds(lambda path, content: ("write_file", {"path": path, "content": content}), PATHS, CONTENTS),
    st.builds(lambda path: ("delete_file", {"path": path}), PATHS),
    st.builds(
        lambda path, old, new: ("edit_file", {"path": path, "old_string": old, "new_string": new}),
        PATHS,
        st.sampled_from(["o", "1", "one\n"]),
        st.sampled_from(["x", "", "one\nmore\n"]),
    ),
    st.builds(lambda command: ("run_shell", {"command": command}), COMMANDS),
)


class Watched(ListModel):
    """Keeps what the tree was after each turn."""

    def __init__(self, root: Path, turns: dict[str, Sequence[Turn]]) -> None:
        super().__init__(turns)
        self._root = root
        self.trees: list[Tree] = []

    def complete(self, messages, tools):  # type: ignore[no-untyped-def]
        self.trees.append(whole_tree(self._root))
        return super().complete(messages, tools)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTIONS, min_size=1, max_size=7), st.data())
def test_any_calls_undone_at_any_point_give_the_equal_tree(actions: list[Any], data: st.DataObject) -> None:
    folder = Path(tempfile.mkdtemp()).resolve()
    try:
        root = folder / "project"
        (root / "d").mkdir(parents=True)
        (root / "a.py").write_text("one 1\n")
        (root / "d/e").write_text("1\n")
        turns = {"T1": [*(calls(action) for action in actions), DONE]}
        bench = make(root, turns)
        bench.model = Watched(root, turns)
        bench.engine().run()
        ends = [event.data.call_id for event in bench.heard if event.kind == "call_finished"]
        points = data.draw(st.lists(st.integers(0, len(actions) - 1), min_size=1, max_size=3))
        for point in sorted(set(points), reverse=True):
            if point:
                undo(bench, "T1", ends[point - 1])
            else:
                undo(bench, "T1")
            assert whole_tree(root) == bench.model.trees[point]
    finally:
        shutil.rmtree(folder)
