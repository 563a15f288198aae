"""What the gates and verify commands say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from conductor.events.base import Json


@dataclass(frozen=True)
class GateStarted:
    """A gate (a configured check or the ticket's verify command) was started."""

    kind: ClassVar[str] = "gate_started"
    gate: str
    command: str
    call_id: str
    sandbox: str = ""


@dataclass(frozen=True)
class GateFinished:
    """A gate ended; it passed when the exit code is 0. Its whole output is kept under the two hashes.

    `stale` says why it is not about the code as it is now; then it counts for nothing.
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
