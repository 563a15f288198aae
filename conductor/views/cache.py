"""Views made before, in the user's cache directory: safe to delete, safe for several processes, never in the way."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Generator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

_SETTLED_NS = 1_000_000_000  # what changed this recently may change again within one tick of its file system's clock
_LARGEST = 256 * 1024 * 1024  # bytes; a larger cache is begun again
_TABLE = """
create table if not exists view (
    folder text, made text, name text, mtime_ns integer, size integer, text text, notice text,
    primary key (folder, made, name)
) without rowid
"""


class Entry(NamedTuple):
    """The view of one file that had this time and size."""

    mtime_ns: int
    size: int
    text: str
    notice: str

    def fits(self, status: os.stat_result) -> bool:
        """Say whether a file with this status is the one that was seen."""
        return self.mtime_ns == status.st_mtime_ns and self.size == status.st_size


def cache_file() -> Path:
    """Return where views are kept: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "conductor" / "views.db"


def load(file: Path, folder: Path, made: str) -> dict[str, Entry]:
    """Return the entries for files below `folder`, by name. `made` says how their views were made.

    A cache that is missing, out of reach, locked or damaged is an empty one.
    """
    query = "select name, mtime_ns, size, text, notice from view where folder = ? and made = ?"
    with contextlib.suppress(sqlite3.Error, OSError):
        if not file.exists():  # which connecting would change
            return {}
        with _connected(file) as connection:
            rows = connection.execute(query, (os.fspath(folder), _key(made))).fetchall()
            return {name: Entry(*rest) for name, *rest in rows}
    return {}


def store(file: Path, folder: Path, made: str, entries: Mapping[str, Entry], gone: set[str], now_ns: int) -> None:
    """Keep `entries` and forget the names in `gone`. What cannot be written is not kept; nobody is told.

    A file that changed within a second of `now_ns` is not kept: it could change again and look the same.
    """
    settled = {name: entry for name, entry in entries.items() if now_ns - entry.mtime_ns > _SETTLED_NS}
    if not settled and not gone:
        return
    with contextlib.suppress(sqlite3.Error, OSError, UnicodeError):
        key = (os.fspath(folder), _key(made))
        rows = [(*key, name, *entry) for name, entry in settled.items()]
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _write(file, key, rows, gone)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, or no room: next time
                return
            file.unlink(missing_ok=True)  # no database at all
            _write(file, key, rows, gone)


def _write(file: Path, key: tuple[str, str], rows: Sequence[tuple[object, ...]], gone: set[str]) -> None:
    if file.exists() and file.stat().st_size > _LARGEST:
        file.unlink(missing_ok=True)
    with _connected(file) as connection, connection:
        connection.execute(_TABLE)
        connection.executemany(
            "delete from view where folder = ? and made = ? and name = ?", ((*key, name) for name in gone)
        )
        connection.executemany("insert or replace into view values (?, ?, ?, ?, ?, ?, ?)", rows)


@contextlib.contextmanager
def _connected(file: Path) -> Generator[sqlite3.Connection]:
    connection = sqlite3.connect(file, timeout=0.5)
    try:
        connection.execute("pragma synchronous = off")
        yield connection
    finally:
        connection.close()


def _key(made: str) -> str:
    """Return `made` with what else decides how a view looks: this program, the grammars, Python."""
    spec = find_spec("tree_sitter")
    grammars = Path(spec.origin).parents[1].stat().st_mtime_ns if spec and spec.origin else 0
    program = max(entry.stat().st_mtime_ns for entry in os.scandir(Path(__file__).parent))
    return f"{program} {grammars} {sys.version_info[:3]} {made}"
