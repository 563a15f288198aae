"""Reads the tools around a program: make, the linker, git, npm, shells, databases, and an exit code alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conductor.qa.base import Finding
from conductor.qa.output import Output

_LINKER = re.compile(
    r"^(?:(?P<file>[^\s:()]+\.\w+):(?P<line>\d+): |.*?: )?(?P<message>(?:undefined reference to|multiple definition of|cannot find -l).*)$"
)
_IN_FUNCTION = re.compile(r"(?P<object>[^\s:()]+)(?:\([^)]*\))?: in function [`'](?P<function>[^']+)'")
_MAKE = re.compile(
    r"^(?:(?P<file>\S+?):(?P<line>\d+): )?(?:g?make(?:\[\d+\])?: )?\*\*\* (?P<message>[^\[].*?)(?:\.?\s+Stop\.)?$"
)
_MAKE_RULE = re.compile(r"^g?make(?:\[\d+\])?: \*\*\* \[(?P<place>[^\]]+)\] (?P<message>.*)$")
_CMAKE = re.compile(r"^CMake Error at (?P<file>[^\s:]+):(?P<line>\d+)")
_SHELL = re.compile(
    r"^(?:(?P<script>[^\s:]+): )?(?:line )?(?P<line>\d+): (?:(?P<syntax>[Ss]yntax error.*)|(?P<what>\S.{0,200}?): (?P<why>not found|command not found|"
    r"No such file or directory|Permission denied|unbound variable|parameter not set|bad substitution|cannot open .*|.{1,80}))$"
)
_CONFLICT = re.compile(r"^CONFLICT \((?P<kind>[^)]+)\): (?P<message>.*)$")
_GIT = re.compile(r"^(?:fatal|error): (?P<message>\S.*)$")
_REJECTED = re.compile(r"^ ! \[(?P<kind>[^\]]+)\]\s+(?P<message>.*)$")
_NPM = re.compile(r"^npm (?:error|ERR!) (?P<message>\S.*)$")
_NPM_NOISE = re.compile(
    r"^(?:code |errno |syscall |path |A complete log|command |Lifecycle|workspace|location|$|To see a list|If you|This is (?:probably )?not)"
)
_PARSE = re.compile(
    r"(?P<kind>TOML|JSON|YAML|INI|XML)? ?(?:parse|decode|parsing|syntax) error.{0,40}?(?:at|near|on)? line (?P<line>\d+)",
    re.I,
)
_CAUSE = re.compile(r"^\s*(?:Cause|Caused by|\d+): (?P<message>\S.*)$")
_PATH = re.compile(
    r"(?:^|[\s'\"`(])(?P<file>(?:/|\.{1,2}/)?(?:[\w.@+-]+/)*[\w@+-][\w.@+-]*\.[a-z]\w{0,5})(?=$|[\s'\"`:),.])"
)
_SQL = re.compile(r"^(?:psql:(?P<file>[^\s:]+):(?P<line>\d+): )?(?:ERROR|FATAL): +(?P<message>\S.*)$")
_SQLITE = re.compile(
    r"^(?:Parse error|Runtime error|Error): ?near line (?P<line>\d+)(?: of (?P<file>\S+))?: (?P<message>.*)$|^Parse error near line (?P<near>\d+): (?P<what>.*)$"
)
_DOCKERFILE = re.compile(r"^(?P<file>[\w./-]*Dockerfile[\w.-]*):(?P<line>\d+)$")
_GENERIC = re.compile(
    r"^(?:\[?\s*)(?:[\w./-]+: )?(?:fatal(?: error)?|error|errors?|ERROR|Error|FATAL|FAILED|panic|failure|Failure|usage error|E)\b\]?(?:\[[^\]]*\])?\s*:\s*(?P<message>\S.*)$"
)
_LOOKS_BAD = re.compile(
    r"(?i)\b(?:error|failed|failure|fatal|cannot|can't|could not|couldn't|unable|invalid|missing|not found|no such|denied|refused|unknown|unexpected|"
    r"unrecognized|illegal|undefined|expected|exception|conflict|mismatch|required|timed out|aborted|would reformat|would be reformatted)\b"
)
_NOT_BAD = re.compile(
    r"(?i)^(?:warning|info|debug|note|hint|\d+ (?:passed|ok))|\b(?:0 errors?|0 failed|errors? 0|no errors?|deprecat\w+)\b|^\s*(?:[-=*_#~.]{3,}|\^+)\s*$"
)
_SIGNALS = {
    2: "interrupted (SIGINT)", 4: "illegal instruction (SIGILL)", 6: "aborted (SIGABRT)", 8: "arithmetic fault (SIGFPE)",
    9: "killed (SIGKILL), often out of memory", 11: "segmentation fault (SIGSEGV)", 13: "broken pipe (SIGPIPE)", 15: "terminated (SIGTERM)",
}  # fmt: skip


def read_linker(output: Output) -> Finding | None:
    """Read an unresolved or doubly defined symbol, with the function that asks for it."""
    where, unit = "", ""
    for line in output.lines:
        inside = _IN_FUNCTION.search(line)
        if inside:
            where, unit = inside["function"], inside["object"].rsplit("/", 1)[-1]
        match = _LINKER.match(line)
        if match and (match["file"] or "ld" in line or unit):
            message = match["message"].split("; ")[0].replace("`", "'")
            extras = (f"object {unit}",) if unit and not match["file"] else ()
            return Finding(message, output.place(match["file"], match["line"]) if match["file"] else "", where, extras)
    return None


def read_git(output: Output) -> Finding | None:
    """Read a merge conflict, a rejected push, or git's fatal line with the files it lists."""
    lines = output.lines
    conflicts = [m for m in map(_CONFLICT.match, lines) if m]
    if conflicts:
        more = [m["message"].rsplit(" ", 1)[-1] for m in conflicts[1:4]]
        advice = "keep one side, remove the markers, commit"
        return Finding(
            f"{conflicts[0]['kind']} conflict: {conflicts[0]['message']}",
            extras=(f"also {', '.join(more)}" if more else "", advice),
        )
    if not re.search(r"(?:^|[\s;&|(/])git\s", output.command):
        return None
    rejected = next((m for m in map(_REJECTED.match, lines) if m), None)
    if rejected:
        return Finding(f"push {rejected['kind']}: {' '.join(rejected['message'].split())}", extras=tuple(_hints(lines)))
    for at, line in enumerate(lines):
        match = _GIT.match(line)
        if match:
            files = [text.strip() for text in lines[at + 1 : at + 4] if text.startswith("\t")]
            message = f"{match['message']} {' '.join(files)}" if files else match["message"]
            return Finding(message, extras=tuple(_hints(lines)))
    return None


