"""A model that replays a file of turns: for the demo, the tests and the benchmarks.

    {"schema": 1, "conversations": [{"match": "", "turns": [
        {"text": "...", "tool_calls": [{"tool": "write_file", "arguments": {...}}], "usage": {"input_tokens": 900}}]}]}

The first conversation whose `match` stands in the first user message is played; an empty `match` stands in all. A call
with `raw` instead of `arguments` says that text as a provider would, broken JSON too. Missing usage is estimated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from msgspec import Struct

from conductor.errors import InvalidFile, ModelError, Problem, UsageError
from conductor.llm.wire import RawCall, conversation_size, read_calls
from conductor.messages import Completion, Message, ToolSpec, Usage

_T = TypeVar("_T")


class _Call(Struct, frozen=True):
    tool: str
    arguments: str


class _Turn(Struct, frozen=True):
    text: str
    calls: tuple[_Call, ...]
    usage: Mapping[str, int]


class _Conversation(Struct, frozen=True):
    match: str
    turns: tuple[_Turn, ...]


class ScriptedModel:
    """Plays the file at `path`. Which turn is next follows from the messages alone, so a run that was killed goes on.

    Raises `InvalidFile` with every mistake of the file, `UsageError` when there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"scripted:{path}"
        self._path = path
        self._conversations = _load(path)

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:  # noqa: ARG002
        """Return the turn after as many as the conversation has. Raises `ModelError` when there is none."""
        asked = next((message.content for message in messages if message.role == "user"), "")
        found = next((c for c in self._conversations if c.match in asked), None)
        if found is None:
            raise ModelError(f"no conversation in {self._path} matches the first user message: {asked[:60]!r}")
        spoken = sum(message.stands_for or message.role == "assistant" for message in messages)
        if spoken >= len(found.turns):
            raise ModelError(
                f'{self._path}: conversation "{found.match}" ends after {len(found.turns)} turns',
                hint="Add turns to the script, or make the last one a text without tool calls.",
            )
        turn = found.turns[spoken]
        raw = [RawCall(f"call_{spoken + 1}_{n}", call.tool, call.arguments) for n, call in enumerate(turn.calls, 1)]
        size = {
            "input_tokens": conversation_size(messages) // 4,
            "output_tokens": (len(turn.text) + sum(len(call.arguments) for call in turn.calls)) // 4,
        }
        calls = read_calls(raw, frozenset())
        usage = Usage(**{**size, **turn.usage})
        return Completion(turn.text, calls, "tool_calls" if calls else "stop", usage, self.name)


def _load(path: Path) -> tuple[_Conversation, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the script {path} cannot be read: {error}") from error
    try:
        data: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidFile([Problem(str(path), error.lineno, "", f"this is not JSON: {error.msg}")]) from None
    except RecursionError:
        raise InvalidFile([Problem(str(path), 0, "", "this is nested too deeply")]) from None
    reader = _Reader(str(path))
    conversations = reader.script(data)
    if reader.problems:
        raise InvalidFile(reader.problems)
    return conversations


class _Reader:
    """Turns the parsed file into conversations and collects every mistake on the way."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file

    def script(self, data: object) -> tuple[_Conversation, ...]:
        table = self._table(data, "", {"schema", "conversations"}, required={"schema", "conversations"})
        if "schema" in table and table["schema"] != 1:
            self._problem("schema", "this version of Conductor reads schema 1")
        return self._list(table, "conversations", "conversations", self._conversation)

    def _conversation(self, data: object, key: str) -> _Conversation:
        table = self._table(data, key, {"match", "turns"}, required={"turns"})
        return _Conversation(
            self._text(table, "match", f"{key}.match"), self._list(table, "turns", f"{key}.turns", self._turn)
        )

    def _turn(self, data: object, key: str) -> _Turn:
        table = self._table(data, key, {"text", "tool_calls", "usage"})
        counts = {"input_tokens", "output_tokens", "cached_tokens"}
        usage = self._table(table.get("usage", {}), f"{key}.usage", counts)
        for name, value in usage.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                self._problem(f"{key}.usage.{name}", "must be a whole number, 0 or more")
        calls = self._list(table, "tool_calls", f"{key}.tool_calls", self._call)
        return _Turn(self._text(table, "text", f"{key}.text"), calls, cast("dict[str, int]", usage))

    def _call(self, data: object, key: str) -> _Call:
        table = self._table(data, key, {"tool", "arguments", "raw"}, required={"tool"})
        tool = self._text(table, "tool", f"{key}.tool")
        if "raw" in table:
            if "arguments" in table:
                self._problem(key, "has both arguments and raw; one of them")
            return _Call(tool, self._text(table, "raw", f"{key}.raw"))
        if not isinstance(table.get("arguments", {}), dict):
            self._problem(f"{key}.arguments", "must be an object; use raw to script a malformed call")
        return _Call(tool, json.dumps(table.get("arguments", {}), ensure_ascii=False))

    def _table(self, data: object, key: str, known: set[str], required: set[str] | None = None) -> dict[str, Any]:
        if not isinstance(data, dict):
            self._problem(key, "must be an object")
            return {}
        table = cast("dict[str, Any]", data)
        for name in sorted(table.keys() - known):
            self._problem(f"{key}.{name}".lstrip("."), f"unknown key; known are {', '.join(sorted(known))}")
        for name in sorted((required or set()) - table.keys()):
            self._problem(f"{key}.{name}".lstrip("."), "is missing")
        return {name: value for name, value in table.items() if name in known}

    def _list(self, table: dict[str, Any], name: str, key: str, read: Callable[[object, str], _T]) -> tuple[_T, ...]:
        items: object = table.get(name, [])
        if not isinstance(items, list):
            self._problem(key, "must be an array")
            return ()
        return tuple(read(item, f"{key}[{index}]") for index, item in enumerate(cast("list[object]", items)))

    def _text(self, table: dict[str, Any], name: str, key: str) -> str:
        value = table.get(name, "")
        if not isinstance(value, str):
            self._problem(key, "must be a string")
            return ""
        return value

    def _problem(self, key: str, message: str) -> None:
        self.problems.append(Problem(self._file, 0, key, message))
