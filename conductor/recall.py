"""What a track's entries come to without reading all of them: a snapshot of those that are over, and what came since.

A ticket that ended needs to be known as ended, not in its thousand steps. A snapshot names its end, what its steps
cost and how its calls were called, and by number the entries that still count one by one: those of open tickets and of
the run itself. It is a cache: bound to an entry by its hash, checked, safe to delete, and made anew from the journal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol, Unpack, cast

from msgspec import Struct, field, to_builtins
from msgspec.structs import asdict, astuple

from conductor import events
from conductor.effective import in_force
from conductor.errors import StateMismatch
from conductor.events import Event
from conductor.journal import chained, digest_of, read
from conductor.messages import Usage, content_hash
from conductor.spending import Account, Spending, Spent, taken_back
from conductor.stores.base import Head, Marks, Row, Store, Wanted

FORM = 2  # rises when what is kept, or the meaning of entries that are left out, changes
WORTH = 2_000  # entries that must have been read before a snapshot is worth its file

_NAMED = "`conductor journal verify` names everything that is wrong."
_ENDS = (events.TicketCompleted, events.TicketFailed, events.TicketCancelled)
# Of a ticket that ended only these count one by one; after one that takes something back, all is read anew.
_TAKES_BACK = (events.TicketReopened.kind, "changes_undone")


class Source(Protocol):
    """What of a store is read; see `Store`."""

    def rows(self, **wanted: Unpack[Wanted]) -> Iterator[Row]: ...
    def last(self, *, track_id: str, kind: str) -> int: ...
    def marks(self) -> Marks: ...
    def snapshot(self, track_id: str) -> bytes: ...


class End(Struct, frozen=True):
    """How a ticket ended: the numbers of its start (0: it had none) and its end, and the reason it was given up."""

    ticket_id: str
    started: int
    ended: int
    kind: str
    reason: str = ""


class Snapshot(Struct, frozen=True):
    """What all entries of a track up to `head` come to. `kept` are runs of numbers that count one by one."""

    head: Head
    begun: int
    counts: Mapping[str, int]
    ends: Sequence[End]
    accounts: Mapping[Account, Spent]
    call_ids: Sequence[str]
    kept: Sequence[tuple[int, int]]


class Past(Struct, frozen=True):
    """What a track's state is folded from: the entries that count one by one, and what the others come to.

    What was spent and taken back since is among `accounts`.
    """

    entries: Sequence[Event]
    accounts: Mapping[Account, Spent] = field(default_factory=dict[Account, Spent])
    call_ids: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    head: Head = field(default_factory=lambda: Head(0, ""))  # the track's newest entry
    read: int = 0  # how many numbers lie between the first entry that was read and the last

    def spending(self) -> Spending:
        """Return what all of it has cost."""
        return Spending(self.entries, before=self.accounts)


def recall(store: Source, track_id: str, *, rebuild: bool = False) -> Past:
    """Return the past of a track's last run, by its snapshot where there is one that holds; `rebuild` leaves it out.

    Raises `StateMismatch` when what is read of the journal is damaged.
    """
    snapshot = None if rebuild else _load(store, track_id)
    return (snapshot and _since(store, track_id, snapshot)) or _from_nothing(store, track_id)


def keep(store: Store, track_id: str, past: Past, *, worth: int = WORTH) -> bool:
    """Keep a snapshot of `past` if that many entries need not be read the next time, and say so."""
    if past.read < worth:
        return False
    text = _dumped(summed(past))
    store.keep_snapshot(track_id, f"{content_hash(text.encode())}\n{text}".encode())
    return True


def summed(past: Past) -> Snapshot:
    """Return the snapshot of a past: tickets that ended by their end, all else entry by entry."""
    started: dict[str, int] = {}
    ends: dict[str, End] = {}
    for event in past.entries:
        if isinstance(event.data, events.TicketStarted):
            started[event.ticket_id] = event.sequence
        elif isinstance(event.data, _ENDS):
            reason = "" if isinstance(event.data, events.TicketCompleted) else event.data.reason
            first = started.get(event.ticket_id, 0)
            ends[event.ticket_id] = End(event.ticket_id, first, event.sequence, event.kind, reason)
    left_out = [event for event in past.entries if event.ticket_id in ends and event.kind not in _TAKES_BACK]
    spending = Spending(left_out)
    calling = (e.data for e in left_out if isinstance(e.data, events.ModelReplied | events.CallsOffered))
    called = (call["call_id"] for said in calling for call in said.tool_calls)
    out = {event.sequence for event in left_out}
    return Snapshot(
        head=past.head,
        begun=next((e.sequence for e in past.entries if isinstance(e.data, events.TrackStarted)), 0),
        counts=past.counts,
        ends=tuple(ends.values()),
        accounts={**past.accounts, **spending.accounts},
        call_ids=(*past.call_ids, *called),
        kept=tuple(runs(event.sequence for event in past.entries if event.sequence not in out)),
    )


def _from_nothing(store: Source, track_id: str) -> Past:
    begun = store.last(track_id=track_id, kind=events.TrackStarted.kind)
    rows = chained(store.rows(after=max(0, begun - 1)), whole=begun <= 1, promised=store.marks().durable)
    found, counts, first, last = list[Event](), dict[str, int](), 0, 0
    for row in rows:
        first, last = first or row.sequence, row.sequence
        if row.track_id == track_id:
            found += read([row])
            counts[row.node] = row.node_count
    head = Head(found[-1].sequence, found[-1].hash) if found else Head(0, "")
    force = in_force(found)
    return Past(force, taken_back(found, force), counts=counts, head=head, read=last - first)


def _since(store: Source, track_id: str, snapshot: Snapshot) -> Past | None:
    """Return the past by a snapshot and what came since; None when the snapshot does not hold any more."""
    if store.last(track_id=track_id, kind=events.JournalsMerged.kind) > snapshot.head.sequence:
        return None
    at = next(iter(store.rows(track_id=track_id, after=snapshot.head.sequence - 1)), None)
    if at is None or (at.sequence, at.hash) != snapshot.head or digest_of(at) != at.hash:
        return None
    counts = dict(snapshot.counts)
    tail = list(read(_counted(store.rows(track_id=track_id, after=snapshot.head.sequence), counts)))
    if any(event.kind in (*_TAKES_BACK, events.TrackStarted.kind) for event in tail):
        return None
    _check_promised(store)
    ended = [event for end in snapshot.ends for event in _ending(track_id, end)]
    entries = sorted(chain(ended, read(_kept(store, track_id, snapshot.kept))), key=lambda event: event.sequence)
    head = Head(tail[-1].sequence, tail[-1].hash) if tail else snapshot.head
    since = head.sequence - snapshot.head.sequence
    return Past([*entries, *tail], snapshot.accounts, snapshot.call_ids, counts, head, since)


def _counted(rows: Iterable[Row], counts: dict[str, int]) -> Iterator[Row]:
    """Yield the rows of one track, none of which may be missing: each node numbers its own."""
    for row in rows:
        if row.node_count != counts.get(row.node, 0) + 1:
            raise StateMismatch(
                f"before journal entry {row.sequence} ({row.kind}) something is missing: {row.node} counted on",
                hint=_NAMED,
            )
        counts[row.node] = row.node_count
        yield row


def _check_promised(store: Source) -> None:
    promised = store.marks().durable
    if promised.sequence:
        list(chained(_first(store.rows(after=promised.sequence - 1)), whole=False, promised=promised))


def _first(rows: Iterator[Row]) -> Iterator[Row]:
    yield from ([row] if (row := next(rows, None)) else [])


def _kept(store: Source, track_id: str, runs: Iterable[tuple[int, int]]) -> Iterator[Row]:
    for first, last in runs:
        rows = store.rows(track_id=track_id, after=first - 1)
        for number in range(first, last + 1):
            row = next(rows, None)
            if row is None or row.sequence != number:
                raise StateMismatch(f"journal entry {number} of track {track_id} is missing", hint=_NAMED)
            yield row


def _ending(track_id: str, end: End) -> Iterator[Event]:
    """Yield entries that say of a ticket no more than that it ended; they were read and checked once."""
    ends: dict[str, events.Payload] = {
        events.TicketCompleted.kind: events.TicketCompleted(),
        events.TicketFailed.kind: events.TicketFailed(end.reason),
        events.TicketCancelled.kind: events.TicketCancelled(end.reason),
    }
    if end.started:
        yield _bare(track_id, end.ticket_id, end.started, events.TicketStarted("", "", ""))
    yield _bare(track_id, end.ticket_id, end.ended, ends[end.kind])


def _bare(track_id: str, ticket_id: str, sequence: int, data: events.Payload) -> Event:
    return Event("", track_id, ticket_id, "", sequence, "", 0, "", "", 0, data, "", "")


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each run of numbers (from 1, rising) that follow on each other."""
    first = last = 0
    for number in numbers:
        if first and number == last + 1:
            last = number
            continue
        if first:
            yield first, last
        first = last = number
    if first:
        yield first, last


