"""State from a snapshot and what came since is the state from nothing, wherever the snapshot was made."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import asdict

from conductor import events
from conductor.context import WorkerContext
from conductor.errors import StateMismatch
from conductor.journal import Journal, read
from conductor.ledger import Ledger
from conductor.models import Ticket, Track
from conductor.recall import FORM, keep, recall, summed
from conductor.spending import Spending, Spent
from conductor.stores.base import Row, Store
from conductor.stores.memory import MemoryStore
from conductor.stores.sqlite import SqliteStore
from tests.test_journal import tamper

STARTED = events.TrackStarted("T", "t.toml", "d", "0")
USAGE = {"input_tokens": 10, "output_tokens": 3, "cached_tokens": 0, "usd": 0.001}


def track() -> Track:
    def ticket(name: str, *needs: str) -> Ticket:
        return Ticket(name, name, f"{name}.py", "Do it.", dependencies=needs)

    return Track("t", "T", "", [ticket("A"), ticket("B"), ticket("C", "A"), ticket("D", "C", "B"), ticket("E")])


def ledger(store: Store, **options: Any) -> Ledger:
    opened = Ledger(track(), Journal(store, "t"))
    opened.replay(**options)
    return opened


def plain(value: Any) -> Any:
    """What an object holds, and what that holds; tickets by their id."""
    if isinstance(value, Ticket):
        return value.id
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, Struct):
        return plain(asdict(value))
    return {name: plain(each) for name, each in vars(value).items()} if hasattr(value, "__dict__") else value


def state(opened: Ledger) -> dict[str, Any]:
    """All a ledger knows."""
    contexts: dict[str, WorkerContext] = opened._contexts
    return {
        "tickets": [(t.id, t.status, t.failure, t.blocked_by) for t in opened.track.tickets],
        "next": [t.id for t in opened.track.get_executable_tickets()],
        "spent": {account: opened.spending.accounts[account] for account in opened.spending.accounts},
        "ended": opened.ended,
        "calls": opened._call_ids,
        "event": (opened._track_event, opened._run),
        "open": {name: plain(one) for name, one in contexts.items()},
    }


class History:
    """Records what a run might: tickets taken up, worked on, ended, skipped, taken up again; other tracks between."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.chance = Random(seed)
        self.journal = Journal(store, "t")
        self.other = Journal(store, "other", node="cli")
        self.track = track()
        self.turns = 0
        self.journal.record(STARTED)

    def step(self) -> None:
        opened = ledger(self.store, rebuild=True)
        work = [*opened.begun(), *opened.track.get_executable_tickets()]
        lost = [t for t in opened.track.tickets if t.status in ("failed", "cancelled")]
        match self.chance.randrange(12):
            case 0:
                self.journal.record(events.RunPaused("x", 3))
                self.journal.record(events.RunResumed("d"))
            case 1:
                self.other.record(STARTED, events.WorkerTold("x"))
            case 2 if lost:
                self.journal.record(events.TicketReopened(), ticket_id=self.chance.choice(lost).id)
            case 3 if work:
                self.journal.record(events.TicketCancelled("skipped"), ticket_id=self.chance.choice(work).id)
            case 4 if opened.track.is_finished:
                self.journal.record(events.TrackFailed([], [], []))
            case _ if work:
                self.work(self.chance.choice(work), opened)

    def work(self, ticket: Ticket, opened: Ledger) -> None:
        if ticket.status == "pending":
            self.journal.record(events.TicketStarted("coder", "m", "step"), ticket_id=ticket.id)
            return
        self.turns += 1
        called = {"call_id": f"c{self.turns}", "tool": "x", "arguments": {}, "raw": "", "malformed": ""}
        reply = events.ModelReplied("m", "Hm.", [called], "tool_calls", USAGE, 0.1)
        done = events.CallFinished(f"c{self.turns}", "x", "ok", "did it")
        payloads = [reply, done, events.CodeChanged("c", "x.py", "a", "b")]
        end = self.chance.choice([None, None, events.TicketCompleted(), events.TicketFailed("no")])
        self.journal.record(*payloads, *([end] if end else []), ticket_id=ticket.id)


def cut(rows: list[Row], at: int, snapshot: bytes = b"") -> MemoryStore:
    store = MemoryStore()
    store._rows = rows[:at]
    store.keep_snapshot("t", snapshot)
    return store


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 60))
def test_from_a_snapshot_made_at_any_cut_it_is_the_same(seed: int, steps: int) -> None:
    history = History(MemoryStore(), seed)
    for _ in range(steps):
        history.step()
    rows = list(history.store.rows())
    whole = state(ledger(history.store, rebuild=True))
    older = b""
    for at in range(1, len(rows) + 1):
        store = cut(rows, at, older)  # made from the one before it, and so on
        keep(store, "t", recall(store, "t"), worth=0)
        older = store.snapshot("t")
        assert state(ledger(store)) == state(ledger(store, rebuild=True))
        assert state(ledger(cut(rows, len(rows), older))) == whole
    begun = history.store.last(track_id="t", kind="track_started")
    paid = Spending(read(row for row in rows[begun - 1 :] if row.track_id == "t")).sum()
    assert spent(recall(cut(rows, len(rows), older), "t").spending().sum()) == spent(paid)


