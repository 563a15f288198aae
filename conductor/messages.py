"""What engine, model, clutch and tools say to each other: frozen records, no behaviour beyond reading them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct, field

from conductor.errors import FailedRequest


class Effect(StrEnum):
    """What running a call a second time would mean; decides how a crash in the middle of it is settled."""

    READ = "read"  # changes nothing: simply run again
    IDEMPOTENT = "idempotent"  # a file ends as stated: compare the disk with before and after
    UNSAFE = "unsafe"  # anything else: the outcome is unknown until a human says so


class ToolSpec(Struct, frozen=True):
    """A tool as the worker is told of it. `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    effect: Effect


class ToolCall(Struct, frozen=True):
    """One call a worker proposed, `raw` as the model wrote it. `malformed` says why it could not be read.

    `repaired` says what was made right in it before it could be.
    """

    call_id: str
    tool: str
    arguments: Mapping[str, Any]
    raw: str = ""
    malformed: str = ""
    repaired: str = ""


class Usage(Struct, frozen=True):
    """Tokens and money of one completion; `cached_tokens` is the part of `input_tokens` the provider had cached."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.usd + other.usd,
        )


class Message(Struct, frozen=True, dict=True):
    """One entry of a conversation. `tool_calls` only with role "assistant", `call_id` only with role "tool".

    `human` is what a human said in it, which is never left out. `stands_for` counts the worker's turns that the entry
    has in short.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    human: str = ""
    stands_for: int = 0

    @cached_property
    def characters(self) -> int:
        """About how many characters it has. Counted once: a long conversation is measured before each request."""
        arguments = (value for call in self.tool_calls for value in call.arguments.values())
        return (
            len(self.content)
            + sum(len(call.tool) + len(call.raw) for call in self.tool_calls)
            + sum(len(value) if isinstance(value, str) else 4 for value in arguments)
        )


class Completion(Struct, frozen=True):
    """What a model answered. `finish_reason` is "stop", "tool_calls" or "length".

    It took `attempts` requests, the last of them `asked_s` seconds, `first_text_s` until the first text of a stream (0:
    it was none, or had no text); those before it `failed`. One from the cache took
    none, used nothing, and `saved` what it had used when the model gave it.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    attempts: int = 1
    asked_s: float = 0.0
    first_text_s: float = 0.0
    saved: Usage = field(default_factory=Usage)
    failed: tuple[FailedRequest, ...] = ()


class RuleOffer(Struct, frozen=True):
    """A rule that would cover a call: its exact text, and what it would have meant in the past.

    `approved` counts the past calls it would have approved; `regrets` are those of them a human rejected or edited.
    """

    rule_id: str
    text: str
    approved: int = 0
    regrets: tuple[str, ...] = ()


class RuleOffers(Struct, frozen=True):
    """Rules that would cover a call, the narrowest first; `why_none` where there is none."""

    offers: tuple[RuleOffer, ...]
    why_none: str = ""


class RuleSpan(StrEnum):
    """For how long a rule is to hold."""

    RUN = "run"
    TRACK = "track"  # as it is now: a changed track file is another track
    DAY = "day"
    ALWAYS = "always"


class ChosenRule(Struct, frozen=True):
    """A rule of those offered that a human wants kept; `uses` is how often it may answer, `expires` when it ends."""

    offer: RuleOffer
    span: RuleSpan
    uses: int | None = None
    expires: datetime | None = None

    @property
    def terms(self) -> str:
        """For how long and how often, in a few words."""
        often = f"{self.uses} time{'' if self.uses == 1 else 's'}" if self.uses is not None else ""
        until = f"until {self.expires:%Y-%m-%d %H:%M} UTC" if self.expires else ""
        return ", ".join(filter(None, (str(self.span), often, until)))


class Preview(Struct, frozen=True):
    """What a human is shown of a call before it may run. `digest` is what an approval is bound to."""

    kind: Literal["diff", "command", "text"]
    text: str
    title: str
    effect: Effect
    digest: str
    ticket_id: str = ""
    path: str = ""
    notices: tuple[str, ...] = ()
    must_ask: bool = False  # no trust level and no rule may answer for the human
    outcome_unknown: bool = False  # it was started before and cut off: it may be answered by `Happened`
    dangerous: str = ""  # why a key is not enough to approve it, in words
    shape: str = ""  # what it does to the shape of the code, in one line
    before: str | None = None  # the text of a file that would be changed
    # Rules that would cover the call; made when a human asks for them, because they are tried on the whole journal.
    offers: Callable[[], RuleOffers] | None = None
    # To be called now and then by a clutch that waits; what it raises ends the wait (see `clutch/elsewhere.py`).
    look: Callable[[], None] | None = None
    # To be told by a clutch that can measure it for how many seconds the human looked.
    looked: Callable[[float], None] | None = None


class Approved(Struct, frozen=True):
    """Run it with these arguments. Arguments other than those shown are reviewed again before they run.

    With `rule` such calls need no human from now on; a clutch may choose it of the preview's offers only. `comment` is
    told the worker with the result of the call that runs in the end.
    """

    arguments: Mapping[str, Any]
    rule: ChosenRule | None = None
    comment: str = ""


class Rejected(Struct, frozen=True):
    """Do not run it; the worker is told the reason."""

    reason: str


class Happened(Struct, frozen=True):
    """A call of unknown outcome did happen: do not run it again. `comment` is told the worker with that."""

    comment: str = ""


class Skipped(Struct, frozen=True):
    """Give up this ticket; the run goes on with the others."""

    reason: str = ""


class Aborted(Struct, frozen=True):
    """Pause the run; the call stays at the clutch."""


Decision = Approved | Rejected | Happened | Skipped | Aborted


LineSpan = tuple[int, int]
"""The first and the last line of a piece of a file, from 1."""


class SeenLines(Struct, frozen=True):
    """Lines of a file that were shown to a worker as they are; `version` is the hash of the file's content."""

    path: str
    version: str
    lines: tuple[LineSpan, ...]


class ToolResult(Struct, frozen=True):
    """What a call did. `text` goes to the worker; `stdout` and `stderr` are every byte a command printed.

    `cpu_s` and `peak_bytes` are what a command used, as `shell.CommandResult` has it; `kept_back` are the characters of
    a file or an output that `text` leaves out. `seen` names the lines of files that stand in it; `put_back` are files
    that a command may not change and that are what they were again, as the journal has them.
    """

    text: str
    ok: bool = True
    exit_code: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    cpu_s: float = 0.0
    peak_bytes: int = 0
    kept_back: int = 0
    seen: tuple[SeenLines, ...] = ()
    put_back: tuple[Mapping[str, Any], ...] = ()


def content_hash(content: bytes | None) -> str:
    """Return the SHA-256 of `content` in hexadecimal; "" where there is no content to speak of (None: no such file)."""
    return "" if content is None else hashlib.sha256(content).hexdigest()
