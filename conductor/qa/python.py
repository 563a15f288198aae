"""Reads Python tracebacks: chained, remote, grouped, recursive, and syntax errors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from conductor.qa.base import Finding
from conductor.qa.output import Output
from conductor.qa.source import input_file, marked, subjects

_START = re.compile(r"Traceback \(most recent call last\):$")
_FRAME = re.compile(r'^(?P<margin>[\s|E>+]*)File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_RAISED = re.compile(r"^[\s|E>]{0,40}(?P<type>[A-Za-z_][\w.]*)(?:: ?(?P<message>.*))?$")
_NAMED = re.compile(r"(?:Error|Exception|Interrupt|Exit|Warning|Group|Failed|Iteration|Timeout|[a-z0-9_]\.[A-Z]\w*)$")
_MARGIN = re.compile(r"^[\s|+]*")
_SYNTAX = ("SyntaxError", "IndentationError", "TabError")
_DIRECT_CAUSE = "direct cause of the following exception"
_ALSO_RAISED = "During handling of the above exception"
_DATA_ERRORS = ("KeyError", "ValueError", "UnicodeDecodeError", "JSONDecodeError", "TOMLDecodeError", "StopIteration")


@dataclass(frozen=True)
class Frame:
    """One `File "...", line N, in f` with its source line and what the carets under it mark."""

    file: str
    line: int
    function: str = ""
    source: str = ""
    marked: str = ""


@dataclass(frozen=True)
class Raised:
    """One exception of a traceback. `link` says how it came from the one before: "", "cause" or "context"."""

    type: str
    message: str
    frames: tuple[Frame, ...] = field(default_factory=tuple[Frame, ...])
    link: str = ""
    at: int = 0

    @property
    def name(self) -> str:
        """The exception's class without its module."""
        return self.type.rsplit(".", 1)[-1]

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


def read_traceback(output: Output) -> Finding | None:
    """Read the last traceback of the output: the root of its chain, told from the innermost frame of the project."""
    chain = last_chain(tracebacks(output.stderr)) or last_chain(tracebacks(output.stdout))
    return describe(chain, output) if chain else None


def tracebacks(lines: Sequence[str]) -> list[Raised]:
    """Return every exception printed in `lines`, in order. An exception whose frames were dropped is left out."""
    found: list[Raised] = []
    at = 0
    link = ""
    while at < len(lines):
        line = lines[at]
        if _DIRECT_CAUSE in line:
            link = "cause"
        elif _ALSO_RAISED in line:
            link = "context"
        frame = _FRAME.match(line)
        if frame or _START.search(line):
            raised, at = _one(lines, at if frame else at + 1, link)
            if raised is not None:
                found.append(raised)
                link = ""
            continue
        at += 1
    return found


def _one(lines: Sequence[str], at: int, link: str) -> tuple[Raised | None, int]:
    """Read frames from line `at` up to the exception they end in; returns it and the line after it."""
    frames: list[Frame] = []
    depth = 0
    while at < len(lines):
        line = lines[at]
        frame = _FRAME.match(line)
        if frame:
            source = lines[at + 1] if at + 1 < len(lines) else ""
            carets = lines[at + 2] if at + 2 < len(lines) else ""
            depth = len(frame["margin"])
            has_source = _indent(source) > depth and not _FRAME.match(source)
            text = _MARGIN.sub("", source).removeprefix("E").strip() if has_source else ""
            frames.append(
                Frame(
                    frame["file"],
                    int(frame["line"]),
                    frame["function"] or "",
                    text,
                    marked(source, carets) if has_source else "",
                )
            )
            at += 2 if has_source else 1
            continue
        raised = _RAISED.match(line)
        if raised and frames and _indent(line) < max(depth, 1) + 1 and _looks_raised(raised, line, depth):
            message = raised["message"] or ""
            if not message.strip() and at + 1 < len(lines):
                message = lines[at + 1].strip(" |") if raised["message"] is not None else ""
            return Raised(raised["type"], message.strip(), tuple(frames), link, at), at + 1
        if _START.search(line) and frames or (not line.strip() and not frames):
            return None, at
        at += 1
    return None, at


