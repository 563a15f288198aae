"""The journal: every step recorded before the next begins, and the one fold of entries into ticket states."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from msgspec.structs import replace

from conductor import events
from conductor.causality import VectorClock
from conductor.effective import in_force
from conductor.errors import IllegalTransition, StateMismatch
from conductor.events import Event, Payload
from conductor.models import TicketStatus, Track
from conductor.stores.base import Head, Row, Store

Listener = Callable[[Event], None]

_DAMAGED = "Restore the journal from a copy, or begin again with --fresh."
_NAMED = "`conductor journal verify` names everything that is wrong."
_SHORTER = f"{_NAMED} If an older copy was put back on purpose, delete journal.head beside it."


class Overtaken(Exception):
    """Nothing was recorded: what another process recorded just before stands against it."""


def _pass_over(event: Event) -> None:
    del event


class Journal:
    """One track's journal in a store. `record` is the only writer; listeners hear of entries once they are kept.

    Other processes may record in the same track. `on_news` is handed each entry of theirs, in the journal's order,
    before anything is recorded behind it.
    """

    def __init__(
        self, store: Store, track_id: str, *, node: str = "engine", listeners: Sequence[Listener] = ()
    ) -> None:
        self.store = store
        self.track_id = track_id
        self._node = node
        self._seen = VectorClock()  # of the other writers: as far as this one has read them
        self._listeners = tuple(listeners)
        self.on_news: Listener = _pass_over
        self._read_to: int | None = None  # the last number looked at; None before the first look
        self._untold: list[Event] = []  # what listeners have not heard of yet

    def record(
        self,
        *payloads: Payload,
        ticket_id: str = "",
        causation_id: str = "",
        correlation_id: str = "",
        code_version: int = 0,
        durable: bool = False,
        unless: Callable[[], bool] | None = None,
    ) -> list[Event]:
        """Append the payloads in one transaction, each caused by the one before it, and return their entries.

        With `durable` the entries have reached the disk on return (and with them everything recorded earlier).
        Raises `Overtaken` when `unless` holds: it is asked once every entry before these was handed to `on_news`.
        Raises `NeedsHuman` when there is no space, `UsageError` when the journal cannot be written.
        """
        kept: list[Event] = []
        known = self._seen  # what is recorded was thought of before the entries that are heard below

        def seal(head: Head) -> list[Row]:
            self._hear()
            if unless and unless():
                raise Overtaken
            rows: list[Row] = []
            cause, belongs, previous = causation_id, correlation_id, head.hash
            counted = self.store.count(track_id=self.track_id, node=self._node)
            for number, said in enumerate(payloads, 1):
                payload = self._stamped(said, known.merge(VectorClock({self._node: counted + number})))
                event_id = str(uuid.uuid4())
                belongs = belongs or event_id
                fields = (
                    *(head.sequence + number, event_id, self.track_id, ticket_id, payload.kind),
                    *(datetime.now(UTC).isoformat(timespec="microseconds"), self._node, counted + number),
                    *(cause, belongs, code_version, _dump(events.to_json(payload)), previous),
                )
                row = Row(*fields, hash=_digest(fields))
                rows.append(row)
                kept.append(_event(row, payload))
                cause, previous = event_id, row.hash
            return rows

        self.store.append(seal, durable=durable)
        self._read_to = kept[-1].sequence if kept else self._read_to
        self._untold += kept
        self._tell()
        return kept

    def catch_up(self, *, tell: bool = True) -> None:
        """Hand on what others recorded since the last look; without `tell` listeners hear of it later, in order."""
        self._hear()
        if tell:
            self._tell()

    def _hear(self) -> None:
        if self._read_to is None:
            return
        for event in read(list(self.store.rows(track_id=self.track_id, after=self._read_to))):
            self._read_to = event.sequence
            self.saw([event])
            self._untold.append(event)
            self.on_news(event)

    def _tell(self) -> None:
        while self._untold:
            event = self._untold.pop(0)
            for listener in self._listeners:
                listener(event)

    def entries(self) -> list[Event]:
        """Return the track's entries that count, as `in_force` has it. Raises `StateMismatch` on damage."""
        begun = self.store.last(track_id=self.track_id, kind=events.TrackStarted.kind)
        rows = chained(self.store.rows(after=max(0, begun - 1)), whole=begun <= 1, promised=self.store.marks().durable)
        found = [event for event in read(rows) if event.track_id == self.track_id]
        self.saw(found)
        self._read_to = found[-1].sequence if found else 0
        return in_force(found)

    def caught_up(self, sequence: int, counts: Mapping[str, int]) -> None:
        """Note that the track was read up to that entry, with so many entries of each node."""
        self._read_to = sequence
        self._seen = self._seen.merge(VectorClock(counts))

    def saw(self, entries: Iterable[Event]) -> None:
        """Note that this writer has read these entries of the track: what it records from now on knows of them."""
        counts = dict(self._seen.counts)
        for event in entries:
            counts[event.node] = max(counts.get(event.node, 0), event.node_count)
        self._seen = VectorClock(counts)

    def pass_over(self) -> bool:
        """Say whether the track has entries, without looking into them: damage must not keep it from a fresh start."""
        return next(self.store.rows(track_id=self.track_id), None) is not None

    @staticmethod
    def _stamped(payload: Payload, clock: VectorClock) -> Payload:
        """Return the payload with its writer's vector clock, where its kind keeps one."""
        if not isinstance(payload, events.Stamped) or payload.clock:
            return payload
        return replace(payload, clock=dict(clock.counts))


