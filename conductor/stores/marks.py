"""How far the journal had come, kept outside of its table: without this nobody could tell that its end is missing.

One small file beside the journal, overwritten in place after each commit: what a kill between the two leaves is an
earlier mark, which holds as well. Two writers that cross leave the earlier one too. It is safe to delete.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from conductor.stores.base import Head, Marks

NAME = "journal.head"
_ROOM = 512


class MarksFile:
    """The marks of the journal in a folder. A file that cannot be made sense of says nothing."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: int | None = None

    def read(self) -> Marks:
        """Return the marks; of none, heads before the first entry."""
        try:
            return _parsed(self._path.read_bytes())
        except (OSError, ValueError, TypeError, KeyError):
            return Marks()

    def write(self, head: Head, *, durable: bool) -> None:
        """Note the newest entry; `durable` says that it and all before it have reached the disk."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            before = _parsed(os.pread(self._file, _ROOM, 0))
        except (ValueError, TypeError, KeyError):
            before = Marks()
        safe = head if durable else before.durable
        said = json.dumps({"durable": list(safe), "latest": list(head)}).ljust(_ROOM - 1) + "\n"
        os.pwrite(self._file, said.encode(), 0)

    def forget(self) -> None:
        """Begin anew, with a journal that was made just now."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give back the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _parsed(said: bytes) -> Marks:
    found = json.loads(said)
    return Marks(_head(found["durable"]), _head(found["latest"]))


def _head(pair: list[object]) -> Head:
    sequence, digest = pair
    if not isinstance(sequence, int) or not isinstance(digest, str):
        raise TypeError("not a mark")
    return Head(sequence, digest)
