"""What a human takes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct

from conductor.events.base import Json


class UndoStarted(Struct, frozen=True):
    """A human takes back what a ticket did after the entry `since` ("": all), written durably before it happens.

    `files` are to be restored: each with its path and the mode and hash it has now and is to have again.
    """

    kind: ClassVar[str] = "undo_started"
    since: str
    calls: Sequence[str]
    files: Sequence[Json]
    said: str = ""


class ChangesUndone(Struct, frozen=True):
    """The files are restored; what the ticket did after the entry `since` ("": all of it) counts no longer.

    `calls` are those taken back. Files that are `left` were changed by somebody while the undo was cut off.
    """

    kind: ClassVar[str] = "changes_undone"
    since: str
    calls: Sequence[str]
    restored: int
    left: Sequence[str] = ()
