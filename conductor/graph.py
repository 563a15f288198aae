"""What can be wrong with the graph of a plan: repeated ids, unknown dependencies, cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct


class PlanMistake(Struct, frozen=True):
    """Something wrong with a plan's graph: in which ticket (by position), in its id or in one of its dependencies."""

    position: int
    message: str
    dependency: str = ""  # empty when it is about the ticket's id


def plan_mistakes(plan: Sequence[tuple[str, Sequence[str]]]) -> Iterator[PlanMistake]:
    """Yield what keeps `plan`, pairs of ticket id and dependencies, from being run.

    These are repeated ids, unknown dependencies and cycles; a ticket that depends on itself is the shortest cycle.
    """
    positions: dict[str, int] = {}
    for position, (ticket_id, _) in enumerate(plan):
        if ticket_id in positions:
            yield PlanMistake(position, f"two tickets have the id {ticket_id}")
        positions.setdefault(ticket_id, position)
    for position, (ticket_id, dependencies) in enumerate(plan):
        for unknown in dict.fromkeys(name for name in dependencies if name not in positions):
            yield PlanMistake(position, f"{ticket_id} depends on {unknown}, which is not in this track", unknown)
    graph = {ticket_id: plan[position][1] for ticket_id, position in positions.items()}
    for cycle in find_cycles(graph):
        first, second, *_ = cycle
        shown = cycle if len(cycle) <= 12 else (*cycle[:6], "...", *cycle[-5:])
        message = (
            f"dependencies form a cycle: {' -> '.join(shown)}" if first != second else f"{first} depends on itself"
        )
        yield PlanMistake(positions[first], message, second)


def find_cycles(graph: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yield cycles of `graph` as paths that end where they began, such that breaking them all leaves none.

    One depth-first walk with its own stack; every edge back into the path walked is one cycle. Names that are no key
    of `graph` are passed over.
    """
    finished: set[str] = set()
    for start in graph:
        if start in finished:
            continue
        path = {start: None}  # a dict for its order and its quick lookup
        stack = [iter(dict.fromkeys(graph[start]))]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
                finished.add(path.popitem()[0])
            elif name in path:
                nodes = list(path)
                yield (*nodes[nodes.index(name) :], name)
            elif name in graph and name not in finished:
                path[name] = None
                stack.append(iter(dict.fromkeys(graph[name])))
