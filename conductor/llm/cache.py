"""Not paying twice for the same question: completions kept by the SHA-256 of the whole request."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from conductor.llm.base import Model
from conductor.llm.completions import CompletionStore, DamagedEntry
from conductor.llm.wire import EncodedConversation, encode, tools_to_wire
from conductor.messages import Completion, Message, ToolCall, ToolSpec, Usage

CacheMode = Literal["off", "read", "write", "refresh"]
"""read: use what is there; write: also keep what was asked; refresh: ask always, and keep."""


class CachePolicy(Struct, frozen=True):
    """Where completions are kept and what may be done with them; `say` is told, in a line, what is wrong with them."""

    store: CompletionStore
    mode: CacheMode
    say: Callable[[str], None]


class Cached:
    """A model that answers from the cache where it can.

    The request is the model's `name`, where it is asked (`settings`), the tools and the whole conversation. What was
    kept costs nothing now: its usage is told as `saved`. A cache that cannot be used is said once and left alone.
    """

    def __init__(self, model: Model, policy: CachePolicy, *, settings: Sequence[str | int | None] = ()) -> None:
        self.name = model.name
        self._model = model
        self._store, self._mode, self._say = policy.store, policy.mode, policy.say
        self._settings = [model.name, *settings]
        self._conversation = EncodedConversation()

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """As `Model.complete`."""
        request = self._request(messages, tools)
        if self._mode in ("read", "write") and (found := self._kept(request)):
            return found
        completion = self._model.complete(messages, tools)
        if self._mode in ("write", "refresh"):
            self._keep(request, completion)
        return completion

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> str:
        history, _ = self._conversation.encode(messages)
        parts = (encode(self._settings), encode(tools_to_wire(tools)), history)
        return hashlib.sha256(b"\n".join(parts)).hexdigest()

    def _kept(self, request: str) -> Completion | None:
        try:
            body = self._store.read(request)
            return None if body is None else _decoded(body)
        except DamagedEntry as damage:
            self._say(f"a kept completion of {self.name} cannot be used, the model is asked again ({damage})")
        except (OSError, sqlite3.Error, ValueError, TypeError, KeyError) as error:
            self._give_up(error)
        return None

    def _keep(self, request: str, completion: Completion) -> None:
        try:
            self._store.write(request, _encoded(completion))
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._mode = "off"
        self._say(f"the cache of completions in {self._store.folder} cannot be used: {error}")


def _encoded(completion: Completion) -> bytes:
    return json.dumps(to_builtins(completion), separators=(",", ":")).encode()


def _decoded(body: bytes) -> Completion:
    data: dict[str, Any] = json.loads(body)
    calls = tuple(ToolCall(**call) for call in data.pop("tool_calls"))
    usage = Usage(**data.pop("usage"))
    del data["saved"], data["failed"]
    kept = Completion(**data, tool_calls=calls)
    return replace(kept, attempts=0, asked_s=0.0, first_text_s=0.0, saved=usage)
