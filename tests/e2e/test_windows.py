"""A server with a tiny window completes the demo track: it refuses what is longer, and nothing is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import conductor
from tests.e2e.driver import run_command
from tests.openai_server import Answer, Fault, OpenAIServer, error_body, turns_of

WINDOW = 4_096


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    folder = tmp_path / "bookshop"
    shutil.copytree(Path(conductor.__file__).parent / "demo_project", folder)
    worker = folder / "tracks" / "worker.json"
    script = json.loads(worker.read_text())
    for conversation in script["conversations"]:
        if conversation["match"] == "# Ticket T2:":
            conversation["turns"][:0] = [_reading(n) for n in range(1, 31)]
    worker.write_text(json.dumps(script))
    return folder


def _reading(line: int) -> dict[str, Any]:
    call = {"tool": "read_file", "arguments": {"path": "bookshop/catalog.py", "start_line": 1 + line % 9}}
    return {"text": f"I look at line {line}.", "tool_calls": [call]}


def refused_windows_in(cache: Path) -> list[int]:
    file = cache / "conductor" / "models.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    return [said["refused"] for models in kept.values() for said in models.values()]


@pytest.mark.parametrize("told", [True, False], ids=["configured", "found out"])
def test_the_demo_track_completes_in_a_window_of_4096_tokens(demo: Path, tmp_path: Path, told: bool) -> None:
    play = turns_of(demo / "tracks" / "worker.json")
    sizes: list[int] = []

    def answer(body: dict[str, Any]) -> Answer:
        sizes.append(len(json.dumps(body, ensure_ascii=False)) // 4)
        if sizes[-1] > WINDOW:
            return Fault(
                400, error_body("This model's maximum context length is 4096 tokens.", "invalid_request_error")
            )
        return play(body)

    with OpenAIServer(answer) as server:
        (demo / "conductor.toml").unlink()
        settings = tmp_path / "settings"
        settings.mkdir()
        models = f'default = "openai/tiny"\ndefault_cheap = "openai/tiny"\napi_base = "{server.url}"\n'
        workers = "[archetypes.coder]\nmax_turns = 50\n"
        window = f"context_window = {WINDOW}\n" if told else ""
        (settings / "config.toml").write_text(f"[models]\n{models}{window}{workers}")
        own = {"CONDUCTOR_CONFIG_HOME": str(settings), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        environ = {**os.environ, **own, "OPENAI_API_KEY": "none"}
        done = run_command(demo, "run", "tracks/demo.toml", "--auto", env=environ)
        assert done.returncode == 0, done.stderr + done.stdout
        log = run_command(demo, "log", "--json", env=environ).stdout
    shortened = [entry for entry in map(json.loads, log.splitlines()) if entry["kind"] == "context_compressed"]
    assert shortened
    assert sum(size > WINDOW for size in sizes) == (not told), "one refusal says it"
    named = refused_windows_in(tmp_path / "cache")
    assert named == ([] if told else [WINDOW])
    everything = "".join(f"{entry['data']['opening']}" for entry in shortened)
    assert "Add a method full_name() to Category" in everything
