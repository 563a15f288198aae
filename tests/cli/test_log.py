"""`conductor log` finds what is asked for, and reads no more than that."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from conductor import events
from conductor.journal import Journal
from conductor.plan import find_track
from conductor.stores.sqlite import SqliteStore
from tests.e2e.driver import run_command
from tests.test_journal import tamper


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two tracks: of the first 20 entries, then of the second 20, the last of them of another ticket."""
    (tmp_path / "tracks").mkdir()
    store = SqliteStore(tmp_path / ".conductor")
    for track_id in ("a", "b"):
        (tmp_path / "tracks" / f"{track_id}.toml").write_text("")
        journal = Journal(store, track_id)
        journal.record(events.TrackStarted(track_id, f"tracks/{track_id}.toml", "d", "v"))
        journal.record(*[events.WorkerTold(f"{track_id} {number}") for number in range(18)], ticket_id="T1")
        journal.record(events.TicketFailed("no"), ticket_id="T2")
    store.close()
    return tmp_path


def log(project: Path, *arguments: str) -> list[int]:
    done = run_command(project, "log", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["sequence"] for line in done.stdout.splitlines()]


def test_the_end_a_ticket_and_kinds_are_found(project: Path) -> None:
    assert log(project) == list(range(1, 41))
    assert log(project, "-n", "3") == [38, 39, 40]
    assert log(project, "--ticket", "T2") == [20, 40]
    assert log(project, "--ticket", "T1", "-n", "2") == [38, 39]
    assert log(project, "--kind", "track_started", "--kind", "ticket_failed") == [1, 20, 21, 40]
    assert log(project, "--kind", "track_started", "-n", "1") == [21]
    assert log(project, "--ticket", "T9") == []


def test_what_is_not_asked_for_is_not_read(project: Path) -> None:
    """Damage tells: it is only found in entries that are read."""
    tamper(project / ".conductor", "UPDATE events SET data = '{}' WHERE sequence = 10")
    assert log(project, "-n", "3") == [38, 39, 40]
    assert log(project, "--kind", "ticket_failed") == [20, 40]
    assert find_track(project) == project / "tracks" / "b.toml"
    whole = run_command(project, "log")
    assert whole.returncode == 6 and "entry 10" in whole.stderr
    assert len(whole.stdout.splitlines()) == 9, "what came before it is told"


def test_an_end_that_does_not_hang_together_is_named(project: Path) -> None:
    tamper(project / ".conductor", "DELETE FROM events WHERE sequence = 39")
    done = run_command(project, "log", "-n", "3")
    assert done.returncode == 6 and "entry 40" in done.stderr


def test_a_journal_of_a_later_format_is_no_damage(project: Path) -> None:
    db = sqlite3.connect(project / ".conductor" / "journal.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    done = run_command(project, "journal", "verify")
    assert done.returncode == 6 and "If a newer Conductor wrote it, use that one." in done.stderr
    assert "has format 99" in run_command(project, "log", "-n", "1").stderr
