"""The lines of findings: as the files have them now, whatever was read of them before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conductor.gates.lines import Lines


def test_a_line_is_known_again_until_its_file_is_another(tmp_path: Path) -> None:
    lines, file = Lines(), tmp_path / "a.py"
    lines.look_again()
    file.write_text("one\n  two \n")
    assert [lines.text(tmp_path, "a.py", number) for number in (2, 1, 2)] == ["two", "one", "two"]
    other = tmp_path / "b.py"
    other.write_text("ONE\n  TWO \n")
    stamp = file.stat()
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.rename(file)  # of the same length and time
    lines.look_again()
    assert lines.text(tmp_path, "a.py", 2) == "TWO"
    file.unlink()
    lines.look_again()
    assert lines.text(tmp_path, "a.py", 2) == ""


@pytest.mark.parametrize("number", [0, -1, 3])
def test_a_line_that_is_not_there_is_empty(tmp_path: Path, number: int) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\n")
    assert Lines().text(tmp_path, "a.py", number) == ""


def test_what_cannot_be_read_as_text_or_at_all_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xff\xfe x\n")
    assert Lines().text(tmp_path, "a.py", 1).endswith("x")
    assert Lines().text(tmp_path, "a\0.py", 1) == ""
    (tmp_path / "folder").mkdir()
    assert Lines().text(tmp_path, "folder", 1) == ""


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.py", "a.py"),
        ("./in/../a.py", "a.py"),
        ("{root}/in/a.py", "in/a.py"),
        ("{root}//in/./a.py", "in/a.py"),
        ("{root}-other/a.py", "{root}-other/a.py"),
        ("../a.py", "../a.py"),
        ("/elsewhere/a.py", "/elsewhere/a.py"),
    ],
)
def test_a_path_is_told_as_the_project_has_it(tmp_path: Path, name: str, path: str) -> None:
    found = Lines().relative(tmp_path, name.format(root=tmp_path))
    assert found == path.format(root=tmp_path)


def test_a_file_outside_of_the_project_has_lines_too(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\n")
    assert Lines().text(tmp_path / "project", str(tmp_path / "a.py"), 1) == "one"
