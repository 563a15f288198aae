"""What the journal says of each attempt at a ticket: one worker, from its start to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from conductor import events
from conductor.clutch.base import by_policy
from conductor.events import Event
from conductor.inspector.base import Count


class Attempt(Struct, frozen=True):
    """One worker's work on a ticket. `state` is open, completed, failed or cancelled.

    `passed` is whether its gates and verify command all passed at the first try: None while nothing has said so or
    where there are none. `unedited` counts the calls that a human approved as they were, of all that a human decided;
    `undone` the changes that were undone later, of all changes. `attention_s` is how long humans looked, `cpu_s` and
    `peak_bytes` what its commands used, `by_policy` how many calls a rule or trust level let through.
    """

    track_id: str
    ticket_id: str
    model: str
    worker_archetype: str
    trust_level: str
    state: str = "open"
    passed: bool | None = None
    gates: int = 0
    gates_failed: int = 0
    unedited: Count = field(default_factory=Count)
    edits: int = 0
    rejections: int = 0
    by_policy: int = 0
    undone: Count = field(default_factory=Count)
    usd: float = 0.0
    tokens: int = 0
    attention_s: float = 0.0
    commands: int = 0
    cpu_s: float = 0.0
    peak_bytes: int = 0


def attempts(entries: Iterable[Event]) -> list[Attempt]:
    """Fold journal entries, of one track or of several, into the attempts they tell of, oldest first.

    What a fresh start or a reopened ticket left behind counts as well: it happened.
    """
    seen: list[_Watched] = []
    current: dict[tuple[str, str], _Watched] = {}
    for event in entries:
        place = event.track_id, event.ticket_id
        match event.data:
            case events.TicketStarted(worker_archetype=archetype, model=model, trust_level=level):
                current[place] = _Watched(Attempt(event.track_id, event.ticket_id, model, archetype, level))
                seen.append(current[place])
            case _ if place in current:
                current[place].add(event)
            case _:
                pass
    return [watched.attempt for watched in seen]


class _Watched(Struct):
    """An attempt that is still being told of."""

    attempt: Attempt
    proposed: set[str] = field(default_factory=set[str])
    places: dict[str, int] = field(default_factory=dict[str, int])
    changes: list[int] = field(default_factory=list[int])  # the entries of changes that nobody has undone

    def add(self, event: Event) -> None:
        so_far, data = self.attempt, event.data
        self.places[event.event_id] = event.sequence
        match data:
            case events.ModelReplied(tool_calls=calls, usage=usage):
                self.proposed.update(call["call_id"] for call in calls)
                self.attempt = _paid(so_far, usage)
            case events.HintGiven(usage=usage):
                self.attempt = _paid(so_far, usage)
            case events.CallDecided():
                self.attempt = _decided(so_far, data, is_workers=data.call_id in self.proposed)
            case events.CodeChanged() if data.call_id in self.proposed:
                self.changes.append(event.sequence)
                self.attempt = replace(so_far, undone=so_far.undone.and_one(success=False))
            case events.ChangesUndone(since=since):
                kept = [change for change in self.changes if change <= self.places.get(since, 0)]
                undone = so_far.undone.successes + len(self.changes) - len(kept)
                self.changes = kept
                self.attempt = replace(so_far, undone=replace(so_far.undone, successes=undone))
            case events.CallFinished(tool="run_shell", outcome="ok" | "error"):
                self.attempt = _used(so_far, data.cpu_s, data.peak_bytes)
            case events.GateFinished(skipped="", stale="", broken=""):
                failed = so_far.gates_failed + (not data.passed)
                passed = so_far.passed if data.passed else False
                so_far = replace(so_far, gates=so_far.gates + 1, gates_failed=failed, passed=passed)
                self.attempt = _used(so_far, data.cpu_s, data.peak_bytes)
            case events.TicketCompleted():
                first = so_far.gates_failed == 0 if so_far.gates else None
                self.attempt = replace(so_far, state="completed", passed=first)
            case events.TicketFailed():
                self.attempt = replace(so_far, state="failed")
            case events.TicketCancelled():
                self.attempt = replace(so_far, state="cancelled")
            case _:
                pass


def _paid(so_far: Attempt, usage: Mapping[str, float]) -> Attempt:
    tokens = int(usage.get("input_tokens", 0) + usage.get("output_tokens", 0))
    return replace(so_far, usd=so_far.usd + usage.get("usd", 0.0), tokens=so_far.tokens + tokens)


def _used(so_far: Attempt, cpu_s: float, peak_bytes: int) -> Attempt:
    return replace(
        so_far,
        commands=so_far.commands + 1,
        cpu_s=so_far.cpu_s + cpu_s,
        peak_bytes=max(so_far.peak_bytes, peak_bytes),
    )


def _decided(so_far: Attempt, decided: events.CallDecided, *, is_workers: bool) -> Attempt:
    """Count a decision. One about a check is a human's time, but says nothing of the worker."""
    if by_policy(decided.by):
        return replace(so_far, by_policy=so_far.by_policy + is_workers)
    so_far = replace(so_far, attention_s=so_far.attention_s + decided.attention_s)
    if not is_workers or decided.decision not in ("approve", "reject"):
        return so_far
    approved = decided.decision == "approve"
    return replace(
        so_far,
        unedited=so_far.unedited.and_one(approved and not decided.edited),
        edits=so_far.edits + (approved and decided.edited),
        rejections=so_far.rejections + (not approved),
    )
