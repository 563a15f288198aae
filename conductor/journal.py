"""The journal: every step recorded before the next begins, and the one fold of entries into ticket states."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from conductor import events
from conductor.errors import IllegalTransition, StateMismatch
from conductor.events import Event, Payload
from conductor.models import TicketStatus, Track
from conductor.stores.base import Head, Row, Store

Listener = Callable[[Event], None]


class Journal:
    """One track's journal in a store. `record` is the only writer; listeners hear of entries once they are kept."""

    def __init__(
        self, store: Store, track_id: str, *, node: str = "engine", listeners: Sequence[Listener] = ()
    ) -> None:
        self.store = store
        self.track_id = track_id
        self._node = node
        self._node_count = 0
        self._listeners = tuple(listeners)

    def record(
        self,
        *payloads: Payload,
        ticket_id: str = "",
        causation_id: str = "",
        correlation_id: str = "",
        code_version: int = 0,
        durable: bool = False,
    ) -> list[Event]:
        """Append the payloads in one transaction, each caused by the one before it, and return their entries.

        With `durable` the entries have reached the disk on return (and with them everything recorded earlier).
        Raises `NeedsHuman` when there is no space, `UsageError` when the journal cannot be written.
        """
        kept: list[Event] = []

        def seal(head: Head) -> list[Row]:
            rows: list[Row] = []
            cause, previous = causation_id, head.hash
            for number, payload in enumerate(payloads, 1):
                event_id = str(uuid.uuid4())
                fields = (
                    *(head.sequence + number, event_id, self.track_id, ticket_id, payload.kind),
                    *(datetime.now(UTC).isoformat(timespec="microseconds"), self._node, self._node_count + number),
                    *(cause, correlation_id or event_id, code_version, _dump(events.to_json(payload)), previous),
                )
                row = Row(*fields, hash=_digest(fields))
                rows.append(row)
                kept.append(_event(row, payload))
                cause, previous = event_id, row.hash
            return rows

        self.store.append(seal, durable=durable)
        self._node_count += len(payloads)
        for event in kept:
            for listener in self._listeners:
                listener(event)
        return kept

    def entries(self) -> list[Event]:
        """Return the track's entries that count, as `in_force` has it. Raises `StateMismatch` on damage."""
        begun = self.store.last(track_id=self.track_id, kind=events.TrackStarted.kind)
        rows = _chained(self.store.rows(after=max(0, begun - 1)))
        found = [event for event in read(rows) if event.track_id == self.track_id]
        self._node_count = max((event.node_count for event in found if event.node == self._node), default=0)
        return in_force(found)

    def pass_over(self) -> bool:
        """Say whether the track has entries, without looking into them: damage must not keep it from a fresh start."""
        counts = {row.node: row.node_count for row in self.store.rows(track_id=self.track_id)}
        self._node_count = counts.get(self._node, 0)
        return bool(counts)


def read(rows: Iterable[Row]) -> Iterator[Event]:
    """Yield the entries of stored rows. Raises `StateMismatch` at the first that is not what was written."""
    for row in rows:
        if _digest(row[:-1]) != row.hash:
            raise StateMismatch(
                f"journal entry {row.sequence} ({row.kind}) is not what was written: its hash does not match",
                hint="Restore the journal from a copy, or begin again with --fresh.",
            )
        try:
            yield _event(row, events.from_json(row.kind, json.loads(row.data)))
        except (KeyError, TypeError, ValueError) as error:
            raise StateMismatch(f"journal entry {row.sequence} ({row.kind}) is of an unknown form: {error}") from None


def _chained(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows that follow on each other, of all tracks. Raises `StateMismatch` where one is missing."""
    last: Row | None = None
    for row in rows:
        if last is not None and (row.sequence, row.previous_hash) != (last.sequence + 1, last.hash):
            raise StateMismatch(
                f"journal entry {row.sequence} ({row.kind}) does not follow on entry {last.sequence}",
                hint="Restore the journal from a copy, or begin again with --fresh.",
            )
        yield row
        last = row


def in_force(entries: Sequence[Event]) -> list[Event]:
    """Return the entries of one track that its state follows from, oldest first.

    These are the ones since its last fresh start, without what a reopened ticket did before it was reopened.
    """
    begun = max((n for n, event in enumerate(entries) if isinstance(event.data, events.TrackStarted)), default=0)
    current = entries[begun:]
    reopened = {e.ticket_id: e.sequence for e in current if isinstance(e.data, events.TicketReopened)}
    return [event for event in current if event.sequence >= reopened.get(event.ticket_id, 0)]


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
        case events.CallDecided(decision="approve" | "reject") | events.CallFinished() if (
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


def as_dict(event: Event) -> dict[str, object]:
    """Return the entry as the JSON object that `conductor log --json` and `--clutch jsonl` print."""
    return {
        "sequence": event.sequence,
        "event_id": event.event_id,
        "track_id": event.track_id,
        "ticket_id": event.ticket_id,
        "kind": event.kind,
        "at": event.at,
        "node": event.node,
        "node_count": event.node_count,
        "causation_id": event.causation_id,
        "correlation_id": event.correlation_id,
        "code_version": event.code_version,
        "data": events.to_json(event.data),
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }


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


def _digest(fields: Sequence[object]) -> str:
    return hashlib.sha256(_dump(list(fields)).encode()).hexdigest()
