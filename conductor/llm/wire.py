"""Our messages in the form of OpenAI's chat completions, and tool calls back from it.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
import operator
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count, takewhile
from typing import Any

from msgspec import Struct

from conductor.messages import Message, ToolCall, ToolSpec

WireDict = dict[str, Any]


class RawCall(Struct, frozen=True):
    """A tool call as a provider sent it. `arguments` should be JSON text of an object, but may be anything."""

    call_id: str
    tool: str
    arguments: object


class WireConversation:
    """The conversation of the last request, converted; of one that only grew, just the new end is converted again.

    At 2,000 messages this is the difference between 0.1 ms and several.
    """

    def __init__(self) -> None:
        self._seen: list[Message] = []
        self._wire: list[WireDict] = []
        self._call_ids: set[str] = set()
        self._lock = threading.Lock()

    def convert(self, messages: Sequence[Message]) -> tuple[list[WireDict], frozenset[str]]:
        """Return `messages` as dicts (the list is the caller's, the dicts are shared) and the ids of their calls."""
        with self._lock:
            same = sum(takewhile(bool, map(operator.is_, self._seen, messages)))
            if same < len(self._seen):
                self._seen, self._wire, self._call_ids, same = [], [], set(), 0
            for message in messages[same:]:
                self._seen.append(message)
                self._wire.append(message_to_wire(message))
                self._call_ids.update(call.call_id for call in message.tool_calls)
            return list(self._wire), frozenset(self._call_ids)


class EncodedConversation:
    """The conversation of the last request as the inside of a JSON array; only what is new of the next one is encoded.

    Earlier messages are told by identity, so a history of any length costs one copy of its bytes.
    """

    def __init__(self) -> None:
        self._seen: list[Message] = []
        self._ends: list[int] = []  # where in the text each message ends
        self._text = bytearray()
        self._call_ids: set[str] = set()
        self._lock = threading.Lock()

    def encode(self, messages: Sequence[Message]) -> tuple[bytes, frozenset[str]]:
        """Return `messages` as JSON objects with commas between them, and the ids of their calls."""
        with self._lock:
            same = sum(takewhile(bool, map(operator.is_, self._seen, messages)))
            if same < len(self._seen):
                del self._seen[same:], self._ends[same:]
                del self._text[self._ends[-1] if self._ends else 0 :]
                self._call_ids = {call.call_id for message in self._seen for call in message.tool_calls}
            for message in messages[same:]:
                separator = b"," if self._text else b""
                self._text += separator + encode(message_to_wire(message))
                self._seen.append(message)
                self._ends.append(len(self._text))
                self._call_ids.update(call.call_id for call in message.tool_calls)
            return bytes(self._text), frozenset(self._call_ids)


def encode(value: object) -> bytes:
    """Return `value` as JSON in UTF-8."""
    return storable(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


def message_to_wire(message: Message) -> WireDict:
    """Return one message as a dict of the protocol."""
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
    if message.tool_calls:
        calls = [_call_to_wire(call) for call in message.tool_calls]
        return {"role": "assistant", "content": message.content or None, "tool_calls": calls}
    return {"role": message.role, "content": message.content}


def tools_to_wire(tools: Iterable[ToolSpec]) -> list[WireDict]:
    """Return tools as the function tools of the protocol."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in tools
    ]


def _call_to_wire(call: ToolCall) -> WireDict:
    # Providers parse the arguments of earlier calls too and refuse the whole request over one broken call: text that
    # was no JSON goes back as a string inside an object, and a name outside their alphabet is brought into it.
    arguments: Mapping[str, Any] = {"unreadable": call.raw[:2000]} if call.malformed else call.arguments
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", call.tool)[:64] or "unnamed"
    text = json.dumps(arguments, ensure_ascii=False)
    return {"id": call.call_id, "type": "function", "function": {"name": name, "arguments": text}}


def read_calls(raw_calls: Iterable[RawCall], taken: frozenset[str], *, cut_off: bool = False) -> tuple[ToolCall, ...]:
    """Read the calls of one answer; whatever is wrong with one is said in its `malformed`, nothing is raised.

    A missing id, or one that the conversation (`taken`) or this answer already has, is replaced: some servers count
    from zero in every answer, and only our own copy of the conversation has to tell the calls apart.
    `cut_off` says that the answer reached its length limit.
    """
    used = set(taken)
    calls: list[ToolCall] = []
    for raw in raw_calls:
        call_id = storable(raw.call_id)
        if not call_id or call_id in used:
            call_id = next(fresh for n in count(len(used) + 1) if (fresh := f"call_{n}") not in used)
        used.add(call_id)
        calls.append(_read_call(call_id, raw, cut_off))
    return tuple(calls)


def _read_call(call_id: str, raw: RawCall, cut_off: bool) -> ToolCall:
    tool = storable(raw.tool.strip())
    text = storable(raw.arguments if isinstance(raw.arguments, str) else _dump(raw.arguments))
    try:
        if not tool:
            raise ValueError("the call names no tool")
        return ToolCall(call_id, tool, read_object(text))
    except ValueError as error:
        problem = f"the answer reached its length limit inside this call: {error}" if cut_off else str(error)
        return ToolCall(call_id, tool, {}, raw=text, malformed=problem)


def _dump(arguments: object) -> str:
    if arguments is None:
        return ""
    try:
        return json.dumps(arguments, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(arguments)


def read_object(text: str) -> dict[str, Any]:
    """Return the JSON object in `text`, an empty one for no text. Raises ValueError, saying what is wrong."""
    if not text.strip():
        return {}
    try:
        value: Any = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"the arguments are not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise ValueError("the arguments are nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"the arguments must be a JSON object, not {_kind(value)}")
    if "\\u" in text and not _encodable(text_of := json.dumps(value, ensure_ascii=False)):
        at = next(char for char in text_of if "\ud800" <= char <= "\udfff")
        raise ValueError(f"the arguments hold half of a surrogate pair (\\u{ord(at):04x}), which no text can contain")
    return value  # pyright: ignore[reportUnknownVariableType]  (the keys of a JSON object are strings)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f'the arguments have the key "{twice}" more than once')
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"the arguments hold {name}, which is not valid JSON")


def _kind(value: object) -> str:
    if isinstance(value, bool | None):
        return json.dumps(value)
    return "an array" if isinstance(value, list) else "a string" if isinstance(value, str) else "a number"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str) -> str:
    """Return `text` with lone surrogates, which JSON can carry but no file can, replaced by question marks."""
    return text if text.isascii() or _encodable(text) else text.encode(errors="replace").decode()


def conversation_size(messages: Iterable[Message]) -> int:
    """Return about how many characters a conversation has; a quarter of it estimates its tokens."""
    return sum(message.characters for message in messages)
