"""What happens to a worker's tool calls, and to the files they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Struct, field

from conductor.events.base import Json

MAX_LOOK_S = 120.0  # a longer look with nothing done meanwhile is somebody who went away


class CallProposed(Struct, frozen=True):
    """A call passed its checks and waits at the clutch; `digest` names exactly what would be shown.

    With `outcome_unknown` it was started before and cut off: it may have happened. `preview` is what is shown.
    """

    kind: ClassVar[str] = "call_proposed"
    call_id: str
    tool: str
    arguments: Json
    effect: str
    digest: str
    outcome_unknown: bool = False
    preview: Json = field(default_factory=dict[str, Any])


class CallDecided(Struct, frozen=True):
    """The clutch answered: approve, reject, skip, or of a call that was cut off: happened.

    `proposed` is the worker's payload, `arguments` what may run. `by` is the clutch, or the policy that answered for
    the human: `trust:LEVEL`, `rule:ID`. `rule` is the text of a rule that the human had kept with this answer. `clock`
    is what its writer knew then: how many entries of each node. `waited_s` is how long the questions about the call
    stood, `looked_s` how long the human looked at them.
    """

    kind: ClassVar[str] = "call_decided"
    call_id: str
    decision: str
    by: str
    digest: str
    proposed: Json
    arguments: Json
    edited: bool
    reason: str
    waited_s: float
    rule: str = ""
    clock: Json = field(default_factory=dict[str, int])
    looked_s: float | None = None

    @property
    def attention_s(self) -> float:
        """How long the human looked; where that was not measured, the wait, as far as anybody looks that long."""
        return min(self.waited_s, MAX_LOOK_S) if self.looked_s is None else self.looked_s


class CallStarted(Struct, frozen=True):
    """The call is about to take effect, written durably before it does; `before` and `after` hash a changed file.

    `sandbox` says what holds a command, and to what; "" for calls that start none. `lines` are those of the file that
    change: first and last, from 1, and the first and last of what they become. `before_mode` is the file's mode.
    """

    kind: ClassVar[str] = "call_started"
    call_id: str
    tool: str
    arguments: Json
    effect: str
    digest: str
    path: str = ""
    before: str = ""
    after: str = ""
    sandbox: str = ""
    lines: Sequence[Sequence[int]] = ()
    before_mode: str = ""


class CallFinished(Struct, frozen=True):
    """The call has its result: `text` is what the worker is told. Outcome: ok, error, refused, rejected, or of a
    call that was cut off: happened (a human said so) or unknown.

    `cpu_s` and `peak_bytes` are the processor time a command took and the most memory one process of it held.
    `kept_back` are the characters of a file or an output that the worker was not sent. `seen` names the lines of files
    that stand in the text: path, version (the content's hash) and lines. `put_back` are the frozen files that a command
    changed and that are as they were again: path, and for before and after it the mode and the hash.
    """

    kind: ClassVar[str] = "call_finished"
    call_id: str
    tool: str
    outcome: str
    text: str
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    duration_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    kept_back: int = 0
    seen: Sequence[Json] = ()
    put_back: Sequence[Json] = ()


class CallsOffered(Struct, frozen=True):
    """A check's run led to calls, each as call_id, tool and arguments, which the clutch decides on as on a worker's.

    `by` is the check, `about` the id of its run, `why` says in words what it does. There may be no calls.
    """

    kind: ClassVar[str] = "calls_offered"
    by: str
    about: str
    why: str
    tool_calls: Sequence[Json]


class CodeChanged(Struct, frozen=True):
    """A file of the project was written or deleted by a call or a check; empty hashes and modes stand for "no file".

    `lines` are as in call_started. Modes are as git has them: 100644, 100755, 120000 for a link, whose content is the
    place it leads to. `kept` says that the content before is in the store. What a command changed is `found`
    by comparing the tree; nobody has told the worker of it. `frozen` is the pattern that freezes the file, if one does.
    """

    kind: ClassVar[str] = "code_changed"
    call_id: str
    path: str
    before: str
    after: str
    lines: Sequence[Sequence[int]] = ()
    before_mode: str = ""
    after_mode: str = ""
    kept: bool = False
    found: bool = False
    frozen: str = ""


class ChangesUnknown(Struct, frozen=True):
    """A command may have changed files that are not known, so that undo cannot restore them."""

    kind: ClassVar[str] = "changes_unknown"
    call_id: str
    reason: str
