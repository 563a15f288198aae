"""What pytest prints: which tests failed and, where it is asked to, which passed."""

from __future__ import annotations

import re
from pathlib import Path

from conductor.gates.base import Finding, Reader, Reading
from conductor.shell import CommandResult

_SUMMARY = re.compile(r"^(?P<state>PASSED|FAILED|ERROR) (?P<test>\S.*?)(?: - (?P<why>.*))?$", re.MULTILINE)
_PLACE = re.compile(r"^(?P<path>[^\s:]+\.py):(?P<line>\d+): ", re.MULTILINE)
_HEAD = re.compile(r"^_{3,} (?P<name>\S.*?) _{3,}$", re.MULTILINE)
_USAGE = 4
_WRONG = re.compile(r"^(?:ERROR|pytest: error): (?!usage: )(?P<why>.+)$", re.MULTILINE)
_NO_TESTS = re.compile(r"(file or directory )?not found: ")
_INI = re.compile(r"(?:\s+inifile: )?(?P<path>[^\s:]+\.(?:ini|toml|cfg))(?::(?P<line>\d+))?")
_END = re.compile(r"^(=+ )?((\d+ \w+(, )?)+|no tests ran) in [\d.:]+", re.MULTILINE)


class PytestReader(Reader):
    """Reads the short summary; a test is its node id."""

    rank = 3
    missing = "pip install pytest"
    settings = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
    prefix = 'export PYTEST_ADDOPTS="$PYTEST_ADDOPTS -rpfE"; '

    def read(self, stdout: bytes, stderr: bytes, root: Path) -> Reading | None:
        """Return a finding for each test that failed, where in its file and where it ended; None for no such output."""
        del stderr, root
        text = stdout.decode("utf-8", "replace")
        if not _END.search(text):
            return None
        reports = _reports(text)
        findings: list[Finding] = []
        passed: set[str] = set()
        for match in _SUMMARY.finditer(text):
            if match["state"] == "PASSED":
                passed.add(match["test"])
            else:
                findings.append(_failed(match["test"], match["why"] or "", reports))
        return Reading(tuple(findings), frozenset(passed))

    def refusal(self, result: CommandResult, root: Path) -> Finding | None:
        """Return what of its settings or options pytest cannot take; a conftest.py or a test that is none is code."""
        said = result.stderr.decode("utf-8", "replace").replace(f"{root}/", "")
        wrong = _WRONG.search(said) if result.exit_code == _USAGE else None
        if not wrong or _NO_TESTS.match(wrong["why"]):
            return None
        place = _INI.search(said) or _INI.match(wrong["why"])
        path, line = (place["path"], int(place["line"] or 0)) if place else ("", 0)
        return Finding("", path, line, _INI.sub("", wrong["why"], count=1).lstrip(": "))


def _reports(text: str) -> dict[str, list[tuple[str, int]]]:
    """Return the places that the report of each failed test names, outermost first."""
    heads = list(_HEAD.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    return {
        head["name"]: [(place["path"], int(place["line"])) for place in _PLACE.finditer(text, head.end(), end)]
        for head, end in zip(heads, ends, strict=False)
    }


def _failed(test: str, why: str, reports: dict[str, list[tuple[str, int]]]) -> Finding:
    path, _, name = test.partition("::")
    places = reports.get(name.replace("::", "."), [])
    line = next((line for place, line in places if place == path), 0)
    message = f"{name} failed: {why}" if why else f"{name or path} failed"
    if places and places[-1][0] != path:
        message += " (at {}:{})".format(*places[-1])
    return Finding("test", path, line, message, text=name)
