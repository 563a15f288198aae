"""A small project over real HTTP, through litellm, against a scripted server that speaks OpenAI's protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import Json, assert_calm, environment, journal, make_project, play, run_command
from tests.openai_server import Answer, Call, OpenAIServer, Reply, rate_limited, unauthorized

TICKETS: list[Json] = [
    {"id": "T1", "target_file": "one.txt", "prompt": "Write PLUM into one.txt.", "verify": "grep -q PLUM one.txt"},
    {"id": "T2", "target_file": "two.txt", "prompt": "Write PEAR into two.txt.", "dependencies": ["T1"]},
]
COUNTED: dict[str, int] = {"input_tokens": 100, "output_tokens": 20}


def script() -> list[Answer]:
    """T1: a rate limit, broken calls, a command that fails and a good write; T2: one write."""
    broken = [
        Call("write_file", '{"path": "one.txt", "content": '),
        Call("no_such_tool", {"path": "one.txt"}),
        Call("write_file", {"path": "one.txt", "content": 7}),
        Call("run_shell", {"command": "echo SECRETTRACE >&2; exit 4"}),
    ]
    return [
        rate_limited("0"),
        Reply("I try.", broken, **COUNTED),
        Reply("Now the right one.", [Call("write_file", {"path": "one.txt", "content": "PLUM\n"})], **COUNTED),
        Reply("PLUM stands in one.txt.", **COUNTED),
        Reply("", [Call("write_file", {"path": "two.txt", "content": "PEAR\n"})], **COUNTED),
        Reply("Done with the second.", **COUNTED),
    ]


def settings(server: OpenAIServer, *, stream: bool) -> str:
    models = ('default = "openai/gpt-5-mini"', 'default_cheap = "scripted:tracks/none.json"')
    return "\n".join(["[models]", *models, f'api_base = "{server.url}"', f"stream = {json.dumps(stream)}"])


def user_settings(project: Path, text: str) -> None:
    """What sends code somewhere is the user's to say, so it goes into their own settings."""
    folder = project.parent / "user"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text)
    (project / "tracks" / "none.json").write_text('{"schema": 1, "conversations": []}')


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "stream"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Json], Any]:
    """A run to its end: the project, every request body, and how the run ended."""
    project = make_project(tmp_path_factory.mktemp("http"), TICKETS)
    with OpenAIServer(script()) as server:
        user_settings(project, settings(server, stream=request.param))
        ended = play(project)
    assert ended.code == 0, ended.stderr
    return project, server.requests, ended


def test_the_track_completes_after_one_rate_limit(ran: tuple[Path, list[Json], Any]) -> None:
    project, requests, ended = ran
    assert (project / "one.txt").read_text() == "PLUM\n"
    assert (project / "two.txt").read_text() == "PEAR\n"
    assert len(requests) == 6 and requests[0] == requests[1]
    assert "429" in ended.stderr
    assert_calm(ended.stderr)


def test_the_second_worker_knows_nothing_of_the_first_ones_conversation(ran: tuple[Path, list[Json], Any]) -> None:
    _, requests, _ = ran
    assert "PLUM" in json.dumps(requests[3])
    for request in requests[4:]:
        assert request["messages"][1]["content"].startswith("# Ticket T2")
        for word in ("PLUM", "I try", "one.txt", "no_such_tool", "# Ticket T1"):
            assert word not in json.dumps(request["messages"])


def test_every_call_has_exactly_one_result_right_after_it(ran: tuple[Path, list[Json], Any]) -> None:
    _, requests, _ = ran
    for request in requests:
        open_calls: list[str] = []
        for message in request["messages"]:
            if message["role"] == "tool":
                assert message["tool_call_id"] == open_calls.pop(0)
                continue
            assert not open_calls
            open_calls = [call["id"] for call in message.get("tool_calls") or ()]
        assert not open_calls
    assert sum(message["role"] == "tool" for message in requests[3]["messages"]) == 5


def test_broken_calls_come_back_as_results_and_a_failure_as_a_hint(ran: tuple[Path, list[Json], Any]) -> None:
    _, requests, ended = ran
    results = [message["content"] for message in requests[2]["messages"] if message["role"] == "tool"]
    assert "not valid JSON" in results[0]
    assert "no_such_tool" in results[1] and "write_file" in results[1]
    assert "content" in results[2] and "string" in results[2]
    assert results[3].startswith("exit code 4") and "Hint:" in results[3]
    assert len(results[3].rpartition("Hint:")[2].split()) <= 20
    assert ended.kinds("hint_given")[0]["source"] == "builtin"


def test_usage_is_summed_by_ticket(ran: tuple[Path, list[Json], Any]) -> None:
    project, _, _ = ran
    found = json.loads(run_command(project, "tickets", "--json").stdout)["tickets"]
    assert [(ticket["turns"], ticket["tokens"]) for ticket in found] == [(3, 360), (2, 240)]
    assert all(ticket["usd"] > 0 for ticket in found)


def test_a_refused_key_ends_the_run_and_it_goes_on_with_another_model(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1"}], {"T1": [{"text": "Nothing to do."}]})
    (project / "conductor.toml").unlink()
    with OpenAIServer([unauthorized()]) as server:
        user_settings(project, settings(server, stream=False))
        env = environment(project, OPENAI_API_KEY="sk-mine-4711")
        refused = play(project, env=env)
        assert refused.code == 5
        assert "refused the key" in refused.stderr and "OPENAI_API_KEY" in refused.stderr
        assert "sk-mine-4711" not in refused.stderr + json.dumps(refused.lines)
        assert_calm(refused.stderr)
    assert play(project, env=environment(project, CONDUCTOR_MODEL="scripted:tracks/worker.json")).code == 0
    assert [event.kind for event in journal(project)].count("ticket_started") == 1
