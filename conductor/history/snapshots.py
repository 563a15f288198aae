"""The project's files as they were before the last command, in a database of their own: a cache, nothing else.

A file is read again only when its inode, size, mode or times differ, as git does it. What a command changed is kept in
the journal's store; the database may be deleted whenever no command runs.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from conductor.history.base import ABSENT, Changed, Changes, FileState, content_of, file_state
from conductor.history.listing import project_files
from conductor.messages import content_hash

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_FILES = 50_000
MAX_BYTES = 1024 * 1024 * 1024
MAX_CHANGES = 2_000
_RACY_NS = (
    50_000_000  # times are coarse: a file written this shortly before it was read may look the same when it is not
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, signature TEXT, mode TEXT, digest TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (digest TEXT PRIMARY KEY, content BLOB);
CREATE TABLE IF NOT EXISTS open (mark TEXT, begun_ns INTEGER, gap TEXT);
"""


class _Known(Struct, frozen=True):
    """A file as the database has it; it is the same file as long as its signature is."""

    signature: str
    state: FileState


class Snapshots:
    """The tree of one project as one track's commands change it. `place` is the database, `keep` a store's `put`."""

    def __init__(self, root: Path, place: Path, protected: tuple[str, ...], keep: Callable[[bytes], str]) -> None:
        self._root = root
        self._place = place
        self._protected = protected
        self._keep = keep
        self._opened: sqlite3.Connection | None = None

    def begin(self, mark: str) -> None:
        """See `Tree.begin`. A tree that is too large, or that cannot be kept, is no reason not to run."""
        try:
            if self._open_mark()[0] != mark:
                self._take_all(mark)
        except (sqlite3.Error, OSError):
            self._drop()

    def changes(self, mark: str) -> Changes:
        """See `Tree.changes`."""
        try:
            found, begun_ns, gap = self._open_mark()
            if found != mark:
                return Changes(uncovered="the files as they were before it could not be kept")
            return Changes(uncovered=gap) if gap else self._compare(begun_ns)
        except (sqlite3.Error, OSError) as error:
            self._drop()
            return Changes(uncovered=f"the files as they were before it cannot be read: {error}")

    def forget(self) -> None:
        """Let no command go on from what was before its first try: its files were restored."""
        with contextlib.suppress(sqlite3.Error, OSError):
            self._db.execute("DELETE FROM open")

    def close(self) -> None:
        """Give back the database."""
        if self._opened:
            self._opened.close()
            self._opened = None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            self._opened = sqlite3.connect(self._place, isolation_level=None)
            self._opened.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_SCHEMA}")
        return self._opened

    def _drop(self) -> None:
        """Forget a database that is of no use; the next one begins with reading everything."""
        self.close()
        for name in (self._place, *(Path(f"{self._place}{end}") for end in ("-wal", "-shm"))):
            with contextlib.suppress(OSError):
                name.unlink(missing_ok=True)

    def _open_mark(self) -> tuple[str, int, str]:
        return self._db.execute("SELECT mark, begun_ns, gap FROM open").fetchone() or ("", 0, "")

    def _known(self) -> dict[str, _Known]:
        rows = self._db.execute("SELECT path, signature, mode, digest FROM files")
        return {os.fsdecode(path): _Known(signature, FileState(mode, digest)) for path, signature, mode, digest in rows}

    def _take_all(self, mark: str) -> None:
        began, known = time.time_ns(), self._known()
        found = self._status(project_files(self._root, self._protected))
        gap = _too_much(found)
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            if not gap:
                self._refresh(known, found, began)
            self._db.execute("DELETE FROM open")
            begun = _clock_ns() - _RACY_NS  # the stamp of a file made just afterwards may lie before it
            self._db.execute("INSERT INTO open VALUES (?, ?, ?)", (mark, begun, gap))

    def _refresh(self, known: Mapping[str, _Known], found: Mapping[str, os.stat_result], began: int) -> None:
        gone = [(os.fsencode(name),) for name in known.keys() - found.keys()]
        other = {n: s for n, s in found.items() if n not in known or known[n].signature != _signature(s)}
        self._db.executemany("DELETE FROM files WHERE path = ?", gone)
        for name, status in other.items():
            content = content_of(self._root / name, MAX_FILE_BYTES)
            digest = "" if content is None else content_hash(content)
            racy = status.st_size <= MAX_FILE_BYTES and max(status.st_mtime_ns, status.st_ctime_ns) >= began - _RACY_NS
            signature = f"{_signature(status)} racy" if racy else _signature(status)
            row = (os.fsencode(name), signature, f"{status.st_mode:o}", digest)
            self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", row)
            if content is not None:
                self._db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", (digest, content))
        if gone or other:
            self._db.execute("DELETE FROM contents WHERE digest NOT IN (SELECT digest FROM files)")

    def _compare(self, begun_ns: int) -> Changes:
        known = self._known()
        found = self._status({*project_files(self._root, self._protected), *known})
        inodes = {known_file.signature.partition(" ")[0] for known_file in known.values()}
        changed: list[Changed] = []
        for name in sorted(known.keys() | found.keys()):
            status, old = found.get(name), known.get(name)
            if old and status and old.signature == _signature(status):
                continue
            if status and not old and status.st_ctime_ns < begun_ns and str(status.st_ino) not in inodes:
                continue  # it was there before and had no history: what is ignored has changed, not this file
            before, after = old.state if old else ABSENT, file_state(self._root / name)
            if before != after:
                changed.append(Changed(name, before, after, kept=not before.mode or bool(before.digest)))
        if len(changed) > MAX_CHANGES:
            return Changes(uncovered=f"it changed {len(changed):,} files, and no more than {MAX_CHANGES:,} are kept")
        for change in changed:
            self._keep_contents(change)
        return Changes(tuple(changed))

    def _keep_contents(self, change: Changed) -> None:
        if change.before.digest:
            query = "SELECT content FROM contents WHERE digest = ?"
            self._keep(self._db.execute(query, (change.before.digest,)).fetchone()[0])
        content = content_of(self._root / change.path, MAX_FILE_BYTES) if change.after.mode else None
        if content is not None:
            self._keep(content)

    def _status(self, names: Iterable[str]) -> dict[str, os.stat_result]:
        """Return the status of those names that are files or links."""
        found: dict[str, os.stat_result] = {}
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                status = os.lstat(f"{self._root}/{name}")
                if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                    found[name] = status
        return found


def _signature(status: os.stat_result) -> str:
    return f"{status.st_ino} {status.st_mode:o} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _clock_ns() -> int:
    """Return the time as file systems stamp it, which is that of the last tick where there are ticks."""
    coarse = getattr(time, "CLOCK_REALTIME_COARSE", None)
    return time.clock_gettime_ns(coarse) if coarse is not None else time.time_ns()


def _too_much(found: Mapping[str, os.stat_result]) -> str:
    if len(found) > MAX_FILES:
        return f"the project has {len(found):,} files that git does not ignore, and no more than {MAX_FILES:,} are kept"
    size = sum(status.st_size for status in found.values() if status.st_size <= MAX_FILE_BYTES)
    if size > MAX_BYTES:
        return f"the project's files are {size >> 20:,} MB, and no more than {MAX_BYTES >> 20:,} MB are kept"
    return ""
