"""What ruff prints: the JSON of `ruff check`, what `ruff format` would change; and how it is asked to mend a file."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conductor.gates.base import Finding, Reader, Reading
from conductor.gates.lines import Lines

_SUBCOMMAND = re.compile(r"\bruff(\s+-\S+)*\s+(?P<name>check|format)(?=\s|$)")
_COMPOUND = re.compile(r"[|&;<>()`\n]")
_MENDS = re.compile(r"\s--(fix|fix-only|unsafe-fixes|add-noqa)(?=\s|$)")
_ONLY_LOOKS = re.compile(r"\s--(check|diff)(?=\s|$)")
_OF_MENDING = re.compile(r"\s--(check|diff|fix|fix-only|no-fix|unsafe-fixes|exit-non-zero-on-fix)(?=\s|$)")
_DIFF = re.compile(r"^--- (?P<path>.+)\n\+\+\+ .+\n@@ -(?P<line>\d+)", re.MULTILINE)
_NAMED = re.compile(r"^Would reformat: (?P<path>.+)$", re.MULTILINE)


class RuffReader(Reader):
    """Reads `ruff check` (its format is set by the environment) and `ruff format --check` or `--diff`."""

    rank = 0
    missing = "pip install ruff"
    prefix = "export RUFF_OUTPUT_FORMAT=json; "

    def read(self, stdout: bytes, stderr: bytes, root: Path) -> Reading | None:
        """Return the findings; None for anything but an array of them, or what would be formatted."""
        text, lines = stdout.decode("utf-8", "replace"), Lines(root)
        try:
            return Reading(tuple(_finding(lines, item) for item in json.loads(text)))
        except (ValueError, TypeError, KeyError):
            formats = b"would be reformatted" in stdout + stderr or b"already formatted" in stdout + stderr
            return Reading(tuple(_unformatted(lines, text))) if formats else None

    def writes(self, command: str) -> bool:
        """Say whether it mends or formats files itself; what cannot be told may."""
        found = _SUBCOMMAND.search(command)
        if not found or _COMPOUND.search(command):
            return True
        return not _ONLY_LOOKS.search(command) if found["name"] == "format" else bool(_MENDS.search(command))

    def mending(self, command: str, path: str) -> str:
        """Return the command that prints the file as `ruff check --fix` or `ruff format` would leave it.

        It reads standard input: then ruff passes over the files that the command names, and writes none.
        """
        found = _SUBCOMMAND.search(command)
        if not found or _COMPOUND.search(command):
            return ""
        options = "" if found["name"] == "format" else "--fix-only --no-unsafe-fixes "
        rest = _OF_MENDING.sub("", command[found.end() :])
        name = shlex.quote(path)
        return f"{command[: found.end()]} {options}--stdin-filename {name}{rest} < {name}"


def _finding(lines: Lines, item: dict[str, Any]) -> Finding:
    path, line = lines.relative(item["filename"]), int(item["location"]["row"])
    if item.get("code") == "unformatted":
        return _format(path, line)
    fix: dict[str, Any] = item.get("fix") or {}
    return Finding(
        rule=str(item.get("code") or "syntax"),
        path=path,
        line=line,
        message=str(item["message"]),
        fixable=fix.get("applicability") == "safe",
        text=lines.text(path, line),
    )


def _unformatted(lines: Lines, text: str) -> Iterator[Finding]:
    for match in _DIFF.finditer(text):
        yield _format(lines.relative(match["path"]), int(match["line"]))
    for match in _NAMED.finditer(text):
        yield _format(lines.relative(match["path"]), 0)


def _format(path: str, line: int) -> Finding:
    return Finding("format", path, line, "is not formatted", fixable=True)
