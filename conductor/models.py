"""What is worked on: a track of tickets, the states a ticket may be in, and which ticket may run next.

A ticket's status changes only through its `mark_*` methods. A ticket that belongs to a track tells it, and the track
unlocks or blocks the tickets that wait for it, so `ticket.mark_complete()` alone is enough.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from conductor.errors import IllegalTransition, UsageError
from conductor.graph import plan_mistakes


class TicketStatus(StrEnum):
    """Where a ticket stands. The last four are final."""

    LOCKED = "locked"  # a dependency is not complete
    PENDING = "pending"
    RUNNING = "running"
    STEP_PAUSED = "step_paused"  # a call waits at the clutch
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"  # a dependency failed, was cancelled or is blocked itself

    @property
    def is_final(self) -> bool:
        """Say whether no transition leads away from here."""
        return self in _FINAL


class Priority(StrEnum):
    """How urgent a ticket is, most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    BACKGROUND = "background"

    @property
    def rank(self) -> int:
        """0 for the most urgent."""
        return tuple(Priority).index(self)


class TrustLevel(StrEnum):
    """Which calls of a worker run without a human, fewest first."""

    STEP = "step"  # every call pauses
    GUARDED = "guarded"  # reads inside the project run, the rest pauses
    AUTO = "auto"

    @property
    def rank(self) -> int:
        """0 for the level that trusts least."""
        return tuple(TrustLevel).index(self)


_FINAL = frozenset({TicketStatus.COMPLETED, TicketStatus.FAILED, TicketStatus.CANCELLED, TicketStatus.BLOCKED})

# For each status, the ones it may be entered from.
_LEGAL: Mapping[TicketStatus, frozenset[TicketStatus]] = MappingProxyType(
    {
        TicketStatus.LOCKED: frozenset(),
        TicketStatus.PENDING: frozenset({TicketStatus.LOCKED}),
        TicketStatus.RUNNING: frozenset({TicketStatus.PENDING, TicketStatus.STEP_PAUSED}),
        TicketStatus.STEP_PAUSED: frozenset({TicketStatus.RUNNING}),
        TicketStatus.COMPLETED: frozenset({TicketStatus.RUNNING}),
        TicketStatus.FAILED: frozenset({TicketStatus.RUNNING, TicketStatus.STEP_PAUSED}),
        TicketStatus.CANCELLED: frozenset(TicketStatus) - _FINAL,
        TicketStatus.BLOCKED: frozenset({TicketStatus.LOCKED, TicketStatus.PENDING}),
    }
)


class Archetype(Struct, frozen=True):
    """A kind of worker: what it is told, which tools it has, and how far it is trusted."""

    name: str
    trust_level: TrustLevel
    tools: tuple[str, ...]
    max_turns: int
    instructions: str
    model: str = ""  # empty: the configuration's default model
    max_corrections: int = 3  # rounds after a failed gate, before a human is needed


@dataclass(slots=True, eq=False)
class Ticket:
    """One piece of work on one file. It starts locked when it has dependencies, else pending.

    Every `mark_*` method raises `IllegalTransition`, and changes nothing, when the present status does not allow it.
    """

    id: str
    title: str
    target_file: str
    prompt: str
    worker_archetype: str = "coder"
    dependencies: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    verify: str = ""
    priority: Priority = Priority.MEDIUM
    frozen: tuple[str, ...] = ()
    blocked_by: str = field(default="", init=False)
    failure: str = field(default="", init=False)
    _status: TicketStatus = field(init=False)
    _open_dependencies: int = field(init=False, repr=False)
    _listener: Callable[[Ticket, TicketStatus], None] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.dependencies = tuple(dict.fromkeys(self.dependencies))
        self._open_dependencies = len(self.dependencies)
        self._status = self._initial_status

    @property
    def status(self) -> TicketStatus:
        """Where the ticket stands."""
        return self._status

    def mark_pending(self) -> None:
        """locked -> pending. A track's ticket cannot be unlocked while one of its dependencies is not complete."""
        if self._listener is not None and self._open_dependencies:
            raise IllegalTransition(f"ticket {self.id} still waits for {self._open_dependencies} of its dependencies")
        self._enter(TicketStatus.PENDING)

    def mark_running(self) -> None:
        """pending | step_paused -> running."""
        self._enter(TicketStatus.RUNNING)

    def mark_step_paused(self) -> None:
        """running -> step_paused."""
        self._enter(TicketStatus.STEP_PAUSED)

    def mark_complete(self) -> None:
        """running -> completed; dependents with nothing else to wait for become pending."""
        self._enter(TicketStatus.COMPLETED)

    def mark_failed(self, reason: str) -> None:
        """running | step_paused -> failed; locked dependents become blocked."""
        self._enter(TicketStatus.FAILED, failure=reason)

    def mark_cancelled(self) -> None:
        """Anything that is not final -> cancelled; locked dependents become blocked."""
        self._enter(TicketStatus.CANCELLED)

    def mark_blocked(self, dependency_id: str) -> None:
        """locked | pending -> blocked by `dependency_id`; locked dependents become blocked in turn."""
        self._enter(TicketStatus.BLOCKED, blocked_by=dependency_id)

    def attach(self, listener: Callable[[Ticket, TicketStatus], None]) -> None:
        """Let a track hear of every change, with the status before it.

        Raises `UsageError` when the ticket already belongs to a track or has been worked on.
        """
        if self._listener is not None:
            raise UsageError(f"ticket {self.id} already belongs to a track")
        if self._status is not self._initial_status:
            raise UsageError(f"ticket {self.id} is already {self._status}; a track takes tickets as they were planned")
        self._listener = listener

    def dependency_completed(self) -> None:
        """Called by the track: one dependency less to wait for. With the last one a locked ticket becomes pending."""
        self._open_dependencies -= 1
        if not self._open_dependencies and self._status is TicketStatus.LOCKED:
            self.mark_pending()

    @property
    def _initial_status(self) -> TicketStatus:
        return TicketStatus.LOCKED if self.dependencies else TicketStatus.PENDING

    def _enter(self, status: TicketStatus, *, failure: str = "", blocked_by: str = "") -> None:
        before = self._status
        if before not in _LEGAL[status]:
            raise IllegalTransition(f"ticket {self.id} is {before} and cannot become {status}")
        self._status, self.failure, self.blocked_by = status, failure, blocked_by
        if self._listener is not None:
            self._listener(self, before)


