"""Journals that parted and are merged: both orders kept, nothing lost, provable, the same each time."""

from __future__ import annotations

import shutil
import tempfile
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor import events
from conductor.effective import in_force
from conductor.errors import NeedsHuman, StateMismatch, UsageError
from conductor.journal import Journal, chained, read
from conductor.merge import Merge, clocks, concurrent_with, merge
from conductor.proof import verify
from conductor.stores.access import NAME
from conductor.stores.base import Head
from conductor.stores.merging import opened_line, parted_at, replace_tail
from conductor.stores.reader import read_only
from conductor.stores.sqlite import SqliteStore
from tests.test_journal import STARTED, TICKET, tamper

BEGUN = events.TicketStarted("coder", "m", "step")


def write(folder: Path, *payloads: events.Payload, node: str = "engine@a", track: str = "t", ticket: str = "") -> None:
    store = SqliteStore(folder)
    Journal(store, track, node=node).record(*payloads, ticket_id=ticket, durable=True)
    store.close()


def merged(ours: Path, theirs: Path) -> Merge:
    with opened_line(ours / NAME) as here, opened_line(theirs / NAME) as there:
        parted = parted_at(here, there)
        found = merge(parted, list(here.tail(parted.sequence)), list(there.tail(parted.sequence)))
        if found.theirs:
            replace_tail(ours, here.head, parted.sequence, found.tail, there.contents(but=here.has_content))
    return found


def entries(folder: Path) -> list[events.Event]:
    return list(read(chained(read_only(folder))))


def texts(folder: Path, *, counting: bool = False) -> list[str]:
    found = in_force(entries(folder)) if counting else entries(folder)
    return [event.data.text for event in found if isinstance(event.data, events.WorkerTold)]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write(tmp_path / "base", STARTED, TICKET)
    return tmp_path / "base"


def copy(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.with_name(name)))


def told(*said: str) -> list[events.WorkerTold]:
    return [events.WorkerTold(each) for each in said]


def two(base: Path, *, nodes: tuple[str, str] = ("engine@a", "engine@b"), tickets: tuple[str, str] = ("T1", "T2")):
    one, other = copy(base, "one"), copy(base, "other")
    write(one, BEGUN, *told("one 1", "one 2"), events.TicketCompleted(), node=nodes[0], ticket=tickets[0])
    write(other, BEGUN, *told("other 1"), node=nodes[1], ticket=tickets[1])
    return one, other


def test_both_orders_are_kept_and_proven(base: Path) -> None:
    one, other = two(base)
    found = merged(one, other)
    assert (found.parted.sequence, found.ours, found.theirs) == (2, 4, 2)
    assert verify(one).findings == ()
    assert texts(one) == ["one 1", "other 1", "one 2"]
    assert entries(one)[-1].kind == "journals_merged"
    assert texts(one, counting=True) == texts(one), "they worked on different tickets: all of it counts"


def test_it_is_the_same_from_both_sides_and_a_second_time(base: Path) -> None:
    one, other = two(base)
    third = copy(one, "third")
    merged(one, other)
    merged(other, third)
    assert entries(one) == entries(other)
    before = (one / NAME).read_bytes()
    assert merged(one, other).theirs == merged(one, third).theirs == 0
    assert (one / NAME).read_bytes() == before
    assert merged(third, one).ours == 0
    assert entries(third) == entries(one), "what only went on in one of them is taken as it is"


@pytest.mark.parametrize("nodes", [("engine@a", "engine@b"), ("engine@a", "engine@a")])
def test_of_two_runs_of_one_ticket_the_one_that_completed_it_counts(base: Path, nodes: tuple[str, str]) -> None:
    one, other = two(base, nodes=nodes, tickets=("T1", "T1"))
    write(other, *told("other 2", "other 3", "other 4"), node=nodes[1], ticket="T1")
    found = merged(other, one)
    assert found.tracks["t"].tickets == ["T1"] and found.ours_aside == ["t"]
    assert texts(other, counting=True) == ["one 1", "one 2"]
    assert len(texts(other)) == 6
    assert verify(other).findings == ()
    write(other, *told("after"), node=nodes[1], ticket="T2")
    assert texts(other, counting=True)[-1] == "after"
    assert verify(other).findings == ()


def test_a_fresh_start_in_one_of_them_counts_alone(base: Path) -> None:
    one, other = two(base)
    write(other, STARTED, *told("anew"), node="engine@b")
    merged(one, other)
    assert texts(one, counting=True) == ["anew"]


def test_what_is_asked_of_a_ticket_is_no_work_on_it(base: Path) -> None:
    one, other = two(base)
    write(other, events.InterventionQueued("mind the tests", "cli:b"), node="cli@b", ticket="T1")
    merged(one, other)
    assert set(texts(one, counting=True)) == {"one 1", "one 2", "other 1"}


def test_journals_of_other_projects_are_refused(base: Path, tmp_path: Path) -> None:
    write(tmp_path / "stranger", STARTED)
    with pytest.raises(UsageError, match="no entry in common"):
        merged(base, tmp_path / "stranger")
    with pytest.raises(UsageError, match="no journal"):
        merged(base, tmp_path / "nothing")


