"""An outline of code that nothing can parse: what is certain of it, found line by line."""

from __future__ import annotations

import re
import textwrap

from msgspec import Struct, field

from conductor.views.base import Node, NodeKind, Outline
from conductor.views.cpython import reads_signatures
from conductor.views.outline import HOT_COMMENT

_START = re.compile(rb"[ \t\f]*(?:async[ \t]+)?(def|class)[ \t]+([\w\x80-\xff]+)")
_LITERAL = re.compile(
    rb"#[^\n]*|'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^\\'\n]|\\.)*'|\"(?:[^\\\"\n]|\\.)*\"", re.DOTALL
)
_WORD = re.compile(rb"[\w\x80-\xff]")
_BRACKET = re.compile(rb"[()\[\]{}:]|\n[ \t\f]*(?:def|class|async|@)(?![\w\x80-\xff])")
_CONFLICT = re.compile(rb"(?:<{7}|\|{7}|={7}|>{7})(?: |$)")  # git's marks: what stands around them goes on
_DEEPEST = 100  # as many levels as CPython itself takes; what is deeper is shown at this level
_LONGEST_HEADER = 20_000


def outline_broken(source: bytes, line: int) -> Outline:
    """Return the outline of Python `source` (lines ending in \\n) with a syntax error at `line`.

    A definition is taken where a line begins with `def` or `class`, its place from its indentation. Its header is shown
    when CPython reads it on its own; otherwise a function becomes a comment and a class keeps its name alone.
    """
    nodes = tuple(node.frozen() for node in _definitions(source))
    hot = tuple(match.start() for match in HOT_COMMENT.finditer(source))
    return Outline(source, nodes, hot=hot, notice=f"approximate: syntax error at line {line}")


class _Open(Struct):
    """A definition whose end is not known yet."""

    kind: NodeKind
    name: str
    header: tuple[str, ...]
    start: int
    body: int
    indent: int
    first_line: int
    end: int = 0
    last_line: int = 0
    children: list[_Open] = field(default_factory=list["_Open"])

    def frozen(self) -> Node:
        children = tuple(child.frozen() for child in self.children)
        return Node(
            self.kind,
            self.name,
            self.header,
            self.start,
            self.body,
            self.end,
            self.first_line,
            self.last_line,
            children=children,
        )


def _definitions(source: bytes) -> list[_Open]:
    """Return the outermost definitions: one pass over the lines, a definition ends where the indentation comes back."""
    code = without_literals(source)
    top: list[_Open] = []
    stack: list[_Open] = []
    position = skip_to = 0
    decorators: list[str] = []
    for number, line in enumerate(code.split(b"\n"), 1):
        start, position = position, position + len(line) + 1
        content = line.lstrip(b" \t\f")
        if not content or start < skip_to or content[:1] in b")]}" or _CONFLICT.match(line):
            for node in stack:
                node.end, node.last_line = (start + len(line), number) if content else (node.end, node.last_line)
            continue
        indent = len(line[: len(line) - len(content)].expandtabs(8))
        while stack and stack[-1].indent >= indent:
            stack.pop()
        match = _START.match(line)
        if match is not None:
            node = _read(source, code, start, match, tuple(decorators), indent, number)
            skip_to = node.body
            inside = not stack or stack[-1].kind == "class"
            if inside:
                (stack[-1].children if stack else top).append(node)
            if len(stack) < _DEEPEST:
                stack.append(node)
        decorators = _decorators(decorators, source[start : start + len(line)])
        for node in stack:
            node.end, node.last_line = start + len(line), number
    return top


def _decorators(seen: list[str], line: bytes) -> list[str]:
    """Return the decorators that a definition on the next line would have: the lines right before it."""
    text = line.strip().decode("utf-8", "replace")
    if not text.startswith("@") or not _reads(f"{text}\ndef f(): pass"):
        return []
    return [*seen, text]


def _read(
    source: bytes, code: bytes, start: int, match: re.Match[bytes], decorators: tuple[str, ...], indent: int, line: int
) -> _Open:
    """Return the definition that begins at `start`, its header checked with CPython."""
    begin = start + match.end(0) - len(match.group().lstrip(b" \t\f"))
    name = match.group(2).decode("utf-8", "replace")
    is_class = match.group(1) == b"class"
    end = _header_end(code, start + match.end())
    header = source[begin : end or begin].decode("utf-8", "replace")
    if end and _reads(f"{header} pass"):
        kind: NodeKind = "class" if is_class else "function"
        return _Open(kind, name, (*decorators, header), begin, end, indent, line)
    line_end = code.find(b"\n", start)
    body = line_end if line_end >= 0 else len(code)
    if is_class:
        return _Open("class", name, (f"class {name}:",), begin, body, indent, line)
    shown = source[begin:body].decode("utf-8", "replace").strip()
    return _Open("remark", name, (f"# line {line}, cannot be read: {shown}",), begin, body, indent, line)


def _header_end(code: bytes, position: int) -> int:
    """Return the offset behind the colon that ends a header, 0 when there is none."""
    depth = 0
    for match in _BRACKET.finditer(code, position, position + _LONGEST_HEADER):
        found = match.group()
        if found in b"([{":
            depth += 1
        elif found in b")]}":
            depth -= 1
        elif found == b":" and depth == 0:
            return match.end()
        elif found != b":" or depth < 0:
            return 0
    return 0


def _reads(text: str) -> bool:
    return reads_signatures(textwrap.dedent(text))


def without_literals(source: bytes) -> bytes:
    """Return `source` with strings and comments blanked out, every line as long as it was."""
    pieces: list[bytes] = []
    position = 0
    while match := _LITERAL.search(source, position):
        start, end = match.span()
        if source[start:end][:3] in (b"'''", b'"""') and _WORD.match(source, end):
            # Text right behind a closing quote: it opens the next string, and this one was never closed.
            line_end = source.find(b"\n", start)
            end = line_end if line_end >= 0 else len(source)
        pieces += [source[position:start], re.sub(rb"[^\n]", b" ", source[start:end])]
        position = end
    pieces.append(source[position:])
    return b"".join(pieces)
