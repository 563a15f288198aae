"""What pytest prints: which tests failed and, where it is asked to, which passed."""

from __future__ import annotations

import re
from pathlib import Path

from conductor.gates.base import Finding, Reader, Reading

_SUMMARY = re.compile(r"^(?P<state>PASSED|FAILED|ERROR) (?P<test>\S.*?)(?: - (?P<why>.*))?$", re.MULTILINE)
_PLACE = re.compile(r"^(?P<path>[^\s:]+\.py):(?P<line>\d+): ", re.MULTILINE)
_HEAD = re.compile(r"^_{3,} (?P<name>\S.*?) _{3,}$", re.MULTILINE)
_END = re.compile(r"^(=+ )?((\d+ \w+(, )?)+|no tests ran) in [\d.:]+", re.MULTILINE)


class PytestReader(Reader):
    """Reads the short summary; a test is its node id."""

    rank = 3
    missing = "pip install pytest"
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
