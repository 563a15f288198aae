"""What a track has come to: what each ticket used, and the table of all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor.events import Event
from conductor.models import Ticket, TicketStatus, Track
from conductor.spending import Account, Spent
from conductor.visible import visible, width

_COLOURS = {
    TicketStatus.COMPLETED: "32",
    TicketStatus.FAILED: "31",
    TicketStatus.CANCELLED: "31",
    TicketStatus.BLOCKED: "33",
    TicketStatus.STEP_PAUSED: "33",
    TicketStatus.RUNNING: "36",
}


class TicketStatistics(Struct, frozen=True):
    """What a ticket has used so far. Hints count in tokens and money, not in turns."""

    turns: int = 0
    tokens: int = 0
    usd: float = 0.0

    def after(self, event: Event) -> TicketStatistics:
        """Return the statistics with one more entry of the ticket counted."""
        match event.data:
            case events.ModelReplied(usage=usage):
                turns = self.turns + 1
            case events.HintGiven(usage=usage) | events.ContextCompressed(usage=usage):
                turns = self.turns
            case _:
                return self
        tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        return replace(self, turns=turns, tokens=self.tokens + tokens, usd=self.usd + usage.get("usd", 0.0))


def statistics(
    entries: Iterable[Event], accounts: Mapping[Account, Spent] = MappingProxyType({})
) -> dict[str, TicketStatistics]:
    """Return what each ticket used, by ticket id; tickets that were never worked on are missing.

    `accounts` are what entries have cost that are not among `entries`. What was taken back is not counted.
    """
    spent: dict[str, TicketStatistics] = {}
    for account, used in accounts.items():
        if not account.present:
            continue
        before = spent.get(account.ticket, TicketStatistics())
        turns = before.turns + (used.completions if account.tier == "worker" else 0)
        spent[account.ticket] = TicketStatistics(turns, before.tokens + used.tokens, before.usd + used.usage.usd)
    for event in entries:
        if event.ticket_id:
            spent[event.ticket_id] = spent.get(event.ticket_id, TicketStatistics()).after(event)
    return spent


def money(usd: float) -> str:
    """Return an amount as it is read: cents where there are any, else what is not zero of it."""
    return f"${usd:.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


def summary(track: Track, spent: Mapping[str, TicketStatistics] | None = None, *, colour: bool | None = None) -> str:
    """Return the track's tickets as an aligned table, a line each, below a line that counts them.

    What tickets used is shown where `spent` is given. `colour` None: where standard output is a terminal that has it.
    """
    if colour is None:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    done = track.counts[TicketStatus.COMPLETED]
    total = len(track.tickets)
    lines = [f"{visible(track.title, one_line=True)}: {done} of {total} ticket{'s' if total != 1 else ''} completed"]
    if not total:
        return lines[0]
    table = [_cells(ticket, spent) for ticket in track.tickets]
    if spent is not None:
        table.insert(0, ["ticket", "state", "turns", "tokens", "cost", ""])
    widths = [max(map(width, column)) for column in zip(*table, strict=True)]
    numbers = range(2, 5) if spent is not None else range(0)
    for row, cells in enumerate(table, start=len(track.tickets) - len(table)):
        padded = [
            _padded(cell, room, right=at in numbers) for at, (cell, room) in enumerate(zip(cells, widths, strict=True))
        ]
        if colour and row < 0:
            padded = [f"\x1b[2m{cell}\x1b[0m" for cell in padded]
        elif colour and (code := _COLOURS.get(track.tickets[row].status)):
            padded[1] = f"\x1b[{code}m{padded[1]}\x1b[0m"
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _cells(ticket: Ticket, spent: Mapping[str, TicketStatistics] | None) -> list[str]:
    cells = [visible(ticket.id, one_line=True), str(ticket.status)]
    if spent is not None:
        used = spent.get(ticket.id)
        cells += [f"{used.turns}", f"{used.tokens:,}", money(used.usd)] if used else ["", "", ""]
    because = f" — {why(ticket)}" if why(ticket) else ""
    return [*cells, visible(ticket.title + because, one_line=True)]


def why(ticket: Ticket) -> str:
    """Return why a ticket stands where it does, "" where its status says it all."""
    match ticket.status:
        case TicketStatus.BLOCKED:
            return f"blocked by {ticket.blocked_by}"
        case TicketStatus.FAILED:
            return ticket.failure
        case TicketStatus.LOCKED:
            return f"after {', '.join(ticket.dependencies)}"
        case TicketStatus.STEP_PAUSED:
            return "a call waits for you"
        case _:
            return ""


def _padded(cell: str, room: int, *, right: bool) -> str:
    gap = " " * (room - width(cell))
    return gap + cell if right else cell + gap
