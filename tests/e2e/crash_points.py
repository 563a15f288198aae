"""Kills a run before or after an append to its journal, or at any moment, resumes it, and reports how it came out.

Run by test_crash_points.py as a program of one thread, so that it can fork: the engine, its store and its tools are
real, each life of a run is a process of its own, and it ends by SIGKILL.

    python -m tests.e2e.crash_points PROJECT SCRATCH appends [--sample N]
    python -m tests.e2e.crash_points PROJECT SCRATCH lives --length N
    python -m tests.e2e.crash_points PROJECT SCRATCH moments --sample N

`appends` kills a run of its own before and one after each append, `lives` one run again and again, each life that many
appends long, and `moments` a run of its own at each of that many random moments.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from conductor.app import build_engine
from conductor.config import user_directory
from conductor.errors import ConductorError
from conductor.messages import Approved, Decision, Preview, Rejected, ToolCall
from conductor.models import TrustLevel
from conductor.plan import load_plan
from conductor.stores.base import Head, Row
from conductor.stores.sqlite import SqliteStore
from tests.e2e.driver import journal, tree

DIED = -signal.SIGKILL
NEVER = 0
_CUT_OFF_S = 0.3  # by then nothing that a killed run had started is alive any more


class MortalStore(SqliteStore):
    """Kills the process at its n-th append: before it, or after it is kept and before anyone hears of it.

    The ids of entries that somebody could have heard of are kept in `heard_of`, a line an append.
    """

    def __init__(self, folder: Path, at: int, before: bool, heard_of: Path) -> None:
        super().__init__(folder)
        self._left, self._before = at, before
        self._heard_of = os.open(heard_of, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def append(self, seal: Callable[[Head], Sequence[Row]], *, durable: bool) -> Sequence[Row]:
        self._left -= 1
        if not self._left and self._before:
            os.kill(os.getpid(), signal.SIGKILL)
        rows = super().append(seal, durable=durable)
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(self._heard_of, " ".join(row.event_id for row in rows).encode() + b"\n")
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
            time.sleep(_CUT_OFF_S)
            word = str(call.arguments.get("command", "")).split()[1]
            if self._tally.exists() and word in self._tally.read_text().split():
                return Rejected("it happened")
        return Approved(call.arguments)


class Crashes:
    """Copies of one project, each of which is run, killed and resumed."""

    def __init__(self, origin: Path, scratch: Path, level: TrustLevel | None) -> None:
        self._origin, self._project, self._level = origin, scratch, level
        self._heard_of = scratch.with_name("heard_of")

    def appends(self, sample: int) -> Iterator[dict[str, Any]]:
        """Kill a run before, and another after, each append, or so many of them; the last run is left alone."""
        self._copy()
        code = self.live(NEVER)
        whole = {"died": False, "code": code, "at": NEVER, "before": False, **self.outcome()}
        count = len(self._heard_of.read_text().splitlines())
        chosen = (
            range(1, count + 1) if not sample else sorted(random.Random(sample).sample(range(1, count + 1), sample))
        )
        for at in chosen:
            for before in (True, False):
                self._copy()
                died = self.live(at, before=before) == DIED
                yield {"died": died, "code": self.live(NEVER), "at": at, "before": before, **self.outcome()}
        yield whole

    def lives(self, length: int) -> Iterator[dict[str, Any]]:
        """Kill one run again and again, at its n-th append each time."""
        for before in (True, False):
            self._copy()
            lives = 1
            while self.live(length, before=before) == DIED and lives < 300:
                lives += 1
            yield {"at": length, "before": before, "lives": lives, **self.outcome()}

    def moments(self, sample: int) -> Iterator[dict[str, Any]]:
        """Kill so many runs from outside, at any moment of a run's length; the last one is left alone."""
        self._copy()
        began = time.monotonic()
        code = self.live(NEVER)
        longest = time.monotonic() - began
        whole = {"died": False, "code": code, "at": longest, **self.outcome()}
        chance = random.Random(sample)
        for _ in range(sample):
            died = False
            while not died:  # another one where it had ended by then
                self._copy()
                at = chance.uniform(0, longest)
                died = self.live(NEVER, seconds=at) == DIED
            yield {"died": died, "code": self.live(NEVER), "at": at, **self.outcome()}
        yield whole

    def live(self, at: int, *, before: bool = False, seconds: float | None = None) -> int:
        """Run the track in a process of its own that is killed at append `at`, or after `seconds`; return its end."""
        child = os.fork()
        if child:
            if seconds is not None:
                time.sleep(seconds)
                os.kill(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        code = 70
        try:
            code = self._run(at, before)
        except ConductorError as error:
            print(error, file=sys.stderr)
            code = int(error.exit_code)
        finally:
            os._exit(code)

    def outcome(self) -> dict[str, Any]:
        """Say what is left: the tree, what ran, and whether the journal has all that anyone could have heard of."""
        entries = journal(self._project)
        heard_of = set(self._heard_of.read_text().split())
        return {
            "tree": {name: content.decode() for name, content in tree(self._project).items()},
            "finished": sorted(e.data.call_id for e in entries if e.kind == "call_finished"),
            "rejections": sum(e.kind == "call_decided" and e.data.reason == "not this one" for e in entries),
            "gaps": [e.sequence for n, e in enumerate(entries, 1) if e.sequence != n],
            "lost": sorted(heard_of - {event.event_id for event in entries}),
            "last": entries[-1].kind,
        }

    def _run(self, at: int, before: bool) -> int:
        os.chdir(self._project)
        (track,) = (self._project / "tracks").glob("*.toml")
        plan = load_plan(track, self._project, level=self._level)
        store = MortalStore(self._project / ".conductor", at, before, self._heard_of)
        with build_engine(plan, Witness(self._project), store=store) as engine:
            return int(engine.run())

    def _copy(self) -> None:
        for folder in (self._project, user_directory(os.environ)):  # what was said yes to before is asked again
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._origin, self._project)
        self._heard_of.write_text("")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("origin", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("how", choices=["appends", "lives", "moments"])
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--length", type=int, default=4)
    parser.add_argument("--level", type=TrustLevel)
    options = parser.parse_args()
    crashes = Crashes(options.origin, options.scratch, options.level)
    kill: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "appends": lambda: crashes.appends(options.sample),
        "lives": lambda: crashes.lives(options.length),
        "moments": lambda: crashes.moments(options.sample),
    }
    print(json.dumps(list(kill[options.how]())))


if __name__ == "__main__":
    main()