def test_what_was_changed_is_not_merged(base: Path) -> None:
    one, other = two(base)
    tamper(other, "UPDATE events SET data = '{}' WHERE sequence = 4")
    with pytest.raises(StateMismatch, match="entry 4"):
        merged(one, other)
    assert verify(one).findings == () and len(entries(one)) == 6


def test_contents_come_along(base: Path) -> None:
    one, other = two(base)
    store = SqliteStore(other)
    digest = store.put(b"printed there\n")
    store.close()
    merged(one, other)
    store = SqliteStore(one)
    assert store.get(digest) == b"printed there\n"
    store.close()


def test_what_is_written_meanwhile_is_not_lost(base: Path) -> None:
    one, other = two(base)
    with opened_line(one / NAME) as here, opened_line(other / NAME) as there:
        found = merge(Head(2, here.hash_at(2)), list(here.tail(2)), list(there.tail(2)))
        write(one, *told("meanwhile"))
        with pytest.raises(NeedsHuman, match="written to meanwhile"):
            replace_tail(one, Head(6, here.hash_at(6)), 2, found.tail, iter(()))
    assert texts(one) == ["one 1", "one 2", "meanwhile"]


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7])
def test_an_entry_that_a_merged_journal_lost_is_named(base: Path, number: int) -> None:
    """Also when everything behind it was chained anew: each entry still names the one before it in its own journal."""
    one, other = two(base)
    found = merged(one, other)
    kept = [each for each in found.tail if each.row.sequence != number]
    forged = merge.__globals__["_chained"](found.parted, [each for each in kept if each.row.sequence < 99])
    with opened_line(one / NAME) as here:
        head = here.head
    replace_tail(one, head, 2, list(forged), iter(()))
    assert "is not there" in " ".join(finding.message for finding in verify(one).findings)


def test_concurrent_entries_are_told(base: Path) -> None:
    one, other = two(base)
    merged(one, other)
    with opened_line(one / NAME) as line:
        tail = list(line.tail(line.linear))
    by_text = {each.row.data: each.row.event_id for each in tail}
    first = next(name for data, name in by_text.items() if "one 1" in data)
    assert [row.kind for row in concurrent_with(first, tail)] == ["ticket_started", "worker_told"]
    assert {row.node for row in concurrent_with(first, tail)} == {"engine@b"}
    assert concurrent_with(entries(one)[-1].event_id, tail) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 3), st.sampled_from(["engine@a", "engine@b", "cli@a"])),
        st.tuples(st.just("copy"), st.integers(0, 3), st.just("")),
        st.tuples(st.just("merge"), st.integers(0, 3), st.integers(0, 3)),
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_however_journals_part_and_meet(steps: list[tuple]) -> None:
    """Each entry's ancestors are what its journal held when it was written; merging keeps exactly that order."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / "first"]
        write(folders[0], STARTED)
        knew: dict[str, set[str]] = {}
        note(folders[0], knew)
        for number, (what, at, how) in enumerate(steps):
            folder = folders[at % len(folders)]
            if what == "write":
                write(folder, *told(str(number)), node=how, track="tu"[number % 2], ticket=f"T{number % 3}")
            elif what == "copy":
                folders.append(Path(shutil.copytree(folder, Path(name) / str(number))))
            else:
                check_merge(folder, folders[how % len(folders)])
            note(folder, knew)
        for folder in folders:
            check_order(folder, knew)


def note(folder: Path, knew: dict[str, set[str]]) -> None:
    before: set[str] = set()
    for event in entries(folder):
        knew.setdefault(event.event_id, set(before))
        before.add(event.event_id)


def check_merge(one: Path, other: Path) -> None:
    if one == other:
        return
    ids = {event.event_id for folder in (one, other) for event in entries(folder)}
    merged(one, other)
    now = [event.event_id for event in entries(one)]
    assert ids <= set(now) and len(now) == len(set(now))
    assert merged(one, other).theirs == 0
    for track in "tu":
        in_force([event for event in entries(one) if event.track_id == track])


def check_order(folder: Path, knew: dict[str, set[str]]) -> None:
    assert verify(folder).findings == ()
    place = {event.event_id: event.sequence for event in entries(folder)}
    for event_id, sequence in place.items():
        assert knew[event_id] <= place.keys()
        assert all(place[known] < sequence for known in knew[event_id])
    assert_unique(folder)
    with opened_line(folder / NAME) as line:
        found = [(row.event_id, clock) for row, clock in clocks(list(line.tail(line.linear)))]
    for (one, its), (other, others) in combinations(found, 2):
        assert its.happens_before(others) == (one in knew[other])
        assert others.happens_before(its) == (other in knew[one])


def assert_unique(folder: Path) -> None:
    dots = [(event.track_id, event.node, event.node_count) for event in entries(folder)]
    assert len(dots) == len(set(dots)), "no two entries count as the same one of a node"
