"""What is said between Conductor and the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct, field

from conductor.events.base import Json


class ContextBuilt(Struct, frozen=True):
    """The conversation's opening was composed: each message as role and content.

    `kept_back` are the characters of the files whose views it holds that were left out. `shown` names these views:
    path, version, kind, the lines that stand there as they are, and where in the last message the view begins and ends.
    """

    kind: ClassVar[str] = "context_built"
    messages: Sequence[Mapping[str, str]]
    notices: Sequence[str] = ()
    kept_back: int = 0
    shown: Sequence[Json] = ()


class ContextCompressed(Struct, frozen=True):
    """The request had grown too long for the model's window: `turns` turns are in short from now on.

    `opening` takes the place of the first user message and of all before message `through`, counted from 0; `cut` has
    later messages whose long results were shortened, `kept` the views of the opening that stayed. The turns are told by
    Conductor itself (`source` "built-in") or by the model `compressor`; `note` says why that was not used.
    """

    kind: ClassVar[str] = "context_compressed"
    through: int
    turns: int
    opening: str
    model: str
    window: int
    tokens_before: int
    tokens_after: int
    kept: Sequence[str] = ()
    cut: Mapping[str, str] = field(default_factory=dict[str, str])
    source: str = "built-in"
    usage: Json = field(default_factory=dict[str, Any])
    compressor: str = ""
    note: str = ""
    attempts: int = 0
    saved: Json = field(default_factory=dict[str, Any])
    duration_s: float = 0.0


class ModelReplied(Struct, frozen=True):
    """The worker's model answered; each tool call as call_id, tool, arguments, raw and malformed.

    It took `attempts` requests, the last `asked_s` seconds; 0 for one from the cache, which `saved` a usage.
    `first_text_s` passed until the first text of a streamed answer came; 0 where none did.
    """

    kind: ClassVar[str] = "model_replied"
    model: str
    text: str
    tool_calls: Sequence[Json]
    finish_reason: str
    usage: Json
    duration_s: float
    attempts: int = 1
    asked_s: float = 0.0
    saved: Json = field(default_factory=dict[str, Any])
    first_text_s: float = 0.0


class RequestFailed(Struct, frozen=True):
    """A request to the worker's model failed and was made again after `wait_s` seconds; 0: it was not.

    `request_id` is the provider's own name of it, for their support.
    """

    kind: ClassVar[str] = "request_failed"
    model: str
    error: str
    request_id: str
    wait_s: float


class WindowLearned(Struct, frozen=True):
    """A request of about `asked` tokens was refused as too long for its model, whose window is `stated` (0: not said).

    In this run the model's requests are kept as small as for a window of `window` tokens from then on.
    """

    kind: ClassVar[str] = "window_learned"
    model: str
    asked: int
    stated: int
    window: int


class HintGiven(Struct, frozen=True):
    """Tier 4 turned a failing output into at most 20 words.

    `stale` says why it is not about the code as it is now; then the worker is not told of it.
    """

    kind: ClassVar[str] = "hint_given"
    call_id: str
    text: str
    source: str
    usage: Json
    note: str = ""
    stale: str = ""
    clock: Json = field(default_factory=dict[str, int])
    model: str = ""
    attempts: int = 0
    saved: Json = field(default_factory=dict[str, Any])
    duration_s: float = 0.0


class WorkerTold(Struct, frozen=True):
    """Conductor itself said something to the worker: a failed gate, an empty answer."""

    kind: ClassVar[str] = "worker_told"
    text: str
