"""How what is written to a journal's file takes its turn among other processes, and is kept whole or not at all."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

WAIT_S = 30.0
_PAUSE_S = 0.001
_TAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY)


def connected(path: Path) -> sqlite3.Connection:
    """Return a connection by which the journal in the file `path` is written."""
    return sqlite3.connect(path, isolation_level=None, timeout=WAIT_S)


def patiently(db: sqlite3.Connection, statement: str) -> None:
    """Execute what needs the file for itself as soon as nobody else has it. Raises as SQLite does after `WAIT_S`.

    SQLite's own waiting looks ever more seldom, so that one of several busy writers may wait for many seconds. And it
    does not wait at all for a file that another process just turns to WAL.
    """
    until = time.monotonic() + WAIT_S
    db.execute("PRAGMA busy_timeout = 1")
    try:
        while not _done(db, statement, last=time.monotonic() > until):
            time.sleep(_PAUSE_S)
    finally:
        db.execute(f"PRAGMA busy_timeout = {WAIT_S * 1000:.0f}")


def _done(db: sqlite3.Connection, statement: str, *, last: bool) -> bool:
    try:
        db.execute(statement)
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode not in _TAKEN:
            raise
        return False
    return True


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None]:
    """Keep all that is written to the journal meanwhile, or nothing; no other writer comes in between."""
    patiently(db, "BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
