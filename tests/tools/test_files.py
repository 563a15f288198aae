from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from conductor.errors import Refused, TargetChanged
from conductor.messages import ToolResult
from conductor.tools import files
from conductor.tools.base import Action
from conductor.tools.registry import builtin_tools
from conductor.tools.workspace import Workspace


def prepare(workspace: Workspace, tool: str, **arguments: Any) -> Action:
    return builtin_tools()[tool].prepare(workspace, arguments)


def run(workspace: Workspace, tool: str, **arguments: Any) -> ToolResult:
    return prepare(workspace, tool, **arguments).run()


def test_read_file_gives_the_lines_asked_for(workspace: Workspace, project: Path) -> None:
    (project / "f.txt").write_text("one\n\x0ctwo\nthree")

    assert run(workspace, "read_file", path="f.txt").text == "one\n\x0ctwo\nthree"
    assert run(workspace, "read_file", path="f.txt", start_line=2, end_line=2).text == "\x0ctwo\n"
    assert run(workspace, "read_file", path="f.txt", start_line=9).text == "[no lines here]"


def test_read_file_reads_what_edit_file_can_find(workspace: Workspace, project: Path) -> None:
    (project / "latin.txt").write_bytes("naïve\n".encode("latin-1"))

    text = run(workspace, "read_file", path="latin.txt").text
    action = prepare(workspace, "edit_file", path="latin.txt", old_string=text, new_string="naïf\n")

    assert "-naïve\n+naïf\n" in action.text
    action.run()
    assert (project / "latin.txt").read_bytes() == "naïf\n".encode("latin-1")


def test_a_long_file_is_cut_and_says_where(workspace: Workspace, project: Path) -> None:
    (project / "long.txt").write_text("x" * 99 + "\n" + "y" * 99 + "\n" * 2 + ("z" * 99 + "\n") * 1000)

    text = run(workspace, "read_file", path="long.txt", start_line=2).text
    assert text.endswith("[cut in line 602 of 1003: ask for start_line and end_line]")


def test_a_read_after_a_swap_reads_nothing_outside(workspace: Workspace, project: Path) -> None:
    action = prepare(workspace, "read_file", path="src/a.py")
    (project / "src/a.py").unlink()
    (project / "src/a.py").symlink_to(project.parent / "secret.txt")

    with pytest.raises(TargetChanged):
        action.run()


@pytest.mark.parametrize(
    ("path", "glob", "names"),
    [
        (".", "*", ["top.py", "src/a.py", "src/deep/b.py", "tracks/other.toml"]),
        (".", "*.py", ["top.py", "src/a.py", "src/deep/b.py"]),
        (".", "**/*.py", ["top.py", "src/a.py", "src/deep/b.py"]),
        (".", "src/**/*.py", ["src/a.py", "src/deep/b.py"]),
        (".", "src/**", ["src/a.py", "src/deep/b.py"]),
        (".", "src/*.py", ["src/a.py"]),
        (".", "./src/*.py", ["src/a.py"]),
        ("src", "deep/*.py", ["src/deep/b.py"]),
        ("src", "src/deep/*", ["src/deep/b.py"]),
        ("src", "[ab].py", ["src/a.py", "src/deep/b.py"]),
        (".", "?.py", ["src/a.py", "src/deep/b.py"]),
    ],
)
def test_globs(workspace: Workspace, project: Path, path: str, glob: str, names: list[str]) -> None:
    (project / "tracks/other.toml").touch()

    assert run(workspace, "list_files", path=path, glob=glob).text.split("\n") == names


def test_a_hostile_glob_takes_no_time(workspace: Workspace, project: Path) -> None:
    (project / ("a" * 200)).touch()
    begun = time.monotonic()

    run(workspace, "list_files", glob="*a" * 60 + "b")
    run(workspace, "list_files", glob="**/a/" * 60 + "b")
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("tool", ["list_files", "search"])
def test_a_place_that_is_not_there_is_refused(workspace: Workspace, tool: str) -> None:
    extra = {"pattern": "x"} if tool == "search" else {}
    with pytest.raises(Refused):
        prepare(workspace, tool, path="nowhere", **extra)


def test_search_names_file_and_line(workspace: Workspace, project: Path) -> None:
    (project / "feed.txt").write_text("\x0cone\nreturn\n")
    (project / "binary").write_bytes(b"return\0")

    assert run(workspace, "search", pattern="^ *return").text == "feed.txt:2: return\nsrc/a.py:2:     return 1"
    assert run(workspace, "search", pattern="return", path="src/a.py").text == "src/a.py:2:     return 1"
    assert "nothing matches" in run(workspace, "search", pattern="return", glob="*.md").text


