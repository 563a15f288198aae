"""Gates: commands that say whether work is good. A ticket's verify command is one; conductor.toml may name more."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from conductor.sandbox.base import Sandbox
from conductor.shell import CommandResult

TIMEOUT_S = 900.0
_NOT_FOUND = 127
_PLAIN = re.compile(r"[\w@%+,./:-]+( [\w@%+,./:=-]+)*", re.ASCII)
_NO_PROGRAM = re.compile(rb"(?:^|: )(?P<program>[^:\n]+): (?:command )?not found\s*$", re.MULTILINE)


class Gate(Struct, frozen=True):
    """A check. It applies to changed files that match `files` (none given: always); `{files}` in the command is them.

    `parser` names the reader of what it prints, "" where only the exit code counts. `trusted` says that the user
    allowed this very command before, so that it runs without asking. One that is `required` has to exit with 0: neither
    a missing program nor findings that were there before excuse it.
    """

    name: str
    command: str
    files: tuple[str, ...] = ()
    when: Literal["call", "ticket"] = "ticket"
    trusted: bool = False
    parser: str = ""
    timeout_s: float = TIMEOUT_S
    required: bool = False

    def matching(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return those of `paths` the gate looks at."""
        if not self.files:
            return tuple(paths)
        return tuple(path for path in paths if any(fnmatch.fnmatchcase(path, pattern) for pattern in self.files))

    @property
    def names_files(self) -> bool:
        """Say whether its command is about the changed files only."""
        return "{files}" in self.command

    def command_for(self, paths: Iterable[str]) -> str:
        """Return the command line for these files."""
        return self.command.replace("{files}", shlex.join(self.matching(paths)))


class Finding(Struct, frozen=True):
    """One thing a checker found: `rule` is its name for it, `path` is relative to the project, `line` counts from 1.

    `fixable` says that the checker can mend it. `text` is the line itself, by which a finding that only moved is known.
    """

    rule: str
    path: str
    line: int
    message: str
    fixable: bool = False
    text: str = ""

    @property
    def same(self) -> tuple[str, ...]:
        """What a finding has in common with itself once lines above it were added or removed."""
        return self.rule, self.path, self.message, self.text

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{self.rule} {place} {self.message}".strip()


class Reading(Struct, frozen=True):
    """What a checker's output says. `passed` names tests that passed, for checkers that run some.

    None in the place of a reading means that the output is not what such a checker prints.
    """

    findings: tuple[Finding, ...] = ()
    passed: frozenset[str] = frozenset()


class Reader:
    """Reads what one checker prints. `rank` orders gates, cheap ones first; `missing` says how to get the checker.

    `prefix` goes before the command, so that it prints what is read. `settings` are names of files that configure it.
    """

    rank = 2
    missing = ""
    prefix = ""
    settings: tuple[str, ...] = ()

    def writes(self, command: str) -> bool:
        """Say whether the command may change files of the project."""
        del command
        return True

    def mending(self, command: str, path: str) -> str:
        """Return the command that prints a file with all mended in it that safely can be, "" where there is none."""
        del command, path
        return ""

    def read(self, stdout: bytes, stderr: bytes, root: Path) -> Reading | None:
        """Return what was found, None where this is not the checker's output."""
        raise NotImplementedError

    def refusal(self, result: CommandResult, root: Path) -> Finding | None:
        """Return why the checker could not check, with the file that is to be mended if it names one; None if it did.

        What may be the fault of the code that is checked is none.
        """
        del result, root
        return None


class GateResult(Struct, frozen=True):
    """What a gate said. `exit_code` is 124 when it ran out of time.

    `reading` is None where only the exit code counts. `skipped` says why nothing was checked; then it did not fail.
    `broken` says why nothing could be checked: it failed, but not for what was checked.
    """

    command: str
    exit_code: int
    stdout: bytes
    stderr: bytes
    duration_s: float
    cpu_s: float = 0.0
    peak_bytes: int = 0
    reading: Reading | None = None
    skipped: str = ""
    broken: Finding | None = None

    @property
    def passed(self) -> bool:
        """Whether it exited with 0, or could not be run at all for want of the checker."""
        return bool(self.skipped) or self.exit_code == 0


