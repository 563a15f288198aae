"""The protocol of a store: numbered rows that are only ever added, blobs by content hash, and one lock per track."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, TypedDict, Unpack


class Head(NamedTuple):
    """The newest row's number and hash; 0 and "" before the first."""

    sequence: int
    hash: str


class Marks(NamedTuple):
    """How far a journal had come when this was last noted: the newest row, and the newest that was made durable."""

    durable: Head = Head(0, "")
    latest: Head = Head(0, "")


class Row(NamedTuple):
    """One journal entry as it is stored; `data` is JSON text the store does not look into."""

    sequence: int
    event_id: str
    track_id: str
    ticket_id: str
    kind: str
    at: str
    node: str
    node_count: int
    causation_id: str
    correlation_id: str
    code_version: int
    data: str
    previous_hash: str
    hash: str


class Written(NamedTuple):
    """An entry as it stands in its journal, and the place it had in the journal it was written in.

    The two differ in a merged journal only: there a row has a number, a previous hash and a hash of its own.
    """

    row: Row
    sequence: int
    previous_hash: str
    hash: str

    @property
    def is_moved(self) -> bool:
        """Whether the two differ."""
        return (self.row.sequence, self.row.previous_hash, self.row.hash) != self[1:]


class Wanted(TypedDict, total=False):
    """Which rows are wanted: those of which everything holds that is given; "", () and None stand for nothing given."""

    track_id: str
    ticket_id: str | None  # "": rows of no ticket
    kinds: Sequence[str]
    after: int  # numbered above
    before: int | None  # numbered below
    path: str  # what the row's data says of the file it is about
    last: int | None  # of all these only the last so many, found without reading the others


class Store(Protocol):
    """Opaque, append-only storage. Every method may raise `NeedsHuman` (disk full) or `StateMismatch` (damaged)."""

    def append(self, seal: Callable[[Head], Sequence[Row]], *, durable: bool) -> Sequence[Row]:
        """Add the rows that `seal` makes for the current head, all or none, and return them.

        No other writer comes between head and rows. With `durable` they have reached the disk on return;
        without, they survive the end of this process, and power loss only once a later durable append returned.
        """
        ...

    def rows(self, **wanted: Unpack[Wanted]) -> Iterator[Row]:
        """Yield the rows that are wanted, in order; all without a wish."""
        ...

    def numbers(self, **wanted: Unpack[Wanted]) -> list[int]:
        """Return the numbers of the rows that are wanted, which takes less than reading them."""
        ...

    def last(self, *, track_id: str, kind: str) -> int:
        """Return the number of the track's newest row of that kind, 0 where there is none."""
        ...

    def count(self, *, track_id: str, node: str) -> int:
        """Return the highest count of the node in the track, 0 where it wrote nothing; true inside of `append` too."""
        ...

    def marks(self) -> Marks:
        """Return how far the journal is known to have come, by what is kept outside of its rows."""
        ...

    def snapshot(self, track_id: str) -> bytes:
        """Return what `keep_snapshot` was last given for the track; b"" where there is nothing, or nothing whole."""
        ...

    def keep_snapshot(self, track_id: str, content: bytes) -> None:
        """Keep what may be lost at any time: it only saves reading."""
        ...

    def put(self, content: bytes) -> str:
        """Keep `content` and return its `content_hash`; "" for empty content. `get` knows both names of that."""
        ...

    def get(self, digest: str) -> bytes:
        """Return what was kept under `digest`. Raises `StateMismatch` when it is missing or not what it was."""
        ...

    def lock(self, track_id: str) -> AbstractContextManager[None]:
        """Hold the track against every other process. Raises `AlreadyRunning`, naming the holder."""
        ...

    def set_aside(self) -> str:
        """Keep a copy of the journal as it is now beside it and return where; "" where there is nothing to keep."""
        ...

    def close(self) -> None:
        """Give back files and connections."""
        ...
