"""Whatever is done to a journal behind Conductor's back is found and named, or changed nothing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from conductor import events
from conductor.errors import ConductorError, UsageError
from conductor.journal import Journal, chained, digest_of, read
from conductor.proof import Finding, verify
from conductor.stores.base import Row
from conductor.stores.reader import read_only
from conductor.stores.sqlite import SqliteStore
from tests.test_journal import STARTED, TICKET, tamper

LAST = 30


def fill(folder: Path, entries: int = LAST) -> Path:
    """A journal of one run: a durable start, entries of several kinds, an output."""
    store = SqliteStore(folder)
    journal = Journal(store, "t")
    output = store.put(b"printed\n" * 50)
    journal.record(STARTED, TICKET, durable=True)
    for number in range(entries - 3):
        journal.record(events.WorkerTold(f"told {number}" * 20), ticket_id="T1")
    journal.record(events.CallFinished("c", "run_shell", "ok", "exit 0", 0, output, ""), ticket_id="T1", durable=True)
    store.close()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(tmp_path / "state")


def found(folder: Path) -> Sequence[Finding]:
    return verify(folder).findings


def named(folder: Path) -> list[tuple[str, int, int]]:
    return [(finding.problem, finding.sequence, finding.last) for finding in found(folder)]


def unprotected(*statements: str) -> Callable[[Path], None]:
    """Statements of somebody who puts the triggers back afterwards."""

    def act(folder: Path) -> None:
        with sqlite3.connect(folder / "journal.db") as db:
            triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        db.close()
        tamper(folder, *statements)
        with sqlite3.connect(folder / "journal.db") as db:
            for _, sql in triggers:
                db.execute(sql)
        db.close()

    return act


def test_a_whole_journal_is_proven(folder: Path) -> None:
    proof = verify(folder)

    assert proof.findings == ()
    assert (proof.entries, proof.contents, proof.newest.sequence, proof.has_marks) == (LAST, 1, LAST, True)


def test_where_there_is_none_nothing_is_proven(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no journal"):
        verify(tmp_path)


@pytest.mark.parametrize("column", [name for name in Row._fields if name != "sequence"])
@pytest.mark.parametrize("number", [1, 7, LAST])
def test_a_change_in_any_column_is_named(folder: Path, column: str, number: int) -> None:
    other = f"{column} + 1" if column in ("node_count", "code_version") else f"{column} || 'x'"
    unprotected(f"UPDATE events SET {column} = {other} WHERE sequence = {number}")(folder)

    assert ("changed", number, number) in named(folder)
    assert {finding.sequence for finding in found(folder)} <= {number, number + 1}


@pytest.mark.parametrize("first", [1, 2, 12, LAST - 1, LAST])
@pytest.mark.parametrize("count", [1, 3])
def test_dropped_entries_are_named_those_at_the_end_too(folder: Path, first: int, count: int) -> None:
    last = min(first + count - 1, LAST)
    unprotected(f"DELETE FROM events WHERE sequence BETWEEN {first} AND {last}")(folder)

    (finding,) = found(folder)
    assert (finding.problem, finding.sequence, finding.last) == ("missing", first, last)
    assert ("at its end" in finding.message) == (last == LAST)


def swap(one: int, other: int) -> Callable[[Path], None]:
    numbers = ((one, 1000), (other, one), (1000, other))
    return unprotected(*(f"UPDATE events SET sequence = {to} WHERE sequence = {at}" for at, to in numbers))


@pytest.mark.parametrize(("one", "other"), [(2, 3), (5, 20), (1, LAST), (29, LAST)])
def test_entries_that_changed_places_are_named(folder: Path, one: int, other: int) -> None:
    swap(one, other)(folder)

    assert [each for each in named(folder) if each[0] == "moved"] == [("moved", one, one), ("moved", other, other)]
    assert f"was written as entry {other}" in next(f.message for f in found(folder) if f.problem == "moved")


def test_an_entry_dropped_with_the_gap_closed_is_named(folder: Path) -> None:
    close = (f"UPDATE events SET sequence = {n - 1} WHERE sequence = {n}" for n in range(11, LAST + 1))
    unprotected("DELETE FROM events WHERE sequence = 10", *close)(folder)

    assert ("missing", 10, 10) in named(folder)
    assert [each[0] for each in named(folder)].count("moved") == LAST - 10


def test_a_copied_entry_is_named(folder: Path) -> None:
    rows = list(read_only(folder))
    copy = rows[4]._replace(sequence=LAST + 1, event_id=rows[4].event_id)
    unprotected(
        "CREATE TABLE others AS SELECT * FROM events",
        "DROP TABLE events",
        "CREATE TABLE events AS SELECT * FROM others",
        "INSERT INTO events SELECT 31, event_id, track_id, ticket_id, kind, at, node, node_count, causation_id, "
        "correlation_id, code_version, data, previous_hash, hash FROM others WHERE sequence = 5",
    )(folder)

    assert copy.sequence == 31
    assert ("copied", 31, 31) in named(folder)


def test_an_entry_with_a_hash_of_its_own_making_is_named(folder: Path) -> None:
    row = list(read_only(folder))[9]
    forged = row._replace(data='{"text":"never said"}')
    unprotected(f"UPDATE events SET data = '{forged.data}', hash = '{digest_of(forged)}' WHERE sequence = 10")(folder)

    (finding,) = found(folder)
    assert (finding.problem, finding.sequence) == ("rewritten", 11)
    assert "entry 10 is not the one it was written after" in finding.message


def test_a_whole_end_written_anew_is_found_by_the_mark(folder: Path) -> None:
    rows, forged, previous = list(read_only(folder)), list[Row](), list(read_only(folder))[8].hash
    for row in rows[9:]:
        changed = row._replace(at="2000-01-01T00:00:00+00:00", previous_hash=previous)
        previous = digest_of(changed)
        forged.append(changed._replace(hash=previous))
    sets = "UPDATE events SET at = '{0.at}', "
    sets += "previous_hash = '{0.previous_hash}', hash = '{0.hash}' WHERE sequence = {0.sequence}"
    statements = (sets.format(row) for row in forged)
    unprotected(*statements)(folder)

    assert named(folder) == [("rewritten", LAST, LAST)]


def test_a_table_without_its_protection_is_named(folder: Path) -> None:
    tamper(folder)
    assert [finding.problem for finding in found(folder)] == ["file"] * 3


@pytest.mark.parametrize("statement", ["UPDATE contents SET content = x'00'", "DELETE FROM contents"])
def test_an_output_that_is_not_what_was_printed_is_named_with_its_entry(folder: Path, statement: str) -> None:
    unprotected(statement)(folder)

    (finding,) = found(folder)
    assert (finding.problem, finding.sequence, finding.kind) == ("content", LAST, "call_finished")


def state_of(folder: Path) -> object:
    with sqlite3.connect(folder / "journal.db") as db:
        kept = db.execute("SELECT * FROM contents").fetchall()
    db.close()
    return list(read_only(folder)), kept


def damaged_somewhere(tmp_path: Path, seed: int, times: int, damage: Callable[[bytearray, Random], None]) -> int:
    """Damage copies of a journal; each is found to be damaged, or holds exactly what it held. Return how many were."""
    whole, chance = fill(tmp_path / "whole", 60), Random(seed)
    before = state_of(whole)
    detected = 0
    for _ in range(times):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        copy = Path(shutil.copytree(whole, tmp_path / "copy"))
        content = bytearray((copy / "journal.db").read_bytes())
        damage(content, chance)
        (copy / "journal.db").write_bytes(content)
        if found(copy):
            detected += 1
        else:
            assert state_of(copy) == before
            assert len(list(read(chained(read_only(copy))))) == 60
    return detected


def flip(content: bytearray, chance: Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def blank(content: bytearray, chance: Random) -> None:
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.choice([16, 512, 4096]))
    content[start:end] = bytes(end - start)


def cut(content: bytearray, chance: Random) -> None:
    del content[chance.randrange(len(content)) :]


@pytest.mark.parametrize("damage", [flip, blank, cut])
@pytest.mark.parametrize("times", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_damage_anywhere_is_found_or_is_none(
    tmp_path: Path, damage: Callable[[bytearray, Random], None], times: int
) -> None:
    assert damaged_somewhere(tmp_path, times, times, damage) > times / 4


def test_flips_within_entries_name_the_entry(tmp_path: Path) -> None:
    """The number is that of the entry whose text was hit."""
    whole, chance = fill(tmp_path / "whole"), Random(3)
    rows = list(read_only(whole))
    content = (whole / "journal.db").read_bytes()
    for row in chance.sample(rows, 12):
        at = (
            content.index(row.data.encode())
            if content.count(row.data.encode()) == 1
            else content.index(row.at.encode())
        )
        hit = bytearray(content)
        hit[at + 3] ^= 1
        (whole / "journal.db").write_bytes(hit)
        assert [finding.sequence for finding in found(whole) if finding.problem == "changed"] == [row.sequence]


def test_verifying_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    verify(folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert {name: after[name] for name in before} == before


def test_no_head_is_said_and_is_no_damage(folder: Path) -> None:
    (folder / "journal.head").unlink()
    proof = verify(folder)
    assert proof.findings == () and not proof.has_marks


def test_damage_is_never_an_error_of_pythons(tmp_path: Path) -> None:
    """Whoever reads a damaged journal is told so in Conductor's own words."""
    whole, chance = fill(tmp_path / "whole", 60), Random(9)
    content = (whole / "journal.db").read_bytes()
    for _ in range(60):
        hit = bytearray(content)
        blank(hit, chance)
        (whole / "journal.db").write_bytes(hit)
        try:
            list(read(chained(read_only(whole))))
        except ConductorError as error:
            assert error.exit_code == 6
