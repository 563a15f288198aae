"""From an older format of the journal to the one this Conductor writes, with a copy kept of what was."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from pathlib import Path

from msgspec import Struct

from conductor.errors import StateMismatch
from conductor.stores import schema
from conductor.stores.access import NAME, copied_aside, opened_to_read, plain_errors
from conductor.stores.transactions import connected

_ALL = "SELECT * FROM events ORDER BY sequence"


class Upgrade(Struct, frozen=True):
    """What leads, or led, from one format to another. `copy` is where the old one is kept."""

    path: Path
    version: int
    steps: tuple[schema.Step, ...]
    copy: Path | None = None


def upgrade(folder: Path, *, dry_run: bool) -> Upgrade:
    """Bring the journal in `folder`, which is there, to the newest format. With `dry_run` only a copy is brought there.

    The steps are tried on a copy first: what cannot be upgraded stays as it is. Raises `StateMismatch` when the journal
    is damaged or of a later format, `UsageError` when it cannot be written.
    """
    with opened_to_read(folder) as db:
        version = schema.check_readable(db, folder)
        found = Upgrade(folder / NAME, version, schema.steps_from(version))
        if found.steps:
            _rehearse(db, folder)
    if dry_run or not found.steps:
        return found
    with plain_errors(folder), contextlib.closing(connected(folder / NAME)) as db:
        copy = copied_aside(db, folder)
        schema.take(db, folder)
    return Upgrade(found.path, version, found.steps, copy)


def _rehearse(db: sqlite3.Connection, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / NAME
        db.execute("VACUUM INTO ?", [str(copy)])
        with contextlib.closing(connected(copy)) as rehearsed:
            schema.take(rehearsed, folder)
            if any(one != other for one, other in zip(db.execute(_ALL), rehearsed.execute(_ALL), strict=True)):
                raise StateMismatch(f"{folder / NAME} would not be the same entries afterwards; it was left as it is")
