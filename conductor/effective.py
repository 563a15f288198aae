"""Which entries of a track still count: what was begun anew, taken back or put aside stays in the journal as well."""

from __future__ import annotations

from collections.abc import Sequence

from conductor import events
from conductor.events import Event


def in_force(entries: Sequence[Event]) -> list[Event]:
    """Return the entries of one track that its state follows from, oldest first.

    These are the ones since its last fresh start, without what a reopened ticket did before it was reopened, without
    what a human has undone, and without what a merge of two journals put aside.
    """
    entries = without_aside(entries)
    begun = max((n for n, event in enumerate(entries) if isinstance(event.data, events.TrackStarted)), default=0)
    current = entries[begun:]
    reopened = {e.ticket_id: e.sequence for e in current if isinstance(e.data, events.TicketReopened)}
    counting = [event for event in current if event.sequence >= reopened.get(event.ticket_id, 0)]
    for undone in [event for event in counting if isinstance(event.data, events.ChangesUndone)]:
        counting = _without(counting, undone)
    return counting


def without_aside(entries: Sequence[Event]) -> Sequence[Event]:
    """Return the entries of one track without the lines that a merge of two journals put aside."""
    for merged in [event for event in entries if isinstance(event.data, events.JournalsMerged)]:
        entries = [event for event in entries if not _is_aside(event, merged)]
    return entries


def _is_aside(event: Event, merged: Event) -> bool:
    if not isinstance(merged.data, events.JournalsMerged) or event.sequence > merged.sequence:
        return False
    first, last = merged.data.aside.get(event.node, (1, 0))
    return first <= event.node_count <= last


def _without(entries: Sequence[Event], undone: Event) -> list[Event]:
    """Return the entries without those of its ticket that an undo took back."""
    since = undone.data.since if isinstance(undone.data, events.ChangesUndone) else ""
    kept = next((event.sequence for event in entries if event.event_id == since), 0)
    return [e for e in entries if e.ticket_id != undone.ticket_id or not kept < e.sequence < undone.sequence]
