"""What is read of a journal's file, by whoever writes it and by those who take no part in it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Unpack

from conductor.errors import UsageError
from conductor.stores import contents
from conductor.stores.access import is_made, is_there, opened_to_read, plain_errors
from conductor.stores.base import Marks, Row, Wanted
from conductor.stores.marks import MarksFile

COLUMNS = ", ".join(Row._fields)
# Every track by one look into the index for each.
_EVERY_TRACK = """
track_id IN (
    WITH RECURSIVE tracks (id) AS (
        SELECT min(track_id) FROM events
        UNION ALL SELECT (SELECT min(track_id) FROM events WHERE track_id > id) FROM tracks WHERE id IS NOT NULL
    ) SELECT id FROM tracks WHERE id IS NOT NULL
)"""


class SqliteReader:
    """What is read of the journal in `folder`, by an open connection."""

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        self._folder = folder
        self._db = db
        self._marks = MarksFile(folder)

    def rows(self, **wanted: Unpack[Wanted]) -> Iterator[Row]:
        """See `Store.rows`."""
        query, values = _query(wanted)
        with plain_errors(self._folder):
            yield from map(Row._make, self._db.execute(f"SELECT {COLUMNS} {query}", values))

    def numbers(self, **wanted: Unpack[Wanted]) -> list[int]:
        """See `Store.numbers`."""
        query, values = _query(wanted)
        with plain_errors(self._folder):
            return [number for (number,) in self._db.execute(f"SELECT sequence {query}", values)]

    def last(self, *, track_id: str, kind: str) -> int:
        """See `Store.last`."""
        query = "SELECT max(sequence) FROM events WHERE track_id = ? AND kind = ?"
        with plain_errors(self._folder):
            return self._db.execute(query, [track_id, kind]).fetchone()[0] or 0

    def get(self, digest: str) -> bytes:
        """See `Store.get`."""
        with plain_errors(self._folder):
            return contents.get(self._db, self._folder, digest)

    def marks(self) -> Marks:
        """See `Store.marks`."""
        return self._marks.read()

    def snapshot(self, track_id: str) -> bytes:
        """See `Store.snapshot`."""
        with contextlib.suppress(OSError):
            return (self._folder / "snapshots" / track_id).read_bytes()
        return b""


def _query(wanted: Wanted) -> tuple[str, list[str | int]]:
    """Return what follows SELECT and its columns, and the values in it."""
    track_id, kinds, last = wanted.get("track_id"), wanted.get("kinds"), wanted.get("last")
    conditions: list[tuple[str, Sequence[str | int]]] = [("sequence > ?", [wanted.get("after", 0)])]
    if track_id or kinds:  # the index by kind begins with the track
        conditions.append(("track_id = ?", [track_id]) if track_id else (_EVERY_TRACK, []))
    if kinds:
        conditions.append((f"kind IN ({', '.join('?' * len(kinds))})", kinds))
    if (ticket_id := wanted.get("ticket_id")) is not None:
        conditions.append(("ticket_id = ?", [ticket_id]))
    if (before := wanted.get("before")) is not None:
        conditions.append(("sequence < ?", [before]))
    if path := wanted.get("path"):
        conditions.append(("json_extract(data, '$.path') = json_extract(?, '$')", [json.dumps(path)]))
    query = f"FROM events WHERE {' AND '.join(said for said, _ in conditions)} ORDER BY sequence"
    if last is not None:
        query = f"FROM events WHERE sequence IN (SELECT sequence {query} DESC LIMIT {last:d}) ORDER BY sequence"
    return query, [value for _, values in conditions for value in values]


def read_only(folder: Path) -> Iterator[Row]:
    """Yield the rows of the journal in `folder` without taking part in it; none where there is no journal."""
    if not is_made(folder):
        return
    with opened_to_read(folder) as db:
        yield from map(Row._make, db.execute(f"SELECT {COLUMNS} FROM events ORDER BY sequence"))


@contextmanager
def reader(folder: Path) -> Generator[SqliteReader]:
    """Yield what reads the journal in `folder` without taking part in it. Raises `UsageError` when there is none."""
    if not is_there(folder):
        raise UsageError(f"there is no journal in {folder}", hint="Run a track here first.")
    with opened_to_read(folder) as db:
        yield SqliteReader(folder, db)
