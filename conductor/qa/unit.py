"""Reads unittest and doctest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from msgspec.structs import replace

from conductor.qa.base import Finding
from conductor.qa.output import Output
from conductor.qa.python import Raised, describe, last_chain, tracebacks
from conductor.qa.source import subjects

_UNITTEST = re.compile(r"^(?P<kind>FAIL|ERROR): (?P<test>\w+) \((?P<case>[\w.]+)\)")
_DOCTEST = re.compile(r'^File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)$')


def read_unittest(output: Output) -> Finding | None:
    """Read unittest's report: the first test that failed, what it called, and how many others did."""
    lines = output.lines
    starts = [at for at, line in enumerate(lines) if _UNITTEST.match(line)]
    for at, end in pairwise([*starts, len(lines)]):
        match = _UNITTEST.match(lines[at])
        chain = last_chain(tracebacks(lines[at:end]))
        if match and chain:
            found = describe_test(chain, match["test"], output)
            more = f"{len(starts)} tests fail" if len(starts) > 1 else ""
            return replace(found, extras=(more, *found.extras))
    return None


def read_doctest(output: Output) -> Finding | None:
    """Read the first failing example of a doctest: what was expected and what came."""
    lines = output.lines
    for at, line in enumerate(lines):
        match = _DOCTEST.match(line)
        if not match or at + 1 >= len(lines) or lines[at + 1] != "Failed example:":
            continue
        parts = {"Failed example:": "", "Expected:": "", "Got:": ""}
        part = ""
        for text in lines[at + 1 : at + 60]:
            if text in parts or text.startswith(("Exception raised:", "Expected nothing")):
                part = text
            elif text.startswith("***"):
                break
            elif text.startswith("    ") and part in parts and not parts[part]:
                parts[part] = text.strip()
        raised = last_chain(tracebacks(lines[at : at + 60]))
        got = str(raised[-1]) if raised else parts["Got:"]
        expected = f", expected {parts['Expected:']}" if parts["Expected:"] else ""
        return Finding(
            f"doctest {parts['Failed example:']} gave {got}{expected}",
            output.place(match["file"], match["line"]),
            match["name"],
        )
    return None


def describe_test(chain: Sequence[Raised], test: str, output: Output) -> Finding:
    """Return what a failed test's traceback says; of a failed assertion, also the function it called."""
    found = describe(chain, output)
    ours = [frame for frame in chain[-1].frames if output.is_ours(frame.file)]
    called = subjects(ours[-1].source) if ours else []
    if called and chain[-1].name == "AssertionError":
        extras = tuple(extra for extra in found.extras if not extra.startswith("checks "))
        return replace(found, message=f"{called[0]}(): {found.message}", extras=extras)
    return replace(found, extras=(*found.extras, f"test {test}" if test else ""))
