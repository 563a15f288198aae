"""How a journal's file is opened, copied, and how its errors are said."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from conductor.errors import ConductorError, NeedsHuman, StateMismatch, UsageError
from conductor.stores import schema
from conductor.stores.transactions import WAIT_S

NAME = "journal.db"
_SHARED_BYTES = 32 * 1024  # what SQLite makes at once of the memory that processes share
# How SQLite says that a file is damaged, or is a database of something else.
_DAMAGE = ("malformed", "not a database", "Could not decode", "no such table", "no such column", "already exists")


@contextmanager
def opened_to_read(folder: Path) -> Generator[sqlite3.Connection]:
    """Yield the journal in `folder`, which is there, without taking part in it.

    Raises `StateMismatch` when it is damaged or of a later format.
    """
    with plain_errors(folder), contextlib.closing(sqlite3.connect(address(folder / NAME), uri=True)) as db:
        schema.check_readable(db, folder)
        yield db


def is_there(folder: Path) -> bool:
    """Say whether a journal's file is in `folder`. Raises `UsageError` when one may not look."""
    with plain_errors(folder):
        return (folder / NAME).exists()


def is_made(folder: Path) -> bool:
    """Say whether there is a journal in `folder`: its file is there a moment before its table is."""
    if not is_there(folder):
        return False
    with opened_to_read(folder) as db:
        return db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def copied_aside(db: sqlite3.Connection, folder: Path) -> Path:
    """Have SQLite copy the journal, as it is now, beside it, named by the time; return the copy."""
    copy = folder / f"journal-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.db"
    db.execute("VACUUM INTO ?", [str(copy)])
    return copy


@contextmanager
def plain_errors(folder: Path, *, opening: bool = False) -> Generator[None]:
    """Turn SQLite's and the system's errors about the journal into ours, with what to do about them."""
    try:
        yield
    except ConductorError:
        raise
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # the last: a complaint of SQLite's about bad text
        raise _explain(error, folder, opening) from error


def _explain(error: Exception, folder: Path, opening: bool) -> ConductorError:
    text = str(error)
    if _lacks_space(error, folder):
        return NeedsHuman(f"no space left for the journal in {folder}", hint="Free some space and run again.")
    damaged = isinstance(error, sqlite3.DatabaseError) and any(sign in text for sign in _DAMAGE)
    if damaged or isinstance(error, UnicodeDecodeError):
        return StateMismatch(f"{folder / 'journal.db'} is damaged: {text}", hint="Restore it, or move it away.")
    unwritable = isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    if "database is locked" in text:
        said = f"another process has been writing to the journal in {folder} for {WAIT_S:.0f} seconds"
        return NeedsHuman(said, hint="Nothing was lost. If a conductor process is stopped, let it go on (`fg`).")
    if opening or unwritable or "readonly" in text:
        owner = _other_owner(folder)
        hint = f"Run as {owner}, or make the folder yours (chown -R)." if owner else "Make the project writable."
        belongs = f"; it belongs to {owner}" if owner else ""
        what = "read" if isinstance(error, PermissionError) and not opening else "written"
        said = error.strerror if isinstance(error, OSError) else text
        return UsageError(f"the journal in {folder} cannot be {what}: {said}{belongs}", hint=hint)
    return NeedsHuman(f"the journal in {folder} cannot be used: {text}", hint="Nothing was lost; run again.")


def _other_owner(folder: Path) -> str:
    """Return whose the folder is, "" where it is ours or is not there."""
    import pwd

    with contextlib.suppress(OSError, KeyError):
        owner = folder.stat().st_uid
        return pwd.getpwuid(owner).pw_name if owner != os.geteuid() else ""
    return ""


def _lacks_space(error: Exception, folder: Path) -> bool:
    """Say whether there was no room; where SQLite had none for what its readers share it speaks of an I/O error."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if "disk I/O error" in str(error):
        with contextlib.suppress(OSError):
            disk = os.statvfs(folder)
            return disk.f_bavail * disk.f_frsize < _SHARED_BYTES
    return "disk is full" in str(error)


def address(path: Path) -> str:
    """Return SQLite's address of a journal that is only read.

    In a folder that cannot be written SQLite opens a WAL journal only as "immutable", which is right as long as no log
    stands beside it: then nobody is writing (https://sqlite.org/wal.html#read_only_databases).
    """
    writable = os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    unused = not writable and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if unused else ''}"
