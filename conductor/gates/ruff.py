"""What ruff prints: the JSON of `ruff check`, what `ruff format` would change; and how it is asked to mend a file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from msgspec import DecodeError, Struct
from msgspec.json import decode

from conductor.gates.base import Finding, Reader, Reading, crash
from conductor.gates.lines import Lines
from conductor.shell import CommandResult

_SUBCOMMAND = re.compile(r"\bruff(\s+-\S+)*\s+(?P<name>check|format)(?=\s|$)")
_COMPOUND = re.compile(r"[|&;<>()`\n]")
_MENDS = re.compile(r"\s--(fix|fix-only|unsafe-fixes|add-noqa)(?=\s|$)")
_ONLY_LOOKS = re.compile(r"\s--(check|diff)(?=\s|$)")
_OF_MENDING = re.compile(r"\s--(check|diff|fix|fix-only|no-fix|unsafe-fixes|exit-non-zero-on-fix)(?=\s|$)")
_DIFF = re.compile(r"^--- (?P<path>.+)\n\+\+\+ .+\n@@ -(?P<line>\d+)", re.MULTILINE)
_REFUSED = 2
_OPTION = re.compile(r"^error: .+$", re.MULTILINE)
_CAUSE = re.compile(r"^ +Cause: (.+)$", re.MULTILINE)
_FILE = re.compile(r"`?(/[^`\n]+\.toml)`?")
_AT_LINE = re.compile(r"parse error at line (\d+)")
_NAMED = re.compile(r"^Would reformat: (?P<path>.+)$", re.MULTILINE)


class _Place(Struct, gc=False):
    row: int


class _Fix(Struct, gc=False):
    applicability: str = ""


class _Item(Struct, gc=False):
    """What is read of each item of ruff's JSON."""

    filename: str
    location: _Place
    message: str
    code: str | None = None
    fix: _Fix | None = None


class RuffReader(Reader):
    """Reads `ruff check` (its format is set by the environment) and `ruff format --check` or `--diff`."""

    rank = 0
    missing = "pip install ruff"
    prefix = "export RUFF_OUTPUT_FORMAT=json; "
    settings = ("ruff.toml", ".ruff.toml", "pyproject.toml")

    def __init__(self) -> None:
        self._lines = Lines()

    def read(self, stdout: bytes, stderr: bytes, root: Path) -> Reading | None:
        """Return the findings; None for anything but an array of them, or what would be formatted."""
        text = stdout.decode("utf-8", "replace")
        self._lines.look_again()
        try:
            items = decode(text, type=list[_Item], strict=False)
        except DecodeError:
            formats = b"would be reformatted" in stdout + stderr or b"already formatted" in stdout + stderr
            return Reading(tuple(self._unformatted(root, text))) if formats else None
        return Reading(tuple(self._finding(root, item) for item in items))

    def refusal(self, result: CommandResult, root: Path) -> Finding | None:
        """Return what of its settings or options ruff cannot take, or how it crashed or hung."""
        if result.exit_code != _REFUSED:
            return crash(result, (0, 1, _REFUSED))
        said = result.stderr.decode("utf-8", "replace")
        if wrong := _OPTION.search(said):
            return Finding("", "", 0, wrong[0])
        causes = _CAUSE.findall(said)
        if not causes:
            return None
        path = next((found[1] for cause in reversed(causes) if (found := _FILE.search(cause))), "")
        parse = _AT_LINE.search(causes[-1])
        why = said.strip().splitlines()[-1] if parse else causes[-1].replace(f"{root}/", "")
        return Finding("", self._lines.relative(root, path) if path else "", int(parse[1]) if parse else 0, why.strip())

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

    def _finding(self, root: Path, item: _Item) -> Finding:
        path, line = self._lines.relative(root, item.filename), item.location.row
        if item.code == "unformatted":
            return _format(path, line)
        return Finding(
            rule=item.code or "syntax",
            path=path,
            line=line,
            message=item.message,
            fixable=item.fix is not None and item.fix.applicability == "safe",
            text=self._lines.text(root, path, line),
        )

    def _unformatted(self, root: Path, text: str) -> Iterator[Finding]:
        for match in _DIFF.finditer(text):
            yield _format(self._lines.relative(root, match["path"]), int(match["line"]))
        for match in _NAMED.finditer(text):
            yield _format(self._lines.relative(root, match["path"]), 0)


def _format(path: str, line: int) -> Finding:
    return Finding("format", path, line, "is not formatted", fixable=True)
