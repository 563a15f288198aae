from __future__ import annotations

import io

from rich.console import Console

from conductor.display.watch import Watched
from conductor.errors import ExitCode
from conductor.events import (
    CallProposed,
    Payload,
    RunPaused,
    TicketCompleted,
    TicketFailed,
    TicketStarted,
    TrackStarted,
)
from conductor.journal import Journal
from conductor.models import Ticket, Track
from conductor.stores.memory import MemoryStore

BEGUN = TrackStarted("Title \x1b[2J", "t.toml", "d", "0")
STARTED = TicketStarted("coder", "m", "step")


def track(*needs: tuple[str, tuple[str, ...]]) -> Track:
    return Track("t", "Title \x1b[2J", "", [Ticket(n, f"Do {n}\x1b[2J", "a", "p", dependencies=d) for n, d in needs])


def watched(of: Track, *payloads: tuple[str, Payload]) -> Watched:
    journal = Journal(MemoryStore(), "t")
    seen = Watched(of)
    for ticket_id, payload in payloads:
        seen.apply(journal.record(payload, ticket_id=ticket_id))
    return seen


def screen(of: Watched, width: int = 80, height: int = 30) -> str:
    out = io.StringIO()
    Console(file=out, width=width, height=height, color_system=None).print(of.rows(width, height))
    return out.getvalue()


def test_tickets_stand_below_what_they_need() -> None:
    shown = screen(watched(track(("A", ()), ("B", ()), ("C", ("A",)), ("D", ("C", "B"))), ("", BEGUN)))
    names = [line.strip(" └○").split()[0] for line in shown.splitlines() if " Do " in line]
    assert names == ["A", "C", "B", "D"]
    assert "└ ○ C locked" in shown and "  └ ○ D locked" in shown
    assert "\x1b" not in shown


def test_what_waits_is_named_with_the_way_to_answer() -> None:
    call = CallProposed("call_1", "write_file", {}, "idempotent", "d", preview={"title": "write\x1b a.py"})
    seen = watched(track(("A", ())), ("", BEGUN), ("A", STARTED), ("A", call), ("", RunPaused("x", 3)))
    assert "A waits: conductor approve call_1" in screen(seen) and "write" in screen(seen)
    assert "\x1b" not in screen(seen)
    assert seen.ended is ExitCode.PAUSED


def test_a_small_screen_shows_what_matters_and_counts_the_rest() -> None:
    many = track(*((f"T{n}", ()) for n in range(40)))
    past = [(f"T{n}", event) for n in range(20) for event in (STARTED, TicketCompleted())]
    seen = watched(many, ("", BEGUN), *past, ("T30", STARTED), ("T35", STARTED), ("T35", TicketFailed("no")))
    shown = screen(seen, width=40, height=12)
    assert "T30 running" in shown and "T35 failed" in shown and "more tickets" in shown
    assert len(shown.splitlines()) <= 12
    assert all(len(line) <= 40 for line in shown.splitlines())
