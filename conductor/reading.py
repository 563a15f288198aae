"""What has happened to a plan, read from the journal without taking part in the run."""

from __future__ import annotations

from conductor import events
from conductor.effective import in_force
from conductor.events import Event
from conductor.journal import apply, chained, read, replaying
from conductor.plan import STATE_FOLDER, Plan
from conductor.recall import Past, recall
from conductor.stores.access import is_there
from conductor.stores.reader import read_only, reader


def run_entries(plan: Plan) -> list[Event]:
    """Return all entries of the plan's track since its last fresh start, without taking part in the run."""
    rows = list(read_only(plan.project / STATE_FOLDER))
    starts = (n for n, row in enumerate(rows) if (row.track_id, row.kind) == (plan.track.id, events.TrackStarted.kind))
    begun = max(starts, default=0)
    follow = chained(rows[max(0, begun - 1) :], whole=begun == 0)
    return list(read(row for row in follow if row.track_id == plan.track.id))


def entries_of(plan: Plan) -> list[Event]:
    """Return the entries that the state of the plan's track follows from, without taking part in the run."""
    return in_force(run_entries(plan))


def past_of(plan: Plan, *, rebuild: bool = False) -> Past:
    """Return what the state of the plan's track follows from, without taking part in the run.

    What is over is not read again where a snapshot says what it came to; with `rebuild` it is.
    """
    folder = plan.project / STATE_FOLDER
    if not is_there(folder):
        return Past([])
    with reader(folder) as source:
        return recall(source, plan.track.id, rebuild=rebuild)


def forget_snapshot(plan: Plan) -> None:
    """Have every entry of the track be read the next time."""
    (plan.project / STATE_FOLDER / "snapshots" / plan.track.id).unlink(missing_ok=True)


def replayed(plan: Plan, *, rebuild: bool = False) -> Past:
    """Fold the journal onto the plan's track, once and without taking part in the run, and return what was folded."""
    past = past_of(plan, rebuild=rebuild)
    with replaying():
        for event in past.entries:
            apply(plan.track, event)
    return past
