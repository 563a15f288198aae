"""Reads what compilers, type checkers and linters print: each finding has its place, in one of five common shapes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

from msgspec import Struct

from conductor.qa.base import Finding
from conductor.qa.output import Output, is_source_file

_FILE = r"(?P<file>(?:file://)?[\w./@+~\[\]$-][\w./@+~\[\]$ -]{0,250}?)"
_COLON = re.compile(
    rf"^\s{{0,4}}(?:ERROR in |error: |vet: )?{_FILE}:(?P<line>\d+)(?::\d+)?(?::| -)\s*"
    r"(?P<severity>fatal error|runtime error|error|warning|note|information|info|Error|ERROR|Warning|style)?\s*:?\s*"
    r"(?P<message>\S.*)$"
)
_PAREN = re.compile(
    rf"^\s{{0,4}}{_FILE}[(:](?P<line>\d+)[,:]\d+\)?\s*(?::| -)\s*"
    r"(?P<severity>error|warning)\s+(?P<message>[A-Z]+\d+:.*)$"
)
_ARROW = re.compile(rf"^\s*(?:-->|,-\[|╭─\[)\s?{_FILE}:(?P<line>\d+)(?::\d+)?\]?$")
_HEADLINE = re.compile(
    r"^(?:(?P<word>[a-z][a-z-]{1,60})(?:\[(?P<code>[\w:-]+)\])?:|(?P<rule>[A-Z]{1,4}\d{2,4}):?)\s+(?P<message>\S.*)$"
)
_BLOCK_FILE = re.compile(r"^(?P<file>(?:/|\./|[\w@-]+/)?[\w./@+ -]{0,250}\.\w{1,6}):?$")
_BLOCK_ROW = re.compile(r"^\s+(?P<line>\d+):\d+\s+(?:(?P<severity>error|warning)\s+)?(?P<message>\S.*)$")
_FROM_HERE = re.compile(rf"^(?:In file included from |\s+from )?{_FILE}:(?P<line>\d+)(?::\d+)?[:,]")
_ADVICE = re.compile(
    r"(?:^|\s)(?:note|help|hint): (?P<advice>.*)$|^\s+(?P<symbol>symbol:\s+.*)$|^\s{2,}= help: (?P<rust>.*)$"
)
_MINOR = re.compile(
    r"(?i)unused|never used|not accessed|unsorted|un-sorted|line too long|whitespace|docstring|import block|trailing"
    r"|newline at end|quotes|incorrectly sorted|deprecat|prefer|multiple imports|blank lines?|naming|too many"
    r"|should be placed|could not compile|aborting due"
)
_LABEL = re.compile(r"^\s*\|\s[\s|_/]*\^[\^~-]* (?P<label>\S.*)$")
_NO_ADVICE = re.compile(
    r"template argument deduction|candidate|in expansion of|(?:defined|declared) here|each undeclared"
    r"|for further information|is not derived from"
)
_WOULD_REFORMAT = re.compile(r"^[Ww]ould reformat:? (?P<file>\S.*)$")
_NOT_A_FINDING = re.compile(
    r"^(?:\w*Warning: |in [`‘']|\d+$|\d\d|required"
    r"|In (?:function|member|instantiation|file|static|constructor|substitution))"
)


class Diagnostic(Struct, frozen=True):
    """One finding of a tool. `at` is the index of its line in the output, -1 where it came as JSON."""

    file: str
    line: int
    severity: str
    message: str
    at: int

    @property
    def is_error(self) -> bool:
        """Whether the tool called it an error, or gave no severity at all."""
        return self.severity not in ("warning", "Warning", "note", "information", "info", "style")


def read_diagnostics(output: Output) -> Finding | None:
    """Read the errors of compilers, checkers and linters; warnings are left to `read_warnings`."""
    found = [one for one in (*from_json(output), *scan(output.lines)) if one.is_error]
    return _report(found, output)


def read_warnings(output: Output) -> Finding | None:
    """Read warnings, for a command that failed with nothing worse to say."""
    found = [one for one in scan(output.lines) if one.severity in ("warning", "Warning")]
    return _report(found, output)


def read_unformatted(output: Output) -> Finding | None:
    """Read the files a formatter would change (black, ruff format)."""
    files = [output.short(m["file"]) for m in map(_WOULD_REFORMAT.match, output.lines) if m]
    if not files:
        return None
    extras = tuple(f"also {file}" for file in files[1:3])
    return Finding("would be reformatted, run the formatter on it", files[0], extras=extras)


def scan(lines: Sequence[str]) -> list[Diagnostic]:
    """Return every diagnostic in `lines`, in order."""
    found: list[Diagnostic] = []
    block_file = ""
    for at, line in enumerate(lines):
        if not line:
            block_file = ""
            continue
        row = _BLOCK_ROW.match(line)
        if row and block_file:
            message = re.sub(r"\s{2,}(\S+)$", r" (\1)", row["message"])
            found.append(Diagnostic(block_file, int(row["line"]), row["severity"] or "error", message, at))
            continue
        header = _BLOCK_FILE.match(line)
        if header:
            block_file = header["file"]
            continue
        one = _arrow(lines, at) or _paren(line, at) or _colon(line, at)
        if one is not None:
            found.append(one)
    return found


def _paren(line: str, at: int) -> Diagnostic | None:
    match = _PAREN.match(line)
    return Diagnostic(match["file"], int(match["line"]), match["severity"], match["message"], at) if match else None


def _colon(line: str, at: int) -> Diagnostic | None:
    match = _COLON.match(line)
    if not match or _NOT_A_FINDING.match(match["message"]) or not is_source_file(match["file"]):
        return None
    severity = "error" if match["severity"] is None else match["severity"]
    return Diagnostic(match["file"], int(match["line"]), severity, match["message"], at)


def _arrow(lines: Sequence[str], at: int) -> Diagnostic | None:
    """Read ` --> file:line:column` with the headline above it (rustc, ruff, miette)."""
    match = _ARROW.match(lines[at])
    if not match:
        return None
    for above in range(at - 1, max(at - 4, -1), -1):
        headline = _HEADLINE.match(lines[above])
        if headline:
            word = headline["word"]
            severity = "warning" if word == "warning" else "error"
            code = headline["code"] or headline["rule"] or ("" if word in ("error", "warning") else word)
            text = f"{code}: {headline['message']}" if code else headline["message"]
            return Diagnostic(match["file"], int(match["line"]), severity, text.replace(" [*]", ""), at)
        if not lines[above].strip():
            return None
    return None


def _report(found: Sequence[Diagnostic], output: Output) -> Finding | None:
    if not found:
        return None
    ranked = sorted(found, key=lambda one: (not output.is_ours(one.file), bool(_MINOR.search(one.message))))
    first = ranked[0]
    extras = [*(_advice(first, output.lines) if first.at >= 0 else []), *_count(found)]
    if output.is_ours(first.file):
        return Finding(_plain(first.message), output.place(first.file, first.line), extras=tuple(extras))
    place = next(_project_places(first.at, output), "") or output.place(first.file, first.line)
    return Finding(_plain(first.message), place, extras=tuple(extras))


def _project_places(at: int, output: Output) -> Iterator[str]:
    """Yield the places of the project around an error inside a library (a template that was instantiated from here)."""
    lines = output.lines
    for near in (*range(at - 1, max(at - 60, -1), -1), *range(at + 1, min(at + 60, len(lines)))):
        match = _FROM_HERE.match(lines[near])
        if match and is_source_file(match["file"]) and output.is_ours(match["file"]):
            yield output.place(match["file"], match["line"])


def _plain(message: str) -> str:
    return message.replace("‘", "'").replace("’", "'").strip()


def _advice(one: Diagnostic, lines: Sequence[str]) -> list[str]:
    """Return the notes a tool printed under a diagnostic, the first few."""
    found: list[str] = []
    for line in lines[one.at + 1 : one.at + 16]:
        if (_COLON.match(line) and ": note:" not in line) or _ARROW.match(line) or _HEADLINE.match(line):
            break
        match = _LABEL.match(line) or _ADVICE.search(line)
        if match and not _NO_ADVICE.search(line):
            text = next((group for group in match.groups() if group), "")
            found.append(" ".join(_plain(text).split()))
    return found[:3]


def _count(found: Sequence[Diagnostic]) -> list[str]:
    if len(found) < 2:
        return []
    files = Counter(one.file for one in found)
    return [f"{len(found)} errors in all" if len(files) == 1 else f"{len(found)} errors in {len(files)} files"]


def from_json(output: Output) -> list[Diagnostic]:
    """Return the diagnostics of a tool that was asked for JSON (pyright, ruff, eslint), as far as they can be read."""
    text = "\n".join(output.stdout).strip()
    if not text.startswith(("[", "{")):
        return []
    try:
        data: object = json.loads(text)
    except (ValueError, RecursionError):
        return []
    found: list[Diagnostic] = []
    _walk(data, "", found, 0)
    return found


def _walk(data: object, file: str, found: list[Diagnostic], depth: int) -> None:
    if depth > 6 or len(found) > 500:
        return
    if isinstance(data, list):
        for item in cast("list[object]", data):
            _walk(item, file, found, depth + 1)
    elif isinstance(data, dict):
        entry = cast("dict[str, Any]", data)
        named = _text(entry, "file", "filename", "filePath", "path", "uri") or file
        message = entry.get("message")
        if isinstance(message, str) and named:
            found.append(_entry(entry, named, message))
            return
        for value in entry.values():
            if isinstance(value, (list, dict)):
                _walk(cast("object", value), named, found, depth + 1)


def _entry(entry: dict[str, Any], file: str, message: str) -> Diagnostic:
    rule = _text(entry, "rule", "code", "ruleId", "symbol")
    severity = "warning" if entry.get("severity", "error") in ("warning", "information", "hint", 1) else "error"
    text = message.split("\n", 1)[0]
    return Diagnostic(file, _line_of(entry), severity, f"{text} ({rule})" if rule else text, -1)


def _text(entry: dict[str, Any], *keys: str) -> str:
    """Return the first of `keys` that holds a text; tools name the same thing differently."""
    return next((entry[key] for key in keys if isinstance(entry.get(key), str)), "")


def _line_of(entry: dict[str, Any]) -> int:
    """Return the 1-based line. A `range` counts from zero (the language server protocol), a plain `line` from one."""
    start = _member(_member(entry, "range"), "start").get("line")
    if isinstance(start, int):
        return start + 1
    place = _member(entry, "location") or _member(entry, "start") or entry
    row = place.get("row", place.get("line"))
    return row if isinstance(row, int) else 0


def _member(entry: dict[str, Any], key: str) -> dict[str, Any]:
    value = entry.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
