"""The journal and the contents it refers to in one SQLite file (WAL), one lock file a track.

An append is one transaction begun with BEGIN IMMEDIATE, so that the numbers of several processes never clash or leave
a gap. `PRAGMA synchronous` is FULL for durable appends only: SQLite syncs the log as a whole, so the durable append
before an effect also secures every earlier one (https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from conductor.errors import AlreadyRunning, UsageError
from conductor.stores import contents, schema
from conductor.stores.access import NAME, copied_aside, is_made, is_there, opened_to_read, plain_errors
from conductor.stores.base import Head, Marks, Row
from conductor.stores.marks import MarksFile
from conductor.stores.transactions import connected, patiently, transaction

# Writing a full log back takes two syncs, which fall on some entry: so seldom that fewer than one in a hundred waits.
_LOG_PAGES = 4_000
_COLUMNS = ", ".join(Row._fields)
# Every track by one look into the index for each.
_EVERY_TRACK = """
track_id IN (
    WITH RECURSIVE tracks (id) AS (
        SELECT min(track_id) FROM events
        UNION ALL SELECT (SELECT min(track_id) FROM events WHERE track_id > id) FROM tracks WHERE id IS NOT NULL
    ) SELECT id FROM tracks WHERE id IS NOT NULL
)"""
_INSERT = f"INSERT INTO events ({_COLUMNS}) VALUES ({', '.join('?' * len(Row._fields))})"


class SqliteReader:
    """What is read of the journal in `folder`, by an open connection."""

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        self._folder = folder
        self._db = db
        self._marks = MarksFile(folder)

    def rows(
        self,
        *,
        track_id: str = "",
        after: int = 0,
        ticket_id: str | None = None,
        kinds: Sequence[str] = (),
        last: int | None = None,
    ) -> Iterator[Row]:
        """See `Store.rows`."""
        where, values = ["sequence > ?"], list[str | int]([after])
        if track_id or kinds:  # the index by kind begins with the track
            where.append("track_id = ?" if track_id else _EVERY_TRACK)
            values += [track_id] if track_id else []
        if ticket_id is not None:
            where.append("ticket_id = ?")
            values.append(ticket_id)
        if kinds:
            where.append(f"kind IN ({', '.join('?' * len(kinds))})")
            values += kinds
        query = f"FROM events WHERE {' AND '.join(where)} ORDER BY sequence"
        if last is not None:
            query = f"FROM events WHERE sequence IN (SELECT sequence {query} DESC LIMIT {last:d}) ORDER BY sequence"
        with plain_errors(self._folder):
            yield from map(Row._make, self._db.execute(f"SELECT {_COLUMNS} {query}", values))

    def last(self, *, track_id: str, kind: str) -> int:
        """See `Store.last`."""
        query = "SELECT max(sequence) FROM events WHERE track_id = ? AND kind = ?"
        with plain_errors(self._folder):
            return self._db.execute(query, [track_id, kind]).fetchone()[0] or 0

    def marks(self) -> Marks:
        """See `Store.marks`."""
        return self._marks.read()

    def snapshot(self, track_id: str) -> bytes:
        """See `Store.snapshot`."""
        with contextlib.suppress(OSError):
            return (self._folder / "snapshots" / track_id).read_bytes()
        return b""


class SqliteStore(SqliteReader):
    """A store in `folder` (the project's `.conductor`): journal.db, locks/."""

    def __init__(self, folder: Path) -> None:
        """Open the journal, making it where there is none. Raises `UsageError` when the folder cannot be written."""
        self._synchronous = ""
        with plain_errors(folder, opening=True):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what files held may be nobody else's business
            ignore = folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
            super().__init__(folder, connected(folder / NAME))
            try:
                patiently(self._db, "PRAGMA journal_mode = WAL")
                self._db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
                schema.check_writable(self._db, folder)
                if not schema.version_of(self._db):
                    schema.take(self._db, folder, made=self._marks.forget)
            except BaseException:
                self._db.close()
                raise

    def append(self, seal: Callable[[Head], Sequence[Row]], *, durable: bool) -> Sequence[Row]:
        """See `Store.append`."""
        with plain_errors(self._folder):
            self._set_synchronous("FULL" if durable else "NORMAL")
            with transaction(self._db):
                found = self._db.execute("SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1").fetchone()
                rows = seal(Head(*found) if found else Head(0, ""))
                self._db.executemany(_INSERT, rows)
            if rows:
                self._marks.write(Head(rows[-1].sequence, rows[-1].hash), durable=durable)
            return rows

    def _set_synchronous(self, level: str) -> None:
        if level != self._synchronous:
            self._db.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def count(self, *, track_id: str, node: str) -> int:
        """See `Store.count`."""
        query = "SELECT max(node_count) FROM events WHERE track_id = ? AND node = ?"
        with plain_errors(self._folder):
            return self._db.execute(query, [track_id, node]).fetchone()[0] or 0

    def keep_snapshot(self, track_id: str, content: bytes) -> None:
        """See `Store.keep_snapshot`: a file of its own, not synced, for it can be made anew."""
        path = self._folder / "snapshots" / track_id
        part = path.with_name(f".{track_id}.{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            part.write_bytes(content)
            part.replace(path)

    def put(self, content: bytes) -> str:
        """See `Store.put`. It reaches the disk with the next durable append at the latest."""
        with plain_errors(self._folder):
            self._set_synchronous("NORMAL")
            with transaction(self._db):
                return contents.put(self._db, content)

    def get(self, digest: str) -> bytes:
        """See `Store.get`."""
        with plain_errors(self._folder):
            return contents.get(self._db, self._folder, digest)

    @contextmanager
    def lock(self, track_id: str) -> Generator[None]:
        """See `Store.lock`. The lock is the operating system's, so it ends with the process however that ends."""
        with plain_errors(self._folder, opening=True):
            path = self._folder / "locks" / track_id
            path.parent.mkdir(exist_ok=True)
            handle = _take_lock(path, track_id)
        with handle:
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    handle.truncate(0)
                fcntl.flock(handle, fcntl.LOCK_UN)  # a process that is being started may have the file open as well

    def set_aside(self) -> str:
        """See `Store.set_aside`: a copy made by SQLite itself, named by the time."""
        with plain_errors(self._folder):
            empty = not self._db.execute("SELECT 1 FROM events LIMIT 1").fetchone()
            return "" if empty else str(copied_aside(self._db, self._folder))

    def close(self) -> None:
        """See `Store.close`."""
        self._db.close()
        self._marks.close()


def _take_lock(path: Path, track_id: str) -> IO[str]:
    """Return the open lock file, locked and naming this process. Raises `AlreadyRunning`, naming the holder."""
    with contextlib.ExitStack() as undo:
        handle = undo.enter_context(path.open("a+"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "an unknown process"
            raise AlreadyRunning(
                f"track {track_id} is already being run by {holder}",
                hint="Wait for it, or end it; nothing was started here.",
            ) from None
        handle.truncate(0)
        handle.write(f"process {os.getpid()} (since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC)")
        handle.flush()
        undo.pop_all()
        return handle


def read_only(folder: Path) -> Iterator[Row]:
    """Yield the rows of the journal in `folder` without taking part in it; none where there is no journal."""
    if not is_made(folder):
        return
    with opened_to_read(folder) as db:
        yield from map(Row._make, db.execute(f"SELECT {_COLUMNS} FROM events ORDER BY sequence"))


@contextmanager
def reader(folder: Path) -> Generator[SqliteReader]:
    """Yield what reads the journal in `folder`, which is there, without taking part in it."""
    with opened_to_read(folder) as db:
        yield SqliteReader(folder, db)


@contextmanager
def kept_contents(folder: Path) -> Generator[Callable[[str], bytes]]:
    """Yield what `Store.get` of the journal in `folder` would be, without taking part in it."""
    if not is_there(folder):
        raise UsageError(f"there is no journal in {folder}", hint="Run a track here first.")
    with opened_to_read(folder) as db:
        yield lambda digest: contents.get(db, folder, digest)
