"""What a file was before and after a call, and who notices it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Protocol

from msgspec import Struct


class FileState(Struct, frozen=True):
    """A file as it was: its mode as git writes it (`100644`, `120000` for a link; "" for no file) and its content.

    `digest` is the SHA-256 of the bytes, of a link the place it leads to; "" where it is not known.
    """

    mode: str = ""
    digest: str = ""

    @property
    def exists(self) -> bool:
        """Say whether there is a file."""
        return bool(self.mode or self.digest)


ABSENT = FileState()


def file_state(path: Path) -> FileState:
    """Return what is at `path` now, links not followed; `ABSENT` for anything that is neither file nor link."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return FileState(f"{status.st_mode:o}", hashlib.sha256(os.fsencode(path.readlink())).hexdigest())
        if not stat.S_ISREG(status.st_mode):
            return ABSENT
    except (OSError, ValueError):
        return ABSENT
    try:
        with os.fdopen(_open(path), "rb") as stream:
            return FileState(f"{status.st_mode:o}", hashlib.file_digest(stream, "sha256").hexdigest())
    except OSError:
        return FileState(f"{status.st_mode:o}")


def content_of(path: Path, limit: int) -> bytes | None:
    """Return a file's bytes, or where a link leads; None when it is larger than `limit` or cannot be read."""
    try:
        if path.is_symlink():
            return os.fsencode(path.readlink())
        with os.fdopen(_open(path), "rb") as stream:
            status = os.fstat(stream.fileno())
            return stream.read() if stat.S_ISREG(status.st_mode) and status.st_size <= limit else None
    except (OSError, ValueError):
        return None


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


class Changed(Struct, frozen=True):
    """A file that is not what it was. `kept` says that what it held before can be had again."""

    path: str
    before: FileState
    after: FileState
    kept: bool


class Changes(Struct, frozen=True):
    """What a command did to the project's files; `uncovered` says in words what of it is not known, "" for nothing."""

    files: tuple[Changed, ...] = ()
    uncovered: str = ""


class Tree(Protocol):
    """Notices what commands do to the files of a project."""

    def begin(self, mark: str) -> None:
        """Keep the project as it is now, as what was there before the command with this mark.

        A command that was cut off and is tried again has the same mark: then what was there before the first try stays.
        """
        ...

    def changes(self, mark: str) -> Changes:
        """Return what is different since `begin(mark)`, the contents before and after kept. Asking changes nothing."""
        ...


class NoTree:
    """Notices nothing."""

    def begin(self, mark: str) -> None:
        """See `Tree.begin`."""
        del mark

    def changes(self, mark: str) -> Changes:
        """See `Tree.changes`."""
        del mark
        return Changes()
