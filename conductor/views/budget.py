"""A skeleton within a number of tokens: what matters least goes first, and the view says what went."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from conductor.views.base import Language, Node, Options, Outline
from conductor.views.clauses import prune_each
from conductor.views.render import render_skeleton
from conductor.views.tokens import Counter

_OVERLOADS = ("@overload", "@typing.overload", "@t.overload")


class Fitted(Struct, frozen=True):
    """A skeleton that was made to fit; `dropped` says what it lost ("" when nothing)."""

    text: str
    dropped: str


def fit(outline: Outline, language: Language, options: Options, budget: int, count: Counter) -> Fitted:
    """Return the skeleton of `outline` in at most `budget` tokens.

    Dropped in this order, each only while it is still too long: private names, overloads, decorators, annotations,
    then definitions from the end. The text ends with a comment that says so, which counts too; only a budget smaller
    than that comment is exceeded.
    """
    text = render_skeleton(outline, language, options)
    if count(text) <= budget:
        return Fitted(text, "")
    nodes, dropped = outline.nodes, list[str]()
    steps = (("private names", _public), ("overloads", _single), ("decorators", _bare), ("annotations", _untyped))
    for what, step in steps:
        smaller = tuple(step(nodes))
        if smaller == nodes:
            continue
        lost = _size(nodes) - _size(smaller)
        nodes = smaller
        dropped.append(f"{lost} {what if lost > 1 else what.removesuffix('s')}" if lost else what)
        text = _with_note(render_skeleton(outline._replace(nodes=nodes), language, options), budget, dropped)
        if count(text) <= budget:
            return Fitted(text, ", ".join(dropped))
    return _cut(outline._replace(nodes=nodes), language, options, budget, count, dropped)


def _cut(
    outline: Outline, language: Language, options: Options, budget: int, count: Counter, dropped: Sequence[str]
) -> Fitted:
    """Return as many definitions from the start as fit: the largest number, found by halving."""
    total = _size(outline.nodes)

    def shown(keep: int) -> Fitted:
        what = [*dropped, f"the last {total - keep} of {total} definitions"]
        text = render_skeleton(outline._replace(nodes=tuple(_first(outline.nodes, keep))), language, options)
        return Fitted(_with_note(text, budget, what), ", ".join(what))

    low, high = 0, total
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(shown(middle).text) <= budget else (low, middle)
    return shown(low)


def _with_note(text: str, budget: int, dropped: Sequence[str]) -> str:
    return f"{text}# left out to fit {budget} tokens: {', '.join(dropped)}\n"


def _first(nodes: Sequence[Node], keep: int) -> Iterator[Node]:
    """Yield as much of `nodes` as has `keep` entries, in their order; what stands around these comes with them."""

    def kept() -> Iterator[Node]:
        left = keep
        for node in nodes:
            own = 0 if node.kind == "clause" else 1
            if left >= own:
                children = tuple(_first(node.children, left - own))
                left -= own + _size(children)
                yield node._replace(children=children, cut=bool(node.children) and not children)

    return prune_each(kept())


def _size(nodes: Sequence[Node]) -> int:
    """Return how many entries `nodes` show, clauses not counted."""
    return sum((node.kind != "clause") + _size(node.children) for node in nodes)


def _public(nodes: Sequence[Node]) -> Iterator[Node]:
    def keep(node: Node) -> Node | None:
        dunder = node.name.startswith("__") and node.name.endswith("__")
        return None if node.name.startswith("_") and not dunder else node

    return _each(nodes, keep)


def _single(nodes: Sequence[Node]) -> Iterator[Node]:
    return _each(nodes, lambda node: None if any(line.startswith(_OVERLOADS) for line in node.header[:-1]) else node)


def _bare(nodes: Sequence[Node]) -> Iterator[Node]:
    return _each(nodes, lambda node: node._replace(header=node.header[-1:]))


def _untyped(nodes: Sequence[Node]) -> Iterator[Node]:
    def strip(node: Node) -> Node:
        if node.kind != "function":
            return node
        return node._replace(header=(*node.header[:-1], _without_annotations(node.header[-1])))

    return _each(nodes, strip)


def _each(nodes: Sequence[Node], change: Callable[[Node], Node | None]) -> Iterator[Node]:
    """Yield `nodes` changed from the inside out; clauses go that are needed no more."""
    inner = ((node, tuple(_each(node.children, change))) for node in nodes)
    changed = (change(node._replace(children=left, cut=bool(node.children) and not left)) for node, left in inner)
    return prune_each(node for node in changed if node is not None)


def _without_annotations(header: str) -> str:
    """Return a function's header without annotations, or as it is when it cannot be read."""
    try:
        (function,) = ast.parse(f"{header} pass").body
    except SyntaxError:
        return header
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
    return ast.unparse(function).removesuffix("\n    pass")
