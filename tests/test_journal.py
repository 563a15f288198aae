from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator
from itertools import pairwise
from pathlib import Path

import pytest

from conductor.errors import NeedsHuman, StateMismatch
from conductor.events import HintGiven, RunResumed, TicketStarted, TrackCompleted, TrackStarted, WorkerTold, as_dict
from conductor.journal import Journal, read
from conductor.stores.base import Row
from conductor.stores.memory import MemoryStore
from conductor.stores.reader import read_only
from conductor.stores.sqlite import SqliteStore

STARTED = TrackStarted("T", "t.toml", "d", "0")
TICKET = TicketStarted("coder", "m", "step")


@pytest.fixture
def store(tmp_path: Path) -> Generator[SqliteStore]:
    opened = SqliteStore(tmp_path)
    yield opened
    opened.close()


def tamper(folder: Path, *statements: str) -> None:
    """Change the journal behind Conductor's back."""
    with sqlite3.connect(folder / "journal.db") as db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            db.execute(statement)
    db.close()


def test_entries_are_chained_by_hash_number_and_cause() -> None:
    journal = Journal(MemoryStore(), "t")

    first = journal.record(STARTED)
    kept = first + journal.record(
        *(TICKET, WorkerTold("a"), WorkerTold("b")), ticket_id="T1", causation_id=first[0].event_id, correlation_id="c"
    )

    assert [event.sequence for event in kept] == [1, 2, 3, 4]
    assert [event.node_count for event in kept] == [1, 2, 3, 4]
    assert all(after.previous_hash == before.hash for before, after in pairwise(kept))
    assert all(after.causation_id == before.event_id for before, after in pairwise(kept))
    assert kept[0].correlation_id == kept[0].event_id
    assert {event.correlation_id for event in kept[1:]} == {"c"}
    assert len({event.event_id for event in kept}) == 4


def test_what_was_recorded_is_what_is_read() -> None:
    store = MemoryStore()
    kept = Journal(store, "t").record(STARTED, TICKET, WorkerTold("x"), ticket_id="T1", code_version=3)

    assert Journal(store, "t").entries() == kept
    assert list(read(store.rows())) == kept


def test_entries_begin_at_the_last_start_of_this_track() -> None:
    store = MemoryStore()
    mine, other = Journal(store, "t"), Journal(store, "other")
    mine.record(STARTED, WorkerTold("old"))
    mine.record(STARTED)
    other.record(STARTED)
    mine.record(RunResumed("d"))

    assert [event.sequence for event in mine.entries()] == [3, 5]
    assert [event.sequence for event in other.entries()] == [4]
    assert Journal(store, "nothing").entries() == []


def test_the_own_count_goes_on_after_entries_were_read() -> None:
    store = MemoryStore()
    Journal(store, "t", node="a").record(STARTED, WorkerTold("x"))
    Journal(store, "t", node="b").record(WorkerTold("y"))

    again = Journal(store, "t", node="a")
    again.entries()
    assert again.record(WorkerTold("z"))[0].node_count == 3


def test_listeners_hear_what_is_kept_after_it_is_kept(store: SqliteStore, tmp_path: Path) -> None:
    heard: list[tuple[str, int]] = []
    journal = Journal(store, "t", listeners=[lambda event: heard.append((event.kind, len(list(read_only(tmp_path)))))])

    journal.record(STARTED, TrackCompleted())

    assert heard == [("track_started", 2), ("track_completed", 2)]


def test_listeners_hear_nothing_of_what_was_not_kept(store: SqliteStore) -> None:
    heard: list[object] = []
    journal = Journal(store, "t", listeners=[heard.append])
    store._db.execute("PRAGMA max_page_count = 1")

    with pytest.raises(NeedsHuman, match="no space"):
        journal.record(WorkerTold("x" * 100_000))
    assert heard == []
    store._db.execute("PRAGMA max_page_count = 100000")
    assert journal.record(WorkerTold("y"))[0].node_count == 1


def test_nothing_is_kept_of_a_record_that_cannot_be_written() -> None:
    journal = Journal(MemoryStore(), "t")

    with pytest.raises(TypeError):
        journal.record(STARTED, WorkerTold(Path()))  # type: ignore[arg-type]
    assert journal.entries() == []


def test_a_lone_surrogate_does_not_stop_the_journal(store: SqliteStore) -> None:
    journal = Journal(store, "t")
    journal.record(STARTED, WorkerTold("\ud800\0\x1b é"))

    assert journal.entries()[1].data == WorkerTold("\ud800\0\x1b é")
    json.dumps(as_dict(journal.entries()[1])).encode()


