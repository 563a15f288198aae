"""What pyright prints: with --outputjson or without."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conductor.gates.base import Finding, Reader, Reading, crash
from conductor.gates.lines import Lines
from conductor.shell import CommandResult

_ERROR = re.compile(
    r"^\s+(?P<path>\S.*?):(?P<line>\d+):\d+ - error: (?P<message>[^\n]*(?:\n\s{3,}[^\n]*)*)", re.MULTILINE
)
_RULE = re.compile(r" \((report\w+)\)\s*$")
_NO_SETTINGS, _NO_OPTION = 3, 4
_SETTINGS = re.compile(r"^Config file \"(?P<path>[^\"\n]+)\" (?P<why>could not be \w+)", re.MULTILINE)
_TOML_LINE = re.compile(r"parse attempt \d+ error: \{\"line\":(\d+)")
_OPTION = re.compile(r"^Unexpected option.+$", re.MULTILINE)
_END = re.compile(r"^\d+ errors?, \d+ warnings?", re.MULTILINE)


class PyrightReader(Reader):
    """Reads errors; warnings do not make pyright fail, and so count for nothing here."""

    rank = 1
    missing = "pip install pyright"
    settings = ("pyrightconfig.json", "pyproject.toml")

    def __init__(self) -> None:
        self._lines = Lines()

    def writes(self, command: str) -> bool:
        """Say that pyright changes no file, but where it is asked to write stubs."""
        return "--createstub" in command

    def read(self, stdout: bytes, stderr: bytes, root: Path) -> Reading | None:
        """Return the errors with lines that count from 1; None where pyright did not come to an end."""
        del stderr
        text = stdout.decode("utf-8", "replace")
        self._lines.look_again()
        try:
            return Reading(tuple(self._from_json(root, json.loads(text[text.index("{") :]))))
        except (ValueError, TypeError, KeyError):
            pass
        if not _END.search(text):
            return None
        return Reading(tuple(self._from_text(root, match) for match in _ERROR.finditer(text)))

    def refusal(self, result: CommandResult, root: Path) -> Finding | None:
        """Return which settings or option pyright cannot take, or how it crashed or hung.

        Without its settings it goes on with its defaults, so what it found then says nothing.
        """
        said = (result.stdout + result.stderr).decode("utf-8", "replace")
        if result.exit_code in (_NO_SETTINGS, _NO_OPTION):
            if wrong := _SETTINGS.search(said):
                place = _TOML_LINE.search(said)
                path = self._lines.relative(root, wrong["path"])
                return Finding("", path, int(place[1]) if place else 0, wrong["why"])
            option = _OPTION.search(said)
            return Finding("", "", 0, option[0]) if option else None
        return None if self.read(result.stdout, b"", root) else crash(result, (0, 2))

    def _from_text(self, root: Path, match: re.Match[str]) -> Finding:
        rule = _RULE.search(match["message"])
        message = match["message"][: rule.start()] if rule else match["message"]
        return self._finding(root, match["path"], int(match["line"]), message, rule[1] if rule else "")

    def _from_json(self, root: Path, report: dict[str, Any]) -> Iterator[Finding]:
        for item in report["generalDiagnostics"]:
            if item["severity"] == "error":
                line = int(item.get("range", {}).get("start", {}).get("line", -1)) + 1
                yield self._finding(root, item["file"], line, item["message"], item.get("rule", ""))

    def _finding(self, root: Path, name: str, line: int, message: str, rule: str) -> Finding:
        path, first = self._lines.relative(root, name), message.split("\n", maxsplit=1)[0]
        return Finding(rule or "error", path, line, first, text=self._lines.text(root, path, line))
