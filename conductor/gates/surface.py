"""What other modules can know of a Python module: all of it but the bodies that no type outside depends on."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence

_TELLING = (ast.Yield, ast.YieldFrom, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def surface(content: bytes) -> str:
    """Return a digest that is another one whenever something is different that a type checker uses in other modules.

    Left out are the bodies of functions that state what they return. pyright (docs/type-inference.md) infers from a
    body the result of a function that does not state it, and whether it returns at all; attributes that are assigned;
    whether it is a generator; and whether a method is left to subclasses. "" where the module cannot be parsed.
    """
    try:
        tree = ast.parse(content, type_comments=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS) and node.returns and not _is_telling(node.body):
            node.body = []
    return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()


def _is_telling(body: Sequence[ast.stmt]) -> bool:
    """Say whether something in a body can matter outside of it, or whether there is only a stub of one."""
    empty = all(isinstance(each, ast.Pass) or _is_constant(each) for each in body)
    return empty or any(_tells(node) for statement in body for node in ast.walk(statement))


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _tells(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Name(id="NotImplementedError"):
            return True
        case _:
            return isinstance(node, _TELLING)
