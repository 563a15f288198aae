"""A file's outline from its tree-sitter tree: walked from the top, function bodies are never entered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from conductor.views.base import Language, Node, Outline
from conductor.views.clauses import keyword, prune

if TYPE_CHECKING:
    import tree_sitter

HOT_COMMENT = re.compile(rb"#\s*\[HOT\]")
CORE_LOGIC = re.compile(rb"@[^\n@]*?\b(core_logic)\b")
_LONE_CR = re.compile(rb"\r(?!\n)")
_COMMENT_RUN = re.compile(rb"^(?:[ \t]*+#[^\n]*+\n){500,}+", re.MULTILINE)
_LARGE = 100_000
_NO_DOCSTRING = re.compile(rb"[A-Za-z]*[bfBFtT]")  # bytes and formatted strings document nothing


def outline_tree(
    source: bytes, parser: tree_sitter.Parser, language: Language, wanted: frozenset[str]
) -> Outline | None:
    """Return the outline of `source`, or None when the grammar found an error anywhere in it.

    `wanted` says which statements beside definitions it holds: "import", "constant", "field", "comment".
    """
    text = source
    if b"\r" in text:  # a lone CR ends a line for Python but not for the grammar; the length must not change
        text = _LONE_CR.sub(b"\n", text)
    if len(text) > _LARGE:
        text = _COMMENT_RUN.sub(_blanked, text)
    root = parser.parse(text).root_node
    if root.has_error:
        return None
    walker = _Walker(text, language, wanted)
    nodes = tuple(walker.block(root, in_class=False))
    return Outline(source, nodes, walker.docstring(root), hot=tuple(_hot_places(text, root)))


def _blanked(run: re.Match[bytes]) -> bytes:
    """Return a long run of comment lines blank but for hot ones: the grammar takes time quadratic in its length."""
    lines = run.group().split(b"\n")
    return b"\n".join(line if HOT_COMMENT.search(line) else b" " * len(line) for line in lines)


class _Walker:
    def __init__(self, source: bytes, language: Language, wanted: frozenset[str]) -> None:
        self._source = source
        self._wanted = wanted
        self._language = language

    def block(self, block: tree_sitter.Node, *, in_class: bool) -> Iterator[Node]:
        """Yield the outline of the statements directly in `block`."""
        language = self._language
        for child in block.children:
            kind = child.type
            if kind in language.functions or kind in language.classes:
                yield self._definition(child, child, ())
            elif kind == language.wrapper:
                yield self._decorated(child)
            elif kind in language.clauses:
                yield from self._compound(child, in_class=in_class)
            elif kind in language.branches:  # the cases of a match stand in a block of their own
                case = self._clause(child, in_class=in_class)
                if case.children:
                    yield case
            elif self._wanted:
                yield from self._statement(child, in_class=in_class)

    def docstring(self, block: tree_sitter.Node) -> tuple[int, int]:
        """Return the range of the string that `block` begins with, (0, 0) when it begins with something else."""
        for child in block.children:
            if child.type == "comment":
                continue
            if child.type == self._language.statement and child.child_count == 1:
                inner = child.children[0]
                if inner.type in self._language.strings and not _NO_DOCSTRING.match(self._source, inner.start_byte):
                    return inner.start_byte, inner.end_byte
            break
        return 0, 0

    def _decorated(self, node: tree_sitter.Node) -> Node:
        decorators = [self._text(c) for c in node.children if c.type == self._language.decorator]
        return self._definition(node, node.children[-1], tuple(decorators))

    def _definition(self, outer: tree_sitter.Node, node: tree_sitter.Node, decorators: tuple[str, ...]) -> Node:
        colon, name, body = node.end_byte, "", node
        for child in node.children:
            kind = child.type
            if kind == "identifier":
                name = self._text(child)
            elif kind == ":":
                colon = child.end_byte
            elif kind == self._language.block:
                body = child
        is_class = node.type in self._language.classes
        header = self._source[node.start_byte : colon].decode("utf-8", "replace")
        return Node(
            kind="class" if is_class else "function",
            name=name,
            header=(*decorators, header),
            start=outer.start_byte,
            body=colon,
            end=outer.end_byte,
            first_line=outer.start_point[0] + 1,
            last_line=outer.end_point[0] + 1,
            doc=self.docstring(body),
            children=(*self._comments(node), *self.block(body, in_class=True)) if is_class else (),
        )

    def _comments(self, node: tree_sitter.Node) -> Iterator[Node]:
        """Yield the comments between a header and its block: they stand beside the block, not in it."""
        for child in node.children:
            yield from self._statement(child, in_class=True)

    def _compound(self, node: tree_sitter.Node, *, in_class: bool) -> list[Node]:
        first = self._clause(node, in_class=in_class)
        branches = [
            self._clause(child, in_class=in_class) for child in node.children if child.type in self._language.branches
        ]
        return prune([first, *branches])

    def _clause(self, node: tree_sitter.Node, *, in_class: bool) -> Node:
        start = colon = node.start_byte
        children: tuple[Node, ...] = ()
        for child in node.children:
            if child.type == ":":
                colon = child.end_byte
            elif child.type == self._language.block:
                children = tuple(self.block(child, in_class=in_class))
                break
        header = self._source[start:colon].decode("utf-8", "replace")
        return Node("clause", keyword(header), (header,), start, colon, node.end_byte, children=children)

    def _statement(self, node: tree_sitter.Node, *, in_class: bool) -> Iterator[Node]:
        language = self._language
        inner = node.children[0] if node.type == language.statement else node
        if inner.type == "comment":
            kind = "comment"
        elif inner.type in language.imports:
            kind = "import"
        elif inner.type in language.constants:
            kind = "field" if in_class else "constant"
        else:
            return
        if kind in self._wanted:
            start = node.start_byte
            yield Node(kind, self._target(inner), (self._text(node),), start, start, node.end_byte)

    def _target(self, assignment: tree_sitter.Node) -> str:
        """Return the source up to the last `=` of an assignment, or all of it when there is none."""
        end = assignment.end_byte
        chain = [assignment]
        for node in chain:
            sign = next((child for child in node.children if child.type == "="), None)
            if sign is not None:
                end = sign.start_byte
                chain += [child for child in node.children if child.type == assignment.type]
        return self._source[assignment.start_byte : end].decode("utf-8", "replace").rstrip()

    def _text(self, node: tree_sitter.Node) -> str:
        return self._source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _hot_places(source: bytes, root: tree_sitter.Node) -> Iterator[int]:
    """Yield where real `# [HOT]` comments and `@core_logic` decorators stand."""
    for match in HOT_COMMENT.finditer(source):
        node = root.descendant_for_byte_range(match.start(), match.end())
        if node is not None and node.type == "comment" and node.start_byte == match.start():
            yield match.start()
    for match in CORE_LOGIC.finditer(source):
        node = root.descendant_for_byte_range(match.start(1), match.end(1))
        if node is not None and node.type == "identifier" and _is_decorator_name(node):
            yield match.start()


def _is_decorator_name(node: tree_sitter.Node) -> bool:
    """Say whether `node` is the name of a decorator: alone, as the last part of an attribute, or called."""
    parent = node.parent
    if parent is not None and parent.type == "attribute" and parent.end_byte == node.end_byte:
        node, parent = parent, parent.parent
    if parent is not None and parent.type == "call" and parent.start_byte == node.start_byte:
        parent = parent.parent
    return parent is not None and parent.type == "decorator"
