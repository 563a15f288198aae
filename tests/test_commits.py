"""A commit a ticket: its own files, the human's decisions in trailers, the person's index left alone."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from conductor.clutch.scripted import approve
from conductor.commits import Commits
from conductor.engine import ConductorEngine
from conductor.errors import UsageError
from conductor.history.snapshots import Snapshots
from conductor.journal import read
from conductor.messages import Approved, Rejected
from conductor.models import Ticket
from conductor.stores.memory import MemoryStore
from tests.bench import DONE, Bench, ListModel, Turn, calls


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "project"
    root.mkdir()
    (root / "a.py").write_text("A = 1\n")
    (root / "b.py").write_text("B = 1\n")
    (root / ".gitignore").write_text("*.log\n.conductor/\n")
    git(root, "init", "-q", "-b", "main")
    for name, value in (("user.name", "A Person"), ("user.email", "a@example.org")):
        git(root, "config", name, value)
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


class CommitBench(Bench):
    """A bench whose engines commit."""

    def engine(self, answers=None) -> ConductorEngine:  # type: ignore[no-untyped-def]
        track = super().engine().track
        commits = Commits(self.root, track, lambda: read(self.store.rows()), self.store.get)
        commits.check()
        self.commits = commits.due
        return super().engine(answers)


def make(root: Path, *turns: Turn, other: Sequence[Turn] = ()) -> Bench:
    store = MemoryStore()
    tree = Snapshots(root, root / ".conductor/trees/t.db", (), store.put)
    said = {"T1": turns, **({"T2": other} if other else {})}
    return CommitBench(
        root, lambda: [Ticket(name, f"Title of {name}", "a.py", "Do it.") for name in said], ListModel(said),
        store=store, tree=tree,
    )  # fmt: skip


EDIT = ("edit_file", {"path": "a.py", "old_string": "1", "new_string": "2"})
SHELL = ("run_shell", {"command": "echo x > made.txt; echo y > noise.log; chmod 755 a.py"})


def said(bench: Bench) -> list[tuple[int, str]]:
    return [(data.files, data.refused) for data in bench.of_kind("ticket_committed")]


def test_a_ticket_is_one_commit_with_the_decisions_in_trailers(root: Path) -> None:
    bench = make(root, calls(EDIT, ("write_file", {"path": "c.py", "content": "x"}), SHELL), DONE)
    edited = Approved({"path": "a.py", "old_string": "1", "new_string": "3"})
    bench.engine([edited, approve, Rejected("no"), approve]).run()
    assert said(bench) == [(2, "")]
    assert git(root, "log", "-1", "--format=%B").strip() == (
        "Title of T1\n\nConductor-Track: t\nConductor-Ticket: T1\nConductor-Model: list\n"
        "Conductor-Approved: 2\nConductor-Edited: 1\nConductor-Rejected: 1"
    )
    assert git(root, "show", "--stat", "--format=", "--summary", "HEAD").splitlines()[-2:] == [
        " mode change 100644 => 100755 a.py",
        " create mode 100644 made.txt",
    ]
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "-1", "--format=%an <%ae>").strip() == "A Person <a@example.org>"


def test_what_the_person_has_staged_or_changed_elsewhere_stays_as_it_is(root: Path) -> None:
    (root / "b.py").write_text("B = 2\n")
    git(root, "add", "b.py")
    (root / "b.py").write_text("B = 3\n")
    (root / "mine.txt").write_text("mine\n")
    before = git(root, "status", "--porcelain"), git(root, "diff"), git(root, "diff", "--cached")
    make(root, calls(EDIT), DONE).engine().run()
    assert git(root, "show", "--name-only", "--format=", "HEAD").split() == ["a.py"]
    assert (git(root, "status", "--porcelain"), git(root, "diff"), git(root, "diff", "--cached")) == before


def test_staged_changes_of_the_same_file_keep_the_ticket_uncommitted_and_nothing_is_touched(root: Path) -> None:
    (root / "a.py").write_text("A = 1\n# staged\n")
    git(root, "add", "a.py")
    bench = make(root, calls(EDIT), DONE)
    bench.engine().run()
    assert said(bench) == [(0, "you have staged changes of a.py; commit or unstage them")]
    assert git(root, "diff", "--cached", "--name-only").split() == ["a.py"]
    assert git(root, "log", "--format=%s").split() == ["first"]


def test_uncommitted_work_of_the_person_is_not_committed_with_the_ticket(root: Path) -> None:
    (root / "a.py").write_text("A = 1\n# mine\n")
    bench = make(root, calls(EDIT), DONE)
    bench.engine().run()
    assert "held changes that were not committed before T1" in said(bench)[0][1]
    git(root, "stash", "-q")
    git(root, "stash", "pop", "-q")
    assert git(root, "log", "--format=%s").split() == ["first"]


def test_a_refused_commit_is_made_by_a_later_run(root: Path) -> None:
    git(root, "rm", "-q", "--cached", "a.py")
    bench = make(root, calls(EDIT), DONE)
    bench.engine().run()
    git(root, "reset", "-q")
    bench.engine().run()
    assert [refused == "" for _, refused in said(bench)] == [False, True]
    bench.engine().run()
    assert len(said(bench)) == 2, "and only once"


def test_each_ticket_has_its_own_commit_and_one_that_changed_nothing_has_none(root: Path) -> None:
    again = ("edit_file", {"path": "a.py", "old_string": "2", "new_string": "3"})
    bench = make(root, calls(EDIT), DONE, other=[calls(again), DONE])
    bench.engine().run()
    assert git(root, "log", "--format=%s").splitlines() == ["Title of T2", "Title of T1", "first"]
    idle = make(root, DONE)
    idle.engine().run()
    assert said(idle) == [(0, "")]


def test_a_commit_made_just_before_a_crash_is_found_again(root: Path) -> None:
    bench = make(root, calls(EDIT), DONE)
    append = bench.store.append

    def die(seal, *, durable):  # type: ignore[no-untyped-def]
        if "ticket_completed" in bench.kinds() and "ticket_committed" not in bench.kinds():
            raise KeyboardInterrupt
        return append(seal, durable=durable)

    bench.store.append = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.engine().run()
    bench.store.append = append  # type: ignore[method-assign]
    bench.engine().run()
    assert bench.of_kind("ticket_committed")[0].commit == git(root, "rev-parse", "HEAD").strip()
    assert git(root, "log", "--format=%s").splitlines() == ["Title of T1", "first"]


def test_a_project_in_a_folder_of_a_repository_is_committed_with_paths_of_its_own(root: Path) -> None:
    inner = root / "inner"
    inner.mkdir()
    (inner / "a.py").write_text("A = 1\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "inner")
    (root / "a.py").write_text("A = 1\n# staged, and no file of the project\n")
    git(root, "add", "a.py")
    bench = make(inner, calls(EDIT), DONE)
    bench.engine().run()
    assert said(bench) == [(1, "")]
    assert git(root, "show", "--name-only", "--format=", "HEAD").split() == ["inner/a.py"]
    assert git(root, "status", "--porcelain").splitlines() == ["M  a.py"]


def test_no_hook_runs(root: Path) -> None:
    for hook in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-index-change"):
        (root / ".git/hooks" / hook).write_text(f"#!/bin/sh\ntouch {root}/ran.log\n")
        (root / ".git/hooks" / hook).chmod(0o755)
    make(root, calls(EDIT), DONE).engine().run()
    assert git(root, "log", "--format=%s").splitlines() == ["Title of T1", "first"]
    assert not (root / "ran.log").exists()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("git checkout -q --detach", "no branch is checked out"),
        ("touch .git/MERGE_HEAD", "a merge is under way"),
        ("mkdir .git/rebase-merge", "a rebase is under way"),
        ("git config user.email ''; git config user.name ''", "git does not know who you are"),
        ("git switch -q --orphan new", "the branch has no commit yet"),
        ("rm -rf .git", "is in no git repository"),
    ],
)
def test_where_nothing_can_be_committed_nothing_runs(root: Path, command: str, why: str) -> None:
    subprocess.run(command, shell=True, cwd=root, check=True)
    bench = make(root, calls(EDIT), DONE)
    with pytest.raises(UsageError, match=why):
        bench.engine()
    assert bench.heard == []
