"""Errors as they arrive on standard error: one line that says where, JSON where it is asked for, and no secret."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.driver import CONDUCTOR, call, environment, journal, make_project, run_command
from tests.openai_server import Fault, OpenAIServer, Reply

KEY = "sk-live-0123456789abcdef0123"
REFUSED = Fault(400, b'{"error": {"message": "no such parameter"}}', {"x-request-id": "req_final"})
BUSY = Fault(429, b'{"error": {"message": "slow down"}}', {"x-request-id": "req_busy", "Retry-After": "0"})


def served(tmp_path: Path, server: OpenAIServer) -> tuple[Path, dict[str, str]]:
    project = make_project(tmp_path, [{"id": "T1"}])
    (project / "conductor.toml").write_text("")
    settings = tmp_path / "user"
    settings.mkdir(parents=True)
    models = f'[models]\ndefault = "openai/tiny"\ndefault_cheap = "openai/tiny"\napi_base = "{server.url}"\n'
    (settings / "config.toml").write_text(models)
    return project, environment(project, OPENAI_API_KEY=KEY)


def test_a_failure_is_one_line_with_track_ticket_stage_model_request_and_entry(tmp_path: Path) -> None:
    with OpenAIServer([REFUSED]) as server:
        project, env = served(tmp_path, server)
        done = run_command(project, "run", "tracks/track.toml", env=env)

    assert done.returncode == 5
    said = next(line for line in done.stderr.splitlines() if line.startswith("conductor: "))
    last = journal(project)[-1]
    assert last.kind == "run_paused"
    where = f"track small, ticket T1, stage model, model openai/tiny, request req_final, event {last.event_id}"
    assert said.endswith(f"no such parameter [{where}]")
    assert KEY not in done.stderr


def test_failed_requests_are_listed_with_the_provider_s_ids(tmp_path: Path) -> None:
    with OpenAIServer([BUSY, Reply("It is done.")]) as server:
        project, env = served(tmp_path, server)
        done = run_command(project, "run", "tracks/track.toml", "--trace-ids", env=env)

    assert done.returncode == 0, done.stderr
    retried = next(line for line in done.stderr.splitlines() if line.startswith("try 1 failed"))
    assert retried.endswith("[track small, ticket T1, stage model, model openai/tiny, request req_busy]")
    listed = done.stderr[done.stderr.index("failed requests: 1") :]
    assert re.search(r"T1 openai/tiny request req_busy: 429 from .*slow down, again after \d+ s", listed)
    kept = [event.data for event in journal(project) if event.kind == "request_failed"]
    assert [(data.request_id, data.model) for data in kept] == [("req_busy", "openai/tiny")]  # type: ignore[union-attr]


def test_with_json_logs_every_line_is_an_object(tmp_path: Path) -> None:
    with OpenAIServer([BUSY, REFUSED]) as server:
        project, env = served(tmp_path, server)
        done = run_command(project, "run", "tracks/track.toml", "--json-logs", "--trace-ids", env=env)

    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["level"] for line in said} == {"notice", "error"}
    (error,) = [line for line in said if line["level"] == "error"]
    assert (error["track"], error["ticket"], error["stage"], error["model"]) == ("small", "T1", "model", "openai/tiny")
    assert (error["request"], error["exit_code"]) == ("req_final", 5)
    assert error["event"] == journal(project)[-1].event_id
    assert error["hint"]


def test_json_logs_hold_before_the_command_and_for_mistakes_of_any_kind(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1", "dependencies": ["T9"]}])
    wrong = run_command(project, "--json-logs", "run", "tracks/track.toml")
    unknown = run_command(project, "run", "--nonsense", "--json-logs")

    (mistake,) = [json.loads(line) for line in wrong.stderr.splitlines()]
    assert "T9" in mistake["details"]
    assert mistake["exit_code"] == wrong.returncode == 2
    assert any("--nonsense" in json.loads(line)["message"] for line in unknown.stderr.splitlines())


def test_a_pause_says_what_waits_and_where(tmp_path: Path) -> None:
    turns = [{"tool_calls": [call("write_file", path="a.txt", content="a")]}]
    project = make_project(tmp_path, [{"id": "T1"}], {"T1": turns})
    done = run_command(project, "run", "tracks/track.toml", "--clutch", "deny")

    assert done.returncode == 3
    event = journal(project)[-1].event_id
    assert f"[track small, ticket T1, stage review, event {event}]" in done.stderr


def test_an_interruption_says_where_too(tmp_path: Path) -> None:
    turns = [{"tool_calls": [call("run_shell", command="sleep 60")]}]
    project = make_project(tmp_path, [{"id": "T1"}], {"T1": turns})
    command = [CONDUCTOR, "run", "tracks/track.toml", "--auto", "--json-logs"]
    run = subprocess.Popen(command, cwd=project, env=environment(project), stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if [event.kind for event in journal(project)][-1:] == ["call_started"]:
            break
        time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=60)

    (error,) = [line for line in map(json.loads, said.splitlines()) if line["level"] == "error"]
    assert run.returncode == error["exit_code"] == 143
    assert (error["ticket"], error["stage"], error["event"]) == ("T1", "call", journal(project)[-1].event_id)


CRASH = """
import os, sys
from conductor.cli import guard

def broken():
    raise RuntimeError("cannot use " + os.environ["SHOP_API_KEY"] + " and password=" + "hunter2-of-old")

sys.exit(guard(broken))
"""


def test_a_crash_report_holds_no_secret(tmp_path: Path) -> None:
    env = environment(tmp_path, SHOP_API_KEY="plain-words-no-shape-of-a-key", TMPDIR=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", CRASH], env=env, capture_output=True, text=True, timeout=60)

    assert done.returncode == 70
    (report,) = tmp_path.glob("conductor-crash-*.txt")
    text = report.read_text()
    assert "RuntimeError: cannot use [secret] and password=[secret]" in text
    assert str(report) in done.stderr
    for said in (text, done.stderr):
        assert "plain-words" not in said
        assert "hunter2" not in said


def test_a_run_that_goes_on_and_stops_at_once_says_where_too(tmp_path: Path) -> None:
    turns = {"T1": [{"tool_calls": [call("write_file", path="a.txt", content="a")]}, {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1"}], turns)
    for _ in range(2):
        waits = run_command(project, "run", "tracks/track.toml", "--clutch", "deny")
        assert "[track small, ticket T1, stage review, event " in waits.stderr
    with OpenAIServer([REFUSED]) as server:
        project, env = served(tmp_path / "two", server)
        for _ in range(2):
            said = run_command(project, "run", "tracks/track.toml", env=env).stderr
            assert "[track small, ticket T1, stage model, model openai/tiny, request req_final, event " in said
