"""The three logs follow from the journal: complete, apart, bounded, and the same when written anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor import logs
from conductor.events import Event, WorkerTold
from conductor.journal import Journal, read
from conductor.logs import RunLogs, rebuild
from conductor.messages import Aborted
from conductor.models import Ticket
from conductor.stores.memory import MemoryStore
from tests.bench import DONE, Bench, ListModel, calls

NOISY = r"""
import sys
out = sys.stdout.buffer
out.write(b'\xff\xfe\x00 not UTF-8\n\x1b[31mred\x1b[0m\r\n' + b'x' * 1_000_000 + b'\n')
out.writelines(b'line %d\n' % n for n in range(12_000))
out.flush()
sys.stderr.buffer.write(b'no newline at the end')
sys.exit(3)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    root = tmp_path / "project"
    root.mkdir()
    (root / "noisy.py").write_text(NOISY)
    turns = {
        "T1": [calls(("run_shell", {"command": "python3 noisy.py"}), text="I\x1b[2J look.\nTwo lines."), DONE],
        "T2": [calls(("run_shell", {"command": "echo two"})), DONE],
    }
    return Bench(
        root, lambda: [Ticket("T1", "One", "a.py", "Do."), Ticket("T2", "Two", "a.py", "Do.")], ListModel(turns)
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def heard(bench: Bench, folder: Path) -> dict[str, bytes]:
    """What a listener writes that hears of the entries one by one."""
    listener = RunLogs(folder, bench.store.get)
    for event in bench.heard:
        listener(event)
    listener.close()
    return files(folder)


def lines(content: bytes) -> Iterator[bytes]:
    return (line for line in content.splitlines() if not line.startswith(b"# run ") and line.strip())


def test_every_byte_a_command_printed_with_command_exit_code_and_duration(bench: Bench, tmp_path: Path) -> None:
    bench.engine().run()
    written = heard(bench, tmp_path / "logs")["task-T1-exec.log"]

    (finished,) = [e for e in bench.of_kind("call_finished") if e.exit_code == 3]
    assert len(bench.store.get(finished.stdout)) > 1_100_000
    assert bench.store.get(finished.stdout) in written
    assert b"--- stderr: 21 bytes\nno newline at the end\n" in written
    assert b"\n$ python3 noisy.py\n" in written
    assert re.search(rb"=== #\d+ exit code 3 after \d+\.\d{3} s\n", written)


def test_no_line_is_in_two_of_them_and_every_entry_in_one(bench: Bench, tmp_path: Path) -> None:
    bench.engine().run()
    written = heard(bench, tmp_path / "logs")

    assert list(written) == ["server.log", "task-T1-exec.log", "task-T1.log", "task-T2-exec.log", "task-T2.log"]
    everywhere = [line for content in written.values() for line in set(lines(content))]
    assert len(everywhere) == len(set(everywhere))
    workflow = b"".join(content for name, content in written.items() if "exec" not in name)
    numbers = sorted(int(n) for n in re.findall(rb"^\S+ #(\d+) ", workflow, re.MULTILINE))
    assert numbers == [event.sequence for event in bench.heard]


def test_workflow_logs_hold_nothing_that_controls_a_terminal(bench: Bench, tmp_path: Path) -> None:
    bench.engine().run()
    written = heard(bench, tmp_path / "logs")["task-T1.log"]

    assert b"\x1b" not in written
    assert r"I\u001b[2J look.\nTwo lines." in written.decode()


def test_two_runs_never_mix(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    bench.engine().run()
    first = heard(bench, folder)
    bench.heard.clear()
    with pytest.raises(Exception, match="waits"):
        bench.engine([Aborted()]).run(fresh=True)
    second = heard(bench, folder)

    assert {name: content for name, content in second.items() if name.endswith(".1")} == {
        f"{name}.1": content for name, content in first.items()
    }
    assert "task-T2.log" not in second, "the second run has not come to it"
    assert second["server.log"].split()[2] != first["server.log"].split()[2]


def test_a_run_that_goes_on_goes_on_in_its_files(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="waits"):
        bench.engine([Aborted()]).run()
    heard(bench, tmp_path / "logs")
    bench.heard.clear()
    bench.engine().run()
    written = heard(bench, tmp_path / "logs")

    assert [name for name in written if name.endswith(".1")] == []
    assert written["server.log"].count(b"# run ") == 1
    assert b" run_resumed " in written["server.log"]


def test_what_was_recorded_between_two_runs_is_caught_up_with(bench: Bench, tmp_path: Path) -> None:
    """As by an undo or a word to a worker from another terminal."""
    with pytest.raises(Exception, match="waits"):
        bench.engine([Aborted()]).run()
    heard(bench, tmp_path / "logs")
    Journal(bench.store, "t", node="cli").record(WorkerTold("by the way"), ticket_id="T1")
    Journal(bench.store, "other", node="cli").record(WorkerTold("of another track"), ticket_id="T1")
    bench.heard.clear()
    bench.engine().run()

    def after(number: int) -> Iterator[Event]:
        return read(bench.store.rows(track_id="t", after=number))

    listener = RunLogs(tmp_path / "logs", bench.store.get, after=after)
    for event in bench.heard:
        listener(event)
    listener.close()
    written = files(tmp_path / "logs")

    assert written["task-T1.log"].count(b'worker_told text="by the way"') == 1
    assert b"of another track" not in b"".join(written.values())
    rebuild(tmp_path / "anew", (e for e in read(bench.store.rows()) if e.track_id == "t"), bench.store.get)
    assert files(tmp_path / "anew") == written


def test_written_anew_they_are_the_same(bench: Bench, tmp_path: Path) -> None:
    bench.engine().run()
    folder = tmp_path / "logs"
    written = heard(bench, folder)
    (folder / "task-T1.log").unlink()
    (folder / "mcp-of-a-server.log").write_text("not ours")

    paths = rebuild(folder, read(bench.store.rows()), bench.store.get)

    assert {path.name for path in paths} == set(written)
    assert files(folder) == {**written, "mcp-of-a-server.log": b"not ours"}


def test_sizes_are_bounded(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 600)
    bench.engine().run()
    for number in range(8):
        written = heard(bench, tmp_path / f"logs{number % 2}")

    assert max(int(name.rpartition(".")[2]) for name in written if name[-1].isdigit()) == logs.KEPT
    assert all(len(content) < 1200 for name, content in written.items() if "T1" not in name)
    assert all(content.startswith(b"# run ") for content in written.values())
    assert all(content.count(b"\n=== ") == 2 for name, content in written.items() if "T1-exec" in name)


def test_a_ticket_whose_name_ends_like_a_log_has_logs_of_its_own(tmp_path: Path) -> None:
    store = MemoryStore()
    shell = [calls(("run_shell", {"command": "echo one"})), DONE]
    tickets = lambda: [Ticket("T1", "One", "a.py", "Do."), Ticket("T1-exec", "Two", "a.py", "Do.")]  # noqa: E731
    (tmp_path / "project").mkdir()
    bench = Bench(tmp_path / "project", tickets, ListModel({"T1": shell, "T1-exec": [DONE]}), store)
    bench.engine().run()

    assert list(heard(bench, tmp_path / "logs")) == [
        "server.log",
        "task-T1-exec.log",
        "task-T1-exec_.log",
        "task-T1.log",
    ]


def test_logs_that_cannot_be_written_are_said_once_and_stop_nothing(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file is in the way")
    bench.engine().run()
    said: list[str] = []
    listener = RunLogs(tmp_path / "logs", bench.store.get, say=said.append)
    for event in bench.heard:
        listener(event)

    assert len(said) == 1
    assert "the logs cannot be written any more" in said[0]
