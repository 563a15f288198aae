from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor.history import snapshots
from conductor.history.base import Changed, Changes, FileState
from conductor.history.snapshots import Snapshots
from conductor.messages import content_hash
from conductor.stores.memory import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    for name in ("a.txt", "b.txt", "sub/c.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"{name}\n")
    return root


@pytest.fixture
def tree(root: Path, store: MemoryStore) -> Iterator[Snapshots]:
    tree = Snapshots(root, root / ".conductor/trees/t.db", ("conductor.toml",), store.put)
    yield tree
    tree.close()


def state(content: bytes, mode: str = "100644") -> FileState:
    return FileState(mode, content_hash(content))


def names(changes: Changes) -> list[str]:
    assert not changes.uncovered
    return [change.path for change in changes.files]


def test_what_a_command_made_changed_and_deleted_is_found_with_its_content(
    root: Path, tree: Snapshots, store: MemoryStore
) -> None:
    tree.begin("1")
    (root / "a.txt").write_bytes(b"\0binary")
    (root / "b.txt").unlink()
    (root / "new").mkdir()
    (root / "new/link").symlink_to("../a.txt")
    (root / "sub/c.txt").chmod(0o755)
    found = tree.changes("1")
    assert not found.uncovered
    assert found.files == (
        Changed("a.txt", state(b"a.txt\n"), state(b"\0binary"), kept=True),
        Changed("b.txt", state(b"b.txt\n"), FileState(), kept=True),
        Changed("new/link", FileState(), state(b"../a.txt", "120777"), kept=True),
        Changed("sub/c.txt", state(b"sub/c.txt\n"), state(b"sub/c.txt\n", "100755"), kept=True),
    )
    for change in found.files:
        for known in (change.before, change.after):
            assert not known.digest or content_hash(store.get(known.digest)) == known.digest


def test_what_is_the_same_again_has_not_changed(root: Path, tree: Snapshots) -> None:
    tree.begin("1")
    (root / "a.txt").write_text("other\n")
    (root / "a.txt").write_text("a.txt\n")
    (root / "b.txt").touch()
    assert names(tree.changes("1")) == []


def test_a_change_within_a_tick_of_the_clock_is_seen(root: Path, tree: Snapshots) -> None:
    for n in range(200):
        (root / "a.txt").write_text(f"{n % 10}")
        tree.begin(str(n))
        (root / "a.txt").write_text(f"{(n + 1) % 10}")
        assert names(tree.changes(str(n))) == ["a.txt"]


def test_a_command_that_is_tried_again_is_compared_with_what_was_before_the_first_try(
    root: Path, tree: Snapshots, store: MemoryStore
) -> None:
    tree.begin("1")
    (root / "a.txt").write_text("half")
    tree.close()
    again = Snapshots(root, root / ".conductor/trees/t.db", (), store.put)
    again.begin("1")
    (root / "b.txt").write_text("whole")
    assert names(again.changes("1")) == ["a.txt", "b.txt"]
    again.begin("2")
    assert names(again.changes("2")) == []
    again.close()


def test_what_was_ignored_before_is_not_taken_for_new(root: Path, tree: Snapshots) -> None:
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / ".gitignore").write_text("*.log\n")
    (root / "old.log").write_text("precious")
    time.sleep(0.1)  # of what is younger than the clock of files can tell, anything may be new
    tree.begin("1")
    (root / ".gitignore").write_text("")
    (root / "new.log").write_text("made")
    assert names(tree.changes("1")) == [".gitignore", "new.log"]


def test_what_is_ignored_afterwards_is_still_followed(root: Path, tree: Snapshots) -> None:
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    tree.begin("1")
    (root / ".gitignore").write_text("a.txt\nb.txt\n")
    (root / "a.txt").write_text("changed")
    assert names(tree.changes("1")) == [".gitignore", "a.txt"]


def test_moved_files_are_new_where_they_came_from_the_project(root: Path, tree: Snapshots) -> None:
    tree.begin("1")
    (root / "sub").rename(root / "moved")
    assert names(tree.changes("1")) == ["moved/c.txt", "sub/c.txt"]


def test_conductors_own_files_are_not_covered(root: Path, tree: Snapshots) -> None:
    tree.begin("1")
    (root / "conductor.toml").write_text("x")
    (root / ".git").mkdir()
    (root / ".git/config").write_text("x")
    assert names(tree.changes("1")) == []


def test_large_files_are_seen_but_not_kept(
    root: Path, tree: Snapshots, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAX_FILE_BYTES", 100)
    (root / "big").write_bytes(b"x" * 101)
    (root / "same").write_bytes(b"x" * 101)
    tree.begin("1")
    (root / "big").write_bytes(b"y" * 101)
    assert tree.changes("1").files == (Changed("big", FileState("100644"), state(b"y" * 101), kept=False),)


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 2), ("MAX_BYTES", 10), ("MAX_CHANGES", 1)])
def test_what_is_too_much_is_said(
    root: Path, tree: Snapshots, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(snapshots, limit, value)
    tree.begin("1")
    (root / "a.txt").write_text("1")
    (root / "b.txt").write_text("2")
    found = tree.changes("1")
    assert found.files == () and "no more than" in found.uncovered


def test_a_deleted_or_damaged_database_costs_the_history_of_one_command(root: Path, tree: Snapshots) -> None:
    place = root / ".conductor/trees/t.db"
    tree.begin("1")
    tree.close()
    shutil.rmtree(place.parent)
    assert "could not be kept" in tree.changes("1").uncovered
    tree.close()
    shutil.rmtree(place.parent)
    place.parent.mkdir()
    place.write_bytes(b"no database" * 1000)
    tree.begin("2")
    assert tree.changes("2").uncovered
    tree.begin("3")
    (root / "a.txt").write_text("1")
    assert names(tree.changes("3")) == ["a.txt"]
