"""What watching costs while nothing happens, and how late it shows an entry.

    python -m benchmarks.watch [SECONDS]

Three watchers stand before a journal: on a pseudo-terminal, in a pipe as text, and as JSON lines. Processor time is the
kernel's own (/proc), over SECONDS without an entry. Lateness is from the commit of an entry until its line can be read.
"""

from __future__ import annotations

import os
import pty
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conductor.events import TrackStarted, WorkerTold
from conductor.journal import Journal
from conductor.stores.sqlite import SqliteStore

CONDUCTOR = str(Path(sys.executable).with_name("conductor"))
TRACK = """schema = 1
id = "t"
title = "Nothing happens"
[[tickets]]
id = "T1"
title = "Wait"
target_file = "a.txt"
prompt = "p"
"""
ENTRIES = 40


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        (project / "tracks").mkdir()
        (project / "tracks" / "t.toml").write_text(TRACK)
        journal = Journal(SqliteStore(project / ".conductor"), "t")
        journal.record(TrackStarted("t", "tracks/t.toml", "d", "0"))
        watchers = {kind: start(project, kind) for kind in ("terminal", "text", "json")}
        for _, reader in watchers.values():
            drain(reader, 8.0, until=b"")
        time.sleep(1)
        before = {what: spent(process.pid) for what, (process, _) in watchers.items()}
        time.sleep(seconds)
        for what, (process, _) in watchers.items():
            share = (spent(process.pid) - before[what]) / seconds * 100
            print(f"{what:9} idle: {share:.2f} % of a core over {seconds:.0f} s")
        for what, (_, reader) in watchers.items():
            late = [lateness(journal, reader, number) for number in range(ENTRIES)]
            middle, worst = statistics.median(late), max(late)
            print(f"{what:9} an entry is there after {middle:.0f} ms (worst of {ENTRIES}: {worst:.0f})")
        for process, _ in watchers.values():
            process.terminate()
            process.wait()


def start(project: Path, kind: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a watcher and return it with what its output can be read from."""
    reader, writer = pty.openpty() if kind == "terminal" else os.pipe()
    command = [CONDUCTOR, "watch", "tracks/t.toml", *(["--json"] if kind == "json" else [])]
    env = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=project, env=env, stdin=subprocess.DEVNULL, stdout=writer)
    os.close(writer)
    return process, reader


def spent(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drain(reader: int, patience: float, *, until: bytes) -> None:
    seen = b""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if select.select([reader], [], [], 0.5)[0]:
            seen += os.read(reader, 65536)
            if until and until in seen:
                return
        elif not until and seen:
            return


def lateness(journal: Journal, reader: int, number: int) -> float:
    time.sleep(0.137)  # no multiple of anybody's rhythm
    word = f"word-{number}-{time.monotonic_ns()}"
    began = time.monotonic()
    journal.record(WorkerTold(word), ticket_id="T1")
    drain(reader, 5.0, until=word.encode())
    return (time.monotonic() - began) * 1000


if __name__ == "__main__":
    main()