def spent(sum_: Spent) -> tuple[int, int, float]:
    return sum_.requests, sum_.tokens, round(sum_.usage.usd, 9)


def completed(store: Store, tickets: int, turns: int, track_id: str = "t") -> None:
    """Record a run whose tickets A1, A2, ... each took that many turns, and one that is open."""
    journal = Journal(store, track_id)
    journal.record(STARTED)
    for number in range(tickets):
        name = f"A{number}"
        journal.record(events.TicketStarted("coder", "m", "step"), ticket_id=name)
        for turn in range(turns):
            journal.record(events.ModelReplied("m", f"{turn}", [], "stop", USAGE, 0.1), ticket_id=name)
        journal.record(events.TicketCompleted(), ticket_id=name)
    journal.record(events.TicketStarted("coder", "m", "step"), ticket_id="open")


class Counting(MemoryStore):
    """Counts the rows it hands out."""

    def __init__(self) -> None:
        super().__init__()
        self.handed = 0

    def rows(self, **options: Any) -> Any:
        for row in super().rows(**options):
            self.handed += 1
            yield row


def test_a_snapshot_saves_reading_what_is_over() -> None:
    store = Counting()
    completed(store, 30, 20)
    keep(store, "t", recall(store, "t"), worth=100)
    whole, store.handed = store.handed, 0

    past = recall(store, "t")
    assert store.handed < 10 < 600 < whole
    assert [event.ticket_id for event in past.entries if event.kind == "ticket_completed"] == [
        f"A{n}" for n in range(30)
    ]
    assert past.entries[-1].ticket_id == "open"
    assert past.spending().accounts == recall(store, "t", rebuild=True).spending().accounts


def test_what_is_read_quickly_gets_no_snapshot() -> None:
    store = MemoryStore()
    completed(store, 3, 20)
    assert not keep(store, "t", recall(store, "t"))
    assert store.snapshot("t") == b""


def kept(folder: Path, worth: int = 0) -> SqliteStore:
    store = SqliteStore(folder)
    completed(store, 3, 5)
    keep(store, "t", recall(store, "t"), worth=worth)
    Journal(store, "t").record(events.RunResumed("d"), durable=True)
    return store


@pytest.mark.parametrize("harm", [b"", b"no", b"0" * 64 + b"\n{}", None])
def test_a_snapshot_that_is_not_whole_is_none(tmp_path: Path, harm: bytes | None) -> None:
    store = kept(tmp_path)
    path = tmp_path / "snapshots" / "t"
    path.write_bytes(path.read_bytes()[:-7] if harm is None else harm)

    assert recall(store, "t") == recall(store, "t", rebuild=True)
    path.unlink()
    assert recall(store, "t") == recall(store, "t", rebuild=True)


def test_a_snapshot_of_another_form_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = kept(tmp_path)
    monkeypatch.setattr("conductor.recall.FORM", FORM + 1)
    assert recall(store, "t") == recall(store, "t", rebuild=True)


def test_a_snapshot_of_another_journal_is_none(tmp_path: Path) -> None:
    store = kept(tmp_path / "one")
    other = kept(tmp_path / "other")
    other.keep_snapshot("t", store.snapshot("t"))
    assert recall(other, "t") == recall(other, "t", rebuild=True)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = '{}' WHERE sequence = (SELECT max(sequence) FROM events)",
        "DELETE FROM events WHERE sequence = (SELECT max(sequence) FROM events)",
        "UPDATE events SET sequence = sequence + 1 WHERE sequence = (SELECT max(sequence) FROM events)",
        "DELETE FROM events WHERE kind = 'ticket_started' AND ticket_id = 'open'",
    ],
)
def test_damage_in_what_counts_is_found(tmp_path: Path, statement: str) -> None:
    store = kept(tmp_path)
    tamper(tmp_path, statement)
    with pytest.raises(StateMismatch):
        ledger(store)


def test_a_snapshot_says_little_of_what_is_over() -> None:
    store = MemoryStore()
    completed(store, 50, 40)
    snapshot = summed(recall(store, "t"))
    assert len(snapshot.ends) == 50 and snapshot.kept == ((1, 1), (2102, 2102))
    keep(store, "t", recall(store, "t"), worth=0)
    assert len(store.snapshot("t")) < 30_000 and json.loads(store.snapshot("t").split(b"\n", 1)[1])["form"] == FORM
