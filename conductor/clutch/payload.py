"""A call's arguments as JSON for a person to edit, and back, with the place of every mistake."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from conductor.visible import suspects, visible

# What stands between whitespace in JSON that is already known to be well formed (RFC 8259, section 2).
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class Mistake(Struct, frozen=True):
    """Why a text is no payload; line and column count from 1."""

    message: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"


class NoPayload(ValueError):
    """A text that a person edited cannot be a call's arguments."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


def write_payload(arguments: Mapping[str, Any]) -> str:
    """Return `arguments` as indented JSON in which every character that could not be seen is escaped."""
    text = json.dumps(dict(arguments), indent=2, ensure_ascii=False)
    # Suspect characters can only stand inside strings, where \uXXXX means the same. Words are looked at in the strings
    # themselves: in JSON a line break ends in an n.
    strings = (json.loads(token) for token in _TOKEN.findall(text) if token[0] == '"')
    found = set[str]().union(*map(suspects, strings))
    return text.translate({ord(char): json.dumps(char)[1:-1] for char in found}) + "\n"


def read_payload(text: str) -> dict[str, Any]:
    """Return the object that `text` holds.

    Raises `NoPayload` for anything but one JSON object, for a key given twice in an object, and for NaN and infinity,
    which JSON has not got.
    """
    try:
        payload: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise NoPayload(Mistake(error.msg, error.lineno, error.colno)) from None
    except RecursionError:
        raise NoPayload(Mistake("nested too deeply", 1, 1)) from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise NoPayload(Mistake(str(error), 1, 1)) from None
    _check_tokens(text)
    if not isinstance(payload, dict):
        raise NoPayload(Mistake("expected an object: { ... }", *_place(text, len(text) - len(text.lstrip()))))
    return payload  # pyright: ignore[reportUnknownVariableType]


def same_payload(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two payloads are the same JSON; unlike `==`, it tells `1` from `true` and from `1.0`."""
    return json.dumps(dict(one), sort_keys=True) == json.dumps(dict(other), sort_keys=True)


def _check_tokens(text: str) -> None:
    """Raise `NoPayload` at the first repeated key or number that is none; `text` is otherwise well formed."""
    open_objects: list[set[str] | None] = []  # the keys so far of each open object, None for an open list
    last_string: re.Match[str] | None = None
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == "{":
            open_objects.append(set())
        elif token == "[":
            open_objects.append(None)
        elif token in "}]":
            open_objects.pop()
        elif token[0] == '"':
            last_string = match
        elif token == ":" and last_string and (keys := open_objects[-1]) is not None:
            key = json.loads(last_string.group())
            if key in keys:
                said = f"the key {visible(key, one_line=True)!r} is given twice"
                raise NoPayload(Mistake(said, *_place(text, last_string.start())))
            keys.add(key)
        elif token not in ",:" and not _is_number_or_word(token):
            raise NoPayload(Mistake(f"{token} is no number that JSON has", *_place(text, match.start())))


def _is_number_or_word(token: str) -> bool:
    return token in ("true", "false", "null") or math.isfinite(float(token))


def _place(text: str, offset: int) -> tuple[int, int]:
    """Return line and column of a character offset, counted as `json.JSONDecodeError` counts them."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
