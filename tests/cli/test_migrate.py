"""A project of an older Conductor: told what to do, upgraded, and its run goes on where it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.driver import run_command, session

VERSION_1 = Path(__file__).parents[1] / "fixtures" / "journals" / "version-1"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(VERSION_1, tmp_path / "bookshop"))
    (folder / "state").rename(folder / ".conductor")
    return folder


def test_a_parked_run_of_the_first_format_is_upgraded_and_ended(project: Path) -> None:
    refused = run_command(project, "run", "tracks/demo.toml")
    assert refused.returncode == 6
    assert "has format 1; this Conductor writes 2" in refused.stderr and "conductor migrate" in refused.stderr
    assert "check_T2_4_verify" in run_command(project, "log", "--json").stdout  # reading needs no upgrade

    tried = run_command(project, "migrate", "--dry-run")
    assert (tried.returncode, tried.stderr) == (0, "")
    assert tried.stdout.startswith(".conductor/journal.db: would go from format 1 to 2\n  2  entries")
    assert run_command(project, "run", "tracks/demo.toml").returncode == 6

    done = run_command(project, "migrate")
    assert done.returncode == 0
    assert "went from format 1 to 2" in done.stdout and "as it was: .conductor/journal-" in done.stdout
    assert "tracks/demo.toml: format 1, up to date" in done.stdout

    with session(project, "--no-sandbox") as run:
        request = run.request()
        assert (request["ticket_id"], request["call_id"]) == ("T2", "check_T2_4_verify")
        run.answer(request)
        ended = run.play()
    assert ended.code == 0, ended.stderr
    kinds = [event["kind"] for event in ended.events]
    assert kinds[0] == "run_resumed" and kinds.count("ticket_started") == 1


def test_json_names_what_was_done(project: Path) -> None:
    (project / "tracks" / "old.toml").write_text('id = "old"\n')
    said = json.loads(run_command(project, "migrate", "--json", "tracks/old.toml").stdout)

    assert [(Path(each["path"]).name, each["format"], len(each["steps"])) for each in said["files"]] == [
        ("journal.db", 1, 1),
        ("old.toml", 0, 1),
    ]
    assert all(Path(each["copy"]).exists() for each in said["files"])


def test_a_track_that_cannot_be_read_keeps_the_journal_as_it_is(project: Path) -> None:
    (project / "tracks" / "bad.toml").write_text("schema = 7\n")
    done = run_command(project, "migrate")

    assert done.returncode == 2
    assert "tracks/bad.toml:1: schema: is 7; this version of Conductor reads 1" in done.stderr
    assert run_command(project, "migrate", "tracks/none.toml").returncode == 2
    assert run_command(project, "run", "tracks/demo.toml").returncode == 6


def test_where_there_is_nothing_it_says_so(tmp_path: Path) -> None:
    done = run_command(tmp_path, "migrate")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no journal and no track" in done.stderr