@pytest.mark.parametrize("column", [name for name in Row._fields if name != "sequence"])
def test_a_change_in_any_column_is_found(store: SqliteStore, tmp_path: Path, column: str) -> None:
    journal = Journal(store, "t")
    journal.record(STARTED, WorkerTold("one"), WorkerTold("two"))
    other = f"{column} + 1" if column in ("node_count", "code_version") else f"{column} || 'x'"
    tamper(tmp_path, f"UPDATE events SET {column} = {other} WHERE sequence = 2")

    with pytest.raises(StateMismatch, match="journal entry"):
        journal.entries()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET sequence = 9 WHERE sequence = 3",
        "DELETE FROM events WHERE sequence = 2",
        "UPDATE events SET data = 'no json' WHERE sequence = 2",
        "UPDATE events SET data = CAST(x'ff' AS TEXT) WHERE sequence = 2",
    ],
)
def test_a_missing_moved_or_broken_entry_is_found(store: SqliteStore, tmp_path: Path, statement: str) -> None:
    journal = Journal(store, "t")
    journal.record(STARTED, WorkerTold("one"), WorkerTold("two"))
    tamper(tmp_path, statement)

    with pytest.raises(StateMismatch):
        journal.entries()


def test_two_entries_that_changed_places_are_found(store: SqliteStore, tmp_path: Path) -> None:
    journal = Journal(store, "t")
    journal.record(STARTED, WorkerTold("one"), WorkerTold("two"))
    tamper(
        tmp_path,
        "UPDATE events SET sequence = 9 WHERE sequence = 2",
        "UPDATE events SET sequence = 2 WHERE sequence = 3",
        "UPDATE events SET sequence = 3 WHERE sequence = 9",
    )

    with pytest.raises(StateMismatch):
        journal.entries()


Forge = Callable[[Row], Row]


@pytest.mark.parametrize("forge", [lambda r: r._replace(kind="from_the_future"), lambda r: r._replace(data='{"a": 1}')])
def test_an_entry_of_an_unknown_form_is_told_as_such(forge: Forge) -> None:
    import hashlib

    store = MemoryStore()
    Journal(store, "t").record(STARTED)
    forged = forge(next(store.rows()))
    sealed = json.dumps(list(forged[:-1]), separators=(",", ":")).encode()

    with pytest.raises(StateMismatch, match="unknown form"):
        list(read([forged._replace(hash=hashlib.sha256(sealed).hexdigest())]))


def test_a_lost_end_is_found_by_what_was_promised(store: SqliteStore, tmp_path: Path) -> None:
    journal = Journal(store, "t")
    journal.record(STARTED, WorkerTold("one"), durable=True)
    journal.record(WorkerTold("two"))
    tamper(tmp_path, "DELETE FROM events WHERE sequence = 3")
    assert len(journal.entries()) == 2  # never made durable: a loss of power may take it

    tamper(tmp_path, "DELETE FROM events WHERE sequence = 2")
    with pytest.raises(StateMismatch, match="ends at entry 1, though entry 2 was kept"):
        journal.entries()


def test_an_end_that_was_written_anew_is_found(store: SqliteStore, tmp_path: Path) -> None:
    Journal(store, "t").record(STARTED, WorkerTold("one"), durable=True)
    other = MemoryStore()
    Journal(other, "t").record(STARTED, WorkerTold("two"))
    names = ", ".join(Row._fields)
    tamper(tmp_path, "DELETE FROM events")
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.executemany(f"INSERT INTO events ({names}) VALUES ({', '.join('?' * len(Row._fields))})", other.rows())

    with pytest.raises(StateMismatch, match="is not the one that was kept"):
        Journal(store, "t").entries()


def test_without_marks_a_journal_is_taken_as_it_is(store: SqliteStore, tmp_path: Path) -> None:
    Journal(store, "t").record(STARTED, durable=True)
    for said in ("", "no json", "{}", '{"durable": [1], "latest": 2}', '{"durable": ["1", 2], "latest": [1, 2]}'):
        (tmp_path / "journal.head").write_text(said)
        assert len(Journal(store, "t").entries()) == 1
    (tmp_path / "journal.head").unlink()
    assert len(Journal(store, "t").entries()) == 1


def test_two_writers_of_one_name_share_one_count() -> None:
    store = MemoryStore()
    one, other = Journal(store, "t", node="cli"), Journal(store, "t", node="cli")

    counts = [journal.record(WorkerTold("x"))[0].node_count for journal in (one, other, one, other)]
    assert counts == [1, 2, 3, 4]
    assert Journal(store, "another", node="cli").record(WorkerTold("x"))[0].node_count == 1


def test_reports_keep_what_their_writer_knew() -> None:
    store = MemoryStore()
    engine, cli = Journal(store, "t", node="engine"), Journal(store, "t", node="cli")
    engine.record(STARTED, WorkerTold("x"))
    cli.entries()
    (said,) = cli.record(HintGiven("c", "h", "s", {}))
    (unaware,) = engine.record(HintGiven("c", "h", "s", {}))
    engine.saw([said])
    (aware,) = engine.record(HintGiven("c", "h", "s", {}))

    clocks = [event.data.clock for event in (said, unaware, aware)]  # type: ignore[union-attr]
    assert clocks == [{"cli": 1, "engine": 2}, {"engine": 3}, {"cli": 1, "engine": 4}]
    assert list(read(store.rows()))[-1] == aware
