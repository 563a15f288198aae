"""A journal's rows as they come, read without taking part in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from conductor.errors import StateMismatch
from conductor.stores.access import NAME, is_made, opened_to_read
from conductor.stores.base import Row

# How long news may wait. SQLite's own count of others' commits is all that is asked for in between, which costs little
# (https://sqlite.org/pragma.html#pragma_data_version).
_EVERY_S = 0.04
_ROWS = f"SELECT {', '.join(Row._fields)} FROM events WHERE sequence > ? ORDER BY sequence"


def follow(folder: Path, after: int, idle: Callable[[], None]) -> Iterator[list[Row]]:
    """Yield the rows numbered above `after`, those that are there and then, for ever, those that are added.

    `idle` is called many times a second in between. A journal that is not there yet is waited for. Raises
    `StateMismatch` when it is damaged, or another one took its place.
    """
    while not is_made(folder):
        idle()
        time.sleep(_EVERY_S)
    with opened_to_read(folder) as db:
        file, version = (folder / NAME).stat().st_ino, -1
        while True:
            now = db.execute("PRAGMA data_version").fetchone()[0]
            if now != version:
                version = now
                rows = [Row._make(row) for row in db.execute(_ROWS, [after])]
                if rows:
                    after = rows[-1].sequence
                    yield rows
            idle()
            time.sleep(_EVERY_S)
            if not (folder / NAME).exists() or (folder / NAME).stat().st_ino != file:
                raise StateMismatch(f"{folder / NAME} is another file now", hint="Watch again.")
