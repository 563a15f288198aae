"""Reads Python tracebacks: chained, remote, grouped, recursive, and syntax errors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from conductor.qa.base import Finding
from conductor.qa.output import Output
from conductor.qa.source import input_file, marked, only_data_file, subjects

_START = re.compile(r"Traceback \(most recent call last\):$")
_FRAME = re.compile(r'^(?P<margin>[\s|E>+]*)File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_RAISED = re.compile(r"^[\s|E>]{0,40}(?P<type>[A-Za-z_][\w.]*)(?P<colon>:)?(?: (?P<message>.*))?$")
_NAMED_LIKE_ONE = re.compile(
    r"(?:Error|Exception|Interrupt|Exit|Warning|Group|Failed|Iteration|Timeout|[a-z0-9_]\.[A-Z]\w*)$"
)
_MARGIN = re.compile(r"^[\s|E>+]*")
_IGNORED = "Exception ignored in"
_CAUSE = "direct cause of the following exception"
_CONTEXT = "During handling of the above exception"
_SYNTAX = ("SyntaxError", "IndentationError", "TabError")
_ABOUT_DATA = ("KeyError", "ValueError", "StopIteration")
_SHOWN_SOURCE = 90


class Frame(Struct, frozen=True):
    """One `File "...", line N, in f` with its source line and what the carets under it mark."""

    file: str
    line: int
    function: str = ""
    source: str = ""
    marked: str = ""

    @property
    def name(self) -> str:
        """The function, or "" at module level and in comprehensions."""
        return "" if self.function.startswith("<") else self.function


class Raised(Struct, frozen=True):
    """One exception of a traceback. `link` says how it came from the one before: "", "cause" or "context"."""

    type: str
    message: str
    frames: tuple[Frame, ...]
    link: str = ""

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
    """Return every exception printed in `lines` with frames, in order, but not those Python itself ignored."""
    found: list[Raised] = []
    at = 0
    link = ""
    ignored = False
    while at < len(lines):
        line = lines[at]
        if _CAUSE in line or _CONTEXT in line:
            link = "cause" if _CAUSE in line else "context"
        is_frame = _FRAME.match(line) is not None
        if is_frame or _START.search(line):
            raised, at = _one(lines, at if is_frame else at + 1, link)
            if raised is not None:
                found += [] if ignored else [raised]
                link, ignored = "", False
            continue
        ignored = ignored or line.startswith(_IGNORED)
        at += 1
    return found


def _one(lines: Sequence[str], at: int, link: str) -> tuple[Raised | None, int]:
    """Read frames from line `at` up to the exception they end in; returns it and the line after it."""
    frames: list[Frame] = []
    depth = 0
    while at < len(lines):
        line = lines[at]
        match = _FRAME.match(line)
        if match:
            depth = len(match["margin"])
            frames.append(_frame(match, lines, at))
            at += 2 if frames[-1].source else 1
            continue
        raised = _RAISED.match(line)
        if raised and frames and _indent(line) <= depth and _ends_traceback(raised, _indent(line) < depth):
            message = raised["message"] or ""
            if raised["colon"] and not message.strip() and at + 1 < len(lines):
                message = lines[at + 1].strip(" |")
            return Raised(raised["type"], message.strip(), tuple(frames), link), at + 1
        if (frames and _START.search(line)) or not (frames or line.strip()):
            return None, at
        at += 1
    return None, at


def _frame(match: re.Match[str], lines: Sequence[str], at: int) -> Frame:
    file, line, function = match["file"], int(match["line"]), match["function"] or ""
    source = lines[at + 1] if at + 1 < len(lines) else ""
    if _indent(source) <= len(match["margin"]) or _FRAME.match(source):
        return Frame(file, line, function)
    carets = lines[at + 2] if at + 2 < len(lines) else ""
    return Frame(file, line, function, _MARGIN.sub("", source).strip(), marked(source, carets))


def _ends_traceback(raised: re.Match[str], outdented: bool) -> bool:
    if raised["message"] is not None and not raised["colon"]:
        return False  # prose: an exception's name is followed by a colon or by nothing
    return _NAMED_LIKE_ONE.search(raised["type"]) is not None or (outdented and raised["type"][0].isupper())


def _indent(line: str) -> int:
    margin = _MARGIN.match(line)
    return margin.end() if margin else 0


def last_chain(found: Sequence[Raised]) -> list[Raised]:
    """Return the exceptions that belong to the last traceback, oldest first; of a group, its first member."""
    real = [raised for raised in found if raised.name != "_RemoteTraceback"]
    groups = [at for at, raised in enumerate(real) if raised.name.endswith("ExceptionGroup")]
    if groups and groups[-1] + 1 < len(real):
        start = groups[-1] + 1
        end = start + 1
        while end < len(real) and real[end].link:
            end += 1
        return real[start:end]
    start = max(len(real) - 1, 0)
    while start > 0 and real[start].link:
        start -= 1
    return real[start:]


def describe(chain: Sequence[Raised], output: Output) -> Finding:
    """Return what a chain of exceptions says: the cause speaks where one was named, else the exception raised last."""
    last = chain[-1]
    at = len(chain) - 1
    while at > 0 and chain[at].link == "cause":
        at -= 1
    root = chain[at]
    ours = [frame for frame in root.frames if output.is_ours(frame.file)]
    extras = _cycle(ours, output) if root.name == "RecursionError" else _about(root, ours, output)
    if str(last) != str(root):
        extras.append(f"raised as {last}")
    elif last.link == "context":
        extras.append(f"while handling {chain[-2]}")
    if not ours:
        return Finding(str(root), extras=tuple(extras))
    where = "" if root.name in _SYNTAX else ours[-1].name
    return Finding(str(root), output.place(ours[-1].file, ours[-1].line), where, tuple(extras))


def _about(raised: Raised, ours: Sequence[Frame], output: Output) -> list[str]:
    """Return what else the frames tell: the code at fault, the input it read, the call that led there."""
    data = _data_file(raised, ours, output)
    read = [f"input {data}"] if data else []
    if not ours:
        return read
    inner = ours[-1]
    if raised.name in _SYNTAX:
        return [f"at `{inner.source}`"] if 0 < len(inner.source) <= _SHOWN_SOURCE else []
    telling = 0 < len(inner.marked) <= _SHOWN_SOURCE and not inner.source.startswith("raise ")
    extras = [f"at `{inner.marked}`"] if telling else []
    extras = [*read, *extras] if raised.name.endswith("DecodeError") else [*extras, *read]
    if raised.name == "AssertionError" and subjects(inner.source):
        extras.insert(0, f"checks {subjects(inner.source)[0]}()")
    callers = [frame for frame in ours[:-1] if (frame.file, frame.function) != (inner.file, inner.function)]
    if callers:
        place = f"called from {output.place(callers[-1].file, callers[-1].line)}"
        extras += [f"{place} in {callers[-1].name}", place] if callers[-1].name else [place]
    return extras


def _cycle(ours: Sequence[Frame], output: Output) -> list[str]:
    """Return the functions that call each other for ever, and who started them where the trace or the command says."""
    counted = Counter(frame.name for frame in ours[-60:] if frame.name).most_common(4)
    often = [name for name, times in counted if times > 1]
    extras = [f"endless calls: {' -> '.join(often)}"] if often else []
    outside = [frame for frame in ours if frame.function not in often and not frame.function.startswith("<gen")]
    if outside:
        extras.append(f"entered from {output.place(outside[0].file, outside[0].line)}")
    scripts = [file for file in output.command_files() if file.endswith(".py")]
    if scripts and not any(frame.file.endswith(scripts[0]) for frame in ours):
        extras.append(f"started by {scripts[0]}")
    return extras


def _data_file(raised: Raised, ours: Sequence[Frame], output: Output) -> str:
    """Return the data file of the command line that the failing code was reading, where its name says so.

    Bad bytes and bad syntax are searched for through all frames; a `raise` refuses what its caller handed in; a missing
    key is looked for in the line itself.
    """
    files = output.command_files()
    reads = raised.name.endswith("DecodeError")
    deliberate = bool(ours) and ours[-1].source.startswith("raise ")
    if not (reads or deliberate or raised.name in _ABOUT_DATA):
        return ""
    looked_at = ours if reads else ours[-2:] if deliberate else ours[-1:]
    named = input_file([frame.source for frame in reversed(looked_at)], files)
    return named or (only_data_file(files) if reads or deliberate else "")
