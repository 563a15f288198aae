"""Tool calls that a model wrote into its text: in tags, in code fences, or on lines of their own.

Small models were trained on the ways of many others. Whatever is around it, what counts as a call is JSON (or the XML
of Qwen3-Coder) that names one of the worker's tools.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from conductor.llm.wire import RawCall
from conductor.messages import ToolSpec

_TAG = r"tool_calls?|tools?|tool_use|function_calls?"
_START = re.compile(
    rf"<(?:{_TAG})>|\[TOOL_CALLS\]|<\|(?:python_tag|tool_call)\|>"
    r"|```[ \t]*\w*[ \t]*\n|(?=<function=)|^(?=[ \t]*[{\[])|\A",
    re.MULTILINE,
)
_END = re.compile(rf"\s*(?:</(?:{_TAG})>|```[ \t]*(?=\n|\Z))|[ \t]*(?=\n|\Z)|\s*\Z")
_TAGGED_END = re.compile(rf"</(?:{_TAG})>|\Z")
_NEXT = re.compile(r"[\s,;]*(?=\{)")
_NAMES = ("name", "tool", "function", "tool_name", "function_name", "action")
_GIVEN = ("arguments", "parameters", "args", "input", "params", "action_input")
_WRAPPERS = ("function", "tool_call", "function_call", "tool_calls")
_NAME = re.compile(r'"(?:name|tool|function|tool_name|function_name)"\s*:\s*"([\w:/.-]+)"')
_ARGUMENTS = re.compile(r'"(?:arguments|parameters|args)"\s*:\s*')
_XML = re.compile(r"\s*<function=([\w:/.-]+)>(.*?)(?:</function>\s*|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=(\w+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_TOOL_NAME = re.compile(r"[\w:/.-]{1,100}")
_WHOLE = re.compile(
    rf"\s*(?:<(?:{_TAG})>|```[ \t]*\w*[ \t]*\n)?\s*(?P<json>\{{.*\}})\s*(?:</(?:{_TAG})>|```)?\s*", re.DOTALL
)
_LENIENT = json.JSONDecoder(strict=False)


def calls_in(text: str, tools: Mapping[str, ToolSpec], *, cut: bool = False) -> tuple[str, list[RawCall]]:
    """Return the text without the calls in it, and the calls; only what names one of `tools` is one.

    Of a text that was `cut` off in the middle of a row of calls, the row is those that are whole.
    """
    calls: list[RawCall] = []
    rest: list[str] = []
    at = 0
    for start, end, found in _blocks(text, tools, cut=cut):
        rest.append(text[at:start])
        calls += found
        at = end
    return ("".join([*rest, text[at:]]).strip(), calls) if calls else (text, [])


def wished_in(text: str) -> list[RawCall]:
    """Return the call of a tool that nobody has, where that is all a text says: JSON with a name and arguments.

    Small models call the function they are to write, or the test that failed. Taken for prose it would mean "done".
    """
    match = _WHOLE.fullmatch(text)
    try:
        value: object = _LENIENT.decode(match["json"]) if match else None
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, dict):
        return []
    table = cast("dict[str, Any]", value)
    name = next((table[key] for key in _NAMES if isinstance(table.get(key), str)), "")
    given = next((table[key] for key in _GIVEN if isinstance(table.get(key), dict)), None)
    return [RawCall("", name, given)] if given is not None and _TOOL_NAME.fullmatch(name) else []


def _blocks(text: str, tools: Mapping[str, ToolSpec], *, cut: bool) -> Iterator[tuple[int, int, list[RawCall]]]:
    """Yield where a block of calls begins and ends, and its calls."""
    at = 0
    while match := _START.search(text, at):
        at = max(match.end(), at + (not match.group()))
        found = _json(text, match, tools, cut=cut) or _xml(text, match, tools)
        if found:
            at = found[0]
            yield match.start(), at, found[1]
        if at > len(text):
            return


def _json(
    text: str, start: re.Match[str], tools: Mapping[str, ToolSpec], *, cut: bool
) -> tuple[int, list[RawCall]] | None:
    opening = re.compile(r"\s*(?=[\[{])").match(text, start.end())
    if opening is None:
        return None
    try:
        value, stop = _LENIENT.raw_decode(text, opening.end())
    except (ValueError, RecursionError):
        return _broken(text, start, tools)
    found = [value]
    while more := _NEXT.match(text, stop):  # several in one block
        try:
            value, stop = _LENIENT.raw_decode(text, more.end())
        except (ValueError, RecursionError):
            break
        found.append(value)
    closing = _END.match(text, stop)
    calls = [call for item in found for call in _calls(item, tools)]
    if not calls or None in calls:
        return None
    end = len(text) if cut and _NEXT.match(text, stop) else closing.end() if closing else None
    return None if end is None else (end, [call for call in calls if call])


def _calls(value: object, tools: Mapping[str, ToolSpec]) -> list[RawCall | None]:
    """Return the calls that a JSON value is; None for each part of it that is none."""
    if isinstance(value, list):
        return [call for item in cast("list[object]", value) for call in _calls(item, tools)]
    if not isinstance(value, dict):
        return [None]
    table = cast("dict[str, Any]", value)
    inner = next((table[key] for key in _WRAPPERS if isinstance(table.get(key), dict | list)), None)
    return _calls(cast("object", inner), tools) if inner else [_call(table, tools)]


def _call(table: Mapping[str, Any], tools: Mapping[str, ToolSpec]) -> RawCall | None:
    if len(table) == 1 and (only := next(iter(table))) in tools and isinstance(table[only], dict):
        return RawCall("", only, table[only])
    key = next((key for key in _NAMES if isinstance(table.get(key), str)), "")
    if not key or table[key] not in tools:
        return None
    given = next((name for name in _GIVEN if name in table), "")
    if given:
        return RawCall("", table[key], table[given])
    flat = {name: value for name, value in table.items() if name != key}
    known = tools[table[key]].parameters.get("properties", {})
    return RawCall("", table[key], flat) if flat.keys() <= known.keys() else None


def _broken(text: str, start: re.Match[str], tools: Mapping[str, ToolSpec]) -> tuple[int, list[RawCall]] | None:
    """Return a call in tags whose JSON is broken, with its arguments as they were written."""
    if not start.group().startswith("<"):
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
