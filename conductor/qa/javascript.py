"""Reads JavaScript: uncaught errors of node, failing tests of jest, vitest and anything that speaks TAP."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conductor.qa.base import Finding
from conductor.qa.output import Output
from conductor.qa.source import subjects

_FRAME = re.compile(
    r"^\s+(?:at|❯) (?:async )?(?:(?P<function>[^\s(][^(]{0,160}?) \(?)?"
    r"(?P<file>(?:file://|node:)?[^\s():]{1,300}):(?P<line>\d+):\d+\)?$"
)
_BARE_FRAME = re.compile(r"^\s+\S.{0,160} \((?P<file>(?:file://)?[^\s():]{1,300}):(?P<line>\d+):\d+\)$")
_ERROR = re.compile(
    r"^\s{0,8}(?:Uncaught |\[)?(?P<type>(?:[A-Z]\w*)?(?:Error|Exception|Rejection))(?: \[\w+\])?: (?P<message>\S.*)$"
)
_HEAD = re.compile(r"^(?P<file>(?:file://)?/?[\w./@ -]+\.[cm]?[jt]sx?):(?P<line>\d+)$")
_TITLE = re.compile(r"^\s*● (?P<title>\S.*)$|^\s*FAIL\s+(?P<file>\S+\.\w+) > (?P<test>.*)$")
_SUITE = re.compile(r"^\s*(?:FAIL|❯)\s+(?P<file>\S+\.\w+)")
_VALUES = re.compile(r"^\s*(?:Expected|Received)\b[^:]{0,40}: ")
_POINTED = re.compile(r"^\s*>\s*\d+ ?\|(?P<source>.*)$")
_NUMBERED = re.compile(r"^\s*\d+\|(?P<source>.*)$")
_REASON = re.compile(r'rejected with the reason "(?P<reason>.*?)"\.?$')
_NOT_OK = re.compile(r"^\s*not ok \d+ - (?P<test>.*)$")
_FIELD = re.compile(r"^\s+(?P<key>error|expected|actual|location): (?P<value>.*)$")
_COUNT_EACH = 40


def read_node(output: Output) -> Finding | None:
    """Read an uncaught error: its message, its innermost frame in the project, the source line node shows above it."""
    lines = output.lines
    for at, line in enumerate(lines):
        match = _ERROR.match(line)
        if not match:
            continue
        frames = _frames(lines[at + 1 : at + _COUNT_EACH])
        head = next((m for m in map(_HEAD.match, lines[max(at - 6, 0) : at]) if m), None)
        if frames or head:
            return _uncaught(at, match, frames, head, output)
    return None


def _uncaught(
    at: int, match: re.Match[str], frames: Sequence[re.Match[str]], head: re.Match[str] | None, output: Output
) -> Finding:
    lines = output.lines
    message = _message(match, lines, at)
    ours = [frame for frame in frames if output.is_ours(frame["file"])]
    shown_here = head is not None and output.is_ours(head["file"])
    extras = _source_above(lines, at) if shown_here else []
    if len(ours) > 1:
        extras.append(f"called from {output.place(ours[1]['file'], ours[1]['line'])}")
    stack = [line[2:] for line in lines[at + 1 : at + 6] if line.startswith("- /") and output.is_ours(line[2:])]
    extras += [f"required by {output.short(path)}" for path in stack[:1]]
    if head and shown_here and (match["type"] == "SyntaxError" or not ours):
        return Finding(message, output.place(head["file"], head["line"]), extras=tuple(extras))
    if not ours:
        return Finding(message, extras=tuple(extras))
    return Finding(message, output.place(ours[0]["file"], ours[0]["line"]), _function(ours[0]), tuple(extras))


def _message(match: re.Match[str], lines: Sequence[str], at: int) -> str:
    """Return type and message; of a rejection its reason, of an assertion the values on the lines below."""
    reason = _REASON.search(match["message"])
    if reason:
        return f"unhandled rejection: {reason['reason']}"
    text = match["message"]
    if text.endswith(":"):
        below = [line.strip() for line in lines[at + 1 : at + 12] if line.strip() not in ("", "+ actual - expected")]
        changed = [line for line in below if re.match(r"[+-]\s", line)]
        text = f"{text} {' '.join(changed[:2] or below[:1])}"
    return f"{match['type']}: {text}"


def _frames(lines: Sequence[str]) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    for line in lines:
        match = _FRAME.match(line)
        if match:
            found.append(match)
        elif found:
            break
    return found


def _function(frame: re.Match[str]) -> str:
    name = (frame["function"] or "").strip()
    anonymous = ("Object.<", "new Promise", "<", "Module.", "TestContext.<", "Context.<")
    return "" if name.startswith(anonymous) else name.removeprefix("Object.")


def _source_above(lines: Sequence[str], at: int) -> list[str]:
    for near in range(at - 1, max(at - 5, 0), -1):
        if lines[near].strip() and not lines[near].strip().strip("^~"):
            source = lines[near - 1].strip()
            return [f"at `{source}`"] if 0 < len(source) <= 90 else []
    return []


def read_tests(output: Output) -> Finding | None:
    """Read the first failing test of jest or vitest: the call it checks, expected and received, and its place."""
    lines = output.lines
    starts = [(at, m) for at, m in ((at, _TITLE.match(line)) for at, line in enumerate(lines)) if m]
    if not starts:
        return None
    at, title = starts[0]
    block = lines[at + 1 : starts[1][0] if len(starts) > 1 else at + 80]
    message = _test_message(block) or title["title"] or title["test"]
    frame = next((m for m in map(_FRAME.match, block) if m and output.is_ours(m["file"])), None)
    suite = output.place(title["file"] or next((m["file"] for m in map(_SUITE.match, lines) if m), ""))
    place = output.place(frame["file"], frame["line"]) if frame else suite
    names = list(dict.fromkeys(m["title"] or m["test"] for _, m in starts))
    test = "" if names[0] == "Test suite failed to run" else f"test '{names[0]}'"
    extras = [test, f"{len(names)} tests fail" if len(names) > 1 else ""]
    return Finding(message, place, extras=tuple(extras))


def _test_message(block: Sequence[str]) -> str:
    values = [" ".join(line.split()) for line in block if _VALUES.match(line)]
    called = subjects(_tested_source(block))
    checked = f"{called[0]}() " if called else ""
    if len(values) >= 2:
        return f"{checked}{values[0]}, {values[1]}"
    named = next((m for m in map(_ERROR.match, block) if m), None)
    if named:
        return f"{named['type']}: {named['message']}"
    return next((line.strip() for line in block if line.strip()), "")


def _tested_source(block: Sequence[str]) -> str:
    """Return the line the code frame points at: marked `>` by jest, followed by a line with a caret by vitest."""
    for at, line in enumerate(block):
        pointed = _POINTED.match(line)
        if pointed:
            return pointed["source"]
        numbered = _NUMBERED.match(line)
        if numbered and at + 1 < len(block) and re.fullmatch(r"\s*\|\s*\^+", block[at + 1]):
            return numbered["source"]
    return ""


def read_tap(output: Output) -> Finding | None:
    """Read the first failing test of a TAP stream, with the diagnostics node writes under it."""
    lines = output.lines
    starts = [at for at, line in enumerate(lines) if _NOT_OK.match(line)]
    for at in starts:
        match = _NOT_OK.match(lines[at])
        block = lines[at + 1 : at + _COUNT_EACH]
        fields = {m["key"]: (m["value"].strip("'\""), near) for near, m in enumerate(map(_FIELD.match, block)) if m}
        if not match or fields.get("error", ("",))[0].endswith(("subtest failed", "subtests failed")):
            continue
        frame = next((m for m in map(_BARE_FRAME.match, block) if m and output.is_ours(m["file"])), None)
        text, near = fields.get("error", ("failed", 0))
        if text in ("|-", ">-", "|"):
            text = " ".join(line.strip() for line in block[near + 1 : near + 4])
        place = (
            output.place(frame["file"], frame["line"])
            if frame
            else re.sub(r":\d+$", "", fields.get("location", ("",))[0])
        )
        more = f"{len(starts)} tests fail" if len(starts) > 1 else ""
        return Finding(text, output.short(place), extras=(f"test '{match['test']}'", more))
    return None
