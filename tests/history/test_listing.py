from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conductor.history.listing import project_files


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def test_without_git_everything_but_caches_and_own_files_counts(tmp_path: Path) -> None:
    write(tmp_path, "a.py", ".github/ci.yml", "sub/b.py", ".conductor/journal.db", "sub/.git/config")
    write(tmp_path, "node_modules/x.js", "sub/__pycache__/b.pyc", "env/pyvenv.cfg", "env/lib/x.py", "c/CACHEDIR.TAG")
    (tmp_path / "link").symlink_to("nowhere")
    assert project_files(tmp_path) == [".github/ci.yml", "a.py", "link", "sub/b.py"]
    assert project_files(tmp_path, ("a.py", "sub")) == [".github/ci.yml", "link"]


def test_git_says_what_is_ignored(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "build/out.o", "kept.o", "sub/x.log", "sub/.gitignore")
    (tmp_path / ".gitignore").write_text("build/\n*.o\n")
    (tmp_path / "sub/.gitignore").write_text("*.log\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-f", "kept.o")
    assert project_files(tmp_path) == [".gitignore", "a.py", "kept.o", "sub/.gitignore"]
    assert project_files(tmp_path / "sub") == [".gitignore"]


def test_a_repository_inside_counts_too(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, "a.py", "inner/b.py")
    git(tmp_path / "inner", "init", "-q")
    assert project_files(tmp_path) == ["a.py", "inner/b.py"]


def test_a_program_that_the_repository_names_does_not_run(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "core.fsmonitor", f"touch {tmp_path}/ran; false")
    write(tmp_path, "a.py")
    assert project_files(tmp_path) == ["a.py"]
    assert not (tmp_path / "ran").exists()


def test_names_that_are_no_text_are_listed(tmp_path: Path) -> None:
    for folder in (tmp_path / "plain", tmp_path / "git"):
        folder.mkdir()
        (folder / os.fsdecode(b"\xff\n")).write_text("x")
    git(tmp_path / "git", "init", "-q")
    assert project_files(tmp_path / "git") == project_files(tmp_path / "plain") == [os.fsdecode(b"\xff\n")]


def test_git_is_started_only_where_there_is_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q", "repository")
    write(tmp_path, "repository/sub/a.py", "plain/a.py", "bin/git")
    (tmp_path / "bin/git").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    assert project_files(tmp_path / "plain") == ["a.py"]
    assert not (tmp_path / "ran").exists()
    assert project_files(tmp_path / "repository/sub") == ["a.py"]
    assert (tmp_path / "ran").exists()
