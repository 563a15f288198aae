"""What ruff prints: the JSON of `ruff check`, the differences of `ruff format --diff`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from conductor.gates.base import Finding, Reader, Reading
from conductor.gates.lines import Lines

_DIFF = re.compile(r"^--- (?P<path>.+)\n\+\+\+ .+\n@@ -(?P<line>\d+)", re.MULTILINE)


class RuffReader(Reader):
    """Reads `ruff check` (its format is set by the environment) and `ruff format --diff`."""

    rank = 0
    missing = "pip install ruff"
    prefix = "export RUFF_OUTPUT_FORMAT=json; "

    def read(self, stdout: bytes, stderr: bytes, root: Path) -> Reading | None:
        """Return the findings; None for anything but an array of them, or differences."""
        text, lines = stdout.decode("utf-8", "replace"), Lines(root)
        if b"would be reformatted" in stderr or b"already formatted" in stderr:
            return Reading(tuple(_unformatted(lines, match) for match in _DIFF.finditer(text)))
        try:
            found = json.loads(text)
            return Reading(tuple(_finding(lines, item) for item in found))
        except (ValueError, TypeError, KeyError):
            return None


def _finding(lines: Lines, item: dict[str, Any]) -> Finding:
    path, line = lines.relative(item["filename"]), int(item["location"]["row"])
    fix: dict[str, Any] = item.get("fix") or {}
    return Finding(
        rule=str(item.get("code") or "syntax"),
        path=path,
        line=line,
        message=str(item["message"]),
        fixable=fix.get("applicability") == "safe",
        text=lines.text(path, line),
    )


def _unformatted(lines: Lines, match: re.Match[str]) -> Finding:
    return Finding("format", lines.relative(match["path"]), int(match["line"]), "is not formatted", fixable=True)
