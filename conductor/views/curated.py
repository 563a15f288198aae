"""A curated view: the source as it is, without the bodies that do not matter."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from conductor.views.base import Docs, Language, Node, Options, Outline
from conductor.views.header import one_line
from conductor.views.render import first_line

_NOTHING = re.compile(rb"(?:\s++|#[^\r\n]*+)*+")


def render_curated(outline: Outline, language: Language, options: Options) -> str:
    """Return the source of `outline` with every body hidden; a function that holds a hot place stays whole.

    Where `options` save docstrings, headers stand on one line; compact ones lose their blanks too. The outline has
    comments in it when those outside of functions are to go.
    """
    source = outline.source
    pieces: list[bytes] = []
    position = 0
    ordered = outline._replace(hot=tuple(sorted(outline.hot)))
    for start, end, text in _cuts(ordered, language, options):
        pieces += [source[position:start], text]
        position = end
    pieces.append(source[position:])
    return b"".join(pieces).decode("utf-8", "replace")


def _cuts(outline: Outline, language: Language, options: Options) -> Iterator[tuple[int, int, bytes]]:
    yield from _shortened(outline.source, outline.doc, len(outline.source), options.docs)
    yield from _inside(outline, outline.nodes, language.hidden, options)


def _inside(outline: Outline, nodes: Sequence[Node], hidden: str, options: Options) -> Iterator[tuple[int, int, bytes]]:
    source = outline.source
    for node in nodes:
        if node.kind == "comment":
            yield _line_of(source, node)
        elif node.kind == "class":
            yield from _joined(source, node, options)
            yield from _shortened(source, node.doc, node.end, options.docs)
        elif node.kind == "function" and not _has_between(outline.hot, node.start, node.end):
            yield from _joined(source, node, options)
            mark = f" #L{node.first_line}-{node.last_line}" if options.lines else ""
            yield from _hidden_body(source, node, (hidden + mark).encode(), options.docs)
        yield from _inside(outline, node.children, hidden, options)


def _joined(source: bytes, node: Node, options: Options) -> Iterator[tuple[int, int, bytes]]:
    """Yield the cut that brings a header onto one line, when tokens are to be saved and the header is known exactly."""
    written = node.header[-1].encode()
    start = node.body - len(written)
    if (options.docs != "full" or options.compact) and source[start : node.body] == written:
        yield start, node.body, one_line(node.header[-1], compact=options.compact).encode()


def _hidden_body(source: bytes, node: Node, hidden: bytes, docs: Docs) -> Iterator[tuple[int, int, bytes]]:
    start, end = node.doc
    if docs == "none" or not end:
        yield node.body, node.end, b" " + hidden
        return
    yield from _shortened(source, node.doc, node.end, docs)
    line = _line_start(source, start)
    indent = source[line:start]
    between = b"; " if indent.strip() else _newline(source, line) + indent
    yield end, node.end, between + hidden


def _shortened(source: bytes, doc: tuple[int, int], owner_end: int, docs: Docs) -> Iterator[tuple[int, int, bytes]]:
    """Yield the cut that brings one docstring to the length asked for."""
    start, end = doc
    if docs == "full" or not end:
        return
    if docs == "first":
        yield start, end, first_line(source[start:end].decode("utf-8", "replace")).encode()
        return
    following = source[end:owner_end]
    needed = following.lstrip(b" \t").startswith(b";") or _NOTHING.fullmatch(following) is not None
    yield start, end, b"..." if needed else b""


def _line_of(source: bytes, node: Node) -> tuple[int, int, bytes]:
    """Return the cut that takes a comment: its whole line when it has one of its own, else what leads up to it."""
    line = _line_start(source, node.start)
    before = source[line : node.start].rstrip(b" \t\f")
    end = node.start + len(source[node.start : node.end].rstrip(b"\r"))  # to the grammar, "\r" is part of a comment
    continued = source[max(0, line - 3) : line].rstrip(b"\r\n").endswith(b"\\")
    if before or continued:  # a line that the one before it goes on in must stay
        return line + len(before), end, b""
    end += 2 if source[end : end + 2] == b"\r\n" else 1
    return line, min(end, len(source)), b""


def _line_start(source: bytes, position: int) -> int:
    """Return where the line begins that `position` is in."""
    return max(source.rfind(b"\n", 0, position), source.rfind(b"\r", 0, position)) + 1


def _newline(source: bytes, line: int) -> bytes:
    """Return what ends the line before the offset `line`."""
    if source[line - 2 : line] == b"\r\n":
        return b"\r\n"
    return source[line - 1 : line]


def _has_between(places: Sequence[int], start: int, end: int) -> bool:
    """Say whether one of the sorted `places` is in [start, end)."""
    index = bisect_left(places, start)
    return index < len(places) and places[index] < end
