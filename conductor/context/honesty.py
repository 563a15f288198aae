"""Edits of what a worker has not seen are sent back to it, with the text it would have changed."""

from __future__ import annotations

from bisect import bisect_left

from conductor.context.seen import Sight, hunks_of, spans_of, touched
from conductor.messages import LineSpan, SeenLines, ToolResult, content_hash
from conductor.tools.base import FileChange
from conductor.tools.text import split_lines, text_of
from conductor.views.spans import functions_of

AROUND = 10
MOST_LINES = 240


def sent_back(sight: Sight, change: FileChange | None) -> ToolResult | None:
    """Return what the worker is told instead of its change being made; None when it has seen what it changes.

    New files and deletions need no look at the content, and what is no text cannot be looked at.
    """
    text = text_of(change.before) if change else None
    if change is None or change.after is None or not text:
        return None
    version, lines = content_hash(change.before), touched(hunks_of(change.before, change.after))
    if not sight.lacks(change.path, version, lines):
        return None
    known = sight.version_of(change.path)
    if known is None:
        why = f"you have not seen this text of {change.path}"
    elif known != version:
        why = f"{change.path} was changed since you saw it"
    else:
        why = f"you have seen only an outline or other lines of {change.path}"
    spans = _around(change.path, text, lines)
    shown = "\n".join(_numbered(text, span) for span in spans)
    cut = "" if all(any(a <= n <= b for a, b in spans) for n in lines) else " Use read_file for the rest."
    told = f"Not done: {why}. It was sent back before anyone looked at it. This is what it would change, as it is now:"
    again = f"{told}\n{shown}\nIf your change still fits, make it again.{cut}"
    return ToolResult(again, ok=False, seen=(SeenLines(change.path, version, tuple(spans)),))


def _around(path: str, text: str, lines: set[int]) -> list[LineSpan]:
    """Return the spans to show: the functions that are touched, else the lines nearby, of a bearable length."""
    last, functions, wanted = len(split_lines(text)), functions_of(path, text), set[int]()
    for line in sorted(lines):
        if line in wanted:
            continue
        inside = [(first, end) for _, first, end in functions if first <= line <= end]
        first, end = max(inside, default=(line - AROUND, line + AROUND))  # the innermost begins last
        if end - first >= MOST_LINES:
            first, end = line - AROUND, line + AROUND
        wanted |= set(range(max(1, first), min(last, end) + 1))
    kept = sorted(wanted)
    if len(kept) > MOST_LINES:
        start = bisect_left(kept, min(lines))
        start = max(0, start - AROUND)
        kept = kept[start : start + MOST_LINES]
    return spans_of(kept)


def _numbered(text: str, span: LineSpan) -> str:
    first, last = span
    lines = split_lines(text)[first - 1 : last]
    return f"[lines {first} to {last}]\n" + "\n".join(lines)