class Checks(Protocol):
    """Runs the gates of one project."""

    def ask(self, gate: Gate, command: str, sandbox: Sandbox) -> tuple[GateResult, bool]:
        """Return what the gate says, and whether that was known already."""
        ...

    def mended(self, command: str, path: str, sandbox: Sandbox) -> bytes | None:
        """Return the file with all mended in it that the command's checker safely can; None where it cannot say."""
        ...


def run_gate(
    gate: Gate, command: str, root: Path, sandbox: Sandbox, reader: Callable[[str], Reader | None]
) -> GateResult:
    """Run a gate's command in the project, held by the sandbox, and read what it printed.

    Output that its reader does not understand leaves the exit code to count.
    """
    reads = reader(gate.parser)
    prefix = reads.prefix if reads and not gate.required else ""  # that one was approved as it stands
    plain = _is_plain(command, gate.parser)
    whole = f"{prefix}exec {command}" if plain else prefix + command
    result = sandbox.run(whole, cwd=root, timeout_s=gate.timeout_s, plain=plain)
    reading = None
    if reads and result.exit_code is not None:
        reading = reads.read(result.stdout, result.stderr, root)
    missing = _missing(gate, result.status, result.stderr)
    how = f": {reads.missing}" if reads and reads.missing else ""
    broken = reads.refusal(result, root) if reads and not missing else None
    if missing and gate.required and "/" not in missing:  # a path may be what the ticket is to make
        broken = Finding("", "", 0, f"{missing} not found{how}")
    return GateResult(
        command=command,
        exit_code=result.status,
        stdout=result.stdout,
        stderr=result.stderr,
        duration_s=result.duration_s,
        cpu_s=result.cpu_s,
        peak_bytes=result.peak_bytes,
        reading=reading,
        skipped=f"{missing} not found, gate skipped{how}" if missing and not gate.required else "",
        broken=broken,
    )


def crash(result: CommandResult, known: Sequence[int]) -> Finding | None:
    """Return how a checker hung or crashed, in its own words; None for an exit code that is `known`."""
    if result.exit_code is None:
        return Finding("", "", 0, result.ended_by)
    if result.exit_code in known:
        return None
    said = [line.strip() for line in (result.stderr or result.stdout).decode("utf-8", "replace").splitlines()]
    telling = [line for line in said if any(map(str.isalpha, line))] or ["it said nothing"]
    last = "Traceback (most recent call last):" in telling
    return Finding("", "", 0, f"it ended with exit code {result.exit_code}: {telling[-1 if last else 0]}")


def brought_in(now: Sequence[Finding], before: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Return which findings are new and which were there before, each of those as often as it was then."""
    known = Counter(finding.same for finding in before)
    new: list[Finding] = []
    old: list[Finding] = []
    for finding in now:
        if known[finding.same]:
            known[finding.same] -= 1
            old.append(finding)
        else:
            new.append(finding)
    return new, old


def _is_plain(command: str, checker: str) -> bool:
    """Say whether a command is a checker and words for it, which mean the same to every shell."""
    program = command.partition(" ")[0].rpartition("/")[2]
    return bool(checker and program in (checker, "python", "python3") and _PLAIN.fullmatch(command))


def _missing(gate: Gate, exit_code: int, stderr: bytes) -> str:
    """Return the program that is not there: the shell says so, or Python of the checker's module; "" if all are."""
    if exit_code == _NOT_FOUND and (said := _NO_PROGRAM.search(stderr)):
        return said["program"].decode("utf-8", "replace")
    module = gate.parser or gate.name
    absent = re.search(rf"No module named '?{re.escape(module)}'?\s*$".encode(), stderr, re.MULTILINE)
    return module if exit_code == 1 and absent else ""
