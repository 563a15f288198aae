"""Where the definitions of a file stand."""

from __future__ import annotations

from conductor.views.parser import ASTParser
from conductor.views.registry import language_of
from conductor.views.select import definitions


def functions_of(path: str, text: str, *, classes: bool = False) -> list[tuple[str, int, int]]:
    """Return the functions of a file (with `classes` its classes too): dotted name, first and last line, from 1.

    Empty for a language without an outline.
    """
    language = language_of(path)
    if not language:
        return []
    wanted = {"function", "class"} if classes else {"function"}
    found = definitions(ASTParser(language).outline(text, frozenset()).nodes)
    return [(name, node.first_line, node.last_line) for name, node in found if node.kind in wanted]
