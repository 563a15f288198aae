"""The form of a journal's file, as the numbered steps that lead to it; a new journal takes all of them.

A step that has been released is never changed: what comes after it is another step. `PRAGMA user_version` says how far
a file has come.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from conductor.errors import StateMismatch
from conductor.stores import contents
from conductor.stores.transactions import transaction

_ENTRIES = """
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, track_id TEXT NOT NULL, ticket_id TEXT NOT NULL,
    kind TEXT NOT NULL, at TEXT NOT NULL, node TEXT NOT NULL, node_count INTEGER NOT NULL,
    causation_id TEXT NOT NULL, correlation_id TEXT NOT NULL, code_version INTEGER NOT NULL,
    data TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_track ON events (track_id, sequence);
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_follow_on_each_other BEFORE INSERT ON events
    WHEN NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM events)
    BEGIN SELECT RAISE(ABORT, 'the journal has no gaps'); END;
"""
# Where an entry of a merged journal comes from: its place in the chain it was written in. Empty in any other journal.
_LOOKED_UP = """
CREATE INDEX events_by_node ON events (track_id, node, node_count);
CREATE INDEX events_by_kind ON events (track_id, kind, sequence);
CREATE TABLE origins (
    sequence INTEGER PRIMARY KEY, written_as INTEGER NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
"""
TRIGGERS = frozenset({"events_are_never_changed", "events_are_never_deleted", "events_follow_on_each_other"})


class Step(Struct, frozen=True):
    """What leads from the format before `version` to it, within a transaction that is already open."""

    version: int
    what: str
    take: Callable[[sqlite3.Connection, Path], None]


def _first(db: sqlite3.Connection, folder: Path) -> None:
    del folder
    _execute(db, _ENTRIES)


def _second(db: sqlite3.Connection, folder: Path) -> None:
    _execute(db, _LOOKED_UP)
    db.execute(contents.SCHEMA)
    for path in sorted((folder / "outputs").glob("??/*")):
        contents.put(db, path.read_bytes())


STEPS = (
    Step(1, "a table of entries that are only ever added", _first),
    Step(
        2, "entries are found by writer and kind; outputs move into the file; merged entries keep their origin", _second
    ),
)
VERSION = STEPS[-1].version


def version_of(db: sqlite3.Connection) -> int:
    """Return the format of an open journal, 0 for an empty file."""
    return db.execute("PRAGMA user_version").fetchone()[0]


def steps_from(version: int) -> tuple[Step, ...]:
    """Return the steps a journal of that format still has before it."""
    return tuple(step for step in STEPS if step.version > version)


def take(db: sqlite3.Connection, folder: Path, *, made: Callable[[], object] = lambda: None) -> None:
    """Take the steps that are left, all or none; another process may have taken them meanwhile.

    `made` is called in between where it is a new journal, and this process the one that makes it.
    """
    with transaction(db):
        found = version_of(db)
        if not found:
            made()
        for step in steps_from(found):
            step.take(db, folder)
            db.execute(f"PRAGMA user_version = {step.version}")


def check_readable(db: sqlite3.Connection, folder: Path) -> int:
    """Return the format of an open journal. Raises `StateMismatch` when it is one of a later Conductor."""
    version = version_of(db)
    if version > VERSION:
        raise StateMismatch(
            f"{folder / 'journal.db'} has format {version}; this Conductor knows {VERSION}",
            hint="Upgrade Conductor, or start over with --fresh in another folder.",
        )
    return version


def check_writable(db: sqlite3.Connection, folder: Path) -> None:
    """Raises `StateMismatch` when the journal is of a later or an earlier format than this Conductor writes."""
    version = check_readable(db, folder)
    if 0 < version < VERSION:
        raise StateMismatch(
            f"{folder / 'journal.db'} has format {version}; this Conductor writes {VERSION}",
            hint="Upgrade it with `conductor migrate`; a copy is kept. `--dry-run` shows what would be done.",
        )


def _execute(db: sqlite3.Connection, script: str) -> None:
    for statement in _statements(script):
        db.execute(statement)


def _statements(script: str) -> Iterator[str]:
    """Yield the complete statements of a script; a trigger's inner semicolon does not end it."""
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if text.strip() and sqlite3.complete_statement(text):
            yield text
            text = ""
