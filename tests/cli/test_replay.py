"""`conductor replay`: no model, no network, the project untouched, byte for byte the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.driver import call, make_project, run_command, tree

TURNS = [
    {"tool_calls": [call("edit_file", path="src/a.py", old_string="b\n", new_string="B\n")]},
    {"tool_calls": [call("write_file", path="new/deep.txt", content="deep")]},
    {"text": "Done."},
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = make_project(
        tmp_path,
        [{"id": "T1", "target_file": "src/a.py"}],
        {"T1": TURNS},
        files={"src/a.py": "a\nb\n", ".hidden": "kept"},
    )
    assert run_command(made, "run", "tracks/track.toml", "--auto").returncode == 0
    return made


def test_the_same_files_without_the_script(project: Path, tmp_path: Path) -> None:
    (project / "tracks" / "worker.json").unlink()
    before = tree(project)
    done = run_command(project, "replay", "tracks/track.toml", "--into", str(tmp_path / "again"))

    assert done.returncode == 0, done.stderr
    assert "The same, byte for byte: 2 changed files" in done.stdout
    assert tree(tmp_path / "again") == tree(project) == before


def test_a_track_file_that_was_changed_since_is_taken_from_the_journal(project: Path) -> None:
    path = project / "tracks" / "track.toml"
    path.write_text(path.read_text().replace("Do it.", "Do something else."))
    done = run_command(project, "replay", "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["same"] is True
    assert "Do it." in (Path(report["folder"]) / "tracks" / "track.toml").read_text()


def test_the_project_as_it_is_now_does_not_matter_where_the_run_changed_it(project: Path) -> None:
    (project / "src" / "a.py").write_text("something else\n")
    (project / "new" / "deep.txt").unlink()
    done = run_command(project, "replay", "--json")

    assert done.returncode == 0, done.stderr
    assert (Path(json.loads(done.stdout)["folder"]) / "src" / "a.py").read_text() == "a\nB\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--into", "inside"], "lies inside the project"), (["--into", "/"], "is not empty")],
)
def test_mistakes_are_named(project: Path, arguments: list[str], said: str) -> None:
    done = run_command(project, "replay", *arguments)

    assert done.returncode == 2
    assert said in done.stderr


def test_only_what_has_finished(tmp_path: Path) -> None:
    project = make_project(
        tmp_path, [{"id": "T1", "target_file": "src/a.py"}], {"T1": TURNS}, files={"src/a.py": "a\nb\n"}
    )
    run_command(project, "run", "tracks/track.toml", "--clutch", "deny")
    done = run_command(project, "replay")

    assert done.returncode == 2
    assert "no finished run" in done.stderr