def _dumped(snapshot: Snapshot) -> str:
    accounts = [[to_builtins(account), to_builtins(spent)] for account, spent in snapshot.accounts.items()]
    said = {**asdict(snapshot), "ends": list(map(astuple, snapshot.ends)), "accounts": accounts}
    return json.dumps({"form": FORM, **said, "call_ids": "\n".join(snapshot.call_ids)})


def _load(store: Source, track_id: str) -> Snapshot | None:
    """Return the track's snapshot; None when there is none, or none that this version can make sense of."""
    digest, _, text = store.snapshot(track_id).partition(b"\n")
    if content_hash(text).encode() != digest:
        return None
    said = cast("dict[str, Any]", json.loads(text))
    if said.pop("form") != FORM:
        return None
    called = cast("str", said["call_ids"])
    return Snapshot(
        head=Head(*said["head"]),
        begun=said["begun"],
        counts=said["counts"],
        ends=[End(*end) for end in said["ends"]],
        accounts={Account(**account): _spent(spent) for account, spent in said["accounts"]},
        call_ids=called.split("\n") if called else (),
        kept=[(first, last) for first, last in said["kept"]],
    )


def _spent(said: Mapping[str, Any]) -> Spent:
    whole: dict[str, Any] = {**said, "usage": Usage(**said["usage"]), "saved": Usage(**said["saved"])}
    return Spent(**whole)
