"""What the gates and verify commands say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct, field

from conductor.events.base import Json


class GateStarted(Struct, frozen=True):
    """A gate (a configured check or the ticket's verify command) was started."""

    kind: ClassVar[str] = "gate_started"
    gate: str
    command: str
    call_id: str
    sandbox: str = ""


class GateFinished(Struct, frozen=True):
    """A gate ended; it passed when the exit code is 0, or where its output is read: when it found nothing new.

    Its whole output is kept under the two hashes. `findings` are those that the ticket brought in, `old` counts the
    others. `skipped` says why nothing was checked; with `cached` the answer is the one of the same files before.
    `broken` says why the checker could not check, for which the worker is not to blame: it is asked again.

    `stale` says why it is not about the code as it is now; then it counts for nothing. What the checker can mend in the
    files `fixable` is offered before the worker is told of anything. `put_back` are files that the check itself changed
    and that are as they were again: path, and for before and after it the mode and the hash.
    """

    kind: ClassVar[str] = "gate_finished"
    gate: str
    command: str
    call_id: str
    passed: bool
    exit_code: int
    stdout: str
    stderr: str
    duration_s: float
    cpu_s: float = 0.0
    peak_bytes: int = 0
    stale: str = ""
    clock: Json = field(default_factory=dict[str, int])
    kept_back: int = 0
    findings: Sequence[Json] = ()
    old: int = 0
    skipped: str = ""
    cached: bool = False
    fixable: Sequence[str] = ()
    put_back: Sequence[Json] = ()
    broken: str = ""


class BaselineTaken(Struct, frozen=True):
    """What a gate found when the ticket started: only what comes later is the ticket's. `tests` passed then.

    `broken` says why the checker could not check; then nothing was taken, and the ticket does not begin.
    """

    kind: ClassVar[str] = "baseline_taken"
    gate: str
    command: str
    findings: Sequence[Json]
    tests: Sequence[str] = ()
    note: str = ""
    duration_s: float = 0.0
    broken: str = ""


class CorrectionStarted(Struct, frozen=True):
    """A gate failed and the worker was told: a round of correction, counted from 1, began."""

    kind: ClassVar[str] = "correction_started"
    gate: str
    round: int


class CorrectionCompleted(Struct, frozen=True):
    """A round of correction ended with the next verdict of a gate."""

    kind: ClassVar[str] = "correction_completed"
    gate: str
    round: int
    succeeded: bool


class CorrectionsExhausted(Struct, frozen=True):
    """A gate failed after all the rounds the worker had; the run paused, and a human lets it have as many again."""

    kind: ClassVar[str] = "corrections_exhausted"
    gate: str
    rounds: int
