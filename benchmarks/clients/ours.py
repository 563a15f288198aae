"""Conductor working a track of one ticket and many steps; every call is approved. Prints what it measured as JSON.

    python -m benchmarks.clients.ours FOLDER STEPS [URL]

With a URL it asks the model there, through litellm with --adapter litellm; without one it plays a script. FOLDER keeps
the project and its journal; a second start there goes on with the first one's run. With --acknowledge the number of
every journal entry is printed once it is kept. With --profile FILE the run is profiled into that file.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise, repeat
from pathlib import Path

from benchmarks.clients.memory import peak_mib
from conductor.app import build_engine
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import ExitCode
from conductor.events import Event
from conductor.plan import load_plan

_TRACK = """\
schema = 1
id = "steps"
title = "Steps"

[[tickets]]
id = "T1"
title = "Many steps"
target_file = "module.py"
prompt = "Run the command."
worker_archetype = "coder"
dependencies = []
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("steps", type=int)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--adapter", choices=["direct", "litellm"], default="direct")
    parser.add_argument("--no-sandbox", action="store_true")
    parser.add_argument("--window", type=int)
    parser.add_argument("--acknowledge", action="store_true")
    parser.add_argument("--profile", type=Path)
    arguments = parser.parse_args()
    _prepare(arguments.folder, arguments.steps, arguments.url, arguments.adapter, arguments.window)
    times: list[float] = []
    hear = _acknowledge if arguments.acknowledge else _note_replies(times)
    profile = cProfile.Profile() if arguments.profile else None
    plan = load_plan(arguments.folder / "track.toml", arguments.folder, no_sandbox=arguments.no_sandbox)
    with build_engine(plan, ScriptedClutch(repeat(approve)), listeners=[hear]) as engine:
        code = profile.runcall(engine.run) if profile else engine.run()
    if profile:
        profile.dump_stats(arguments.profile)
    whole_steps = [(after - before) * 1000 for before, after in pairwise(times)]
    print(json.dumps({"peak_mib": peak_mib(), "modules": sorted(_packages()), "whole_steps_ms": whole_steps}))
    sys.exit(0 if code is ExitCode.OK else 1)


def _prepare(folder: Path, steps: int, url: str | None, adapter: str, window: int | None) -> None:
    settings = folder / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    model = "openai/gpt-5-mini" if url else "scripted:script.json"
    models = f'[models]\ndefault = "{model}"\ndefault_cheap = "scripted:script.json"\nadapter = "{adapter}"\n'
    models += f'api_base = "{url}"\n' if url else ""
    models += f"context_window = {window}\n" if window else ""
    (settings / "config.toml").write_text(f"{models}[archetypes.coder]\nmax_turns = {steps + 10}\n")
    os.environ["CONDUCTOR_CONFIG_HOME"] = str(settings)
    (folder / "track.toml").write_text(_TRACK)
    (folder / "module.py").write_text("VALUE = 1\n")
    turns = [{"text": f"This is step {n}.", "tool_calls": [_call(n)]} for n in range(1, steps + 1)]
    script = {"schema": 1, "conversations": [{"turns": [*turns, {"text": "It is done."}]}]}
    (folder / "script.json").write_text(json.dumps(script))


def _call(number: int) -> dict[str, object]:
    return {"tool": "run_shell", "arguments": {"command": f"true {number}"}}  # the same again and again would be a loop


def _acknowledge(event: Event) -> None:
    os.write(1, f"{event.sequence}\n".encode())


def _note_replies(times: list[float]) -> Callable[[Event], None]:
    def note(event: Event) -> None:
        if event.kind == "model_replied":
            times.append(time.perf_counter())

    return note


def _packages() -> set[str]:
    heavy = {"litellm", "openai", "pydantic", "prompt_toolkit", "rich", "typer", "tree_sitter", "tomlkit", "httpx"}
    return heavy & sys.modules.keys()


if __name__ == "__main__":
    main()
