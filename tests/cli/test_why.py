"""`conductor why`: the chain from a line to the decision, as people and programs read it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.driver import CONDUCTOR, call, environment, make_project, run_command


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    turns = [
        {
            "text": "I \x1b[2Jappend.",
            "tool_calls": [call("edit_file", path="src/a.py", old_string="b\n", new_string="B\nmore\n")],
        },
        {"text": "Done."},
    ]
    files = {"src/a.py": "a\nb\nc\n", "plain.txt": "as it was\n"}
    made = make_project(
        tmp_path_factory.mktemp("why"), [{"id": "T1", "target_file": "src/a.py"}], {"T1": turns}, files=files
    )
    assert run_command(made, "run", "tracks/track.toml", "--auto").returncode == 0
    (made / "src" / "a.py").write_text((made / "src" / "a.py").read_text() + "by hand\n")
    return made


def test_a_line_tells_ticket_request_payload_edit_decision_and_change(project: Path) -> None:
    done = run_command(project, "why", "src/a.py:2")

    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *("src/a.py:2", "ticket", "request", "call", "payload", "edit", "decision", "change"),
    ]
    assert "T1 Do T1 (track small)" in done.stdout
    assert "turn 1, scripted:" in done.stdout
    assert "approved by trust:auto" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_file_tells_where_its_lines_come_from(project: Path) -> None:
    done = run_command(project, "why", "src/a.py")

    assert done.stdout.splitlines()[0] == "src/a.py: 2 of 5 lines by Conductor"
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["1", "2-3", "4", "5"]
    assert "not by Conductor: changed by others after entry" in done.stdout.splitlines()[-1]


def test_programs_get_the_same_as_json(project: Path) -> None:
    line = json.loads(run_command(project, "why", "src/a.py:3", "--json").stdout)
    assert (line["by"], line["ticket"], line["text"]) == ("conductor", "T1", "more")
    assert line["decision"]["by"] == "trust:auto"
    assert line["call"]["proposed"]["new_string"] == "B\nmore\n"
    assert line["change"]["event_id"]

    blocks = json.loads(run_command(project, "why", "src/a.py", "--json").stdout)["lines"]
    assert [(b["from"], b["to"], b["by"]) for b in blocks] == [
        *((1, 1, "others"), (2, 3, "conductor"), (4, 4, "others"), (5, 5, "others")),
    ]


def test_a_file_conductor_never_touched(project: Path) -> None:
    done = run_command(project, "why", "plain.txt:1")

    assert done.returncode == 0
    assert "not by Conductor: it was there before" in done.stdout


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nothing.py", "does not exist, and the journal knows nothing of it"),
        ("src/a.py:99", "src/a.py has 5 lines"),
        ("src/a.py:0", "lines are counted from 1"),
        ("src", "src is a folder"),
        ("../elsewhere.py", "lies outside the project"),
    ],
)
def test_mistakes_are_named(project: Path, place: str, said: str) -> None:
    done = run_command(project, "why", place)

    assert done.returncode == 2
    assert said in done.stderr


def test_without_a_journal(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a\n")
    done = run_command(tmp_path, "why", "a.py")

    assert done.returncode == 2
    assert "there is no journal" in done.stderr


def test_a_file_that_somebody_deleted_tells_what_it_was(tmp_path: Path) -> None:
    text = "x = 1\n" * 200
    turns = [{"tool_calls": [call("write_file", path="gone.py", content=text)]}, {"text": "Done."}]
    project = make_project(tmp_path, [{"id": "T1"}], {"T1": turns})
    assert run_command(project, "run", "tracks/track.toml", "--auto").returncode == 0
    (project / "gone.py").unlink()

    told = run_command(project, "why", "gone.py").stdout.splitlines()
    assert told[0] == "gone.py does not exist"
    assert told[1].startswith("  not by Conductor: deleted by others after entry ")
    assert "T1 Do T1" in told[2]
    assert all(len(line) < 500 for line in told), "a long payload is cut"
    assert json.loads(run_command(project, "why", "gone.py", "--json").stdout)["last"]["ticket"] == "T1"


def test_a_reader_that_has_seen_enough_is_no_fault_of_the_journal(project: Path) -> None:
    piped = f"{CONDUCTOR} why src/a.py | true"
    done = subprocess.run(["bash", "-c", piped], cwd=project, env=environment(project), capture_output=True, text=True)
    assert "journal" not in done.stderr
