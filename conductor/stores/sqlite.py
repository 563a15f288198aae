"""The journal and the contents it refers to in one SQLite file (WAL), one lock file a track.

An append is one transaction begun with BEGIN IMMEDIATE, so that the numbers of several processes never clash or leave
a gap. `PRAGMA synchronous` is FULL for durable appends only: SQLite syncs the log as a whole, so the durable append
before an effect also secures every earlier one (https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from conductor.errors import AlreadyRunning
from conductor.stores import contents, schema
from conductor.stores.access import NAME, copied_aside, plain_errors
from conductor.stores.base import Head, Row
from conductor.stores.reader import COLUMNS, SqliteReader
from conductor.stores.transactions import connected, patiently, transaction

# Writing a full log back takes two syncs, which fall on some entry: so seldom that fewer than one in a hundred waits.
_LOG_PAGES = 4_000
_INSERT = f"INSERT INTO events ({COLUMNS}) VALUES ({', '.join('?' * len(Row._fields))})"


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
