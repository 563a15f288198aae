"""A track as somebody watches it who takes no part in the run: its tickets, what waits, and what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from conductor import events
from conductor.display.narrator import Line, Narrator
from conductor.display.summary import TicketStatistics, money, why
from conductor.errors import ExitCode
from conductor.events import Event
from conductor.inbox import Inbox
from conductor.journal import apply, replaying
from conductor.models import Ticket, TicketStatus, Track
from conductor.visible import visible

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

_SIGNS: Mapping[TicketStatus, tuple[str, str]] = {
    TicketStatus.LOCKED: ("○", "dim"),
    TicketStatus.PENDING: ("○", ""),
    TicketStatus.RUNNING: ("●", "cyan"),
    TicketStatus.STEP_PAUSED: ("◆", "yellow"),
    TicketStatus.COMPLETED: ("✓", "green"),
    TicketStatus.FAILED: ("✗", "red"),
    TicketStatus.CANCELLED: ("✗", "red"),
    TicketStatus.BLOCKED: ("⊘", "yellow"),
}
_BEGIN_ANEW = events.TrackStarted | events.TicketReopened | events.ChangesUndone
_DEEPEST = 6
_BUSY = (TicketStatus.STEP_PAUSED, TicketStatus.RUNNING, TicketStatus.FAILED, TicketStatus.CANCELLED)


def begins_anew(event: Event) -> bool:
    """Say whether the state does not follow from the entries before any more: it must be folded from the journal."""
    return isinstance(event.data, _BEGIN_ANEW)


class Watched:
    """The state of a track, folded from its entries, and how it is shown."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.inbox = Inbox()
        self.spent: dict[str, TicketStatistics] = {}
        self.doing = ""
        self.ended: ExitCode | None = None  # what the run ended with; None while one goes on, or none began
        self._narrator = Narrator({ticket.id: ticket.title for ticket in track.tickets})

    def apply(self, entries: Iterable[Event]) -> list[Line]:
        """Fold entries and return what there is to say of them. Raises `StateMismatch` when they do not fit."""
        lines: list[Line] = []
        with replaying():
            for event in entries:
                apply(self.track, event)
                self._follow(event)
                lines += self._narrator.lines(event)
                self.doing = self._narrator.doing(event)
        return lines

    def _follow(self, event: Event) -> None:
        self.inbox.apply(event)
        if event.ticket_id:
            self.spent[event.ticket_id] = self.spent.get(event.ticket_id, TicketStatistics()).after(event)
        match event.data:
            case events.TrackStarted() | events.RunResumed():
                self.ended = None
            case events.RunPaused(exit_code=code):
                self.ended = ExitCode(code)
            case events.TrackCompleted():
                self.ended = ExitCode.OK
            case events.TrackFailed():
                self.ended = ExitCode.TICKETS_FAILED
            case _:
                pass

    def rows(self, width: int, height: int) -> Group:
        """Return the block that stands below what happened: the tickets, what waits, what goes on."""
        from rich.console import Group
        from rich.text import Text

        usd = sum(used.usd for used in self.spent.values())
        tokens = sum(used.tokens for used in self.spent.values())
        done, total = self.track.counts[TicketStatus.COMPLETED], len(self.track.tickets)
        title = visible(self.track.title, one_line=True)
        head = Text(f"{title}: {done} of {total} completed · {tokens:,} tokens · {money(usd)}", style="bold")
        shown = _shown(self.track, max(3, height - 6 - len(self.inbox.waiting)))
        tickets = [self._row(ticket, depth) for ticket, depth in shown]
        if left := total - len(shown):
            tickets.append(Text(f"  … and {left} more tickets", style="dim"))
        block = [Text(), head, *tickets, *self._now()]
        for row in block:
            row.truncate(max(1, width - 1), overflow="ellipsis")
        return Group(*block)

    def _row(self, ticket: Ticket, depth: int) -> Text:
        from rich.text import Text

        sign, style = _SIGNS[ticket.status]
        used = self.spent.get(ticket.id, TicketStatistics())
        spent = f" · {used.turns} turn{'' if used.turns == 1 else 's'} · {money(used.usd)}" if used.turns else ""
        because = f" — {why(ticket)}" if why(ticket) else ""
        arm = "  " * (min(depth, _DEEPEST) - 1) + "└ " if depth else ""
        name = visible(ticket.id, one_line=True)
        about = visible(f"{ticket.title}{spent}{because}", one_line=True)
        return Text.assemble((arm, "dim"), (f"{sign} ", style), (name, "bold"), (f" {ticket.status} ", style), about)

    def _now(self) -> list[Text]:
        from rich.text import Text

        now: list[Text] = []
        for ticket_id, call in self.inbox.waiting.items():
            what = call.preview.get("text" if call.preview.get("kind") == "command" else "title") or call.tool
            said = f"{ticket_id} waits: conductor approve {call.call_id} · {what}"  # the first part fits narrow screens
            now.append(Text(visible(said, one_line=True), style="yellow"))
        if self.ended is not None and not self.inbox.waiting:
            now.append(Text("no run is at work", style="dim"))
        elif self.doing:
            now.append(Text(visible(self.doing, one_line=True), style="dim"))
        return now


def _shown(track: Track, room: int) -> list[tuple[Ticket, int]]:
    """Return the tickets there is room for, each below what it needs, with its depth in the graph."""
    depths: dict[str, int] = {}
    ordered = _by_need(track)
    for ticket in ordered:
        depths[ticket.id] = max((depths[name] + 1 for name in ticket.dependencies), default=0)
    urgent = sorted(ordered, key=lambda ticket: (ticket.status not in _BUSY, ticket.status.is_final))
    kept = {ticket.id for ticket in urgent[:room]}
    return [(ticket, depths[ticket.id]) for ticket in ordered if ticket.id in kept]


def _by_need(track: Track) -> Sequence[Ticket]:
    """Return the tickets so that each comes after those it needs, and right after the last of them where it can."""
    ordered: dict[str, Ticket] = {}
    waiting = list(reversed(track.tickets))
    needed_by: dict[str, list[Ticket]] = {}
    for ticket in waiting:
        for name in ticket.dependencies:
            needed_by.setdefault(name, []).append(ticket)
    while waiting:
        ticket = waiting.pop()
        if ticket.id not in ordered and all(name in ordered for name in ticket.dependencies):
            ordered[ticket.id] = ticket
            waiting += needed_by.get(ticket.id, [])
    return list(ordered.values())
