"""A journal's file read without trust: as much of it as can be made out, and what SQLite itself says is wrong."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conductor.errors import UsageError
from conductor.messages import content_hash
from conductor.stores import schema
from conductor.stores.access import NAME, address, is_there
from conductor.stores.base import Marks, Row
from conductor.stores.marks import MarksFile

_COLUMNS = ", ".join(Row._fields)
_GUESSED = 10_000  # entries looked for where nothing tells how many there are
# What a damaged file makes Python's sqlite3 raise: also when it cannot decode the text of SQLite's own complaint.
_DAMAGE = (sqlite3.Error, UnicodeDecodeError, OverflowError)


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


class RawJournal:
    """A journal whose every answer may be missing or wrong. Nothing here raises what damage can cause."""

    def __init__(self, db: sqlite3.Connection, folder: Path) -> None:
        self._db = db
        self._db.text_factory = _lenient
        self.marks: Marks = MarksFile(folder).read()
        self.has_marks = bool(self.marks.latest.sequence)

    def complaints(self) -> Iterator[str]:
        """Yield what is wrong with the file as such: its structure, its indexes, its protection, its format."""
        for (said,) in self._ask("PRAGMA integrity_check(20)"):
            if said != "ok":
                yield str(said)
        names = {str(name) for (name,) in self._ask("SELECT name FROM sqlite_schema WHERE type = 'trigger'")}
        for name in sorted(schema.TRIGGERS - names):
            yield f"the table of entries is not protected any more: the trigger {name} is gone"
        for (version,) in self._ask("PRAGMA user_version"):
            if version not in range(1, schema.VERSION + 1):
                yield f"it says to be of format {version}; this Conductor knows {schema.VERSION}"

    def rows(self) -> Iterator[Row | int]:
        """Yield the entries in the order they are stored in; where they cannot be read on, each by its number."""
        last = 0
        try:
            for values in self._db.execute(f"SELECT {_COLUMNS} FROM events ORDER BY sequence"):
                yield Row._make(values)
                last = values[0]
        except _DAMAGE:
            yield from self._one_by_one(last)

    def _one_by_one(self, after: int) -> Iterator[Row | int]:
        newest = [n for (n,) in self._ask("SELECT max(sequence) FROM events") if isinstance(n, int)]
        end = self.marks.latest.sequence or min(max([after, *newest]), after + _GUESSED)
        for number in range(after + 1, max(end, after + 1) + 1):
            try:
                found = self._db.execute(f"SELECT {_COLUMNS} FROM events WHERE sequence = ?", (number,)).fetchone()
            except _DAMAGE:
                yield number
                continue
            if found:
                yield Row._make(found)

    def origins(self) -> dict[int, tuple[int, str, str]]:
        """Return, for the entries of a merged journal, number, previous hash and hash they were written with."""
        found = self._ask("SELECT sequence, written_as, previous_hash, hash FROM origins")
        return {sequence: (written_as, previous, hashed) for sequence, written_as, previous, hashed in found}

    def contents(self) -> Iterator[tuple[str, bool]]:
        """Yield the name of each content that is kept, and whether it is what was written."""
        for digest, content in self._ask("SELECT digest, content FROM contents"):
            yield str(digest), isinstance(content, bytes) and content_hash(content) == digest

    def _ask(self, query: str) -> Iterator[tuple[Any, ...]]:
        with contextlib.suppress(*_DAMAGE):
            yield from self._db.execute(query)


@contextmanager
def opened_raw(folder: Path) -> Generator[RawJournal]:
    """Yield the journal in `folder`. Raises `UsageError` when there is none."""
    if not is_there(folder):
        raise UsageError(f"there is no journal in {folder}", hint="Run a track here first.")
    with contextlib.closing(sqlite3.connect(address(folder / NAME), uri=True)) as db:
        yield RawJournal(db, folder)
