"""What is said between Conductor and the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from conductor.events.base import Json


@dataclass(frozen=True)
class ContextBuilt:
    """The conversation's opening was composed: each message as role and content.

    `kept_back` are the characters of the files whose views it holds that were left out.
    """

    kind: ClassVar[str] = "context_built"
    messages: Sequence[Mapping[str, str]]
    notices: Sequence[str] = ()
    kept_back: int = 0


@dataclass(frozen=True)
class ModelReplied:
    """The worker's model answered; each tool call as call_id, tool, arguments, raw and malformed.

    It took `attempts` requests, the last `asked_s` seconds; 0 for one from the cache, which `saved` a usage.
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


@dataclass(frozen=True)
class HintGiven:
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


@dataclass(frozen=True)
class WorkerTold:
    """Conductor itself said something to the worker: a failed gate, an empty answer."""

    kind: ClassVar[str] = "worker_told"
    text: str
