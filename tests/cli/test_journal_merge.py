"""`conductor journal merge`: two copies of one project that went on by themselves, one journal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.driver import call, journal, make_project, run_command

TURNS = {
    "T1": [{"tool_calls": [call("run_shell", command="echo one")]}, {"text": "Done."}],
    "T2": [{"tool_calls": [call("run_shell", command="echo two")]}, {"text": "Done."}],
}
TRACK = "tracks/track.toml"


@pytest.fixture
def copies(tmp_path: Path) -> tuple[Path, Path]:
    """A project whose first call waits, and a copy of it; in the one the run goes on, in the other it is cancelled."""
    here = make_project(tmp_path / "here", [{"id": "T1"}, {"id": "T2"}], TURNS)
    assert run_command(here, "run", TRACK, "--clutch", "deny").returncode == 3
    there = tmp_path / "there" / "project"
    shutil.copytree(here, there)
    assert run_command(there, "approve", "T1", "--yes").returncode == 0
    assert run_command(there, "run", TRACK, "--clutch", "deny").returncode == 3
    return here, there


def merge(here: Path, *arguments: str) -> dict:
    done = run_command(here, "journal", "merge", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_went_on_in_one_of_them_is_taken_over(copies: tuple[Path, Path]) -> None:
    here, there = copies
    before = (here / ".conductor/journal.db").read_bytes()
    found = merge(here, str(there), "--dry-run")
    assert (found["ours"], found["written"]) == (0, None) and found["theirs"] > 5
    assert (here / ".conductor/journal.db").read_bytes() == before
    merge(here, str(there))
    assert journal(here) == journal(there)
    assert "Nothing to merge" in run_command(here, "journal", "merge", str(there)).stdout


def test_two_runs_of_one_ticket(copies: tuple[Path, Path]) -> None:
    """There T1 completed; here it was tried and then cancelled."""
    here, there = copies
    assert run_command(here, "reject", "T1", "--reason", "not so").returncode == 0
    assert run_command(here, "cancel", "T2").returncode == 0
    assert run_command(here, "run", TRACK, "--clutch", "deny").returncode in (1, 3)
    lengths = len(journal(here)), len(journal(there))
    said = run_command(here, "journal", "merge", str(there / ".conductor"))
    assert said.returncode == 0, said.stderr
    assert "both worked on T1" in said.stdout and "line counts" in said.stdout
    assert run_command(here, "journal", "verify").returncode == 0
    common = sum(1 for one, other in zip(journal(here), journal(there), strict=False) if one == other)
    assert len(journal(here)) == sum(lengths) - common + 1
    assert list((here / ".conductor").glob("journal-2*.db")), "the journal as it was is kept"
    states = {row["id"]: row["status"] for row in json.loads(run_command(here, "tickets", "--json").stdout)["tickets"]}
    assert states["T1"] == "completed"
    assert run_command(here, "log").returncode == run_command(here, "cost").returncode == 0
    assert run_command(here, "run", TRACK, "--auto", "--clutch", "deny").returncode == 0, "it goes on with T2"
    assert run_command(here, "journal", "verify").returncode == 0
    assert run_command(here, "export", TRACK, "--html", "page.html").returncode == 0
    assert "not so" not in (here / "page.html").read_text(), "what was put aside is not told as if it counted"
    assert "not so" in run_command(here, "log").stdout
    concurrent = run_command(here, "log", "--concurrent-with", str(common + 1), "--json").stdout.splitlines()
    assert concurrent and all("~" in json.loads(line)["node"] for line in concurrent)


def test_into_a_folder_of_its_own_the_same_bytes_each_time(copies: tuple[Path, Path], tmp_path: Path) -> None:
    here, there = copies
    assert run_command(here, "reject", "T1").returncode == 0
    for name in ("one", "other"):
        assert merge(here, str(there), "--into", str(tmp_path / name))["written"].endswith(f"{name}/journal.db")
    one, other = (tmp_path / name / "journal.db" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    again = run_command(here, "journal", "merge", str(there), "--into", str(tmp_path / "one"))
    assert again.returncode == 2 and "exists already" in again.stderr
    assert merge(here, str(there), "--dry-run")["ours"] > 0, "both stay as they are"


def test_what_cannot_be_merged(copies: tuple[Path, Path], tmp_path: Path) -> None:
    here, _ = copies
    stranger = make_project(tmp_path / "stranger", [{"id": "T1"}], TURNS)
    assert run_command(stranger, "run", TRACK, "--clutch", "deny").returncode == 3
    (tmp_path / "text.db").write_text("no journal")
    for other, code, said in (
        (stranger, 2, "no entry in common"),
        (here, 2, "own journal"),
        (tmp_path / "nowhere", 2, "there is no journal"),
        (tmp_path / "text.db", 6, "not a database"),
    ):
        done = run_command(here, "journal", "merge", str(other))
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr
