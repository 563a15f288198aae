"""An outline as a skeleton: signatures whole, every body `pass`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from conductor.views.base import Language, Node, Options, Outline
from conductor.views.header import one_line

_LONGEST_VALUE = 100  # a constant longer than this shows its name only
_DOCSTRING = re.compile(r"(?s)([A-Za-z]*)('''|\"\"\"|'|\")(.*)\2")


def render_skeleton(outline: Outline, language: Language, options: Options) -> str:
    """Return the skeleton of `outline`; it ends with a newline unless it is empty."""
    return "".join(f"{line}\n" for line in _Renderer(outline.source, language, options).lines(outline))


class _Renderer:
    def __init__(self, source: bytes, language: Language, options: Options) -> None:
        self._source = source
        self._language = language
        self._options = options
        self._unit = " " if options.compact else "    "
        wanted = {"function", "class", "clause", "remark"}
        wanted |= {"import"} if options.imports else set()
        wanted |= {"constant"} if options.constants else set()
        wanted |= {"field"} if options.fields else set()
        self._wanted = wanted

    def lines(self, outline: Outline) -> Iterator[str]:
        doc = self._doc(outline.doc, "")
        if doc:
            yield doc
        yield from self._block(outline.nodes, "")

    def _block(self, nodes: Sequence[Node], indent: str) -> Iterator[str]:
        spaced = not indent and not self._options.compact
        first = True
        for node in nodes:
            if node.kind not in self._wanted:
                continue
            if spaced and not first and node.kind == "class" and node.children:
                yield ""
            first = False
            if node.kind in {"function", "class", "clause"}:
                yield from self._node(node, indent)
            else:
                yield indent + self._statement(node)

    def _node(self, node: Node, indent: str) -> Iterator[str]:
        compact = self._options.compact
        for decorator in node.header[:-1]:
            yield indent + one_line(decorator, compact=compact)
        header = indent + one_line(node.header[-1], compact=compact)
        inner = indent + self._unit
        doc = self._doc(node.doc, inner)
        children = list(self._block(node.children, inner))
        mark = f" #L{node.first_line}-{node.last_line}" if self._options.lines and node.first_line else ""
        if doc or any(not line.lstrip().startswith("#") for line in children):  # remarks alone are no body
            yield header + mark
        else:
            yield f"{header} {'...' if node.cut else self._language.body}{mark}"
        if doc:
            yield doc
        yield from children

    def _statement(self, node: Node) -> str:
        if node.kind == "remark":
            return node.header[0]
        text = one_line(node.header[0], compact=self._options.compact)
        if node.kind == "import" or (len(text) <= _LONGEST_VALUE and "\n" not in text):
            return text
        return f"{one_line(node.name, compact=self._options.compact)} = ..."

    def _doc(self, span: tuple[int, int], indent: str) -> str:
        if self._options.docs == "none" or span == (0, 0):
            return ""
        text = self._source[slice(*span)].decode("utf-8", "replace")
        return indent + (text if self._options.docs == "full" else first_line(text))


def first_line(docstring: str) -> str:
    """Return a string literal cut down to its first line of text; a literal of several parts stays as it is."""
    match = _DOCSTRING.fullmatch(docstring)
    if match is None or len(match[2]) == 1 or len(docstring.splitlines()) == 1:
        return docstring
    prefix, quotes, content = match.groups()
    line = next((line.strip() for line in content.splitlines() if line.strip("\\ \t")), "")
    if quotes in line:
        return docstring
    guard = " " if line.endswith(("\\", quotes[0])) else ""
    return f"{prefix}{quotes}{line}{guard}{quotes}"