def _looks_raised(raised: re.Match[str], line: str, depth: int) -> bool:
    if _NAMED.search(raised["type"]):
        return True
    return depth > 0 and _indent(line) < depth and raised["type"][0].isupper()


def _indent(line: str) -> int:
    margin = re.match(r"^[\s|E>+]*", line)
    return len(margin.group()) if margin else 0


def last_chain(found: Sequence[Raised]) -> list[Raised]:
    """Return the exceptions that belong to the last traceback, oldest first; of a group, the first member."""
    real = [raised for raised in found if raised.name != "_RemoteTraceback"]
    if not real:
        return []
    groups = [at for at, raised in enumerate(real) if raised.name.endswith("ExceptionGroup")]
    if groups and groups[-1] + 1 < len(real):
        leaf = groups[-1] + 1
        end = leaf + 1
        while end < len(real) and real[end].link:
            end += 1
        return real[leaf:end]
    start = len(real) - 1
    while start > 0 and real[start].link:
        start -= 1
    return real[start:]


def describe(chain: Sequence[Raised], output: Output) -> Finding:
    """Return what a chain of exceptions says. The cause speaks where one was named, else the last exception raised."""
    last = chain[-1]
    root = last
    for earlier in reversed(chain[:-1]):
        if chain[chain.index(root)].link != "cause":
            break
        root = earlier
    ours = [frame for frame in root.frames if output.is_ours(frame.file)] or list(
        last.frames if not root.frames else root.frames
    )
    extras = [*_about_frames(root, ours, output)]
    if root is not last and str(last) != str(root):
        extras.append(f"raised as {last}")
    elif last.link == "context":
        extras.append(f"while handling {chain[-2]}")
    if not ours:
        return Finding(str(root), extras=tuple(extras))
    inner = ours[-1]
    where = "" if inner.function.startswith("<") or root.name in _SYNTAX else inner.function
    return Finding(str(root), output.place(inner.file, inner.line), where, tuple(extras))


def _about_frames(raised: Raised, ours: Sequence[Frame], output: Output) -> list[str]:
    if not ours:
        return []
    inner = ours[-1]
    if raised.name == "RecursionError":
        return _cycle(ours, output)
    shown = inner.marked if raised.name not in _SYNTAX else inner.source
    extras = [f"at `{shown}`" if shown and len(shown) <= 90 else ""]
    data = _data_file(raised, ours, output)
    extras.append(f"input {data}" if data else "")
    if raised.name in ("AssertionError",):
        extras = [
            ", ".join(f"{name}()" for name in subjects(inner.source)) and f"checks {subjects(inner.source)[0]}()",
            *extras,
        ]
    caller = next(
        (frame for frame in reversed(ours[:-1]) if frame.file != inner.file or frame.function != inner.function), None
    )
    if caller and raised.name not in _SYNTAX:
        function = "" if caller.function.startswith("<") else f" in {caller.function}"
        extras.append(f"called from {output.place(caller.file, caller.line)}{function}")
        extras.append(f"called from {output.place(caller.file, caller.line)}")
    return extras


def _cycle(ours: Sequence[Frame], output: Output) -> list[str]:
    tail = ours[-60:]
    often = [
        name
        for name, _ in Counter(frame.function for frame in tail if not frame.function.startswith("<")).most_common(4)
    ]
    extras = ["endless calls: " + " -> ".join(often)] if often else []
    first = next((frame for frame in ours if frame.function not in often), None)
    if first and not first.function.startswith("<g"):
        extras.append(f"entered from {output.place(first.file, first.line)}")
    scripts = [file for file in output.command_files() if file.endswith(".py")]
    if scripts and not any(frame.file.endswith(scripts[0]) for frame in ours):
        extras.append(f"started by {scripts[0]}")
    return extras


def _data_file(raised: Raised, ours: Sequence[Frame], output: Output) -> str:
    """Return the data file of the command line that the failing code was reading, where its name says so."""
    inner = ours[-1]
    deliberate = inner.source.startswith("raise ")
    if not deliberate and raised.name not in _DATA_ERRORS:
        return ""
    reads = raised.name.endswith("DecodeError")
    looked_at = ours if reads else ours[-2:] if deliberate else ours[-1:]
    return input_file([frame.source for frame in reversed(looked_at)], output.command_files())
