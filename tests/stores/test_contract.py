"""What every store keeps to."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from conductor.errors import AlreadyRunning, StateMismatch
from conductor.messages import content_hash
from conductor.stores.base import Head, Row, Store
from conductor.stores.registry import STORES


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Store]:
    opened = STORES[request.param](tmp_path / "state")
    yield opened
    opened.close()


def sealing(
    count: int = 1, *, track_id: str = "t", kind: str = "k", data: str = '{"a":"é"}'
) -> Callable[[Head], Sequence[Row]]:
    """What makes `count` rows for the current head."""

    def seal(head: Head) -> Sequence[Row]:
        rows: list[Row] = []
        for sequence in range(head.sequence + 1, head.sequence + 1 + count):
            previous = rows[-1].hash if rows else head.hash
            names = (f"e{sequence}", track_id, "T1", kind, "now", "engine", sequence, "", "c", 0, data)
            rows.append(Row(sequence, *names, previous, f"h{sequence}"))
        return rows

    return seal


@pytest.mark.parametrize("durable", [True, False])
def test_rows_come_back_in_order_as_they_were(store: Store, durable: bool) -> None:
    first = store.append(sealing(2), durable=durable)
    second = store.append(sealing(track_id="other"), durable=durable)

    assert list(store.rows()) == [*first, *second]
    assert list(store.rows(track_id="t")) == list(first)
    assert list(store.rows(after=1)) == [first[1], second[0]]
    assert list(store.rows(track_id="t", after=2)) == []
    assert [row.previous_hash for row in store.rows()] == ["", "h1", "h2"]


def test_the_last_of_a_kind(store: Store) -> None:
    for track_id, kind in (("t", "a"), ("t", "b"), ("other", "a"), ("t", "a"), ("t", "b")):
        store.append(sealing(track_id=track_id, kind=kind), durable=False)

    assert store.last(track_id="t", kind="a") == 4
    assert store.last(track_id="other", kind="a") == 3
    assert store.last(track_id="other", kind="b") == 0


def test_all_rows_or_none(store: Store) -> None:
    def failing(head: Head) -> Sequence[Row]:
        sealing()(head)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.append(failing, durable=True)
    assert list(store.rows()) == []
    assert store.append(sealing(), durable=True)[0].sequence == 1


@pytest.mark.parametrize("content", [b"", b"x", b"\0\xff" * 50_000])
def test_blobs(store: Store, content: bytes) -> None:
    digest = store.put(content)

    assert digest == ("" if not content else content_hash(content))
    assert store.put(content) == digest
    assert store.get(digest) == store.get(content_hash(content)) == content


def test_a_blob_that_was_never_put_is_a_mismatch(store: Store) -> None:
    with pytest.raises(StateMismatch, match="missing"):
        store.get(content_hash(b"never"))


def test_a_track_is_locked_once(store: Store) -> None:
    with store.lock("t"):
        with store.lock("another"):
            pass
        with pytest.raises(AlreadyRunning, match=r"track t is already being run by .*process"), store.lock("t"):
            pass
        with pytest.raises(AlreadyRunning), store.lock("t"):
            pass
    with pytest.raises(RuntimeError, match="inside"), store.lock("t"):
        raise RuntimeError("inside")
    with store.lock("t"):
        pass


def test_setting_aside_keeps_the_rows(store: Store) -> None:
    assert store.set_aside() == ""
    store.append(sealing(), durable=True)
    store.set_aside()
    assert len(list(store.rows())) == 1


def test_rows_of_a_ticket_of_some_kinds_and_the_last_of_them(store: Store) -> None:
    for track_id, kind in (("t", "a"), ("u", "b"), ("t", "b"), ("t", "c"), ("u", "a")):
        store.append(sealing(track_id=track_id, kind=kind), durable=False)

    def found(**of: Any) -> list[int]:
        numbers = [row.sequence for row in store.rows(**of)]
        assert store.numbers(**of) == numbers
        return numbers

    assert found(kinds=["a"]) == [1, 5]
    assert found(kinds=["a", "b"], after=1) == [2, 3, 5]
    assert found(track_id="t", kinds=["a", "c"]) == [1, 4]
    assert found(last=2) == [4, 5]
    assert found(kinds=["a", "b"], last=2) == [3, 5]
    assert found(track_id="t", last=1) == [4]
    assert found(ticket_id="T1", last=9) == [1, 2, 3, 4, 5]
    assert found(ticket_id="", kinds=["a"]) == []
    assert found(after=1, before=4) == [2, 3]


def test_rows_about_a_file(store: Store) -> None:
    for path in ("a.py", "b.py", "a.py", 'caf\u00e9 "x".py', "\udcff"):
        said = json.dumps({"path": path, "content": "a.py"})
        store.append(sealing(data=said, kind="changed"), durable=False)
    store.append(sealing(data=json.dumps({"other": "a.py"}), kind="changed"), durable=False)

    def found(path: str) -> list[int]:
        return [row.sequence for row in store.rows(path=path, kinds=["changed"])]

    assert [found(path) for path in ("a.py", 'caf\u00e9 "x".py', "\udcff", "c.py")] == [[1, 3], [4], [5], []]
