"""CPython's own parser as the judge of Python text."""

from __future__ import annotations

import re
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast

# Of Python 3.12 and newer. The default of a parameter may hold anything but the bracket that closes the list.
_TYPE_PARAMETERS = re.compile(r"(?m)^([ \t]*(?:async[ \t]+def|def|class)[ \t]+\w+)[ \t]*\[[^\n]*?\](?=[ \t]*[(:])")


def read_python(source: str) -> ast.Module:
    """Return the tree of `source`. Raises SyntaxError for all that CPython refuses, too deep nesting included."""
    import ast

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes are the file's own affair
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if getattr(error, "lineno", None):
                raise
            raise SyntaxError(str(error), ("", _null_line(source), 1, "")) from error


def error_in(source: str) -> int | None:
    """Return the line of the first syntax error that CPython finds anywhere in `source`, None when it finds none."""
    import symtable  # parses without building a tree of Python objects, which is half of the time

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            symtable.symtable(source, "", "exec")
        except SyntaxError as error:
            return error.lineno or _null_line(source)
        except (ValueError, RecursionError, MemoryError):
            return _null_line(source)
    return None


def _null_line(source: str) -> int:
    """Return the line of the first null byte, which CPython does not name; 1 without one."""
    return source.count("\n", 0, max(source.find("\0"), 0)) + 1


def reads_signatures(source: str) -> bool:
    """Say whether `source` is Python, to this CPython or, but for type parameters, to a newer one."""
    try:
        read_python(_TYPE_PARAMETERS.sub(r"\1", source) if sys.version_info < (3, 12) else source)
    except SyntaxError:
        return False
    return True


def finding(line: int) -> str:
    """Return the notice about a file whose definitions are plain and whose `line` this CPython does not accept."""
    version = ".".join(map(str, sys.version_info[:2]))
    return f"signatures are exact, but Python {version} finds a syntax error at line {line}"
