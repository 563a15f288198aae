"""Which lines of which version of a file a worker has before it, folded from what it was shown and what it changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from msgspec import Struct, field

from conductor.messages import LineSpan, SeenLines, content_hash
from conductor.tools.text import split_lines, text_of
from conductor.views.spans import functions_of

Hunk = tuple[int, int, int, int]
"""Lines first to last (from 1; last = first - 1 for none) that became the lines new first to new last."""


class _File(Struct):
    version: str
    lines: set[int] = field(default_factory=set[int])


class Sight:
    """What a worker has seen of each file: the version by content hash, and which of its lines."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def saw(self, seen: SeenLines) -> None:
        """Note that lines of a version were shown. Another version than before puts what was known of that out."""
        known = self._files.get(seen.path)
        if known is None or known.version != seen.version:
            known = self._files[seen.path] = _File(seen.version)
        for first, last in seen.lines:
            known.lines.update(range(first, last + 1))

    def changed(self, path: str, before: str, after: str, hunks: Iterable[Sequence[int]], *, own: bool = True) -> None:
        """Note that the worker changed a file: lines it knew have moved; those it wrote it knows, if `own`."""
        known = self._files.get(path)
        old = known.lines if known and known.version == before else set[int]()
        lines, written = _moved(old, hunks)
        self._files[path] = _File(after, lines | written if own else lines)

    def version_of(self, path: str) -> str | None:
        """Return the hash of the version it has seen lines of, None when it has seen none."""
        known = self._files.get(path)
        return known.version if known and known.lines else None

    def lacks(self, path: str, version: str, lines: Iterable[int]) -> bool:
        """Say whether one of the lines of that version was not seen."""
        known = self._files.get(path)
        return known is None or known.version != version or not known.lines.issuperset(lines)


def _moved(lines: set[int], hunks: Iterable[Sequence[int]]) -> tuple[set[int], set[int]]:
    """Return where `lines` stand after the hunks, without those that were replaced, and which lines are new."""
    kept, written, rest, shift = set[int](), set[int](), lines, 0
    for first, last, new_first, new_last in hunks:
        kept |= {line + shift for line in rest if line < first}
        rest = {line for line in rest if line > last}
        shift = new_last - last
        written |= set(range(new_first, new_last + 1))
    return kept | {line + shift for line in rest}, written


def hunks_of(before: bytes | None, after: bytes | None) -> list[Hunk]:
    """Return which lines a change replaces by which, in order; [] for what is no text."""
    old, new = text_of(before or b""), text_of(after or b"")
    if old is None or new is None:
        return []
    a, b = split_lines(old, keepends=True), split_lines(new, keepends=True)
    start = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    tail = zip(reversed(a[start:]), reversed(b[start:]), strict=False)
    end = next((n for n, (x, y) in enumerate(tail) if x != y), min(len(a), len(b)) - start)
    matcher = SequenceMatcher(None, a[start : len(a) - end], b[start : len(b) - end], autojunk=True)
    found = (codes[1:] for codes in matcher.get_opcodes() if codes[0] != "equal")
    return [(start + i1 + 1, start + i2, start + j1 + 1, start + j2) for i1, i2, j1, j2 in found]


def touched(hunks: Iterable[Hunk]) -> set[int]:
    """Return the lines a worker must know before it makes this change; for an insertion, the line before it."""
    lines = set[int]()
    for first, last, _, _ in hunks:
        lines |= set(range(first, last + 1)) or {max(1, first - 1)}
    return lines


def whole(path: str, content: bytes) -> SeenLines:
    """Return that all of a file was seen."""
    count = len(split_lines(text_of(content) or ""))
    return SeenLines(path, content_hash(content), ((1, count),) if count else ())


def seen_in(path: str, content: bytes, shown: str, kind: str, symbol: str = "") -> SeenLines:
    """Return which lines of a file stand in a view of it; a function counts when all of its lines do.

    A skeleton shows none: a signature is no knowledge of what is under it.
    """
    version, text = content_hash(content), text_of(content)
    if text is None or (kind == "skeleton" and not symbol):
        return SeenLines(path, version, ())
    if kind == "raw" and not symbol:
        return whole(path, content)
    if symbol:
        named = [(first, last) for name, first, last in functions_of(path, text, classes=True) if name == symbol]
        return SeenLines(path, version, tuple(named))
    lines = split_lines(text)
    blocks = SequenceMatcher(None, lines, split_lines(shown), autojunk=True).get_matching_blocks()
    found = {block.a + n + 1 for block in blocks for n in range(block.size)}
    for _, first, last in functions_of(path, text):
        if any(line not in found and lines[line - 1].strip() for line in range(first, last + 1)):
            found -= set(range(first, last + 1))
    return SeenLines(path, version, tuple(spans_of(found)))


def spans_of(lines: Iterable[int]) -> list[LineSpan]:
    """Return line numbers as spans, each with its first and its last line."""
    spans: list[LineSpan] = []
    for line in sorted(lines):
        if spans and spans[-1][1] == line - 1:
            spans[-1] = (spans[-1][0], line)
        else:
            spans.append((line, line))
    return spans
