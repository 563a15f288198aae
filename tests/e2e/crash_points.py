"""Dies before and after every single append to the journal of one track, resumes, and reports how each run came out.

Run by test_crash_points.py as a program of one thread, so that it can fork: the engine, its store and its tools are
real, and so is the death (`os._exit`, no clean-up of any kind).

    python -m tests.e2e.crash_points PROJECT SCRATCH [LIVES]

With LIVES, each life of a run is that many appends long, and the run is taken up again until it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from conductor.app import build_engine
from conductor.errors import ConductorError
from conductor.messages import Approved, Decision, Preview, Rejected, ToolCall
from conductor.models import TrustLevel
from conductor.plan import load_plan
from conductor.stores.base import Head, Row
from conductor.stores.sqlite import SqliteStore
from tests.e2e.driver import journal, tree

DIED = 99


class MortalStore(SqliteStore):
    """Ends the process at its n-th append: before it, or after it is kept and before anyone hears of it."""

    def __init__(self, folder: Path, at: int, before: bool) -> None:
        super().__init__(folder)
        self._left, self._before = at, before

    def append(self, seal: Callable[[Head], Sequence[Row]], *, durable: bool) -> Sequence[Row]:
        self._left -= 1
        if not self._left and self._before:
            os._exit(DIED)
        rows = super().append(seal, durable=durable)
        if not self._left:
            os._exit(DIED)
        return rows


class Witness:
    """Approves; asked about a call of unknown outcome it looks, as a human would, whether that happened."""

    name = "witness"

    def __init__(self, project: Path) -> None:
        self._tally = project / "tally.txt"

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        if "forbidden" in str(call.arguments.get("command")):
            return Rejected("not this one")
        if any("OUTCOME UNKNOWN" in notice for notice in preview.notices):
            word = str(call.arguments.get("command", "")).split()[1]
            if self._tally.exists() and word in self._tally.read_text():
                return Rejected("it happened")
        return Approved(call.arguments)


def live(project: Path, at: int, *, before: bool, level: TrustLevel | None = None) -> int:
    """Run the track in a process of its own that dies at append `at` (0: never); return its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70
    try:
        os.chdir(project)
        plan = load_plan(project / "tracks" / "track.toml", project, level=level)
        store = MortalStore(project / ".conductor", at, before)
        with build_engine(plan, Witness(project), store=store) as engine:
            code = int(engine.run())
    except ConductorError as error:
        print(error, file=sys.stderr)
        code = int(error.exit_code)
    finally:
        os._exit(code)


def outcome(project: Path) -> dict[str, object]:
    entries = journal(project)
    return {
        "tree": {name: content.decode() for name, content in tree(project).items()},
        "finished": sorted(e.data.call_id for e in entries if e.kind == "call_finished"),
        "rejections": sum(e.kind == "call_decided" and e.data.reason == "not this one" for e in entries),
        "gaps": [e.sequence for n, e in enumerate(entries, 1) if e.sequence != n],
        "last": entries[-1].kind,
    }


def main() -> None:
    origin, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    length = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    level = TrustLevel.AUTO if "auto" in sys.argv else None

    def copy() -> Path:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(origin, scratch)
        return scratch

    report: list[dict[str, object]] = []
    if length:
        for before in (True, False):
            project, lives = copy(), 1
            while live(project, length, before=before, level=level) == DIED and lives < 300:
                lives += 1
            report.append({"at": length, "before": before, "lives": lives, **outcome(project)})
        print(json.dumps(report))
        return
    for before in (True, False):
        at, died = 0, True
        while died:
            at += 1
            project = copy()
            died = live(project, at, before=before, level=level) == DIED
            code = live(project, 0, before=before, level=level)
            report.append({"at": at, "before": before, "died": died, "code": code, **outcome(project)})
    print(json.dumps(report))


if __name__ == "__main__":
    main()
