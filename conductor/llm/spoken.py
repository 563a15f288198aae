"""Tool calls that a model wrote into its text: in `<tool_call>` tags, in code fences, or as the whole answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from conductor.llm.wire import RawCall
from conductor.messages import ToolSpec

_START = re.compile(r"<tool_call>|```[ \t]*(?:json|tool_call|tool_code|tool|xml)?[ \t]*\n|(?=<function=)|\A")
_END = re.compile(r"\s*(?:</tool_call>|```[ \t]*(?=\n|\Z)|\Z)")
_TAGGED_END = re.compile(r"</tool_call>|\Z")
_NAME = re.compile(r'"(?:name|tool|function)"\s*:\s*"([\w:/.-]+)"')
_ARGUMENTS = re.compile(r'"(?:arguments|parameters|args)"\s*:\s*')
_XML = re.compile(r"\s*<function=([\w:/.-]+)>(.*?)(?:</function>\s*|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=(\w+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_LENIENT = json.JSONDecoder(strict=False)


def calls_in(text: str, tools: Mapping[str, ToolSpec]) -> tuple[str, list[RawCall]]:
    """Return the text without the calls in it, and the calls; only what names one of `tools` is one."""
    calls: list[RawCall] = []
    rest: list[str] = []
    at = 0
    for start, end, found in _blocks(text, tools):
        rest.append(text[at:start])
        calls += found
        at = end
    return ("".join([*rest, text[at:]]).strip(), calls) if calls else (text, [])


def _blocks(text: str, tools: Mapping[str, ToolSpec]) -> Iterator[tuple[int, int, list[RawCall]]]:
    """Yield where a block of calls begins and ends, and its calls."""
    at = 0
    while match := _START.search(text, at):
        at = max(match.end(), at + (not match.group()))
        found = _json(text, match, tools) or _xml(text, match, tools)
        if found:
            at = found[0]
            yield match.start(), at, found[1]
        if at > len(text):
            return


def _json(text: str, start: re.Match[str], tools: Mapping[str, ToolSpec]) -> tuple[int, list[RawCall]] | None:
    opening = re.compile(r"\s*(?=[\[{])").match(text, start.end())
    if opening is None:
        return None
    try:
        value, stop = _LENIENT.raw_decode(text, opening.end())
    except (ValueError, RecursionError):
        return _broken(text, start, tools)
    closing = _END.match(text, stop)
    found: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    calls = [_call(item, tools) for item in found]
    if closing is None or not calls or not all(calls):
        return None
    return closing.end(), [call for call in calls if call]


def _call(item: object, tools: Mapping[str, ToolSpec]) -> RawCall | None:
    if not isinstance(item, dict):
        return None
    table = cast("dict[str, Any]", item)
    if isinstance(table.get("function"), dict):
        table = cast("dict[str, Any]", table["function"])
    name = next((table[key] for key in ("name", "tool", "function") if isinstance(table.get(key), str)), "")
    if name not in tools:
        return None
    return RawCall("", name, next((table[key] for key in ("arguments", "parameters", "args") if key in table), None))


def _broken(text: str, start: re.Match[str], tools: Mapping[str, ToolSpec]) -> tuple[int, list[RawCall]] | None:
    """Return a call in tags whose JSON is broken, with its arguments as they were written."""
    if start.group() != "<tool_call>":
        return None
    end = _TAGGED_END.search(text, start.end())
    body = text[start.end() : end.start() if end else len(text)].strip()
    name, arguments = _NAME.search(body), _ARGUMENTS.search(body)
    if not name or name[1] not in tools or not arguments:
        return None
    raw = body[arguments.end() :].rstrip()
    if body.count("{") <= body.count("}"):
        raw = raw.removesuffix("}").rstrip()  # the one that closes the call, not its arguments
    return (end.end() if end else len(text)), [RawCall("", name[1], raw)]


def _xml(text: str, start: re.Match[str], tools: Mapping[str, ToolSpec]) -> tuple[int, list[RawCall]] | None:
    """Return a call as `<function=NAME><parameter=KEY>value</parameter></function>`, the way Qwen3-Coder writes it."""
    match = _XML.match(text, start.end())
    if match is None or match[1] not in tools:
        return None
    properties = tools[match[1]].parameters.get("properties", {})
    arguments = {key: _value(value, properties.get(key, {})) for key, value in _PARAMETER.findall(match[2])}
    closing = _END.match(text, match.end())
    return closing.end() if closing else match.end(), [RawCall("", match[1], arguments)]


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    """Return a parameter's text as what the schema wants: text as it is, anything else as JSON."""
    kinds = [schema, *schema.get("anyOf", ())]
    if any(kind.get("type") == "string" for kind in kinds):
        return text
    try:
        return json.loads(text.strip().lower() if text.strip().lower() in ("true", "false") else text)
    except ValueError:
        return text
