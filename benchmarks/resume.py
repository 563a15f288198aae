"""From `conductor run` to its first request, where the journal holds 1,000 entries and where it holds 1,000,000.

    python -m benchmarks.resume [--rounds 9] [--large 1000000]

Both are runs that were stopped in their last ticket. The large one has as many tickets, of which each took more steps,
and half of its entries are of other tracks. What a snapshot saves is shown by a third line, which reads every entry.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.first_request import Listener, measure
from benchmarks.report import Figure, options, show
from conductor import events
from conductor.journal import Journal, node_of
from conductor.recall import keep, recall
from conductor.stores.sqlite import SqliteStore
from conductor.track_file import track_digest

SMALL, LARGE, WHOLE = "1,000 entries", "the large one", "the large one, --rebuild"
TICKETS = 10
_USAGE = {"input_tokens": 900, "output_tokens": 90, "cached_tokens": 0, "usd": 0.0001}
_TICKET = """
[[tickets]]
id = "T{0}"
title = "One"
target_file = "module.py"
prompt = "Run the command."
worker_archetype = "coder"
dependencies = []
"""


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--large", type=int, default=1_000_000, help="entries of the large journal")
    arguments = parser.parse_args()
    listener = Listener()
    times: dict[str, list[float]] = {SMALL: [], LARGE: [], WHOLE: []}
    with tempfile.TemporaryDirectory() as name:
        projects = {SMALL: project(Path(name) / "small", 1_000), LARGE: project(Path(name) / "large", arguments.large)}
        for number in range(arguments.rounds + 1):
            for who in times if number < 3 else (SMALL, LARGE):
                folder = projects.get(who, projects[LARGE])
                more = ["--rebuild"] if who == WHOLE else []
                kept = folder / ".conductor" / "snapshots"
                aside = shutil.copytree(kept, Path(name) / "aside") if more and kept.exists() else None
                took = measure(*command(folder, listener.url, more), folder, listener)
                if aside:
                    shutil.rmtree(kept, ignore_errors=True)
                    aside.rename(kept)
                times[who].extend([took] if number else [])
    bars = {LARGE: "1.5"}
    found = [Figure("first request after a resume", who, took, "ms", bars.get(who, "")) for who, took in times.items()]
    show(found, SMALL, arguments, [f"The large journal has {arguments.large:,} entries."])


def command(folder: Path, url: str, more: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return how the project's run is gone on with, and in which environment."""
    settings = folder / "settings"
    settings.mkdir(exist_ok=True)
    model = 'default = "openai/gpt-5-mini"\ndefault_cheap = "openai/gpt-5-mini"\n'
    (settings / "config.toml").write_text(f'[models]\n{model}api_base = "{url}"\n')
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"OPENAI_API_KEY": "none", "NO_PROXY": "127.0.0.1", "CONDUCTOR_CONFIG_HOME": str(settings)}
    return [str(Path(sys.executable).with_name("conductor")), "run", "track.toml", *more], env


def project(folder: Path, entries: int) -> Path:
    """Make a project whose journal holds that many entries of a run that was stopped in its last ticket."""
    folder.mkdir()
    (folder / "module.py").write_text("VALUE = 1\n")
    tickets = "".join(_TICKET.format(number) for number in range(1, TICKETS + 1))
    (folder / "track.toml").write_text(f'schema = 1\nid = "t"\ntitle = "T"\n{tickets}')
    store = SqliteStore(folder / ".conductor")
    other, own = (Journal(store, track_id, node=node_of("engine")) for track_id in ("other", "t"))
    started = events.TrackStarted("T", "track.toml", track_digest(folder / "track.toml"), "bench")
    share = max(1, (entries // 2 - 60) // (TICKETS - 1))
    steps = [events.WorkerTold("An entry of a usual size, as a result or an answer has it. " * 6)] * share
    for _ in range(TICKETS - 1):
        other.record(*steps, ticket_id="X")
    own.record(started)
    for number in range(1, TICKETS):
        own.record(events.TicketStarted("coder", "openai/gpt-5-mini", "step"), *steps, ticket_id=f"T{number}")
        own.record(events.TicketCompleted(), ticket_id=f"T{number}", durable=True)
    said = [{"role": "system", "content": "Work."}, {"role": "user", "content": f"# Ticket T{TICKETS}: One"}]
    own.record(
        events.TicketStarted("coder", "openai/gpt-5-mini", "step"), events.ContextBuilt(said), ticket_id=f"T{TICKETS}"
    )
    own.record(
        events.ModelReplied("m", "", [_call(20)], "tool_calls", _USAGE, 0.5),
        events.CodeChanged("c20", "module.py", "", store.put((folder / "module.py").read_bytes())),
        ticket_id=f"T{TICKETS}",
    )
    for turn in range(20):
        reply = events.ModelReplied("m", "", [_call(turn)], "tool_calls", _USAGE, 0.5)
        own.record(
            reply, events.CallFinished(f"c{turn}", "read_file", "ok", "It says so. " * 50), ticket_id=f"T{TICKETS}"
        )
    keep(store, "t", recall(store, "t"))
    store.close()
    return folder


def _call(turn: int) -> dict[str, object]:
    arguments = {"path": "module.py"}
    return {"call_id": f"c{turn}", "tool": "read_file", "arguments": arguments, "raw": "", "malformed": ""}


if __name__ == "__main__":
    main()
