"""Files made again what they were, by descriptors below the project: nothing outside it is ever written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from conductor.errors import NeedsHuman
from conductor.history.base import file_state
from conductor.history.steps import Restored
from conductor.messages import content_hash
from conductor.tools.descriptors import Below

_EMPTY = content_hash(b"")


def restore(root: Path, files: Iterable[Restored], get: Callable[[str], bytes]) -> list[str]:
    """Make each file what it was, and return those left alone because they are neither what they were nor are to be.

    May be cut off and done again. Raises `NeedsHuman` when a file cannot be written, `StateMismatch` when a content is
    missing.
    """
    below, left = Below(root), list[str]()
    # Deleted first, and the deepest: a file may come back where a folder was made, and the other way round.
    for file in sorted(files, key=lambda file: (bool(file.then.mode), -file.path.count("/"))):
        now = file_state(root / file.path)
        if now == file.then:
            continue
        if now != file.now:
            left.append(file.path)
            continue
        try:
            if file.then.mode:
                content = b"" if file.then.digest == _EMPTY else get(file.then.digest)
                below.put(file.path, content, int(file.then.mode, 8))
            else:
                below.drop(file.path)
        except OSError as error:
            raise NeedsHuman(
                f"{file.path} cannot be restored: {error.strerror}", hint="Make it possible, and undo again."
            ) from None
    return left
