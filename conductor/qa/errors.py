"""Reads what no other reader knows: a line that calls itself an error, a signal, or an exit code alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conductor.qa.base import Finding
from conductor.qa.output import Output, is_source_file

_PARSE = re.compile(
    r"(?P<kind>TOML|JSON|YAML|INI|XML)? ?(?:parse|decode|parsing|syntax) error.{0,40}? line (?P<line>\d+)",
    re.IGNORECASE,
)
_CAUSE = re.compile(r"^\s*(?:Cause|Caused by|\d+): (?P<message>\S.*)$")
_PATH = re.compile(
    r"(?:^|[\s'\"`(])(?P<file>(?:/|\.{1,2}/)?(?:[\w.@+-]+/)*[\w@+-][\w.@+-]*\.[a-z]\w{0,5})(?=$|[\s'\"`:),.])"
)
_DOCKERFILE = re.compile(r"^(?P<file>[\w./-]*Dockerfile[\w.-]*):(?P<line>\d+)$")
_CALLS_ITSELF = re.compile(
    r"^\[?\s*(?:(?P<program>[\w./-]+): )?"
    r"(?:fatal(?: error)?|errors?|ERROR|Error|FATAL|FAILED|panic|[Ff]ailure|usage error|E)\b\]?"
    r"(?:\[[^\]]*\])?\s*:\s*(?P<message>\S.*)$"
)
_SOUNDS_BAD = re.compile(
    r"(?i)\b(?:error|failed|failure|fatal|cannot|can't|could not|couldn't|unable|invalid|missing|not found|no such"
    r"|denied|refused|unknown|unexpected|unrecognized|illegal|undefined|expected|exception|conflict|mismatch"
    r"|required|timed out|aborted)\b"
)
_SOUNDS_FINE = re.compile(
    r"(?i)^(?:warning|info|debug|note|hint|\d+ (?:passed|ok))|^\s*(?:[-=*_#~.]{3,}|\^+)\s*$"
    r"|\b(?:0 errors?|0 failed|errors?:? 0|no errors?|deprecat\w+)\b"
)
_TIMEOUT_EXIT = 124
_SIGNALS = (
    (2, "interrupted (SIGINT)"),
    (4, "illegal instruction (SIGILL)"),
    (6, "aborted (SIGABRT)"),
    (8, "arithmetic fault (SIGFPE)"),
    (9, "killed (SIGKILL), often out of memory"),
    (11, "segmentation fault (SIGSEGV)"),
    (13, "broken pipe (SIGPIPE)"),
    (15, "terminated (SIGTERM)"),
)


def read_parse_error(output: Output) -> Finding | None:
    """Read a configuration file that could not be parsed, with the file named somewhere near."""
    lines = output.lines
    for at, line in enumerate(lines):
        match = _PARSE.search(line)
        if not match:
            continue
        near = [path for text in reversed(lines[max(at - 6, 0) : at + 1]) for path in _paths(text)]
        after = [text.strip() for text in lines[at + 1 : at + 8] if text.strip() and not re.match(r"\s*\d*\s*\|", text)]
        said = f"{match['kind'] or ''} parse error: {after[0] if after else line.strip()}"
        return Finding(said.strip(), output.place(near[0], match["line"]) if near else "")
    return None


def read_signal(output: Output) -> Finding | None:
    """Read a run that was killed from outside or crashed, whatever it had printed by then."""
    if not (_timed_out(output) or _signal(output)):
        return None
    said = [line for line in output.lines if re.search(r"\w", line)]
    return Finding(_status(output), extras=(f"last line: {said[-1].strip()}" if said else "it printed nothing",))


def read_error_line(output: Output) -> Finding | None:
    """Read the first line that calls itself an error, or else the last `Cause:` of a chain of them."""
    lines = [*output.stderr, *output.stdout]
    causes = [m["message"] for m in map(_CAUSE.match, lines) if m]
    for at, line in enumerate(lines):
        match = _CALLS_ITSELF.match(line)
        if match and not _SOUNDS_FINE.search(line):
            program = match["program"] or ""
            place = program if is_source_file(program) else _place_near(lines, at, output)
            return Finding(match["message"], place, extras=tuple(causes[-1:]))
    return Finding(causes[-1], extras=tuple(causes[-2:-1])) if causes else None


def read_suspicious_line(output: Output) -> Finding | None:
    """Read the last line that sounds like an error."""
    lines = [*output.stderr, *output.stdout]
    bad = [at for at, line in enumerate(lines) if _SOUNDS_BAD.search(line) and not _SOUNDS_FINE.search(line)]
    return Finding(lines[bad[-1]].strip(), _place_near(lines, bad[-1], output)) if bad else None


def read_last_line(output: Output) -> Finding | None:
    """Read the last line that says anything."""
    said = [line for line in (output.stderr if any(output.stderr) else output.stdout) if re.search(r"\w", line)]
    return Finding(said[-1].strip(), extras=(_status(output),)) if said else None


def read_status(output: Output) -> Finding:
    """Read a run that printed nothing: its exit code is all there is."""
    if _timed_out(output) or _signal(output):
        return Finding(f"{_status(output)} and printed nothing")
    advice = f"look for a silent exit({output.exit_code}) in what the command runs"
    return Finding(f"no output at all, {_status(output)}", extras=(advice,))


def _place_near(lines: Sequence[str], at: int, output: Output) -> str:
    """Return the first path of the project within three lines of `at`, unless the line itself names one already."""
    if _paths(lines[at]):
        return ""
    for near in (*range(at + 1, min(at + 4, len(lines))), *range(at - 1, max(at - 3, -1), -1)):
        docker = _DOCKERFILE.match(lines[near])
        if docker:
            return output.place(docker["file"], docker["line"])
        ours = [path for path in _paths(lines[near]) if output.is_ours(path) and is_source_file(path)]
        if ours:
            return output.short(ours[0])
    return ""


def _paths(line: str) -> list[str]:
    return [match["file"] for match in _PATH.finditer(line[:400])]


def _timed_out(output: Output) -> bool:
    return output.timed_out or output.exit_code is None or output.exit_code == _TIMEOUT_EXIT


def _signal(output: Output) -> str:
    """Return the signal an exit code stands for: negative as Python reports it, 128 and more as a shell does."""
    code = output.exit_code or 0
    number = -code if code < 0 else code - 128
    return next((text for signal, text in _SIGNALS if signal == number), "")


def _status(output: Output) -> str:
    if _timed_out(output):
        return "timed out and was killed"
    signal = _signal(output)
    return f"{signal}, exit code {output.exit_code}" if signal else f"exit code {output.exit_code}"
