"""What happens to a run as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import Struct, field


class TrackStarted(Struct, frozen=True):
    """A run of the track began from nothing; earlier entries of the same track are history.

    `settings` are those that matter to what is done: models, tools, instructions, gates.
    """

    kind: ClassVar[str] = "track_started"
    title: str
    track_file: str
    track_digest: str
    conductor_version: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


class PlanningCompleted(Struct, frozen=True):
    """The plan of the track file with this digest was checked and put in order, at a start or when it had changed.

    `order` is the one its tickets are taken in if each succeeds, `needs` what each of them needs first; `ready` are
    those that need nothing.
    """

    kind: ClassVar[str] = "planning_completed"
    order: Sequence[str]
    ready: Sequence[str]
    needs: Mapping[str, Sequence[str]]
    track_digest: str


class RunResumed(Struct, frozen=True):
    """A run went on where an earlier one had stopped."""

    kind: ClassVar[str] = "run_resumed"
    track_digest: str
    changes_accepted: bool = False
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


class RunPaused(Struct, frozen=True):
    """The run stopped before its end; `conductor run` goes on from here. `tickets` are those that are open."""

    kind: ClassVar[str] = "run_paused"
    reason: str
    exit_code: int
    tickets: Sequence[str] = ()


class TrackCompleted(Struct, frozen=True):
    """Every ticket of the track completed."""

    kind: ClassVar[str] = "track_completed"


class TrackFailed(Struct, frozen=True):
    """The run ended with tickets that did not complete."""

    kind: ClassVar[str] = "track_failed"
    failed: Sequence[str]
    blocked: Sequence[str]
    cancelled: Sequence[str]


class JournalsMerged(Struct, frozen=True):
    """From here on two journals of the project, each of which went on by itself, are one.

    `heads` are the hashes of their last entries. Where both worked on the same `tickets`, or one began the track anew,
    only one of the two lines counts for the track's state; `aside` is the other: of each node the first and last count.
    """

    kind: ClassVar[str] = "journals_merged"
    heads: Sequence[str]
    aside: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    tickets: Sequence[str] = ()


class BudgetExceeded(Struct, frozen=True):
    """A budget of the configuration does not allow the next request, which may need `needed`; the run paused.

    `scope` is whose it is: the run's, one ticket's, or an archetype's.
    """

    kind: ClassVar[str] = "budget_reached"
    budget: str
    limit: float
    spent: float
    scope: str = "run"
    needed: float = 0.0
