"""Gates: commands that say whether work is good. A ticket's verify command is one; conductor.toml may name more."""

from __future__ import annotations

import fnmatch
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conductor.sandbox.base import Sandbox

_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Gate:
    """A check. It applies to changed files that match `files` (none given: always); `{files}` in the command is them.

    `trusted` says that the user allowed this very command before, so that it runs without asking.
    """

    name: str
    command: str
    files: tuple[str, ...] = ()
    when: Literal["call", "ticket"] = "ticket"
    trusted: bool = False

    def matching(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of `paths` the gate looks at."""
        if not self.files:
            return paths
        return tuple(path for path in paths if any(fnmatch.fnmatchcase(path, pattern) for pattern in self.files))

    def command_for(self, paths: tuple[str, ...]) -> str:
        """Return the command line for these files."""
        return self.command.replace("{files}", shlex.join(self.matching(paths)))


@dataclass(frozen=True)
class GateResult:
    """What a gate said. `exit_code` is 124 when it ran out of time."""

    command: str
    passed: bool
    exit_code: int
    stdout: bytes
    stderr: bytes
    duration_s: float
    cpu_s: float = 0.0
    peak_bytes: int = 0


def run_gate(command: str, root: Path, sandbox: Sandbox) -> GateResult:
    """Run a gate's command in the project, held by the sandbox; it passes when it exits 0."""
    result = sandbox.run(command, cwd=root, timeout_s=_TIMEOUT_S)
    return GateResult(
        command=command,
        passed=result.status == 0,
        exit_code=result.status,
        stdout=result.stdout,
        stderr=result.stderr,
        duration_s=result.duration_s,
        cpu_s=result.cpu_s,
        peak_bytes=result.peak_bytes,
    )
