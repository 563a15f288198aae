"""Definitions by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conductor.errors import Refused
from conductor.views.base import Node, Outline

_NEAR = 5


def definitions(nodes: Sequence[Node], prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every definition with its dotted name, in source order."""
    for node in nodes:
        if node.kind == "clause":
            yield from definitions(node.children, prefix)
        elif node.kind in {"class", "function", "remark"}:
            name = f"{prefix}{node.name}"
            yield name, node
            yield from definitions(node.children, f"{name}.")


def find_symbol(outline: Outline, dotted_name: str) -> str:
    """Return the source of every definition called `dotted_name`. Raises `Refused`, with near names, when none is."""
    everything = list(definitions(outline.nodes))
    found = [node for name, node in everything if name == dotted_name]
    if not found:
        raise Refused(f"no definition {dotted_name}", hint=_near(dotted_name, [name for name, _ in everything]))
    return "\n".join(_whole(outline.source, node) for node in found)


def _near(wanted: str, names: Sequence[str]) -> str:
    import difflib

    last = wanted.rsplit(".", 1)[-1]
    same_end = [name for name in names if name.rsplit(".", 1)[-1] == last]
    near = list(dict.fromkeys([*same_end, *difflib.get_close_matches(wanted, names, _NEAR, 0.5)]))[:_NEAR]
    if near:
        return f"Near it: {', '.join(near)}."
    return f"The file defines: {', '.join(names[:20])}." if names else "The file defines nothing."


def _whole(source: bytes, node: Node) -> str:
    """Return the lines of `node`; what stands before it on its first line only when that is indentation."""
    line = source.rfind(b"\n", 0, node.start) + 1
    start = line if not source[line : node.start].strip() else node.start
    return source[start : node.end].decode("utf-8", "replace") + "\n"
