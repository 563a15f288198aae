"""Parts of a file: definitions by name, by what they call, and by the lines they stand on."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Sequence

from conductor.errors import Refused
from conductor.views.base import Language, Node, Options, Outline
from conductor.views.clauses import prune_each
from conductor.views.header import one_line
from conductor.views.render import render_skeleton

_NEAR = 5
_CALL = re.compile(rb"([\w\x80-\xff]+)\s*+\(")


def definitions(nodes: Sequence[Node], prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every definition with its dotted name, in source order."""
    for node in nodes:
        if node.kind == "clause":
            yield from definitions(node.children, prefix)
        elif node.kind in {"class", "function", "remark"}:
            name = f"{prefix}{node.name}"
            yield name, node
            yield from definitions(node.children, f"{name}.")


def find(outline: Outline, dotted_name: str) -> list[Node]:
    """Return every definition called `dotted_name`. Raises `Refused`, with near names, when there is none."""
    return require(outline.nodes, dotted_name)


def require(nodes: Sequence[Node], dotted_name: str) -> list[Node]:
    """Return every definition in `nodes` called `dotted_name`; raises as `find` does."""
    everything = list(definitions(nodes))
    found = [node for name, node in everything if name == dotted_name]
    if not found:
        raise Refused(f"no definition {dotted_name}", hint=_near(dotted_name, [name for name, _ in everything]))
    return found


def find_symbol(outline: Outline, dotted_name: str) -> str:
    """Return the source of every definition called `dotted_name`; raises as `find` does."""
    return "\n".join(_whole(outline.source, node) for node in find(outline, dotted_name))


def with_hot(outline: Outline, names: Collection[str]) -> Outline:
    """Return `outline` with the functions called `names` (all of a class's, for a class) hot; raises as `find` does."""
    chosen = [node for name in names for node in find(outline, name)]
    inside = [node for owner in chosen for _, node in definitions([owner])]
    return outline._replace(hot=(*outline.hot, *(node.start for node in inside)))


def with_changed(outline: Outline, lines: Sequence[range]) -> Outline:
    """Return `outline` with every function hot that stands on one of `lines` (1-based)."""
    starts = tuple(
        node.start
        for _, node in definitions(outline.nodes)
        if any(span.start <= node.last_line and node.first_line < span.stop for span in lines)
        and node.kind == "function"
    )
    return outline._replace(hot=(*outline.hot, *starts))


def focus(outline: Outline, language: Language, dotted_name: str, options: Options) -> str:
    """Return one definition in full, after the signatures of what it calls in this file; raises as `find` does."""
    from conductor.views.recover import without_literals

    targets = find(outline, dotted_name)
    source = "".join(_whole(outline.source, node) for node in targets)
    called = {name.decode("utf-8", "replace") for name in _CALL.findall(without_literals(source.encode()))}
    everything = list(definitions(outline.nodes))
    homes = _lineage(everything, dotted_name)
    shown = {id(node) for target in targets for _, node in definitions([target])}
    wanted = {id(node) for name, node in everything if _is_called(*_split(name), called, homes)} - shown
    callees = render_skeleton(outline._replace(nodes=tuple(only(outline.nodes, wanted))), language, options)
    owners = [node for node in _path(outline.nodes, targets[0]) if node.kind == "class"]
    around = "".join(f"{_indent(outline.source, node)}{one_line(node.header[-1], compact=False)}\n" for node in owners)
    target = textwrap.dedent(around + source)
    return f"{callees}\n{target}" if callees else target


def _split(dotted_name: str) -> tuple[str, str]:
    home, _, name = dotted_name.rpartition(".")
    return home, name


def _is_called(home: str, name: str, called: Collection[str], homes: Collection[str]) -> bool:
    """Say whether a call of one of `called` can mean `name` in the class `home`: by itself, or as its constructor."""
    if name == "__init__" and _is_called(*_split(home), called, homes):
        return True
    return name in called and home in homes


def _lineage(everything: Sequence[tuple[str, Node]], dotted_name: str) -> set[str]:
    """Return where a definition finds what it calls: in the file, in its class, and in the bases of that."""
    classes = {name: node for name, node in everything if node.kind == "class"}
    found = {""}
    waiting = [_split(dotted_name)[0], dotted_name]
    for name in waiting:
        if name in classes and name not in found:
            found.add(name)
            waiting += re.findall(r"\w+", classes[name].header[-1].partition("(")[2])
    return found - {dotted_name}


def only(nodes: Sequence[Node], wanted: Collection[int]) -> Iterator[Node]:
    """Yield of `nodes` those whose `id()` is in `wanted`, each inside the classes and clauses it stands in."""
    inner = ((node, tuple(only(node.children, wanted))) for node in nodes)
    return prune_each(
        node._replace(children=children, cut=bool(node.children) and not children)
        for node, children in inner
        if node.kind == "clause" or id(node) in wanted or children
    )


def _path(nodes: Sequence[Node], target: Node) -> list[Node]:
    """Return the nodes that `target` stands in, outermost first."""
    for node in nodes:
        if node.start < target.start and target.end <= node.end:
            return [node, *_path(node.children, target)]
    return []


def _near(wanted: str, names: Sequence[str]) -> str:
    import difflib

    last = wanted.rpartition(".")[2]
    same_end = [name for name in names if name.rpartition(".")[2] == last]
    near = list(dict.fromkeys([*same_end, *difflib.get_close_matches(wanted, names, _NEAR, 0.5)]))[:_NEAR]
    if near:
        return f"Near it: {', '.join(near)}."
    return f"The file defines: {', '.join(names[:20])}." if names else "The file defines nothing."


def _whole(source: bytes, node: Node) -> str:
    """Return the lines of `node`; what stands before it on its first line only when that is indentation."""
    return _indent(source, node) + source[node.start : node.end].decode("utf-8", "replace") + "\n"


def _indent(source: bytes, node: Node) -> str:
    before = source[: node.start].rpartition(b"\n")[2]
    return before.decode() if not before.strip() else ""
