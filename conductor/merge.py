"""Two journals of one project, each of which went on by itself, made one that keeps both orders.

The entries stand in the order of their Lamport number, the number each was first written as: it rises along each of the
two, so this is an order in which no entry comes before one it knew of. Entries of the same number stand by node and
id. An entry keeps its id, its node's own count and the place it had (`origins`), and is chained anew.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from msgspec import Struct

from conductor import events
from conductor.causality import VectorClock
from conductor.errors import StateMismatch, UsageError
from conductor.inbox import REQUESTS
from conductor.journal import chained, digest_of, node_as_written, read, sealed
from conductor.stores.base import Head, Row, Written

_MERGED = events.JournalsMerged.kind
_NO_WORK = (*(request.kind for request in get_args(REQUESTS)), events.TicketPaused.kind)


class Merge(Struct, frozen=True):
    """What becomes of two journals that part after `parted`: `tail` stands behind it.

    `ours` and `theirs` count the entries that only one of them has. `tracks` says what counts of each track that
    went on in both, `ours_aside` names those of which our line does not.
    """

    parted: Head
    tail: Sequence[Written]
    ours: int
    theirs: int
    tracks: Mapping[str, events.JournalsMerged]
    ours_aside: Sequence[str] = ()


def merge(parted: Head, ours: Sequence[Written], theirs: Sequence[Written]) -> Merge:
    """Return the merge of what two journals have behind the entry they part after.

    Raises `UsageError` when they have nothing in common, `StateMismatch` when one of them is not what was written.
    """
    if not parted.sequence:
        raise UsageError("the two journals have no entry in common", hint="Only copies of one project can be merged.")
    _check(parted, ours)
    _check(parted, theirs)
    left, right = _only(ours, theirs), _only(theirs, ours)
    if not right:
        return Merge(parted, ours, len(left), 0, {})
    if not left:
        return Merge(parted, theirs, 0, len(right), {})
    double = _nodes(left) & _nodes(right)
    left, right = _told_apart(left, double), _told_apart(right, double)
    apart = {each.row.event_id: each for each in (*left, *right)}
    both = {each.row.event_id: each for each in (*ours, *theirs) if each.row.event_id not in apart}
    for each in (*ours, *theirs):  # what an earlier merge told apart stays so
        name = each.row.event_id
        if name in both and len(each.row.node) > len(both[name].row.node):
            both[name] = each
    ordered = sorted([*both.values(), *apart.values()], key=_order)
    heads = sorted((ours[-1].hash, theirs[-1].hash))
    names = _tracks(left) & _tracks(right) or _tracks(left) | _tracks(right)
    tracks = {name: _judged(name, heads, left, right) for name in sorted(names)}
    at = max(ours[-1].row.at, theirs[-1].row.at)
    said = [_entry(track_id, merged, at) for track_id, merged in tracks.items()]
    nodes = _nodes(left)
    aside = [name for name, merged in tracks.items() if any((name, node) in nodes for node in merged.aside)]
    return Merge(parted, list(_chained(parted, [*ordered, *said])), len(left), len(right), tracks, aside)


def clocks(tail: Iterable[Written]) -> Iterator[tuple[Row, VectorClock]]:
    """Yield entries in the order of their journal, each with its vector clock: whom it follows in its own line.

    What stands before the first of them is known to all and counts for nothing.
    """
    known: dict[str, VectorClock] = {}
    for each in tail:
        row, clock = each.row, VectorClock()
        heads: list[str] = json.loads(row.data)["heads"] if row.kind == _MERGED else []
        for parent in (each.previous_hash, *heads):
            clock = clock.merge(known.get(parent, VectorClock()))
        clock = VectorClock({**clock.counts, f"{row.track_id} {row.node}": row.node_count})
        known[each.hash] = clock
        yield row, clock


def concurrent_with(event_id: str, tail: Sequence[Written]) -> list[Row]:
    """Return the entries of which neither knew of the other; none for an entry that is not in the tail."""
    found = list(clocks(tail))
    asked = next((clock for row, clock in found if row.event_id == event_id), None)
    return [] if asked is None else [row for row, clock in found if clock.concurrent(asked)]


def _check(parted: Head, tail: Sequence[Written]) -> None:
    """Raise `StateMismatch` where entries are not what was written, in this journal or in the one they are from."""
    before = parted
    for row in chained((each.row for each in tail), whole=False):
        if (row.sequence, row.previous_hash) != (before.sequence + 1, before.hash):
            raise StateMismatch(f"journal entry {row.sequence} does not follow entry {before.sequence}")
        before = Head(row.sequence, row.hash)
    for _ in read(each.row for each in tail):
        pass
    for each in tail:
        if digest_of(as_written(each)) != each.hash:
            raise StateMismatch(f"journal entry {each.row.sequence} is not what was written in the journal it is from")


def as_written(each: Written) -> Row:
    """Return an entry as it stood in the journal it was written in."""
    return each.row._replace(
        sequence=each.sequence,
        node=node_as_written(each.row.node),
        previous_hash=each.previous_hash,
        hash=each.hash,
    )


def _only(one: Sequence[Written], other: Sequence[Written]) -> list[Written]:
    known = {each.row.event_id: each for each in other}
    for each in one:
        twin = known.get(each.row.event_id)
        if twin and twin.hash != each.hash:
            raise StateMismatch(f"entry {each.row.event_id} is not the same in both journals: one of them was changed")
    return [each for each in one if each.row.event_id not in known]


def _tracks(tail: Sequence[Written]) -> set[str]:
    return {each.row.track_id for each in tail}


def _nodes(tail: Sequence[Written]) -> set[tuple[str, str]]:
    return {(each.row.track_id, each.row.node) for each in tail}


def _told_apart(tail: Sequence[Written], double: set[tuple[str, str]]) -> list[Written]:
    """Give nodes that wrote in both journals (copies on one machine) a name of their own in each: `node~mark`."""
    marks: dict[tuple[str, str], str] = {}
    found: list[Written] = []
    for each in tail:
        node = (each.row.track_id, each.row.node)
        if node in double:
            mark = marks.setdefault(node, each.row.event_id[:6])
            each = each._replace(row=each.row._replace(node=f"{each.row.node}~{mark}"))  # noqa: PLW2901
        found.append(each)
    return found


def _order(each: Written) -> tuple[int, str, str]:
    return each.sequence, each.row.node, each.row.event_id


def _judged(
    track_id: str, heads: Sequence[str], left: Sequence[Written], right: Sequence[Written]
) -> events.JournalsMerged:
    """Say what of a track counts: all, where no ticket was worked on in both; else one of the two lines."""
    one, other = (_line(track_id, tail) for tail in (left, right))
    twice = sorted(_worked_on(one) & _worked_on(other))
    anew = [each for each in (*one, *other) if each.row.kind == events.TrackStarted.kind]
    if not (one and other and (twice or anew)):
        return events.JournalsMerged(heads)
    kept = one if _rank(one) > _rank(other) else other
    if anew:
        kept = one if max(anew, key=_order) in one else other
    out = other if kept is one else one
    counts: dict[str, list[int]] = {}
    for row in (each.row for each in out):
        counts.setdefault(row.node, [row.node_count, 0])[1] = row.node_count
    return events.JournalsMerged(heads, counts, twice)


def _line(track_id: str, tail: Sequence[Written]) -> list[Written]:
    """Return the entries of a track that count in one journal: not what an earlier merge put aside."""
    rows = [each for each in tail if each.row.track_id == track_id]
    merged = [json.loads(each.row.data)["aside"] for each in rows if each.row.kind == _MERGED]
    return [
        each
        for each in rows
        if not any(
            each.row.node in aside and aside[each.row.node][0] <= each.row.node_count <= aside[each.row.node][1]
            for aside in merged
        )
    ]


def _worked_on(line: Sequence[Written]) -> set[str]:
    return {each.row.ticket_id for each in line if each.row.ticket_id and each.row.kind not in _NO_WORK}


def _rank(line: Sequence[Written]) -> tuple[int, int, str]:
    kinds = Counter(each.row.kind for each in line)
    return kinds[events.TicketCompleted.kind], len(line), min(each.row.event_id for each in line)


def _entry(track_id: str, merged: events.JournalsMerged, at: str) -> Written:
    """Return the entry that says so. Nothing in it depends on when or where the merge is made."""
    seed = " ".join((*merged.heads, track_id))
    event_id = str(uuid.uuid5(uuid.NAMESPACE_OID, seed))
    said = json.dumps(events.to_json(merged), separators=(",", ":"))
    row = Row(0, event_id, track_id, "", _MERGED, at, f"merge@{event_id[:6]}", 1, "", event_id, 0, said, "", "")
    return Written(row, 0, "", "")


def _chained(parted: Head, ordered: Iterable[Written]) -> Iterator[Written]:
    sequence, previous = parted
    for each in ordered:
        sequence += 1
        row = sealed(each.row._replace(sequence=sequence, previous_hash=previous))
        previous = row.hash
        yield each._replace(row=row) if each.hash else Written(row, sequence, row.previous_hash, row.hash)
