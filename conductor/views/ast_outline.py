"""Python's outline from CPython's own parser: for files that it reads and the grammar does not."""

from __future__ import annotations

import ast
import copy
import io
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from conductor.views.base import Node, Outline
from conductor.views.clauses import keyword, prune
from conductor.views.cpython import read_python
from conductor.views.outline import HOT_COMMENT

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BODIES: Mapping[str, tuple[ast.stmt, ...]] = MappingProxyType(
    {"body": (ast.Pass(),), "decorator_list": (), "handlers": (), "orelse": (), "finalbody": ()}
)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def outline_ast(source: bytes, wanted: frozenset[str]) -> Outline:
    """Return the outline of `source`; raises SyntaxError when CPython does not read it either.

    `wanted` as for `outline_tree`.
    """
    text = source.decode("utf-8", "replace")
    tree = read_python(text)
    builder = _Builder(source, wanted)
    nodes = tuple(builder.block(tree.body, in_class=False))
    return Outline(source, nodes, builder.docstring(tree.body), hot=tuple(builder.hot_places(tree)))


class _Builder:
    def __init__(self, source: bytes, wanted: frozenset[str]) -> None:
        self._source = source
        self._wanted = wanted
        # CPython ends a line at \n, \r\n and \r, and at nothing else.
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(source))]

    def block(self, body: Sequence[ast.stmt], *, in_class: bool) -> Iterator[Node]:
        for statement in body:
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    yield self._definition(statement)
                case ast.Import() | ast.ImportFrom():
                    yield from self._statement(statement, "import")
                case ast.Assign() | ast.AnnAssign():
                    yield from self._statement(statement, "field" if in_class else "constant")
                case ast.Match():
                    yield from prune([self._match(statement, in_class=in_class)])
                case _ if hasattr(statement, "body"):
                    yield from prune(list(self._branches(statement, in_class=in_class)))
                case _:
                    pass

    def docstring(self, body: Sequence[ast.stmt]) -> tuple[int, int]:
        """Return the range of the string that `body` begins with, (0, 0) when it begins with something else."""
        match body:
            case [ast.Expr(value=ast.Constant(value=str()) as text), *_]:
                return self._start(text), self._end(text)
            case _:
                return 0, 0

    def hot_places(self, tree: ast.Module) -> Iterator[int]:
        """Yield where real `# [HOT]` comments and `@core_logic` decorators stand."""
        for node in ast.walk(tree):
            if isinstance(node, _Definition):
                for decorator in node.decorator_list:
                    called = decorator.func if isinstance(decorator, ast.Call) else decorator
                    if getattr(called, "attr", getattr(called, "id", "")) == "core_logic":
                        yield self._start(decorator)
        if HOT_COMMENT.search(self._source):
            yield from self._hot_comments()

    def _hot_comments(self) -> Iterator[int]:
        lines = io.StringIO(self._source.decode("utf-8", "replace"))
        try:
            for token in tokenize.generate_tokens(lines.readline):
                if token.type == tokenize.COMMENT and HOT_COMMENT.match(token.string.encode()):
                    yield self._starts[token.start[0] - 1] + len(token.line[: token.start[1]].encode())
        except (tokenize.TokenError, SyntaxError):
            return

    def _definition(self, node: _Definition) -> Node:
        is_class = isinstance(node, ast.ClassDef)
        decorators = tuple(f"@{ast.unparse(decorator)}" for decorator in node.decorator_list)
        return Node(
            kind="class" if is_class else "function",
            name=node.name,
            header=(*decorators, _header(node)),
            start=self._first(node),
            body=self._first(node.body[0]),
            end=self._end(node),
            first_line=node.decorator_list[0].lineno if node.decorator_list else node.lineno,
            last_line=node.end_lineno or node.lineno,
            doc=self.docstring(node.body),
            children=tuple(self.block(node.body, in_class=True)) if is_class else (),
        )

    def _branches(self, node: ast.stmt, *, in_class: bool) -> Iterator[Node]:
        """Yield the clauses of a compound statement, an `elif` as one of them."""
        yield self._clause(_header(node), node.body, in_class=in_class)  # type: ignore[attr-defined]
        for handler in getattr(node, "handlers", ()):
            yield self._clause(_handler(node, handler), handler.body, in_class=in_class)
        match getattr(node, "orelse", []):
            case [ast.If() as nested] if isinstance(node, ast.If):
                first, *rest = self._branches(nested, in_class=in_class)
                yield first._replace(header=(f"el{first.header[0]}",))
                yield from rest
            case [_, *_] as body:
                yield self._clause("else:", body, in_class=in_class)
            case _:
                pass
        if getattr(node, "finalbody", None):
            yield self._clause("finally:", node.finalbody, in_class=in_class)  # type: ignore[attr-defined]

    def _match(self, node: ast.Match, *, in_class: bool) -> Node:
        cases: list[Node] = []
        for case in node.cases:
            guard = f" if {ast.unparse(case.guard)}" if case.guard else ""
            cases.append(self._clause(f"case {ast.unparse(case.pattern)}{guard}:", case.body, in_class=in_class))
        children = tuple(case for case in cases if case.children)
        start, end = self._start(node), self._end(node)
        return Node("clause", "match", (f"match {ast.unparse(node.subject)}:",), start, start, end, children=children)

    def _clause(self, header: str, body: Sequence[ast.stmt], *, in_class: bool) -> Node:
        children = tuple(self.block(body, in_class=in_class))
        start, end = self._first(body[0]), self._end(body[-1])
        return Node("clause", keyword(header), (header,), start, start, end, children=children)

    def _statement(self, node: ast.stmt, kind: Literal["import", "constant", "field"]) -> Iterator[Node]:
        if kind in self._wanted:
            start, end = self._start(node), self._end(node)
            text = ast.unparse(node)
            value = getattr(node, "value", None)
            target = text.removesuffix(ast.unparse(value)).rstrip(" =") if value else text
            yield Node(kind, target, (text,), start, start, end)

    def _first(self, node: ast.stmt) -> int:
        """Return where `node` begins, its decorators included."""
        if isinstance(node, _Definition) and node.decorator_list:
            return self._source.rfind(b"@", 0, self._start(node.decorator_list[0]))
        return self._start(node)

    def _start(self, node: ast.stmt | ast.expr) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.stmt | ast.expr) -> int:
        return self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)


def _header(node: ast.stmt) -> str:
    """Return the first line of a compound statement, as CPython's own unparser writes it."""
    bare = copy.copy(node)
    for name, value in _BODIES.items():
        if hasattr(bare, name):
            setattr(bare, name, list(value))
    return ast.unparse(bare).split("\n    pass", 1)[0].strip()


def _handler(node: ast.stmt, handler: ast.ExceptHandler) -> str:
    star = "*" if isinstance(node, ast.TryStar) else ""
    caught = f" {ast.unparse(handler.type)}" if handler.type else ""
    name = f" as {handler.name}" if handler.name else ""
    return f"except{star}{caught}{name}:"