def node_of(writer: str) -> str:
    """Return the name under which a writer ("engine", "cli", "server") counts its entries on this machine."""
    return f"{writer}@{os.uname().nodename[:64]}"


def node_as_written(node: str) -> str:
    """Return the name a node wrote under; in a merged journal what two copies of one node wrote is told apart."""
    return node.partition("~")[0]


def read(rows: Iterable[Row]) -> Iterator[Event]:
    """Yield the entries of stored rows, of each by itself. Raises `StateMismatch` at one that is not what was written.

    What is missing between them is found by `chained`.
    """
    for row in rows:
        if digest_of(row) != row.hash:
            raise StateMismatch(
                f"journal entry {row.sequence} ({row.kind}) is not what was written: its hash does not match",
                hint=_DAMAGED,
            )
        try:
            yield _event(row, events.from_json(row.kind, json.loads(row.data)))
        except (KeyError, TypeError, ValueError) as error:
            raise StateMismatch(f"journal entry {row.sequence} ({row.kind}) is of an unknown form: {error}") from None


def chained(rows: Iterable[Row], *, whole: bool = True, promised: Head = Head(0, "")) -> Iterator[Row]:  # noqa: B008
    """Yield rows, of all tracks, that follow on each other: from the first entry on where they are to be the `whole`.

    Raises `StateMismatch` where one is missing, and when they do not lead up to what was `promised` to be kept.
    """
    last = Head(0, "")
    for row in rows:
        if (whole or last.sequence) and (row.sequence, row.previous_hash) != (last.sequence + 1, last.hash):
            after = f"on entry {last.sequence}" if last.sequence else "on nothing, though it comes first"
            raise StateMismatch(
                f"journal entry {row.sequence} ({row.kind}) does not follow {after}", hint=f"{_NAMED} {_DAMAGED}"
            )
        if row.sequence == promised.sequence and row.hash != promised.hash:
            raise StateMismatch(f"journal entry {row.sequence} ({row.kind}) is not the one that was kept", hint=_NAMED)
        yield row
        last = Head(row.sequence, row.hash)
    if last.sequence < promised.sequence:
        raise StateMismatch(
            f"the journal ends at entry {last.sequence}, though entry {promised.sequence} was kept", hint=_SHORTER
        )


def apply(track: Track, event: Event) -> None:
    """Fold one entry into the states of the track's tickets; the only thing that changes a ticket's status.

    Entries of tickets that the track no longer has are passed over.
    """
    if event.ticket_id not in track:
        return
    ticket = track.ticket(event.ticket_id)
    match event.data:
        case events.TicketStarted():
            ticket.mark_running()
        case events.CallProposed() if ticket.status is not TicketStatus.STEP_PAUSED:
            ticket.mark_step_paused()
        case events.CallDecided(decision="approve" | "reject" | "happened") | events.CallFinished() if (
            ticket.status is TicketStatus.STEP_PAUSED
        ):
            ticket.mark_running()
        case events.TicketCompleted():
            ticket.mark_complete()
        case events.TicketFailed(reason=reason):
            ticket.mark_failed(reason)
        case events.TicketCancelled():
            ticket.mark_cancelled()
        case _:
            pass  # dependents are locked, pending or blocked by the track itself; other entries change no status


@contextmanager
def replaying() -> Generator[None]:
    """Turn what a journal cannot do to a track (which was changed since) into a `StateMismatch`."""
    try:
        yield
    except IllegalTransition as error:
        raise StateMismatch(
            f"the track file does not fit what has happened: {error}",
            hint="Undo what was changed in it, or begin again with --fresh.",
        ) from error


def _event(row: Row, payload: Payload) -> Event:
    return Event(
        event_id=row.event_id,
        track_id=row.track_id,
        ticket_id=row.ticket_id,
        at=row.at,
        sequence=row.sequence,
        node=row.node,
        node_count=row.node_count,
        causation_id=row.causation_id,
        correlation_id=row.correlation_id,
        code_version=row.code_version,
        data=payload,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))  # ASCII: a lone surrogate from a model must not stop the journal


def sealed(row: Row) -> Row:
    """Return the row with the hash it must have."""
    return row._replace(hash=digest_of(row))


def digest_of(row: Row) -> str:
    """Return the hash an entry must have for what else stands in it."""
    return _digest(row[:-1])


def _digest(fields: Sequence[object]) -> str:
    return hashlib.sha256(_dump(list(fields)).encode()).hexdigest()
