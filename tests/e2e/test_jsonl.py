"""The demo project over `conductor run --clutch jsonl`, with real pipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import (
    Json,
    assert_calm,
    call,
    copy_demo,
    environment,
    journal,
    make_project,
    play,
    run_command,
    session,
    tree,
)


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return copy_demo(tmp_path)


def states(project: Path) -> dict[str, Json]:
    done = run_command(project, "tickets", "--json")
    assert done.returncode == 0, done.stderr
    return {ticket["id"]: ticket for ticket in json.loads(done.stdout)["tickets"]}


def worker_messages(project: Path, ticket: str) -> list[Json]:
    """Return what the ticket's model would be sent next."""
    done = run_command(project, "context", ticket, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["messages"]


def test_approving_everything_completes_the_track(demo: Path) -> None:
    ended = play(demo)  # every line of standard output was parsed as JSON on the way
    assert ended.code == 0, ended.stderr
    assert {line["type"] for line in ended.lines} == {"event", "approval_requested"}
    assert [event["event_id"] for event in ended.events] == [event.event_id for event in journal(demo)]
    assert ended.events[-1]["kind"] == "track_completed"
    assert "def to_csv" in (demo / "bookshop" / "report.py").read_text()
    assert "Category.full_name" in (demo / "CHANGELOG.md").read_text()
    (hint,) = ended.kinds("hint_given")
    assert hint["source"] == "model" and len(hint["text"].split()) <= 20
    told = json.dumps([event["data"] for event in ended.events if event["kind"] in ("call_finished", "worker_told")])
    assert "RecursionError" not in told and "most recent call" not in told
    assert {ticket["status"] for ticket in states(demo).values()} == {"completed"}
    again = play(demo)
    assert (again.code, again.lines) == (0, [])


def test_a_request_says_what_the_protocol_promises(demo: Path) -> None:
    with session(demo) as run:
        request = run.request()
        run.hang_up()
    assert request["call_id"] and request["digest"]
    assert (request["ticket_id"], request["tool"]) == ("T1", "write_file")
    assert request["arguments"]["path"] == "bookshop/report.py"
    assert request["preview"]["kind"] == "diff"
    assert "+    def to_csv(self):" in request["preview"]["text"]


def test_an_edited_payload_is_shown_again_before_it_runs(demo: Path) -> None:
    before = tree(demo)
    with session(demo) as run:
        first = run.request()
        content = first["arguments"]["content"].replace("A header", "A HEADER").replace("a header", "a HEADER")
        changed = {**first["arguments"], "content": content}
        run.answer(first, "edit", arguments=changed)
        second = run.request()
        assert second["call_id"] == first["call_id"]
        assert second["arguments"] == changed
        assert second["digest"] != first["digest"]
        assert "a HEADER" in second["preview"]["text"] and "a header" not in second["preview"]["text"]
        assert second["notices"]
        assert tree(demo) == before
        run.answer(second)
        finished = run.until("call_finished")["data"]
        run.request()
        ended = run.hang_up()
    assert (demo / "bookshop" / "report.py").read_text() == content
    (decided,) = ended.kinds("call_decided")
    assert decided["edited"] and decided["proposed"] == first["arguments"] and decided["arguments"] == changed
    assert "human changed your call" in finished["text"] and "a HEADER" in finished["text"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": "../outside.py", "content": "x"},
        {"path": "bookshop/report.py"},
        {"path": "bookshop/report.py", "content": 3},
        {"path": "conductor.toml", "content": "x"},
        {"path": "tracks/demo.toml", "content": "x"},
        {"path": "bookshop/report.py", "content": "\ud800"},
        {"path": "a\ud800", "content": "x"},
    ],
)
def test_an_edit_that_must_not_run_is_refused_and_the_call_waits_again(demo: Path, arguments: Json) -> None:
    before = tree(demo)
    with session(demo) as run:
        first = run.request()
        run.answer(first, "edit", arguments=arguments)
        second = run.request()
        ended = run.hang_up()
    assert second["arguments"] == first["arguments"]
    assert any("refused" in notice for notice in second["notices"])
    assert ended.code == 3, ended.stderr
    assert tree(demo) == before


