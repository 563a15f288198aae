"""Skeletons of languages that put bodies in braces: one walk for all of them, one table (`BracedLanguage`) for each."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from conductor.views.base import Node, Options, View

if TYPE_CHECKING:
    import tree_sitter

_LONGEST_VALUE = 100  # a constant longer than this is cut at its value
_CLOSE = frozenset("(),;{}[]:")  # no blank is needed beside these, but for one between two colons


class BracedLanguage(NamedTuple):
    """The table of one language: how its grammar names things, where a body is, and what replaces it.

    `bodies` says of each kind of body (or "owner/body" where it depends on the owner) whether it is hidden, its members
    are shown, or it is a list of fields; `through` are the kinds a body can be found below, `wrappers` what stands
    around a definition. A statement in `values` is a definition when a body is in it (`const f = () => {}`), else a
    constant or a field. What `groups` hold stands for itself, behind the text given there; a line end stands
    between `parts`, a comma behind those that are `listed`.
    """

    name: str
    suffixes: tuple[str, ...]
    grammar: str
    entry: str
    bodies: Mapping[str, Literal["hide", "enter", "fields"]]
    shown: frozenset[str]
    imports: frozenset[str]
    fields: frozenset[str]
    through: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    wrappers: frozenset[str] = frozenset()
    groups: tuple[tuple[str, str], ...] = ()
    attributes: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()
    hidden: str = " {}"


def braced_skeleton(code: str, language: BracedLanguage, options: Options) -> View | None:
    """Return the skeleton of `code`, or None where the grammar of its language is not installed.

    What the grammar cannot read is left out, and the notice names the line of the first error.
    """
    source = code.encode("utf-8", "replace")
    try:
        root = _root(source, language)
    except ImportError:
        return None
    notice = f"approximate: syntax error at line {_first_error(root)}" if root.has_error else ""
    try:
        lines = list(_Skeleton(source, language, options).members(root, "", in_class=False))
    except RecursionError:
        return View(code, "raw", "nested too deeply for a skeleton: raw")
    return View("".join(f"{line}\n" for line in lines), "skeleton", notice)


def braced_outline(code: str, language: BracedLanguage) -> tuple[Node, ...]:
    """Return the definitions of `code`; each has its line of the skeleton as header, and what it holds as children.

    Raises ImportError where the grammar is not installed.
    """
    source = code.encode("utf-8", "replace")
    try:
        return tuple(_Skeleton(source, language, Options(compact=True)).nodes(_root(source, language)))
    except RecursionError:
        return ()


def draw_braced(nodes: Sequence[Node], indent: str = "") -> str:
    """Return definitions from `braced_outline` as text."""
    pieces: list[str] = []
    for node in nodes:
        head, braces, tail = node.header[-1].rpartition("{}")
        if node.kind == "clause":
            pieces.append(f"{indent}{node.header[-1]}\n{draw_braced(node.children, indent)}")
        elif braces and node.children:
            pieces.append(f"{indent}{head}{{\n{draw_braced(node.children, f'{indent} ')}{indent}}}{tail}\n")
        else:
            pieces.append(f"{indent}{f'{head}{{ /* ... */ }}{tail}' if node.cut and braces else node.header[-1]}\n")
    return "".join(pieces)


def _root(source: bytes, language: BracedLanguage) -> tree_sitter.Node:
    grammar = importlib.import_module(language.grammar)
    import tree_sitter

    capsule: object = getattr(grammar, language.entry)()
    return tree_sitter.Parser(tree_sitter.Language(capsule)).parse(source).root_node


class _Skeleton:
    def __init__(self, source: bytes, language: BracedLanguage, options: Options) -> None:
        self._source = source
        self._language = language
        self._options = options
        self._groups = dict(language.groups)
        # Where the language can do without a function's body, braces still close a type.
        self._kept = {kind.rpartition("/")[2] for kind, rule in language.bodies.items() if rule != "hide"}
        self._unit = " " if options.compact else "    "

    def members(self, owner: tree_sitter.Node, indent: str, *, in_class: bool) -> Iterator[str]:
        """Yield the lines of what `owner` holds; attributes and comments go with what they stand before."""
        before: list[tree_sitter.Node] = []
        for child in owner.children:
            kind = child.type
            if kind in self._language.attributes or "comment" in kind:
                before.append(child)
                continue
            if kind in self._groups or kind == "ERROR":
                lines = list(self.members(child, indent, in_class=in_class))
                yield from [indent + mark] if lines and (mark := self._groups.get(kind)) else []
                yield from lines
            elif self._is_wanted(child, in_class=in_class):
                yield from self._docs(before, indent)
                attributes = [node for node in before if "comment" not in node.type]
                yield from (indent + self._line(node, []) for node in attributes)
                yield from self._member(child, indent)
            if child.is_named:
                before = []

    def nodes(self, owner: tree_sitter.Node) -> Iterator[Node]:
        """Yield the definitions that `owner` holds, without attributes."""
        for child in owner.children:
            if child.type == "ERROR":
                yield from self.nodes(child)
            elif mark := self._groups.get(child.type):
                yield Node("clause", mark, (mark,), 0, 0, 0, children=tuple(self.nodes(child)))
            elif self._is_wanted(child, in_class=False):
                bodies = self._bodies(child)
                inner = bodies[0] if len(bodies) == 1 and self._rule(bodies[0]) == "enter" else None
                held = tuple(self.nodes(inner)) if inner else ()
                kind = "class" if inner else "function"
                start, end = child.start_byte, child.end_byte
                yield Node(kind, self._name(child), (self._line(child, bodies),), start, start, end, children=held)

    def _name(self, node: tree_sitter.Node) -> str:
        """Return what the outermost definition in `node` is called; an `impl` is called as its type."""
        named = node.child_by_field_name("name") or node.child_by_field_name("type")
        if named is not None:
            text = self._source[named.start_byte : named.end_byte].decode("utf-8", "replace")
            return text.partition("<")[0]
        return next(filter(None, (self._name(child) for child in node.children)), "")

    def _is_wanted(self, node: tree_sitter.Node, *, in_class: bool) -> bool:
        language, options = self._language, self._options
        if node.type in language.wrappers:
            return bool(self._bodies(node)) or any(self._is_wanted(child, in_class=in_class) for child in node.children)
        if node.type in language.shown or (node.type in language.values and self._bodies(node)):
            return True
        if node.type in language.imports:
            return options.imports
        if node.type in language.fields or node.type in language.values:
            return options.fields if in_class else options.constants
        return False

    def _member(self, node: tree_sitter.Node, indent: str) -> Iterator[str]:
        bodies = self._bodies(node)
        line = indent + self._line(node, bodies)
        if not bodies and len(line) > _LONGEST_VALUE and node.type not in self._language.shown and "=" in line:
            line = f"{line.partition('=')[0].rstrip()} = ..."
        if node.type in self._language.listed and node.next_sibling and node.next_sibling.type == ",":
            line += ","
        if node.type in self._language.values and not line.endswith(";"):
            line += ";"  # a line end alone does not always end a statement
        mark = f" // L{node.start_point[0] + 1}-{node.end_point[0] + 1}" if self._options.lines else ""
        entered = bodies[0] if len(bodies) == 1 and self._rule(bodies[0]) == "enter" else None
        inner = list(self.members(entered, indent + self._unit, in_class=_is_class(entered))) if entered else []
        if not inner:
            yield line + mark
            return
        head, _, tail = line.rpartition("{}")
        yield f"{head}{{{mark}"
        yield from inner
        yield f"{indent}}}{tail}"

    def _bodies(self, node: tree_sitter.Node) -> list[tree_sitter.Node]:
        """Return the outermost bodies in `node`, not looking into parameters and other expressions."""
        found: list[tree_sitter.Node] = []
        for child in node.children:
            if self._rule(child):
                found.append(child)
            elif child.type in self._language.shown | self._language.through:
                found += self._bodies(child)
        return found

    def _rule(self, node: tree_sitter.Node) -> str:
        parent = node.parent.type if node.parent else ""
        bodies = self._language.bodies
        found = bodies.get(f"{parent}/{node.type}") or bodies.get(node.type, "")
        if not found and parent == "arrow_function" and node.parent:
            return "hide" if node == node.parent.child_by_field_name("body") else ""
        return ("" if self._options.fields else "hide") if found == "fields" else found

    def _line(self, node: tree_sitter.Node, bodies: Sequence[tree_sitter.Node]) -> str:
        """Return the source of `node` on one line without comments, `bodies` replaced."""
        cuts = {body.id: body for body in bodies}
        parts = self._parts(node)
        text, end = "", node.start_byte
        for leaf in self._leaves(node, cuts):
            body = cuts.get(leaf.id)
            start = _opening(leaf) if body else leaf.start_byte
            piece = self._source[leaf.start_byte : start if body else leaf.end_byte].decode("utf-8", "replace")
            if piece.strip():
                gap = self._source[end : leaf.start_byte].decode("utf-8", "replace")
                mark = ";" if "\n" in gap and leaf.start_byte in parts and text[-1] != "(" else ""
                text += mark + self._blank(text, gap, piece) + piece.strip()
            if body:
                text = text.rstrip() + (" {}" if leaf.type in self._kept else self._language.hidden)
            end = leaf.end_byte
        return text.replace(" {}", "{}") if self._options.compact else text

    def _parts(self, node: tree_sitter.Node) -> set[int]:
        """Return where the parts of `node` begin that a line end separates from what is before them."""
        inner = [node, *(child for child in node.children if child.type.endswith("_list"))]
        return {part.start_byte for owner in inner for part in owner.children if part.type in self._language.parts}

    def _leaves(self, node: tree_sitter.Node, cuts: Mapping[int, tree_sitter.Node]) -> Iterator[tree_sitter.Node]:
        """Yield the tokens of `node`; bodies and strings as one, comments not at all."""
        if "comment" in node.type:
            return
        if node.id in cuts or not node.children or node.type.endswith(("string", "string_literal", "char_literal")):
            yield node
            return
        for child in node.children:
            yield from self._leaves(child, cuts)

    def _blank(self, before: str, gap: str, after: str) -> str:
        if not gap or not before:
            return ""
        if "\n" in gap and (before[-1] in "([" or after[0] in ")]"):
            return ""
        closed = before[-1] in _CLOSE or after[0] in _CLOSE
        return "" if self._options.compact and closed and before[-1] + after[0] != "::" else " "

    def _docs(self, before: Sequence[tree_sitter.Node], indent: str) -> Iterator[str]:
        comments = [node for node in before if "comment" in node.type]
        if self._options.docs == "none" or not comments:
            return
        text = self._source[comments[0].start_byte : comments[-1].end_byte].decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines()]
        if self._options.docs == "full":
            yield from (indent + (f" {line}" if line.startswith("*") else line) for line in lines if line)
            return
        words = (line.removesuffix("*/").strip("/*! \t") for line in lines)
        yield from (f"{indent}// {line}" for line in [next(filter(None, words), "")] if line)


def _opening(body: tree_sitter.Node) -> int:
    """Return where the brace of `body` is; its start when it has none."""
    return next((child.start_byte for child in body.children if child.type == "{"), body.start_byte)


def _is_class(body: tree_sitter.Node | None) -> bool:
    return body is not None and body.type not in ("statement_block", "declaration_list")


def _first_error(root: tree_sitter.Node) -> int:
    """Return the line of the innermost first error; the last line where all of a file became one (an open brace)."""
    node = root
    while inner := next((child for child in node.children if child.has_error or child.is_missing), None):
        node = inner
    return (node.end_point if node == root else node.start_point)[0] + 1
