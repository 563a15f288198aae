"""Every error Conductor raises on purpose, and the exit code it ends a command with.

ConductorError                 70  (never raised itself)
├── UsageError                  2  wrong command, track or configuration; nothing ran
│   ├── InvalidFile             2  a track or configuration file with mistakes, all of them listed
│   └── AlreadyRunning          2  another process works on this track
├── NeedsHuman                  3  the run is paused and waits for a person
├── BudgetReached               4  a budget of the configuration is used up
├── ModelError                  5  the model cannot be reached or cannot be used
│   └── TransientModelError     5  the same, but asking again later may help
├── StateMismatch               6  journal, cache or workspace is not what it was
├── TargetChanged               3  a file is no longer what the human was shown; the call is reviewed again
├── Refused                     1  a tool call that must not run; told to the worker, never shown as a crash
└── IllegalTransition          70  a ticket was asked to do what its state does not allow
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

_ABOUT = ("track", "ticket", "stage", "model", "request", "event")


class ExitCode(IntEnum):
    """What a command's exit status means; fixed, people script against it."""

    OK = 0
    TICKETS_FAILED = 1
    USAGE = 2
    PAUSED = 3
    BUDGET = 4
    MODEL = 5
    STATE = 6
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


class ConductorError(Exception):
    """Base of all errors below. `hint` says what to do next, in one sentence.

    `about` names what it happened to, as far as that is known: track, ticket, stage, model, request (the provider's id
    of it) and event (the journal entry that says so).
    """

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.about: dict[str, str] = {}


class UsageError(ConductorError):
    """The command, the track or the configuration is wrong; nothing ran."""

    exit_code = ExitCode.USAGE


class Problem(NamedTuple):
    """One mistake in a file: 1-based line (0 where it has none), the key it is about, and what is wrong."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class InvalidFile(UsageError):
    """A file that people write (track, configuration) has mistakes; `problems` holds all of them."""

    def __init__(self, problems: list[Problem], *, hint: str = "") -> None:
        super().__init__("\n".join(map(str, problems)), hint=hint)
        self.problems = problems


class AlreadyRunning(UsageError):
    """Another process holds the lock of this track."""


class NeedsHuman(ConductorError):
    """The run cannot go on without a person; what waits is kept."""

    exit_code = ExitCode.PAUSED


class BudgetReached(ConductorError):
    """A budget of the configuration does not allow the next request.

    `scope` is whose budget it is, `needed` the most the request may use of what `budget` counts.
    """

    exit_code = ExitCode.BUDGET

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        scope: str = "",
        budget: str = "",
        limit: float = 0.0,
        spent: float = 0.0,
        needed: float = 0.0,
    ) -> None:
        super().__init__(message, hint=hint)
        self.scope, self.budget, self.limit, self.spent, self.needed = scope, budget, limit, spent, needed


class FailedRequest(NamedTuple):
    """One request to a model that failed, and after how many seconds it was made again (None: it was not)."""

    error: str
    request_id: str
    wait_s: float | None


class ModelError(ConductorError):
    """The model cannot be reached, refuses the credentials, or answered with something that is no answer.

    `failed` are the requests that it took to find out.
    """

    exit_code = ExitCode.MODEL
    failed: tuple[FailedRequest, ...] = ()


class TransientModelError(ModelError):
    """A failure that may be gone at the next try. `retry_after`: the seconds the provider asked to wait, if any.

    `attempts` is given where more than so many are of no use.
    """

    def __init__(
        self, message: str, *, hint: str = "", retry_after: float | None = None, attempts: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.attempts = attempts


class TooLong(ModelError):
    """A request was refused because it does not fit the model's window; `window`: how large the server says that is."""

    def __init__(self, message: str, *, window: int = 0) -> None:
        super().__init__(message)
        self.window = window


class StateMismatch(ConductorError):
    """Journal, cache or workspace is not what it was; going on would be a guess."""

    exit_code = ExitCode.STATE


class Refused(ConductorError):
    """A tool call that must not or cannot run. The message goes back to the worker."""

    exit_code = ExitCode.TICKETS_FAILED


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; everything unwinds as at Ctrl-C, and the command ends with 143."""


class TargetChanged(ConductorError):
    """A file is no longer what was shown when its change was approved; the call goes back to review."""

    exit_code = ExitCode.PAUSED


class IllegalTransition(ConductorError):
    """A ticket was asked for a change that its state does not allow; nothing was changed."""


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code a command ends with when `error` stopped it."""
    match error:
        case ConductorError():
            return error.exit_code
        case Terminated():
            return ExitCode.TERMINATED
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case _:
            return ExitCode.BUG


def where_of(about: Mapping[str, str]) -> str:
    """Return what an error was about as people read it, "" where nothing is known."""
    known = ", ".join(f"{name} {about[name]}" for name in _ABOUT if about.get(name))
    return f" [{known}]" if known else ""
