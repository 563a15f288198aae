"""What `ast` sees of a file's definitions: the measure that views are held to."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def signatures(code: str) -> list[tuple[str, ...]]:
    """Return every definition of module and class level: name, kind, decorators, parameters, bases, return type."""
    return list(_definitions(ast.parse(code).body, ""))


def _definitions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ...]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [*node.decorator_list, node.args, *([node.returns] if node.returns else [])]
        elif isinstance(node, ast.ClassDef):
            parts = [*node.decorator_list, *node.bases, *node.keywords]
        else:
            for block in _blocks(node):
                yield from _definitions(block, prefix)
            continue
        parts += getattr(node, "type_params", [])
        yield (prefix + node.name, type(node).__name__, *(ast.dump(part) for part in parts))
        if isinstance(node, ast.ClassDef):
            yield from _definitions(node.body, f"{prefix}{node.name}.")


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    yield getattr(node, "body", [])
    for handler in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
        yield handler.body
    yield getattr(node, "orelse", [])
    yield getattr(node, "finalbody", [])
