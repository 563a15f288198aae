from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from conductor.errors import AlreadyRunning, ConductorError, NeedsHuman, StateMismatch, UsageError
from conductor.events import WorkerTold
from conductor.journal import Journal, read
from conductor.messages import content_hash
from conductor.stores import schema
from conductor.stores.access import plain_errors
from conductor.stores.base import Head
from conductor.stores.marks import MarksFile
from conductor.stores.reader import read_only, reader
from conductor.stores.sqlite import SqliteStore
from conductor.stores.transactions import connected


@pytest.fixture
def store(tmp_path: Path) -> Generator[SqliteStore]:
    opened = SqliteStore(tmp_path)
    yield opened
    opened.close()


def record(store: SqliteStore, text: str = "x", *, durable: bool = True) -> None:
    Journal(store, "t").record(WorkerTold(text), durable=durable)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = ''",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events SELECT * FROM events",
        "UPDATE OR REPLACE events SET sequence = 7",
    ],
)
def test_rows_are_only_ever_added(store: SqliteStore, tmp_path: Path, statement: str) -> None:
    record(store)
    before = list(store.rows())

    with sqlite3.connect(tmp_path / "journal.db") as other, pytest.raises(sqlite3.IntegrityError, match="the journal"):
        other.execute(statement)
    other.close()
    assert list(store.rows()) == before


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    """What files held stands in it, whatever their modes were; a mode that a person chose stays."""
    folder = tmp_path / "own" / ".conductor"
    SqliteStore(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o770)
    SqliteStore(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o770


def test_rows_leave_no_gap(store: SqliteStore) -> None:
    record(store)
    row = next(store.rows())

    with pytest.raises(ConductorError):
        store.append(lambda head: [row._replace(sequence=head.sequence + 2, event_id="e")], durable=True)
    assert len(list(store.rows())) == 1


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_only_durable_appends_wait_for_the_disk(store: SqliteStore, durable: bool, level: int) -> None:
    record(store, durable=not durable)
    found: list[int] = []

    def seal(_: object) -> list[object]:
        found.append(store._db.execute("PRAGMA synchronous").fetchone()[0])
        return []

    store.append(seal, durable=durable)  # type: ignore[arg-type]
    assert found == [level]
    assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


WRITER = """
import sys
from pathlib import Path
from conductor.events import WorkerTold
from conductor.journal import Journal
from conductor.stores.sqlite import SqliteStore
journal = Journal(SqliteStore(Path(sys.argv[1])), "t", node=sys.argv[2])
for n in range(int(sys.argv[3])):
    kept = journal.record(WorkerTold("a" * (n % 3000)), WorkerTold("b"), durable=n % 2 == 0)
    print(kept[-1].sequence, flush=True)
"""


def writer(folder: Path, node: str, count: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", WRITER, str(folder), node, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


def test_several_processes_share_one_gap_free_sequence(tmp_path: Path) -> None:
    writers = [writer(tmp_path, f"node{n}", 40) for n in range(3)]
    assert [process.wait(30) for process in writers] == [0, 0, 0]
    for process in writers:
        process.communicate()

    found = list(read(read_only(tmp_path)))
    assert [event.sequence for event in found] == list(range(1, 241))
    for node in ("node0", "node1", "node2"):
        assert [event.node_count for event in found if event.node == node] == list(range(1, 81))


@pytest.mark.parametrize("rounds", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, rounds: int) -> None:
    random = Random(rounds)
    for _ in range(rounds):
        process = writer(tmp_path, "n", 100_000)
        assert process.stdout is not None
        acknowledged = process.stdout.readline()
        time.sleep(random.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        acknowledged += process.communicate()[0]

        promised = int(acknowledged.rsplit(b"\n", 1)[0].split(b"\n")[-1])
        kept = [event.sequence for event in read(read_only(tmp_path))]
        assert kept == list(range(1, len(kept) + 1))
        assert len(kept) % 2 == 0  # both entries of a record or none
        assert len(kept) >= promised > 0


def test_a_journal_is_opened_while_another_process_is_just_making_it(tmp_path: Path) -> None:
    maker = sqlite3.connect(tmp_path / "journal.db", isolation_level=None, check_same_thread=False)
    maker.execute("BEGIN IMMEDIATE")  # what keeps SQLite from turning a file to WAL, without waiting
    threading.Timer(0.2, lambda: maker.execute("ROLLBACK")).start()

    with closing(SqliteStore(tmp_path)) as store:
        record(store)
        assert len(list(store.rows())) == 1
    maker.close()


def test_who_comes_second_to_a_new_journal_leaves_the_marks_of_the_first(tmp_path: Path) -> None:
    first = connected(tmp_path / "journal.db")
    first.execute("PRAGMA journal_mode = WAL")
    first.execute("BEGIN IMMEDIATE")
    marks = MarksFile(tmp_path)
    marks.write(Head(3, "hash"), durable=True)
    second = threading.Thread(target=lambda: SqliteStore(tmp_path).close())
    second.start()
    time.sleep(0.2)  # by now it has found the journal without a table, and waits
    for step in schema.STEPS:
        step.take(first, tmp_path)
        first.execute(f"PRAGMA user_version = {step.version}")
    first.execute("COMMIT")
    second.join()

    assert MarksFile(tmp_path).read().durable == Head(3, "hash")
    marks.close()
    first.close()


def test_a_writer_that_never_lets_go_is_told_of() -> None:
    with pytest.raises(NeedsHuman, match="another process has been writing"), plain_errors(Path("p"), opening=True):
        raise sqlite3.OperationalError("database is locked")


@pytest.mark.parametrize(
    "content", [b"this is no database at all, but it is long enough", b"SQLite format 3\0" + b"\1" * 4096]
)
def test_what_is_no_journal_is_not_opened(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal.db").write_bytes(content)

    with pytest.raises(StateMismatch, match=r"journal\.db is damaged"):
        SqliteStore(tmp_path)
    with pytest.raises(StateMismatch, match="damaged"):
        list(read_only(tmp_path))
    assert (tmp_path / "journal.db").read_bytes() == content


@pytest.mark.parametrize("script", ["CREATE TABLE events (x)", "PRAGMA user_version = 1"])
def test_a_database_of_something_else_is_no_journal(tmp_path: Path, script: str) -> None:
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute(script)
    db.close()

    with pytest.raises(StateMismatch):
        record(SqliteStore(tmp_path))


def test_a_damaged_page_is_told(store: SqliteStore, tmp_path: Path) -> None:
    for n in range(200):
        record(store, f"{n}" * 100, durable=False)
    store.close()
    path = tmp_path / "journal.db"
    pages = path.read_bytes()
    path.write_bytes(pages[:8192] + b"\xa5" * (len(pages) - 8192))

    with pytest.raises(StateMismatch):
        list(read(SqliteStore(tmp_path).rows()))


def test_a_newer_format_is_left_alone(store: SqliteStore, tmp_path: Path) -> None:
    record(store)
    store._db.execute("PRAGMA user_version = 3")
    store.close()

    with pytest.raises(StateMismatch, match="has format 3; this Conductor knows 2"):
        SqliteStore(tmp_path)


def test_a_folder_that_cannot_be_written(commoner: Path) -> None:
    folder = commoner / "state"
    first = SqliteStore(folder)
    record(first)
    first.close()
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    commoner.chmod(0o555)

    with pytest.raises(UsageError, match="cannot be written"):
        record(SqliteStore(folder))
    with pytest.raises(UsageError, match="cannot be written"):
        SqliteStore(commoner / "other")
    assert len(list(read_only(folder))) == 1
    folder.chmod(0o755)
    commoner.chmod(0o755)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    with pytest.raises(UsageError):
        SqliteStore(tmp_path / "state")


def test_a_full_disk_needs_a_human_and_loses_nothing(store: SqliteStore) -> None:
    record(store)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(NeedsHuman, match="no space left for the journal"):
        record(store, "x" * 1_000_000)
    assert len(list(store.rows())) == 1
    store._db.execute("PRAGMA max_page_count = 1000000")
    record(store, "x" * 1_000_000)
    assert [row.sequence for row in store.rows()] == [1, 2]


def test_an_io_error_where_there_is_no_room_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SQLite puts it when a journal is opened on a disk that is full to the last block."""
    error = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(UsageError, match="cannot be written"), plain_errors(tmp_path, opening=True):
        raise error
    free = os.statvfs(tmp_path)
    full = os.statvfs_result([*free[:4], 0, *free[5:]])
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(NeedsHuman, match="no space left"), plain_errors(tmp_path, opening=True):
        raise error


LIMITED = """
import resource, signal, sys
from pathlib import Path
from conductor.errors import ConductorError
from conductor.events import WorkerTold
from conductor.journal import Journal
from conductor.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
journal = Journal(store, "t")
for act in (lambda: store.put(b"x" * 400_000), lambda: journal.record(WorkerTold("x" * 400_000), durable=True)):
    try:
        act()
    except ConductorError as error:
        print(type(error).__name__)
"""


def test_a_file_size_limit_is_an_error_of_ours_and_leaves_nothing_half(tmp_path: Path) -> None:
    printed = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True)

    assert printed.stdout.split() == ["NeedsHuman", "NeedsHuman"]
    store = SqliteStore(tmp_path)
    assert list(store.rows()) == []
    with pytest.raises(StateMismatch, match="missing"):
        store.get(content_hash(b"x" * 400_000))


HOLDER = """
import sys, time
from pathlib import Path
from conductor.stores.sqlite import SqliteStore
with SqliteStore(Path(sys.argv[1])).lock("t"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_names_the_process_and_ends_with_it(store: SqliteStore, tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"

    with pytest.raises(AlreadyRunning, match=rf"by process {holder.pid} \(since"), store.lock("t"):
        pass
    holder.kill()
    holder.communicate()
    with store.lock("t"):
        assert f"process {os.getpid()} " in (tmp_path / "locks/t").read_text()
    assert (tmp_path / "locks/t").read_text() == ""


def test_a_damaged_content_is_told_and_mended_by_the_next_put(store: SqliteStore) -> None:
    digest = store.put(b"content")
    store._db.execute("UPDATE contents SET content = x'00'")

    with pytest.raises(StateMismatch, match="not what was written"):
        store.get(digest)
    assert store.put(b"content") == digest
    assert store.get(digest) == b"content"


def test_contents_in_files_of_their_own_are_found(store: SqliteStore, tmp_path: Path) -> None:
    digest = content_hash(b"an output")
    (tmp_path / "outputs" / digest[:2]).mkdir(parents=True)
    (tmp_path / "outputs" / digest[:2] / digest).write_bytes(b"an output")

    assert store.get(digest) == b"an output"


def test_contents_need_the_journal_s_file_only(store: SqliteStore, tmp_path: Path) -> None:
    digest = store.put(b"\0\xff" * 10)
    record(store, "kept")
    copy = Path(store.set_aside())
    (tmp_path / "elsewhere").mkdir()
    copy.rename(tmp_path / "elsewhere" / "journal.db")

    with reader(tmp_path / "elsewhere") as kept:
        assert kept.get(digest) == b"\0\xff" * 10
        assert kept.get("") == kept.get(content_hash(b"")) == b""
        with pytest.raises(StateMismatch, match="missing"):
            kept.get(content_hash(b"never"))


def test_a_journal_from_before_contents_can_be_read(store: SqliteStore, tmp_path: Path) -> None:
    store._db.execute("DROP TABLE contents")

    with reader(tmp_path) as kept, pytest.raises(StateMismatch, match="missing"):
        kept.get(content_hash(b"x"))


def test_a_journal_set_aside_opens_as_one(store: SqliteStore, tmp_path: Path) -> None:
    record(store, "kept")
    copy = Path(store.set_aside())
    record(store, "later")

    assert copy.parent == tmp_path
    (tmp_path / "old").mkdir()
    copy.rename(tmp_path / "old/journal.db")
    again = SqliteStore(tmp_path / "old")
    assert [event.data for event in Journal(again, "t").entries()] == [WorkerTold("kept")]
    record(again)
    with pytest.raises(ConductorError):
        again.append(lambda _: [next(again.rows())], durable=True)


def test_reading_takes_no_part(store: SqliteStore, tmp_path: Path) -> None:
    record(store)

    assert len(list(read_only(tmp_path))) == 1
    assert list(read_only(tmp_path / "none")) == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["50% of?it#1", "ü ä", "a&mode=rwc"])
def test_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    opened = SqliteStore(tmp_path / name)
    record(opened)

    assert len(list(read_only(tmp_path / name))) == 1


def test_the_state_folder_keeps_itself_out_of_git(store: SqliteStore, tmp_path: Path) -> None:
    assert (tmp_path / ".gitignore").read_text() == "*\n"
