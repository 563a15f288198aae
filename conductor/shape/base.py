"""What is found out about a change before a human decides on it."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

_LISTED = 3


class Findings(Struct, frozen=True):
    """What a human is told of a change: its `shape` in one line, `notices` as warnings.

    `dangers` say why a key is not enough to approve it; with any of them no trust level and no rule may answer.
    """

    shape: str = ""
    notices: tuple[str, ...] = ()
    dangers: tuple[str, ...] = ()


def listed(items: Iterable[str], most: int = _LISTED) -> str:
    """Return the items in a row, the first few of many."""
    every = list(items)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