def test_a_catastrophic_pattern_is_stopped(
    workspace: Workspace, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SEARCH_SECONDS", 0.3)
    (project / "aaa.txt").write_text(("a" * 60 + "\n") * 100)

    result = run(workspace, "search", pattern="(a|aa)+$(?<=b)")

    assert not result.ok
    assert "stopped after 0.3 s" in result.text


@pytest.mark.parametrize(
    "pattern", ["(", "[", "a{2,1}", "(?P<n>", "*", "(" * 900 + ")" * 900, "a" * 5000, "(?<=a+)b\\9"]
)
def test_what_is_no_pattern_is_refused_or_runs(workspace: Workspace, pattern: str) -> None:
    try:
        run(workspace, "search", pattern=pattern)
    except Refused as refusal:
        assert "search" in str(refusal)


@pytest.mark.parametrize("path", ["src", "fifo", "src/a.py/b", "src/a.py/b/c"])
def test_write_file_refuses_what_it_could_not_write_before_anyone_is_asked(
    workspace: Workspace, project: Path, path: str
) -> None:
    os.mkfifo(project / "fifo")

    with pytest.raises(Refused):
        prepare(workspace, "write_file", path=path, content="x")


@pytest.mark.parametrize("path", ["src/a.py", "new.py"])
def test_write_file_refuses_what_cannot_be_encoded(workspace: Workspace, path: str) -> None:
    with pytest.raises(Refused):
        prepare(workspace, "write_file", path=path, content="\ud800")


def test_write_file_refuses_to_change_nothing(workspace: Workspace) -> None:
    with pytest.raises(Refused, match="exactly this already"):
        prepare(workspace, "write_file", path="top.py", content="top = True\n")


def test_a_change_of_line_endings_alone_is_shown(workspace: Workspace, project: Path) -> None:
    (project / "mixed.txt").write_bytes(b"a\r\nb\nc\n")

    action = prepare(workspace, "write_file", path="mixed.txt", content="a\nb\nc\n")

    assert "-a\r\n+a\n" in action.text
    assert action.run().text == "wrote mixed.txt, 3 lines"
    assert (project / "mixed.txt").read_bytes() == b"a\nb\nc\n"


def test_create_edit_delete(workspace: Workspace, project: Path) -> None:
    assert run(workspace, "write_file", path="n/e/w.py", content="x = 1\n").text == "created n/e/w.py, 1 lines"
    run(workspace, "edit_file", path="n/e/w.py", old_string="1", new_string="2")
    assert (project / "n/e/w.py").read_text() == "x = 2\n"
    action = prepare(workspace, "delete_file", path="n/e/w.py")
    assert action.text == "--- a/n/e/w.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x = 2\n"
    action.run()
    assert not (project / "n/e/w.py").exists()


def test_a_link_is_shown_and_changed_by_its_real_path(workspace: Workspace, project: Path) -> None:
    (project / "link.py").symlink_to("src/a.py")

    action = prepare(workspace, "edit_file", path="link.py", old_string="1", new_string="2")
    action.run()

    assert (action.title, action.path) == ("edit src/a.py", "src/a.py")
    assert action.change is not None
    assert action.change.path == "src/a.py"
    assert (project / "src/a.py").read_text() == "def f():\n    return 2\n"
    assert (project / "link.py").is_symlink()


def test_a_binary_file_may_be_deleted_but_not_edited(workspace: Workspace, project: Path) -> None:
    (project / "b.bin").write_bytes(b"\0\1\2")

    with pytest.raises(Refused, match="binary"):
        prepare(workspace, "edit_file", path="b.bin", old_string="a", new_string="b")
    assert prepare(workspace, "delete_file", path="b.bin").text == "delete b.bin, a binary file of 3 bytes"


def test_an_edit_that_does_not_fit_says_why(workspace: Workspace) -> None:
    with pytest.raises(Refused, match=r"edit_file src/a.py: old_string was not found.*line 2 \(only the indentation"):
        prepare(workspace, "edit_file", path="src/a.py", old_string="\treturn 1", new_string="x")
    with pytest.raises(Refused, match="the same"):
        prepare(workspace, "edit_file", path="src/a.py", old_string="return", new_string="return")
