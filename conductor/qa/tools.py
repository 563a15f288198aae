"""Reads the tools around a program: make, the linker, git, npm, shells and databases."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conductor.qa.base import Finding
from conductor.qa.output import Output

_LINKER = re.compile(
    r"^(?:(?P<file>[^\s:()]+\.\w+):(?:(?P<line>\d+)|\([^)]*\)): |.*?: )?"
    r"(?P<message>(?:undefined reference to|multiple definition of|cannot find -l).*)$"
)
_IN_FUNCTION = re.compile(r"(?P<object>[^\s:()]+)(?:\([^)]*\))?: in function [`'](?P<function>[^']+)'")
_MAKE = re.compile(
    r"^(?:(?P<file>\S+?):(?P<line>\d+): )?(?:g?make(?:\[\d+\])?: )?\*\*\* (?P<message>[^\[].*?)(?:\.?\s+Stop\.)?$"
)
_MAKE_RULE = re.compile(
    r"^g?make(?:\[\d+\])?: \*\*\* \[(?:(?P<place>[^\]:]+:\d+): )?(?P<target>[^\]]+)\] (?P<message>.*)$"
)
_CMAKE = re.compile(r"^CMake Error at (?P<file>[^\s:]+):(?P<line>\d+)")
_SHELL = re.compile(
    r"^(?:(?P<script>[^\s:]+): )?(?:line )?(?P<line>\d+): (?P<message>[Ss]yntax error.*|\S.{0,200}?: .{1,80})$"
)
_SHELLS = ("", "sh", "bash", "dash", "zsh", "/bin/sh", "/bin/bash", "-bash", "-c")
_CONFLICT = re.compile(r"^CONFLICT \((?P<kind>[^)]+)\): (?P<message>.*)$")
_GIT = re.compile(r"^(?:fatal|error): (?P<message>\S.*)$")
_GIT_COMMAND = re.compile(r"(?:^|[\s;&|(/])git\s")
_REJECTED = re.compile(r"^ ! \[(?P<kind>[^\]]+)\]\s+(?P<message>.*)$")
_NPM = re.compile(r"^npm (?:error|ERR!) (?P<message>\S.*)$")
_NPM_NOISE = re.compile(
    r"^(?:code |errno |syscall |path |A complete log|command |Lifecycle|workspace|location|To see a list|If you"
    r"|This is (?:probably )?not)"
)
_SQL = re.compile(r"^(?:psql:(?P<file>[^\s:]+):(?P<line>\d+): )?(?:ERROR|FATAL): +(?P<message>\S.*)$")
_SQLITE = re.compile(r"^(?:Parse error|Runtime error|Error):? near line (?P<line>\d+): (?P<message>.*)$")


def read_linker(output: Output) -> Finding | None:
    """Read an unresolved or doubly defined symbol, with the function that asks for it."""
    where, unit = "", ""
    for line in output.lines:
        inside = _IN_FUNCTION.search(line) if "in function" in line else None
        if inside:
            where, unit = inside["function"], inside["object"].rsplit("/", 1)[-1]
        match = _LINKER.match(line)
        if match and (match["file"] or "ld" in line or unit):
            message = match["message"].split("; ")[0].replace("`", "'")
            extras = (f"object {unit}",) if unit and not match["file"] else ()
            return Finding(message, output.place(match["file"], match["line"]), where, extras)
    return None


def read_git(output: Output) -> Finding | None:
    """Read a merge conflict, a rejected push, or git's fatal line with the files it lists."""
    lines = output.lines
    conflicts = [m for m in map(_CONFLICT.match, lines) if m]
    if conflicts:
        more = [m["message"].rsplit(" ", 1)[-1] for m in conflicts[1:4]]
        advice = "keep one side, remove the markers, commit"
        also = f"also {', '.join(more)}" if more else ""
        return Finding(f"{conflicts[0]['kind']} conflict: {conflicts[0]['message']}", extras=(also, advice))
    if not _GIT_COMMAND.search(output.command):
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
    return Finding(
        f"npm {code}: {message}" if code else f"npm: {message}",
        extras=tuple(text for text in told[1:2] if not text.endswith("?")),
    )


def read_make(output: Output) -> Finding | None:
    """Read make's own errors: a broken Makefile or a target without a rule. CMake's are alike."""
    for at, line in enumerate(output.lines):
        match = _MAKE.match(line)
        if match and (match["file"] or "make" in line):
            return Finding(match["message"].rstrip("."), output.place(match["file"], match["line"]))
        cmake = _CMAKE.match(line)
        if cmake:
            said = [text.strip() for text in output.lines[at + 1 : at + 8] if text.strip()]
            return Finding(" ".join(said[:2]) or "CMake Error", output.place(cmake["file"], cmake["line"]))
    return None


def read_make_rule(output: Output) -> Finding | None:
    """Read the recipe make gave up in, for when what failed in it said nothing."""
    for match in map(_MAKE_RULE.match, output.lines):
        if match:
            return Finding(f"make: recipe of {match['target']} failed: {match['message']}", match["place"] or "")
    return None


def read_shell(output: Output) -> Finding | None:
    """Read what a shell says of its own script: a command not found, a syntax error, an unset variable."""
    for line in output.stderr:
        match = _SHELL.match(line)
        if match:
            script = match["script"] or ""
            return Finding(match["message"], "" if script in _SHELLS else output.place(script, match["line"]))
    return None


def read_sql(output: Output) -> Finding | None:
    """Read a database client's error."""
    for at, line in enumerate(output.lines):
        lite = _SQLITE.match(line)
        if lite:
            return Finding(lite["message"], f"line {lite['line']}")
        match = _SQL.match(line)
        shown = [text for text in output.lines[at + 1 : at + 4] if text.startswith("LINE ")]
        if match and (shown or match["file"] or "psql" in output.command):
            extras = tuple(f"at `{text.split(': ', 1)[-1].strip()}`" for text in shown)
            return Finding(match["message"], output.place(match["file"], match["line"]), extras=extras)
    return None
