from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from conductor.errors import StateMismatch
from conductor.events import WorkerTold
from conductor.journal import Journal, chained, read
from conductor.stores import schema
from conductor.stores.reader import read_only, reader
from conductor.stores.sqlite import SqliteStore
from conductor.stores.upgrade import upgrade

JOURNALS = Path(__file__).parents[1] / "fixtures" / "journals"
OLDER = range(1, schema.VERSION)
OUTPUT = "445221b98f22d14309aaea4fee1a9f41c9659ced4c922d71fbc0dcbbde571045"


def old(version: int, folder: Path) -> Path:
    """A journal as the Conductor of that format left it."""
    return Path(shutil.copytree(JOURNALS / f"version-{version}" / "state", folder / f"state-{version}"))


def script(path: Path) -> list[str]:
    """What `.dump` of the sqlite3 program would print."""
    with sqlite3.connect(path) as db:
        found = list(db.iterdump())
    db.close()
    return found


@pytest.mark.parametrize("version", OLDER)
def test_a_journal_of_every_format_is_kept_and_read(tmp_path: Path, version: int) -> None:
    folder = old(version, tmp_path)

    assert len(list(read(chained(read_only(folder))))) == 38


@pytest.mark.parametrize("version", OLDER)
def test_an_older_journal_is_not_written_before_it_was_upgraded(tmp_path: Path, version: int) -> None:
    folder = old(version, tmp_path)
    before = (folder / "journal.db").read_bytes()

    with pytest.raises(StateMismatch, match=rf"has format {version}; this Conductor writes {schema.VERSION}") as error:
        SqliteStore(folder)
    assert "conductor migrate" in error.value.hint
    assert (folder / "journal.db").read_bytes() == before


@pytest.mark.parametrize("version", OLDER)
def test_upgraded_it_has_the_same_entries_and_the_form_of_a_new_one(tmp_path: Path, version: int) -> None:
    folder = old(version, tmp_path)
    before = list(read_only(folder))
    done = upgrade(folder, dry_run=False)

    assert list(read_only(folder)) == before
    SqliteStore(tmp_path / "new").close()
    made = [line for line in script(tmp_path / "new" / "journal.db") if line.startswith("CREATE")]
    assert [line for line in script(folder / "journal.db") if line.startswith("CREATE")] == made
    assert done.copy and list(sqlite3.connect(done.copy).execute("PRAGMA user_version")) == [(version,)]
    store = SqliteStore(folder)
    assert Journal(store, "demo", node="engine").record(WorkerTold("x"))[0].node_count == 39
    store.close()


def test_outputs_move_into_the_file(tmp_path: Path) -> None:
    folder = old(1, tmp_path)
    upgrade(folder, dry_run=False)
    shutil.rmtree(folder / "outputs")

    with reader(folder) as kept:
        assert b"OK" in kept.get(OUTPUT)


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(tmp_path: Path) -> None:
    folder = old(1, tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix == ".db"}

    assert [step.version for step in upgrade(folder, dry_run=True).steps] == [2]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix == ".db"} == before


def test_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    once, twice = old(1, tmp_path / "a"), old(1, tmp_path / "b")
    for folder in (once, twice, twice):
        done = upgrade(folder, dry_run=False)

    assert (once / "journal.db").read_bytes() == (twice / "journal.db").read_bytes()
    assert done.steps == () and done.copy is None
    assert len(list(twice.glob("journal-*.db"))) == 1


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_later_format_is_refused(tmp_path: Path, dry_run: bool) -> None:
    folder = old(1, tmp_path)
    with sqlite3.connect(folder / "journal.db") as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    before = (folder / "journal.db").read_bytes()

    for act in (lambda: upgrade(folder, dry_run=dry_run), lambda: list(read_only(folder)), lambda: SqliteStore(folder)):
        with pytest.raises(StateMismatch, match=f"has format {schema.VERSION + 1}; this Conductor knows"):
            act()
    assert (folder / "journal.db").read_bytes() == before


def test_what_cannot_be_upgraded_stays_as_it_is(tmp_path: Path) -> None:
    folder = old(1, tmp_path)
    with sqlite3.connect(folder / "journal.db") as db:
        db.execute("CREATE TABLE origins (x)")
    db.close()
    before = (folder / "journal.db").read_bytes()

    with pytest.raises(StateMismatch, match="already exists"):
        upgrade(folder, dry_run=False)
    assert (folder / "journal.db").read_bytes() == before
    assert list(folder.glob("journal-*.db")) == []


def test_the_steps_are_numbered_without_a_gap() -> None:
    assert [step.version for step in schema.STEPS] == list(range(1, schema.VERSION + 1))
    assert [(JOURNALS / f"version-{version}").is_dir() for version in OLDER] == [True] * len(OLDER)
