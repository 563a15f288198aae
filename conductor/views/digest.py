"""What a map has to know of one file: what it defines, which names it uses and what it offers. Kept as JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conductor.views.base import Node, Outline
from conductor.views.braced import BracedLanguage, braced_outline
from conductor.views.decode import decode_source
from conductor.views.parser import ASTParser
from conductor.views.recover import without_literals

_NAME = re.compile(r"((?:\b[^\W\d]\w*)?\.|\b)([^\W\d]\w+)")
_IMPORT = re.compile(r"(?m)^[ \t]*(?:from[ \t]+[\w.]+[ \t]+)?import[ \t]+(\([^)]*\)|[^\n]*)")
_ALL = re.compile(r"__all__[^=\n]*=\s*[(\[]([^)\]]*)")
_OWN_IMPORT = re.compile(r"(?m)^from[ \t]+\.[\w.]*[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)")
_BRACED_LITERAL = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`", re.DOTALL)
_BUILT_IN = frozenset(name for kind in (str, bytes, list, dict, set, int, float, BaseException) for name in dir(kind))


class SourceFile(NamedTuple):
    """One file of a map: its path as it is shown, its definitions, how often it uses which names, what it offers."""

    path: str
    nodes: tuple[Node, ...]
    names: Mapping[str, int]
    offered: Sequence[str]


def digest(path: str, source: bytes, braced: BracedLanguage | None) -> str:
    """Return what a map has to know of a file, as JSON. `braced` is its language, None for Python."""
    code, _ = decode_source(source)
    if braced is None:
        outline = ASTParser().outline(code, frozenset())
        names, offered = _named(outline), _offered(code) if Path(path).stem == "__init__" else []
        nodes = outline.nodes
    else:
        nodes, names, offered = braced_outline(code, braced), _named_in_braces(code), []
    return json.dumps([list(map(_plain, nodes)), names, offered])


def undigest(path: str, text: str) -> SourceFile:
    """Return what `digest` made of the file that is shown as `path`."""
    nodes, names, offered = json.loads(text)
    return SourceFile(path, tuple(map(_node, nodes)), names, offered)


def is_telling(name: str) -> bool:
    """Say whether `name` is no everyday word."""
    return len(name) > 7 or "_" in name or name[0].isupper()


def _plain(node: Node) -> list[Any]:
    return [node.kind, node.name, node.header, list(map(_plain, node.children))]


def _node(plain: list[Any]) -> Node:
    kind, name, header, children = plain
    return Node(kind, name, tuple(header), 0, 0, 0, children=tuple(map(_node, children)))


def _offered(code: str) -> list[str]:
    """Return what users of a package begin with, named inside of it or not, from the `code` of its `__init__`.

    That are the names in `__all__`, or else those that it takes from its own modules.
    """
    listed = [name for text in _ALL.findall(code) for name in re.findall(r"[\"']([A-Za-z]\w*)[\"']", text)]
    taken = [part.split() for names in _OWN_IMPORT.findall(code) for part in names.strip("()").split(",")]
    return listed or [words[-1] for words in taken if words and not words[-1].startswith("_")]


def _named(outline: Outline) -> Counter[str]:
    """Count the names by which Python code can mean another file's definitions: imported ones, and attributes.

    An attribute of an imported name keeps its owner ("json.dumps"): if it is a definition, then of that module. Any
    other may be a method of anything, and counts when it is no everyday word.
    """
    code = without_literals(outline.source).decode("utf-8", "replace")
    imported = {name for names in _IMPORT.findall(code) for name in re.findall(r"\w+", names)}
    named: Counter[str] = Counter()
    for owner, name in _NAME.findall(code):
        if not owner:
            named[name] += name in imported
        elif owner[:-1] in imported:
            named[owner + name] += 1
        elif is_telling(name) and name not in _BUILT_IN:
            named[name] += 1
    return +named


def _named_in_braces(code: str) -> Counter[str]:
    """Count the names in code of the other languages, in which a package's files need no import to see each other."""
    names = re.findall(r"[^\W\d]\w+", _BRACED_LITERAL.sub(" ", code))
    return Counter(filter(is_telling, names))