class Track:
    """A plan: tickets in file order, and which of them may run.

    Raises `UsageError` when ids repeat, a dependency is unknown, or dependencies form a cycle. Scheduling a whole run
    looks at each ticket and each dependency once, and finds a ticket's place among the pending ones by bisection.
    """

    def __init__(self, id: str, title: str, description: str, tickets: Iterable[Ticket]) -> None:
        self.id = id
        self.title = title
        self.description = description
        self.tickets = tuple(tickets)
        for mistake in plan_mistakes([(ticket.id, ticket.dependencies) for ticket in self.tickets]):
            raise UsageError(f"track {id}: {mistake.message}")
        self._by_id = {ticket.id: ticket for ticket in self.tickets}
        self._dependents: dict[str, list[Ticket]] = {ticket.id: [] for ticket in self.tickets}
        self._counts = Counter(ticket.status for ticket in self.tickets)
        by_priority = sorted(self.tickets, key=lambda ticket: ticket.priority.rank)
        self._urgency = {ticket.id: -place for place, ticket in enumerate(by_priority)}
        self._ready: list[Ticket] = []  # the pending tickets, most urgent last
        self._blockers: list[Ticket] = []
        for ticket in self.tickets:
            self._admit(ticket)

    def ticket(self, ticket_id: str) -> Ticket:
        """Return the ticket of that id. Raises `UsageError` when there is none."""
        try:
            return self._by_id[ticket_id]
        except KeyError:
            raise UsageError(f"track {self.id} has no ticket {ticket_id}") from None

    def get_executable_tickets(self) -> list[Ticket]:
        """Return the pending tickets, by priority, then by file order."""
        return self._ready[::-1]

    def next_executable(self) -> Ticket | None:
        """Return the first of `get_executable_tickets`, None when nothing is pending."""
        return self._ready[-1] if self._ready else None

    def __contains__(self, ticket_id: str) -> bool:
        return ticket_id in self._by_id

    @property
    def is_finished(self) -> bool:
        """Say whether every ticket has reached a final status."""
        return sum(self._counts[status] for status in _FINAL) == len(self.tickets)

    @property
    def counts(self) -> dict[TicketStatus, int]:
        """How many tickets stand where, every status included."""
        return {status: self._counts[status] for status in TicketStatus}

    def blocked_through(self, ticket_id: str) -> list[Ticket]:
        """Return the tickets that are blocked because of this one, directly or through another blocked one."""
        found = [self._by_id[ticket_id]]
        for blocker in found:
            found += [dependent for dependent in self._dependents[blocker.id] if dependent.blocked_by == blocker.id]
        return found[1:]

    def planned_order(self) -> list[Ticket]:
        """Return the tickets in the order in which a run would take them if each succeeded; changes nothing."""
        rehearsal = Track(self.id, self.title, self.description, [replace(ticket) for ticket in self.tickets])
        order: list[Ticket] = []
        while ticket := rehearsal.next_executable():
            ticket.mark_running()
            ticket.mark_complete()
            order.append(self._by_id[ticket.id])
        return order

    def _admit(self, ticket: Ticket) -> None:
        ticket.attach(self._changed)
        for dependency in ticket.dependencies:
            self._dependents[dependency].append(ticket)
        if ticket.status is TicketStatus.PENDING:
            self._add_ready(ticket)

    def _add_ready(self, ticket: Ticket) -> None:
        insort(self._ready, ticket, key=self._urgency_of)

    def _remove_ready(self, ticket: Ticket) -> None:
        del self._ready[bisect_left(self._ready, self._urgency_of(ticket), key=self._urgency_of)]

    def _urgency_of(self, ticket: Ticket) -> int:
        return self._urgency[ticket.id]

    def _changed(self, ticket: Ticket, before: TicketStatus) -> None:
        self._counts[before] -= 1
        self._counts[ticket.status] += 1
        if before is TicketStatus.PENDING:
            self._remove_ready(ticket)
        if ticket.status is TicketStatus.PENDING:
            self._add_ready(ticket)
        elif ticket.status is TicketStatus.COMPLETED:
            for dependent in self._dependents[ticket.id]:
                dependent.dependency_completed()
        elif ticket.status.is_final:
            self._block_dependents(ticket)

    def _block_dependents(self, ticket: Ticket) -> None:
        self._blockers.append(ticket)
        if len(self._blockers) > 1:
            return  # called back by the loop below, which takes this ticket up in its turn: no recursion, however deep
        for blocker in self._blockers:
            for dependent in self._dependents[blocker.id]:
                if dependent.status is TicketStatus.LOCKED:
                    dependent.mark_blocked(blocker.id)
        self._blockers.clear()