def test_a_reason_reaches_the_workers_next_request_exactly_once(demo: Path) -> None:
    reason = "No: quote everything, as the old report did."
    with session(demo) as run:
        run.answer(run.request(), "reject", reason=reason)
        run.request()  # the worker had its next turn; its check waits
        assert run.hang_up().code == 3
    assert "to_csv" not in (demo / "bookshop" / "report.py").read_text()
    messages = worker_messages(demo, "T1")
    assert sum(json.dumps(message).count(reason) for message in messages) == 1
    replied = [event.data for event in journal(demo) if event.kind == "model_replied"]
    assert len(replied) == 2


def test_a_skipped_ticket_blocks_its_dependents_and_no_other(demo: Path) -> None:
    ended = play(demo, decide=lambda r: {"decision": "skip" if r["ticket_id"] == "T1" else "approve"})
    assert ended.code == 1
    found = states(demo)
    assert [found[name]["status"] for name in ("T1", "T2", "T3")] == ["cancelled", "completed", "blocked"]
    assert found["T3"]["blocked_by"] == "T1"
    assert ended.kinds("track_failed") == [{"failed": [], "blocked": ["T3"], "cancelled": ["T1"]}]
    assert_calm(ended.stderr)


@pytest.mark.parametrize("how", ["abort", "end of input"])
def test_a_paused_run_goes_on_with_the_same_call(demo: Path, how: str) -> None:
    with session(demo) as run:
        run.answer(run.request())
        waiting = run.request()
        if how == "abort":
            run.answer(waiting, "abort")
        ended = run.hang_up()
    assert ended.code == 3
    assert "conductor run" in ended.stderr
    assert_calm(ended.stderr)
    with session(demo) as run:
        request = run.request()
        assert request == waiting
        assert not any(line.get("kind") == "call_proposed" for line in run.lines)
        run.answer(request)
        assert run.play().code == 0
    started = [
        event.data.call_id for event in journal(demo) if event.kind == "call_started" and event.ticket_id == "T1"
    ]
    assert started == ["call_1_1"]


RUBBISH: list[bytes] = [
    b"approve",
    b"{",
    b"null",
    b"[]",
    b'{"decision": "approve"}',
    b'{"call_id": "call_9_9", "decision": "approve"}',
    b'{"call_id": "call_1_1", "decision": "yes"}',
    b'{"call_id": "call_1_1", "decision": ["approve"]}',
    b'{"call_id": "call_1_1", "decision": "edit"}',
    b'{"call_id": "call_1_1", "decision": "edit", "arguments": "x"}',
    b'{"call_id": "call_1_1", "decision": "approve", "digest": "not the one shown"}',
    b'{"call_id": "call_1_1", "decision": "approve"',
    b"\xff\xfe\x00 not UTF-8",
    b"[" * 100_000,
    b"9" * 5000,
]


def test_rubbish_is_answered_by_an_error_line_and_decides_nothing(demo: Path) -> None:
    before = tree(demo)
    with session(demo) as run:
        request = run.request()
        for line in RUBBISH:
            run.send(line)
            answer = run.read()
            assert answer and answer["type"] == "error" and answer["message"], (line[:60], run.hang_up().stderr)
        assert tree(demo) == before
        run.send(b"")  # an empty line is nothing at all
        run.answer(request)
        assert run.until("call_finished")["data"]["outcome"] == "ok"


def test_without_anyone_to_ask_a_run_pauses_at_the_first_call(demo: Path) -> None:
    before = tree(demo)
    for arguments in (["--clutch", "deny"], []):
        done = run_command(demo, "run", "tracks/demo.toml", *arguments)
        assert done.returncode == 3
        assert_calm(done.stdout + done.stderr)
        assert tree(demo) == before
    kinds = [event.kind for event in journal(demo)]
    assert kinds.count("call_proposed") == 1
    assert not {"call_decided", "call_started"} & set(kinds)
    assert play(demo).code == 0


def test_the_terminal_clutch_is_refused_without_a_terminal(demo: Path) -> None:
    done = run_command(demo, "run", "tracks/demo.toml", "--clutch", "terminal")
    assert done.returncode == 2
    assert_calm(done.stderr)
    assert not (demo / ".conductor" / "journal.db").exists()


