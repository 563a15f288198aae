"""Two journals' files side by side: where they part, what each has since, and how the merged end takes its place."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conductor.errors import NeedsHuman, StateMismatch, UsageError
from conductor.stores import contents, schema
from conductor.stores.access import NAME, address, plain_errors
from conductor.stores.base import Head, Row, Written
from conductor.stores.marks import MarksFile
from conductor.stores.transactions import connected, transaction

_COLUMNS = ", ".join(Row._fields)
_TAIL = f"""
SELECT {", ".join(f"events.{name}" for name in Row._fields)}, written_as, origins.previous_hash, origins.hash
FROM events LEFT JOIN origins USING (sequence) WHERE sequence > ? ORDER BY sequence
"""


class Line:
    """One journal that is to be merged, read without taking part in it."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self.path = path

    @property
    def head(self) -> Head:
        """The newest entry."""
        found = self._db.execute("SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1").fetchone()
        return Head(*found) if found else Head(0, "")

    @property
    def tracks(self) -> list[str]:
        """The tracks that have entries."""
        return [name for (name,) in self._db.execute("SELECT DISTINCT track_id FROM events ORDER BY track_id")]

    @property
    def linear(self) -> int:
        """The number of the entry up to which nothing was merged: what comes before it was known to all."""
        return (self._db.execute("SELECT min(written_as) FROM origins").fetchone()[0] or self.head.sequence + 1) - 1

    def hash_at(self, sequence: int) -> str:
        """Return the hash of the entry of that number, "" where there is none."""
        found = self._db.execute("SELECT hash FROM events WHERE sequence = ?", [sequence]).fetchone()
        return found[0] if found else ""

    def tail(self, after: int) -> Iterator[Written]:
        """Yield the entries numbered above `after`, each with what it was written as."""
        with plain_errors(self.path.parent):
            for values in self._db.execute(_TAIL, [after]):
                row = Row._make(values[:-3])
                moved: tuple[int, str, str] | tuple[None, None, None] = values[-3:]
                at = (row.sequence, row.previous_hash, row.hash) if moved[0] is None else moved
                yield Written(row, *at)

    def contents(self, but: Callable[[str], bool]) -> Iterator[bytes]:
        """Yield what is kept, by name, but what `but` says is known. Raises `StateMismatch` at a damaged one."""
        names = [name for (name,) in self._db.execute("SELECT digest FROM contents ORDER BY digest")]
        for name in names:
            if not but(name):
                yield contents.get(self._db, self.path.parent, name)

    def has_content(self, digest: str) -> bool:
        """Say whether a content is kept here."""
        return self._db.execute("SELECT 1 FROM contents WHERE digest = ?", [digest]).fetchone() is not None

    def copy_to(self, path: Path) -> None:
        """Have SQLite write a copy."""
        self._db.execute("VACUUM INTO ?", [str(path)])


@contextmanager
def opened_line(path: Path) -> Generator[Line]:
    """Yield the journal in the file `path`. Raises `UsageError` when there is none, `StateMismatch` on a wrong one."""
    if not path.is_file():
        raise UsageError(f"there is no journal {path}", hint="Name a project, its .conductor folder or a journal.db.")
    with plain_errors(path.parent), contextlib.closing(sqlite3.connect(address(path), uri=True)) as db:
        if schema.check_readable(db, path.parent) < schema.VERSION:
            raise StateMismatch(
                f"{path} has an older format", hint="Upgrade it with `conductor migrate` in its project, then merge."
            )
        yield Line(db, path)


def parted_at(ours: Line, theirs: Line) -> Head:
    """Return the newest entry up to which two journals are the same: a hash covers everything before it."""
    low, high = 0, min(ours.head.sequence, theirs.head.sequence)
    while low < high:
        middle = (low + high + 1) // 2
        if ours.hash_at(middle) == theirs.hash_at(middle) != "":
            low = middle
        else:
            high = middle - 1
    return Head(low, ours.hash_at(low))


def replace_tail(folder: Path, known: Head, after: int, tail: Sequence[Written], more: Iterator[bytes]) -> None:
    """Put `tail` in the place of all entries above `after` of the journal in `folder`, and keep the contents of `more`.

    All of it or nothing happens. Raises `NeedsHuman` when the newest entry is not the `known` one any more.
    """
    with plain_errors(folder), contextlib.closing(connected(folder / NAME)) as db:
        db.execute("PRAGMA synchronous = FULL")
        with transaction(db):
            found = db.execute("SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1").fetchone()
            if found != tuple(known):
                raise NeedsHuman("the journal was written to meanwhile; nothing was merged", hint="Merge again.")
            _write(db, after, tail)
            for content in more:
                contents.put(db, content)
            marks = MarksFile(folder)
            marks.forget()  # a kill before they are noted again must not look like a loss
        marks.write(Head(tail[-1].row.sequence, tail[-1].row.hash) if tail else known, durable=True)
        marks.close()
    shutil.rmtree(folder / "snapshots", ignore_errors=True)


def _write(db: sqlite3.Connection, after: int, tail: Sequence[Written]) -> None:
    """Write the entries; what protects the table is away for as long as the transaction is open."""
    triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    db.execute("DELETE FROM events WHERE sequence > ?", [after])
    db.execute("DELETE FROM origins WHERE sequence > ?", [after])
    places = ", ".join("?" * len(Row._fields))
    db.executemany(f"INSERT INTO events ({_COLUMNS}) VALUES ({places})", (each.row for each in tail))
    moved = ((each.row.sequence, *each[1:]) for each in tail if each.is_moved)
    db.executemany("INSERT INTO origins (sequence, written_as, previous_hash, hash) VALUES (?, ?, ?, ?)", moved)
    for _, sql in triggers:
        db.execute(sql)
