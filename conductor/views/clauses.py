"""Which clauses of an `if`, `try`, `with`, `match` or loop an outline keeps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from conductor.views.base import Node

_FOLLOWING = frozenset({"elif", "else", "except", "finally"})  # what goes on with the statement before it


def keyword(header: str) -> str:
    """Return the word that a clause begins with; it is the name of its node."""
    return re.split(r"\W", header)[0]


def prune(clauses: Sequence[Node]) -> list[Node]:
    """Return the clauses of one statement that are needed to show what it defines, none when it defines nothing.

    Clauses without definitions stay where the others cannot be read without them: before a clause that has some, and
    as the handlers of a `try`.
    """
    full = [index for index, clause in enumerate(clauses) if clause.children]
    if not full:
        return []
    kept = list(clauses[: full[-1] + 1])
    if clauses[0].name != "try":
        return kept
    rest = clauses[full[-1] + 1 :]
    kept += [clause for clause in rest if clause.name == "except"]
    return kept if len(kept) > 1 else [*kept, *rest]


def prune_each(nodes: Iterable[Node]) -> Iterator[Node]:
    """Yield `nodes`, of which some may have lost what they held, without the clauses that are needed no more."""
    statement: list[Node] = []
    for node in nodes:
        if node.kind == "clause" and node.name in _FOLLOWING:
            statement.append(node)
            continue
        yield from prune(statement)
        statement = [node] if node.kind == "clause" else []
        if not statement:
            yield node
    yield from prune(statement)