def test_a_decision_sent_ahead_counts_for_the_call_it_names_only(demo: Path) -> None:
    with session(demo) as run:
        run.send(json.dumps({"call_id": "call_1_1", "decision": "approve"}))
        first = run.request()
        assert run.until("call_finished")["data"]["call_id"] == first["call_id"]
        second = run.request()
        run.send(json.dumps({"call_id": first["call_id"], "decision": "approve"}))
        error = run.read()
        assert error and error["type"] == "error"
        assert run.hang_up().code == 3
    assert second["call_id"] != first["call_id"]


def test_the_reader_going_away_pauses_the_run(demo: Path) -> None:
    with session(demo) as run:
        request = run.request()
        run.process.stdout.close()  # type: ignore[union-attr]
        run.answer(request)
        ended = run.end()
    assert ended.code == 3, ended.stderr
    assert_calm(ended.stderr)
    assert play(demo).code == 0


HOSTILE: list[Json] = [
    {"tool": "write_file", "raw": '{"path": "x", "content": "\\ud800"}'},
    {"tool": "run_shell", "raw": "{"},
    {"tool": "run_shell", "raw": '["ls"]'},
    call("run_shell", command="echo\u0000 x"),
    call("run_shell", command=": " + "x" * 200_000),
    call("run_shell"),
    call("read_file", path="nowhere.txt"),
    call("read_file", path="/etc/passwd"),
    call("read_file", path="x" * 5000),
    call("read_file", path="x" * 300),
    call("read_file", path="a\nb"),
    call("search", pattern="("),
    call("search", pattern="x", path="nowhere"),
    call("list_files", path="notes.txt"),
    call("read_output", call_id="nothing"),
    call("write_file", path="notes.txt/below.txt", content="x"),
    call("write_file", path="tracks", content="x"),
    call("write_file", path=".git/hooks/pre-commit", content="x"),
    call("\u202etool"),
    call(""),
]


def test_whatever_a_worker_calls_comes_back_to_it_as_a_result(tmp_path: Path) -> None:
    turns: dict[str, list[Any]] = {"T1": [{"tool_calls": HOSTILE}, {"text": ""}, {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1"}], turns, files={"notes.txt": "a\n"})
    before = tree(project)
    ended = play(project)
    assert ended.code == 0, ended.stderr
    results = ended.kinds("call_finished")
    assert len(results) == len(HOSTILE)
    assert all(result["text"] for result in results)
    assert {result["outcome"] for result in results} <= {"refused", "error"}, [
        result for result in results if result["outcome"] == "ok"
    ]
    assert tree(project) == before


def test_a_check_that_was_refused_before_says_again_that_it_waits(tmp_path: Path) -> None:
    turns = {"T1": [{"text": "Done."}, {"text": "Done, really."}]}
    project = make_project(tmp_path, [{"id": "T1", "verify": "true"}], turns)
    with session(project) as run:
        run.answer(run.until("approval_requested"), "reject", reason="not yet")
        run.until("call_proposed")
        run.answer(run.request())
        assert run.play().code == 0


def test_an_old_terminal_encoding_is_no_reason_to_stop(demo: Path) -> None:
    odd = environment(demo, PYTHONIOENCODING="ascii", LC_ALL="C")
    for arguments in (["context", "T1"], ["run", "tracks/demo.toml", "--dry-run"], ["run", "tracks/demo.toml"]):
        done = run_command(demo, *arguments, env=odd)
        assert done.returncode in (0, 3), done.stderr
        assert_calm(done.stderr)


def test_a_check_edited_into_something_that_cannot_run_waits_again_as_it_was(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1", "verify": "true"}], {"T1": [{"text": "Done."}]})
    with session(project) as run:
        for arguments in ({"command": "true \0"}, {"command": "\ud800"}, {"command": ""}, {"command": 1}, {}):
            run.answer(run.request(), "edit", arguments=arguments)
        request = run.request()
        assert request["arguments"] == {"command": "true"}
        run.answer(request, "edit", arguments={"command": "echo checked"})
        assert run.request()["preview"]["text"] == "echo checked"
        run.hang_up()