def _hints(lines: Sequence[str]) -> list[str]:
    return [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")][:1]


def read_npm(output: Output) -> Finding | None:
    """Read npm's own complaint (a missing script, a package that does not exist, versions that conflict)."""
    said = [m["message"] for m in map(_NPM.match, output.lines) if m]
    told = [text for text in said if not _NPM_NOISE.match(text)]
    if not told:
        return None
    code = next((text.removeprefix("code ") for text in said if text.startswith("code ")), "")
    message = told[0].removeprefix(f"{code} ")
    return Finding(f"npm {code}: {message}" if code else f"npm: {message}", extras=tuple(told[1:3]))


def read_make(output: Output) -> Finding | None:
    """Read make's own errors: a broken Makefile or a target without a rule."""
    for line in output.lines:
        match = _MAKE.match(line)
        if match and (match["file"] or "make" in line):
            return Finding(
                match["message"].rstrip("."), output.place(match["file"], match["line"]) if match["file"] else ""
            )
    for at, line in enumerate(output.lines):
        cmake = _CMAKE.match(line)
        if cmake:
            said = [text.strip() for text in output.lines[at + 1 : at + 8] if text.strip()]
            return Finding(" ".join(said[:2]) or "CMake Error", output.place(cmake["file"], cmake["line"]))
    return None


def read_make_rule(output: Output) -> Finding | None:
    """Read the recipe make gave up in, for when what failed in it said nothing."""
    rule = next((m for m in map(_MAKE_RULE.match, output.lines) if m), None)
    return (
        Finding(
            f"make: recipe failed: {rule['message']}",
            rule["place"].replace(": ", " ").split(" ")[0],
            rule["place"].split(": ")[-1],
        )
        if rule
        else None
    )


def read_shell(output: Output) -> Finding | None:
    """Read what a shell says of its own script: a command it cannot find, a syntax error, a variable that is not set."""
    for line in output.stderr:
        match = _SHELL.match(line)
        if not match:
            continue
        script = match["script"] or ""
        shells = ("sh", "bash", "/bin/sh", "/bin/bash", "dash", "zsh", "-bash", "-c", "")
        message = match["syntax"] or f"{match['what']}: {match['why']}"
        return Finding(message, "" if script in shells else output.place(script, match["line"]))
    return None


def read_parse_error(output: Output) -> Finding | None:
    """Read a configuration file that could not be parsed, with the file named somewhere near."""
    lines = output.lines
    for at, line in enumerate(lines):
        match = _PARSE.search(line)
        if not match:
            continue
        near = [found for text in reversed(lines[max(at - 6, 0) : at + 1]) for found in _paths(text)]
        after = [
            text.strip() for text in lines[at + 1 : at + 8] if text.strip() and not re.match(r"^\s*\d*\s*\|", text)
        ]
        message = after[0] if after else line.strip()
        return Finding(
            f"{match['kind'] or ''} parse error: {message}".strip(),
            output.place(near[0], match["line"]) if near else "",
        )
    return None


def read_sql(output: Output) -> Finding | None:
    """Read a database client's error."""
    for at, line in enumerate(output.lines):
        lite = _SQLITE.match(line)
        if lite:
            message = lite["message"] or lite["what"] or line
            return Finding(
                message,
                output.place(lite["file"], lite["line"]) if lite["file"] else f"line {lite['line'] or lite['near']}",
            )
        match = _SQL.match(line)
        if match and (
            "psql" in output.command
            or match["file"]
            or any(text.startswith("LINE ") for text in output.lines[at : at + 4])
        ):
            shown = [
                f"at `{text.split(': ', 1)[-1]}`" for text in output.lines[at + 1 : at + 3] if text.startswith("LINE ")
            ]
            return Finding(
                match["message"],
                output.place(match["file"], match["line"]) if match["file"] else "",
                extras=tuple(shown),
            )
    return None


def read_error_line(output: Output) -> Finding | None:
    """Read the line that calls itself an error, or else the last one that sounds like it, with the file named near it."""
    lines = [*output.stderr, *output.stdout] if any(output.stderr) else list(output.stdout)
    causes = [m["message"] for m in map(_CAUSE.match, lines) if m]
    for at, line in enumerate(lines):
        match = _GENERIC.match(line)
        if match and not _NOT_BAD.search(line):
            return Finding(match["message"], *_place_near(lines, at, output), extras=tuple(causes[-1:]))
    if causes:
        return Finding(causes[-1], extras=tuple(causes[-2:-1]))
    candidates = [at for at, line in enumerate(lines) if _LOOKS_BAD.search(line) and not _NOT_BAD.search(line)]
    if candidates:
        return Finding(lines[candidates[-1]].strip(), *_place_near(lines, candidates[-1], output))
    return None


def read_last_line(output: Output) -> Finding | None:
    """Read the last line that says anything."""
    said = [line for line in (output.stderr if any(output.stderr) else output.stdout) if re.search(r"\w", line)]
    if not said:
        return None
    return Finding(said[-1].strip(), extras=(_status(output),))


def _place_near(lines: Sequence[str], at: int, output: Output) -> tuple[str]:
    """Return the first path of the project within two lines of `at`, unless the line itself names it already."""
    if any(True for _ in _paths(lines[at])):
        return ("",)
    for near in (*range(at + 1, min(at + 4, len(lines))), *range(at - 1, max(at - 3, -1), -1)):
        docker = _DOCKERFILE.match(lines[near])
        if docker:
            return (output.place(docker["file"], docker["line"]),)
        for path in _paths(lines[near]):
            if output.is_ours(path):
                return (output.short(path),)
    return ("",)


def _paths(line: str) -> list[str]:
    return [match["file"] for match in _PATH.finditer(line[:400])]


def read_status(output: Output) -> Finding:
    """Read a run that printed nothing: its exit code is all there is."""
    status = _status(output)
    if output.timed_out or output.exit_code is None or output.exit_code == 124 or _signal(output):
        return Finding(f"{status} and printed nothing")
    return Finding(
        f"no output at all, {status}", extras=(f"look for a silent exit({output.exit_code}) in what the command runs",)
    )


def read_signal(output: Output) -> Finding | None:
    """Read a run that was killed from outside or crashed, whatever it had printed by then."""
    if output.timed_out or output.exit_code == 124 or _signal(output):
        said = [line for line in output.lines if re.search(r"\w", line)]
        return Finding(_status(output), extras=(f"last line: {said[-1].strip()}",) if said else ("it printed nothing",))
    return None


def _signal(output: Output) -> int:
    code = output.exit_code or 0
    number = -code if code < 0 else code - 128
    return number if number in _SIGNALS else 0


def _status(output: Output) -> str:
    if output.timed_out or output.exit_code is None or output.exit_code == 124:
        return "timed out and was killed"
    number = _signal(output)
    if number:
        return f"{_SIGNALS[number]}, exit code {output.exit_code}"
    return f"exit code {output.exit_code}"
