"""A journal that lives as long as the process: for tests and for throw-away runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Unpack

from conductor.errors import AlreadyRunning, StateMismatch
from conductor.messages import content_hash
from conductor.stores.base import Head, Marks, Row, Wanted


class MemoryStore:
    """Keeps rows in a list and blobs in a dictionary."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._blobs: dict[str, bytes] = {}
        self._locked: set[str] = set()
        self._snapshots: dict[str, bytes] = {}

    def append(self, seal: Callable[[Head], Sequence[Row]], *, durable: bool) -> Sequence[Row]:
        """See `Store.append`; nothing here outlives the process, so `durable` makes no difference."""
        del durable
        head = Head(self._rows[-1].sequence, self._rows[-1].hash) if self._rows else Head(0, "")
        rows = seal(head)
        self._rows.extend(rows)
        return rows

    def rows(self, **wanted: Unpack[Wanted]) -> Iterator[Row]:
        """See `Store.rows`."""
        found = (row for row in list(self._rows) if _is_wanted(row, wanted))
        last = wanted.get("last")
        return found if last is None else iter(list(found)[-last:])

    def numbers(self, **wanted: Unpack[Wanted]) -> list[int]:
        """See `Store.numbers`."""
        return [row.sequence for row in self.rows(**wanted)]

    def last(self, *, track_id: str, kind: str) -> int:
        """See `Store.last`."""
        found = (row.sequence for row in reversed(self._rows) if (row.track_id, row.kind) == (track_id, kind))
        return next(found, 0)

    def count(self, *, track_id: str, node: str) -> int:
        """See `Store.count`."""
        found = (row.node_count for row in reversed(self._rows) if (row.track_id, row.node) == (track_id, node))
        return next(found, 0)

    def marks(self) -> Marks:
        """See `Store.marks`; what is in memory cannot lose its end."""
        head = Head(self._rows[-1].sequence, self._rows[-1].hash) if self._rows else Head(0, "")
        return Marks(head, head)

    def snapshot(self, track_id: str) -> bytes:
        """See `Store.snapshot`."""
        return self._snapshots.get(track_id, b"")

    def keep_snapshot(self, track_id: str, content: bytes) -> None:
        """See `Store.keep_snapshot`."""
        self._snapshots[track_id] = content

    def put(self, content: bytes) -> str:
        """See `Store.put`."""
        if not content:
            return ""
        digest = content_hash(content)
        self._blobs[digest] = content
        return digest

    def get(self, digest: str) -> bytes:
        """See `Store.get`."""
        if digest in ("", content_hash(b"")):
            return b""
        if digest not in self._blobs:
            raise StateMismatch(f"the output {digest} is missing from the journal")
        return self._blobs[digest]

    @contextmanager
    def lock(self, track_id: str) -> Generator[None]:
        """See `Store.lock`."""
        if track_id in self._locked:
            raise AlreadyRunning(f"track {track_id} is already being run by this process")
        self._locked.add(track_id)
        try:
            yield
        finally:
            self._locked.discard(track_id)

    def set_aside(self) -> str:
        """See `Store.set_aside`; the rows stay in memory as they are."""
        return ""

    def close(self) -> None:
        """See `Store.close`."""


def _is_wanted(row: Row, wanted: Wanted) -> bool:
    before, ticket_id, path = wanted.get("before"), wanted.get("ticket_id"), wanted.get("path")
    return (
        wanted.get("after", 0) < row.sequence
        and (before is None or row.sequence < before)
        and wanted.get("track_id", "") in ("", row.track_id)
        and ticket_id in (None, row.ticket_id)
        and (not wanted.get("kinds") or row.kind in wanted.get("kinds", ()))
        and (not path or json.loads(row.data).get("path") == path)
    )
