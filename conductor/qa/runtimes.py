"""Reads what running programs leave behind: Java, Go and Rust panics, sanitizers, aborts, perl, ruby, PHP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from conductor.qa.base import Finding
from conductor.qa.output import Output

_JAVA = re.compile(
    r'^(?:Exception in thread "[^"]*" |Caused by: )?'
    r"(?P<type>(?:[a-z]\w*\.)+[A-Z][\w$]*|[A-Z]\w*(?:Exception|Error))(?:: (?P<message>.*))?$"
)
_JAVA_FRAME = re.compile(r"^\s+at (?P<method>[\w.$<>/@]+)\((?P<file>[\w$]+\.(?:java|kt|scala|groovy)):(?P<line>\d+)\)$")
_JDK = re.compile(r"^(?:java|jdk|sun|javax|org\.junit|org\.gradle|kotlin|scala|com\.sun)[./]|^[\w.]+@?[\d.]*/")
_GO_PANIC = re.compile(r"^(?:panic|fatal error): (?P<message>\S.*)$")
_GO_PLACE = re.compile(r"^\t(?P<file>\S+\.go):(?P<line>\d+)")
_GO_FAIL = re.compile(r"^\s*--- FAIL: (?P<test>\S+)")
_GO_SAYS = re.compile(r"^\s+(?P<file>[\w./-]+\.go):(?P<line>\d+): (?P<message>.*)$")
_RUST_PANIC = re.compile(
    r"^thread '(?P<thread>[^']*)'(?: \(\d+\))? panicked at (?:'(?P<old>.*)', )?"
    r"(?P<file>[^\s:']+):(?P<line>\d+)(?::\d+)?:?$"
)
_SANITIZER = re.compile(
    r"(?:ERROR|WARNING): (?P<tool>\w+Sanitizer): (?P<message>[\w-]+(?: on [a-z]+ address)?(?:[a-z ]{0,60})?)"
)
_SANITIZER_FRAME = re.compile(
    r"^\s+#\d+ 0x[0-9a-f]+ (?:in )?(?P<function>\S.*?) (?P<file>[^\s:()]+):(?P<line>\d+)(?::\d+)?$"
)
_VALGRIND = re.compile(
    r"^==\d+== +(?P<message>(?:Invalid|Conditional|Use of|Process terminating|Mismatched|Source and).*)$"
)
_VALGRIND_FRAME = re.compile(
    r"^==\d+== +(?:at|by) 0x[0-9A-F]+: (?P<function>\S+) \((?P<file>[\w./-]+):(?P<line>\d+)\)$"
)
_C_ASSERT = re.compile(
    r"^(?:[^\s:]+: )?(?P<file>[^\s:]+):(?P<line>\d+): (?P<function>.{1,200}?): "
    r"Assertion [`'](?P<message>.*)' failed\.?$"
)
_TERMINATE = re.compile(r"terminate called after throwing an instance of '(?P<type>[^']+)'")
_WHAT = re.compile(r"^\s*what\(\):\s*(?P<message>.*)$")
_PERL = re.compile(r"^(?P<message>\S.{0,560}?) at (?P<file>[^\s\"]+\.(?:pl|pm|t|cgi)) line (?P<line>\d+)")
_RUBY = re.compile(r"^(?P<file>[^\s:]+\.rb):(?P<line>\d+):in [`'](?P<function>[^']*)': (?P<message>.*)$")
_PHP = re.compile(
    r"^(?:PHP )?(?P<message>(?:Fatal|Parse) error: .{0,300}?) in (?P<file>\S+\.php)(?: on line |:)(?P<line>\d+)"
)


def read_java(output: Output) -> Finding | None:
    """Read a Java stack trace: the last cause and its first frame outside the platform."""
    lines = output.lines
    best: Finding | None = None
    for at, line in enumerate(lines):
        match = _JAVA.match(line)
        if not match or at + 1 >= len(lines) or not lines[at + 1].startswith(("\tat ", "    at ", "\t... ")):
            continue
        if best is not None and not line.startswith("Caused by: "):
            break
        frames = [m for m in map(_JAVA_FRAME.match, lines[at + 1 : at + 60]) if m]
        ours = [m for m in frames if not _JDK.match(m["method"])] or frames
        name = match["type"].rsplit(".", 1)[-1]
        message = f"{name}: {match['message']}" if match["message"] else name
        if not ours:
            best = best or Finding(message)
            continue
        caller = [f"called from {ours[1]['file']}:{ours[1]['line']} in {_method(ours[1])}"] if len(ours) > 1 else []
        best = Finding(message, f"{ours[0]['file']}:{ours[0]['line']}", _method(ours[0]), tuple(caller))
    return best


def _method(frame: re.Match[str]) -> str:
    return ".".join(frame["method"].split(".")[-2:])


def read_go(output: Output) -> Finding | None:
    """Read a Go panic or a failing Go test."""
    lines = output.lines
    for at, line in enumerate(lines):
        match = _GO_PANIC.match(line)
        if match:
            return _go_panic(match["message"], lines[at + 1 : at + 80], output)
    for at, line in enumerate(lines):
        match = _GO_FAIL.match(line)
        said = next((m for m in map(_GO_SAYS.match, lines[at + 1 : at + 12]) if m), None) if match else None
        if match and said:
            return Finding(said["message"], output.place(said["file"], said["line"]), match["test"])
    return None


def _go_panic(message: str, after: Sequence[str], output: Output) -> Finding:
    message = re.sub(r" \[recovered.*\]$", "", message)
    places: list[tuple[str, str]] = []
    for at, line in enumerate(after):
        match = _GO_PLACE.match(line)
        if match and output.is_ours(match["file"]):
            function = re.sub(r"\(0x.*|\(\.\.\.\)|\(\)$|\(\{.*", "", after[at - 1]).rsplit("/", 1)[-1] if at else ""
            places.append(
                (output.place(match["file"], match["line"]), "" if function.startswith("created by") else function)
            )
    if not places:
        return Finding(message)
    extras = [f"called from {places[1][0]}"] if len(places) > 1 else []
    return Finding(message, places[0][0], places[0][1], tuple(extras))


def read_rust_panic(output: Output) -> Finding | None:
    """Read a Rust panic: its place, its message, and the values of a failed `assert_eq!`."""
    lines = output.lines
    for at, line in enumerate(lines):
        match = _RUST_PANIC.match(line)
        if not match:
            continue
        after = [text.strip() for text in lines[at + 1 : at + 6]]
        message = match["old"] or (after[0] if after else "") or "panicked"
        values = [re.sub(r":\s+", " ", text) for text in after[:4] if re.match(r"(?:left|right):", text)]
        where = match["thread"] if match["thread"] not in ("main", "<unnamed>") else ""
        said = f"{message} ({', '.join(values)})" if values else message
        return Finding(f"panicked: {said}", output.place(match["file"], match["line"]), where)
    return None


def read_native(output: Output) -> Finding | None:
    """Read a sanitizer or valgrind report, a failed C assertion, or an uncaught C++ exception."""
    lines = output.lines
    for at, line in enumerate(lines):
        report = _SANITIZER.search(line)
        if report:
            return _framed(report["message"].strip(), map(_SANITIZER_FRAME.match, lines[at + 1 : at + 40]), output)
        valgrind = _VALGRIND.match(line)
        if valgrind:
            return _framed(valgrind["message"], map(_VALGRIND_FRAME.match, lines[at + 1 : at + 20]), output)
        failed = _C_ASSERT.match(line)
        if failed:
            function = re.sub(r"\(.*", "", failed["function"]).split(" ")[-1]
            return Finding(
                f"Assertion '{failed['message']}' failed", output.place(failed["file"], failed["line"]), function
            )
        thrown = _TERMINATE.search(line)
        if thrown:
            what = next((m["message"] for m in map(_WHAT.match, lines[at + 1 : at + 3]) if m), "")
            return Finding(f"uncaught {thrown['type']}: {what}" if what else f"uncaught {thrown['type']}")
    return None


def _framed(message: str, frames: Iterable[re.Match[str] | None], output: Output) -> Finding:
    found = [frame for frame in frames if frame]
    ours = [frame for frame in found if output.is_ours(frame["file"])] or found
    if not ours:
        return Finding(message)
    caller = [f"called from {output.place(ours[1]['file'], ours[1]['line'])}"] if len(ours) > 1 else []
    return Finding(message, output.place(ours[0]["file"], ours[0]["line"]), ours[0]["function"], tuple(caller))


def read_script(output: Output) -> Finding | None:
    """Read the death of a perl, ruby or PHP script."""
    for line in output.lines:
        for pattern in (_RUBY, _PHP, _PERL):
            match = pattern.match(line)
            if match and output.is_ours(match["file"]):
                groups = match.groupdict()
                return Finding(
                    groups["message"], output.place(groups["file"], groups["line"]), groups.get("function") or ""
                )
    return None
