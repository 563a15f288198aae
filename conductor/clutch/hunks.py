"""A proposed change taken apart: which of its hunks are kept, and the call that makes exactly those."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from conductor.messages import Approved, Decision, Preview, Rejected, ToolCall

_NEWLINE = re.compile(r"\r\n|\r|\n")
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_CONTEXT = 3
_MAX_EXCERPT = 60


class Whole(Exception):
    """A call that cannot be taken apart; the message says why."""


class Change(Struct, frozen=True):
    """Lines next to each other that are replaced. `old` and `new` count the lines before them, in each text."""

    old: int
    new: int
    removed: tuple[str, ...]
    added: tuple[str, ...]


class Hunk(Struct, frozen=True):
    """Changes that are shown and decided together, none of them far from the next."""

    changes: tuple[Change, ...]

    @property
    def parts(self) -> tuple[Hunk, ...]:
        """The hunk split at each line that stays, as `git add -p` splits it; itself alone when there is none."""
        return tuple(Hunk((change,)) for change in self.changes)


class Difference(Struct, frozen=True):
    """A text in lines with their ends, all of which are "\\n", and the hunks of a proposed change to it."""

    before: tuple[str, ...]
    hunks: tuple[Hunk, ...]

    def applied(self, kept: Iterable[Hunk]) -> str:
        """Return the text with the hunks in `kept` alone."""
        lines = list(self.before)
        for change in sorted(_changes(kept), key=lambda change: change.old, reverse=True):
            lines[change.old : change.old + len(change.removed)] = change.added
        return "".join(lines)

    def text(self, hunk: Hunk) -> str:
        """Return the hunk in the form of a unified diff."""
        first, last = hunk.changes[0], hunk.changes[-1]
        start = max(0, first.old - _CONTEXT)
        end = min(len(self.before), last.old + len(last.removed) + _CONTEXT)
        body: list[str] = []
        at = start
        for change in hunk.changes:
            body += [f" {line}" for line in self.before[at : change.old]]
            body += [f"-{line}" for line in change.removed] + [f"+{line}" for line in change.added]
            at = change.old + len(change.removed)
        body += [f" {line}" for line in self.before[at:end]]
        grown = sum(len(change.added) - len(change.removed) for change in hunk.changes)
        new = first.new - (first.old - start)
        head = f"@@ -{_span(start, end - start)} +{_span(new, end - start + grown)} @@\n"
        return head + "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in body
        )


class Walk(Struct):
    """Goes from hunk to hunk; `waiting` holds those not decided on, `declined` what was not kept, with the reasons."""

    waiting: list[Hunk]
    kept: list[Hunk] = field(default_factory=list[Hunk])
    declined: list[tuple[Hunk, str]] = field(default_factory=list[tuple[Hunk, str]])

    def keep(self, count: int = 1) -> None:
        """Keep the next hunks."""
        self.kept += self.waiting[:count]
        del self.waiting[:count]

    def decline(self, reason: str = "", count: int = 1) -> None:
        """Leave out the next hunks."""
        self.declined += [(hunk, reason) for hunk in self.waiting[:count]]
        del self.waiting[:count]

    def split(self) -> None:
        """Have the parts of the next hunk decided on one by one."""
        self.waiting[:1] = self.waiting[0].parts

    def decision(self, call: ToolCall, difference: Difference) -> Decision | None:
        """Return the call with what is kept, a rejection where that is nothing, and None where it is everything."""
        if not self.declined:
            return None
        told = "\n".join(["These parts of your change were left out:", *(_told(*each) for each in self.declined)])
        if not self.kept:
            return Rejected(told if any(reason for _, reason in self.declined) else "")
        return Approved(reduced(call, difference, self.kept), comment=told)


def read_difference(call: ToolCall, preview: Preview) -> Difference:
    """Return the change that `preview` shows. Raises `Whole` where it has one part only, or cannot be taken apart."""
    if call.tool not in ("write_file", "edit_file") or preview.before is None:
        raise Whole("only a change to a text file that is there has hunks")
    if "\r" in preview.text:
        raise Whole("its lines end in different ways, so no call makes a part of it")
    before = _NEWLINE.sub("\n", preview.before)
    found = Difference(_lines(before), tuple(_read(preview.text)))
    for change in _changes(found.hunks):
        if found.before[change.old : change.old + len(change.removed)] != change.removed:
            raise Whole("what is shown is not a change to this file")
    if sum(len(hunk.changes) for hunk in found.hunks) < 2:
        raise Whole("it is one piece: a approves it, r rejects it")
    return found


def reduced(call: ToolCall, difference: Difference, kept: Sequence[Hunk]) -> Mapping[str, Any]:
    """Return the arguments with which the call makes the hunks in `kept`, at least one, and nothing else."""
    if call.tool == "write_file":
        return {**call.arguments, "content": difference.applied(kept)}
    old, new = _pair(difference, kept)
    return {"path": call.arguments["path"], "old_string": old, "new_string": new}


def _pair(difference: Difference, kept: Sequence[Hunk]) -> tuple[str, str]:
    """Return lines that stand in the text exactly once, with all that is kept in them, and what they become."""
    changes = sorted(_changes(kept), key=lambda change: change.old)
    lines, text, last = difference.before, "".join(difference.before), changes[-1]
    context = 0 if any(change.removed for change in changes) else 1
    while True:
        start = max(0, changes[0].old - context)
        end = min(len(lines), last.old + len(last.removed) + context)
        old = "".join(lines[start:end])
        if (start, end) == (0, len(lines)) or (old and text.find(old, text.find(old) + 1) < 0):
            inside = Difference(lines[:end], ()).applied(kept)
            return old, inside[len("".join(lines[:start])) :]
        context = 2 * context or 1


def _read(text: str) -> Iterator[Hunk]:
    """Yield the hunks of a unified diff."""
    lines = text.split("\n")[:-1]
    at = 0
    while at < len(lines):
        head = _HUNK.match(lines[at])
        at += 1
        if head is None:
            continue
        old, old_count, new, new_count = (1 if part is None else int(part) for part in head.groups())
        body: list[str] = []
        while old_count > 0 or new_count > 0 or lines[at : at + 1] == ["\\ No newline at end of file"]:
            line, at = lines[at], at + 1
            if line[0] == "\\":
                body[-1] = body[-1].removesuffix("\n")
                continue
            body.append(f"{line}\n")
            old_count -= line[0] in " -"
            new_count -= line[0] in " +"
        yield Hunk(tuple(_changes_in(body, old - (head[2] != "0"), new - (head[4] != "0"))))


def _changes_in(body: Sequence[str], old: int, new: int) -> Iterator[Change]:
    """Yield the changes of a hunk whose first line has `old` and `new` lines before it."""
    removed: list[str] = []
    added: list[str] = []
    for line in [*body, " "]:
        if line[0] == "-":
            removed.append(line[1:])
        elif line[0] == "+":
            added.append(line[1:])
        else:
            if removed or added:
                yield Change(old, new, tuple(removed), tuple(added))
            old, new = old + len(removed) + 1, new + len(added) + 1
            removed, added = [], []


def _changes(hunks: Iterable[Hunk]) -> list[Change]:
    return [change for hunk in hunks for change in hunk.changes]


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line for line in re.split(r"(?<=\n)", text) if line)


def _span(start: int, count: int) -> str:
    return f"{start + 1 if count else start},{count}"


def _told(hunk: Hunk, reason: str) -> str:
    change = hunk.changes[0]
    line = (f"+{change.added[0]}" if change.added else f"-{change.removed[0]}").rstrip()[:_MAX_EXCERPT]
    return f"- at line {change.new + 1} of yours, `{line}`" + (f": {reason}" if reason else "")
