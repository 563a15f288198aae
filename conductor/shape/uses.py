"""Where a file uses what other files define: its imports, and every place that calls or names something."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from msgspec import Struct

from conductor.shape.signatures import Arguments, arguments_of


class Use(NamedTuple):
    """A place that names something: `before` is what stands in front of the last dot ("" for nothing).

    `before` is "?" for what is no plain name. `call` is what is handed over, None where it is not called.
    """

    before: str
    name: str
    line: int
    call: Arguments | None


class Imported(NamedTuple):
    """A name that an import binds: `local` stands for `name` of the module `parts`, for that module where it is ""."""

    local: str
    parts: tuple[str, ...]
    name: str
    line: int
    exact: bool  # the parts begin at the project's root: it was a relative import

    @property
    def whole(self) -> tuple[str, ...]:
        """The module that the local name stands for, if it is one."""
        return (*self.parts, self.name) if self.name else self.parts


class Uses(Struct, frozen=True):
    """What a file uses. `stored` are the names it binds itself, but for definitions."""

    imported: tuple[Imported, ...] = ()
    uses: tuple[Use, ...] = ()
    stored: frozenset[str] = frozenset()


def uses_of(tree: ast.Module, path: str) -> Uses:
    """Return what the file at `path` (relative to the project) uses."""
    imported: list[Imported] = []
    uses: list[Use] = []
    stored: set[str] = set()
    handed: dict[int, Arguments] = {}
    waiting: list[ast.AST] = [tree]
    while waiting:  # by hand: ast.walk and a match statement take four times as long, and a human waits
        node = waiting.pop()
        kind = type(node)
        if kind is ast.Name:
            assert isinstance(node, ast.Name)
            if type(node.ctx) is ast.Load:
                uses.append(Use("", node.id, node.lineno, handed.get(id(node))))
            else:
                stored.add(node.id)
        elif kind is ast.Attribute:
            assert isinstance(node, ast.Attribute)
            line = node.end_lineno or node.lineno
            uses.append(Use(_dotted(node.value), node.attr, line, handed.get(id(node))))
            waiting.append(node.value)
        elif kind is not ast.Constant:
            if isinstance(node, ast.Call):
                handed[id(node.func)] = arguments_of(node)
            elif isinstance(node, ast.arg):
                stored.add(node.arg)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                imported += _imported(node, path)
            waiting += ast.iter_child_nodes(node)
    return Uses(tuple(imported), tuple(uses), frozenset(stored))


def module_parts(path: str) -> tuple[str, ...]:
    """Return the dotted name of the module a file holds, seen from the project's root, in its parts."""
    pure = PurePosixPath(path).with_suffix("")
    return pure.parts[:-1] if pure.name == "__init__" else pure.parts


def leads_to(parts: Sequence[str], module: Sequence[str], *, exact: bool) -> bool:
    """Say whether an import of `parts` is one of `module`. Where imports begin (src/, the root) is not known."""
    if exact:
        return tuple(parts) == tuple(module)
    return bool(parts) and tuple(module[-len(parts) :]) == tuple(parts)


def _imported(node: ast.Import | ast.ImportFrom, path: str) -> Iterator[Imported]:
    if isinstance(node, ast.Import):
        for name in node.names:
            parts = tuple(name.name.split("."))
            yield Imported(name.asname or name.name, parts, "", node.lineno, exact=False)
        return
    parts = tuple(node.module.split(".")) if node.module else ()
    if node.level:
        folders = PurePosixPath(path).parts[:-1]
        parts = (*folders[: max(0, len(folders) - node.level + 1)], *parts)
    for name in node.names:
        yield Imported(name.asname or name.name, parts, name.name, node.lineno, exact=bool(node.level))


def _dotted(node: ast.expr) -> str:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else "?"
