"""CPython's own parser as the judge of Python text."""

from __future__ import annotations

import ast
import warnings


def read_python(source: str) -> ast.Module:
    """Return the tree of `source`. Raises SyntaxError for all that CPython refuses, too deep nesting included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes are the file's own affair
        try:
            return ast.parse(source)
        except (ValueError, RecursionError, MemoryError) as error:
            line = source.count("\n", 0, max(source.find("\0"), 0)) + 1
            raise SyntaxError(str(error), ("", line, 1, "")) from error
