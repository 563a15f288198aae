"""What pyright prints: with --outputjson or without."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conductor.gates.base import Finding, Reader, Reading
from conductor.gates.lines import Lines

_ERROR = re.compile(
    r"^\s+(?P<path>\S.*?):(?P<line>\d+):\d+ - error: (?P<message>[^\n]*(?:\n\s{3,}[^\n]*)*)", re.MULTILINE
)
_RULE = re.compile(r" \((report\w+)\)\s*$")
_END = re.compile(r"^\d+ errors?, \d+ warnings?", re.MULTILINE)


class PyrightReader(Reader):
    """Reads errors; warnings do not make pyright fail, and so count for nothing here."""

    rank = 1
    missing = "pip install pyright"

    def writes(self, command: str) -> bool:
        """Say that pyright changes no file, but where it is asked to write stubs."""
        return "--createstub" in command

    def read(self, stdout: bytes, stderr: bytes, root: Path) -> Reading | None:
        """Return the errors with lines that count from 1; None where pyright did not come to an end."""
        del stderr
        text, lines = stdout.decode("utf-8", "replace"), Lines(root)
        try:
            return Reading(tuple(_from_json(lines, json.loads(text[text.index("{") :]))))
        except (ValueError, TypeError, KeyError):
            pass
        if not _END.search(text):
            return None
        return Reading(tuple(_from_text(lines, match) for match in _ERROR.finditer(text)))


def _from_text(lines: Lines, match: re.Match[str]) -> Finding:
    rule = _RULE.search(match["message"])
    message = match["message"][: rule.start()] if rule else match["message"]
    return _finding(lines, match["path"], int(match["line"]), message, rule[1] if rule else "")


def _from_json(lines: Lines, report: dict[str, Any]) -> Iterator[Finding]:
    for item in report["generalDiagnostics"]:
        if item["severity"] == "error":
            line = int(item.get("range", {}).get("start", {}).get("line", -1)) + 1
            yield _finding(lines, item["file"], line, item["message"], item.get("rule", ""))


def _finding(lines: Lines, name: str, line: int, message: str, rule: str) -> Finding:
    path = lines.relative(name)
    return Finding(rule or "error", path, line, message.split("\n", maxsplit=1)[0], text=lines.text(path, line))
