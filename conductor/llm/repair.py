"""Broken JSON of tool calls made right, where there is one way to read it and no doubt about it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, cast

from conductor.llm.wire import read_object

_LONGEST = 1_000_000
_CLOSERS = {"{": "}", "[": "]"}
_CONTROLS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def repaired(text: str, schema: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Return the object that broken JSON certainly means, and what was wrong with it; None where that is not certain.

    Certain are commas before a closing bracket, closing brackets missing at the end, and line breaks and tabs in
    strings that should have been escaped. The library json-repair must read the same in it, and the object must be
    what `schema` describes. A string that does not end may have lost its end, so it is never repaired.
    """
    mended = _mended(text.strip()) if len(text) <= _LONGEST else None
    if mended is None or not mended[1]:
        return None
    try:
        value = read_object(mended[0])
    except ValueError:
        return None
    return (value, mended[1]) if _is_the_one_reading(text, value) and _is_valid(value, schema) else None


def renamed(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Return the arguments with the one name put right that is wrong, and what that was; None where it is not one.

    Certain is it where one name is unknown, one that is needed is missing, and the result is what `schema` describes.
    """
    unknown = arguments.keys() - schema.get("properties", {}).keys()
    missing = set(schema.get("required", ())) - arguments.keys()
    if len(unknown) != 1 or len(missing) != 1:
        return None
    wrong, right = *unknown, *missing
    if _is_of_schema(wrong, arguments[wrong], schema["properties"].keys()):
        return None
    value = {right if name == wrong else name: item for name, item in arguments.items()}
    return (value, f"{wrong} stood for {right}") if _is_valid(value, schema) else None


def without_schema(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Return the arguments without words of their own schema, and what those were; None where there are none.

    Small models copy `"type": "object"` and `"required": [...]` along with the names. The result must be valid.
    """
    known = schema.get("properties", {}).keys()
    copied = [name for name in arguments if name not in known and _is_of_schema(name, arguments[name], known)]
    value = {name: item for name, item in arguments.items() if name not in copied}
    return (value, f"{' and '.join(copied)} of the schema left out") if copied and _is_valid(value, schema) else None


def _is_of_schema(name: str, value: object, known: Collection[str]) -> bool:
    if name == "required":
        return isinstance(value, list) and all(item in known for item in cast("list[object]", value))
    return (name, value) in (("type", "object"), ("additionalProperties", False))


def _mended(text: str) -> tuple[str, str] | None:
    """Return the text with what may be wrong put right, and a list of that; None when a string or bracket is off."""
    out: list[str] = []
    found: dict[str, None] = {}
    open_brackets: list[str] = []
    in_string = escaped = False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
            if char < " ":
                found["line breaks in a string were not escaped"] = None
                out.append(_CONTROLS.get(char, f"\\u{ord(char):04x}"))
                continue
        elif char == '"':
            in_string = True
        elif char in _CLOSERS:
            open_brackets.append(_CLOSERS[char])
        elif char in "}]":
            if not open_brackets or open_brackets.pop() != char:
                return None
            if _drop_comma(out):
                found["a comma before a closing bracket"] = None
        out.append(char)
    if in_string or (open_brackets and "".join(out).rstrip().endswith((",", ":"))):
        return None  # what was to follow is lost
    if open_brackets:
        found["closing brackets were missing"] = None
        out += reversed(open_brackets)
    return "".join(out), ", ".join(found)


def _drop_comma(out: list[str]) -> bool:
    """Remove the comma that `out` ends with, if it does."""
    at = len(out) - 1
    while at >= 0 and out[at].isspace():
        at -= 1
    if at < 0 or out[at] != ",":
        return False
    del out[at]
    return True


def _is_the_one_reading(text: str, value: dict[str, Any]) -> bool:
    import json_repair

    try:
        read: object = json_repair.loads(text)
    except (ValueError, RecursionError):
        return False
    return json.dumps(_stripped(read)) == json.dumps(_stripped(value))


def _stripped(value: object) -> object:
    """Return the value without white space at the ends of strings, which json-repair leaves out."""
    match value:
        case str():
            return value.strip()
        case dict():
            return {key: _stripped(item) for key, item in cast("dict[str, object]", value).items()}
        case list():
            return [_stripped(item) for item in cast("list[object]", value)]
        case _:
            return value


def _is_valid(value: dict[str, Any], schema: Mapping[str, Any]) -> bool:
    import jsonschema

    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError:
        return False
    return True
