"""What is told of each call, all of it and one at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor.blame import blame, versions_of
from conductor.clutch.scripted import approve
from conductor.gates.base import Gate
from conductor.journal import read
from conductor.messages import Approved
from conductor.models import Ticket
from conductor.stories import Stories, StoryFinder
from tests.bench import DONE, Bench, ListModel, calls


def edit(old: str, new: str) -> tuple[str, dict[str, str]]:
    return ("edit_file", {"path": "a.py", "old_string": old, "new_string": new})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "a.py").write_text("one\ntwo\nthree\n")
    turns = [calls(edit("two\n", "TWO\nmore\n"), text="I begin."), calls(edit("three", "THREE")), DONE]
    return Bench(tmp_path.resolve(), lambda: [Ticket("T1", "Shout", "a.py", "Do it.")], ListModel({"T1": turns}))


def test_a_call_s_story_has_request_payload_decision_and_change(bench: Bench) -> None:
    commented = Approved({"path": "a.py", "old_string": "two\n", "new_string": "2\n"}, comment="shorter")
    bench.engine([commented, approve, approve]).run()
    path = bench.root / "a.py"
    versions = versions_of("a.py", bench.heard, bench.store.get, path.read_bytes())

    change = blame(versions)[1].change
    assert change is not None
    story = StoryFinder(bench.store).of(change)
    assert story is not None
    assert (story.ticket, story.turn, story.tool) == ("T1: Shout", 1, "edit_file")
    assert story.reply.data.text == "I begin."
    assert story.proposed["new_string"] == "TWO\nmore\n"
    assert story.ran["new_string"] == "2\n"
    assert story.answer is not None
    assert (story.answer.by, story.answer.reason) == ("scripted", "shorter")
    assert [event.kind for event in (*story.changes, story.finished) if event] == ["code_changed", "call_finished"]


def test_a_fresh_run_s_calls_are_not_mixed_up_with_those_of_the_same_name_before(bench: Bench) -> None:
    bench.engine().run()
    (bench.root / "a.py").write_text("one\ntwo\nthree\n")
    bench.engine().run(fresh=True)

    stories = Stories()
    for event in bench.heard:
        stories.apply(event)
    assert [story.call_id for story in stories.calls] == ["call_1_1", "call_2_1"] * 2
    assert all(len(story.changes) == 1 for story in stories.calls)
    latest = stories.of(next(event for event in bench.heard if event.ticket_id), "call_1_1")
    assert latest is stories.calls[2]


def test_the_story_of_each_change_is_found_by_itself(tmp_path: Path) -> None:
    write = lambda name: ("write_file", {"path": name, "content": name})  # noqa: E731
    shell = ("run_shell", {"command": "echo x > made; false"})
    turns = {
        "T1": [calls(write("a"), write("b")), calls(write("c")), DONE],
        "T2": [calls(shell, write("d")), calls(write("e")), DONE],
    }
    tickets = lambda: [Ticket("T1", "One", "a", "Do it."), Ticket("T2", "Two", "d", "Do it.")]  # noqa: E731
    gate = Gate("check", "true", ("*",), "call", True, "")
    bench = Bench(tmp_path.resolve(), tickets, ListModel(turns), gates=(gate,))
    for _ in range(2):
        bench.engine().run(fresh=True)
        for path in tmp_path.iterdir():
            path.unlink()
    entries = list(read(bench.store.rows()))
    stories = Stories()
    for event in entries:
        stories.apply(event)
    finder = StoryFinder(bench.store)

    changes = [(story, change) for story in stories.calls for change in story.changes]
    assert len(changes) == 10
    for story, change in changes:
        assert finder.of(change) == story
        after = (e for e in entries if e.ticket_id == change.ticket_id and e.sequence > change.sequence)
        assert finder.check_after(change) == next(e for e in after if e.kind == "gate_finished")


def test_a_story_says_what_a_change_did_to_the_shape_of_the_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n")
    write = ("write_file", {"path": "a.py", "content": "A = 1\n\n\ndef f():\n    return A\n"})
    tickets = lambda: [Ticket("T1", "Title", "a.py", "Do it.")]  # noqa: E731
    bench = Bench(tmp_path.resolve(), tickets, ListModel({"T1": [calls(write), DONE]}))
    bench.engine().run()
    stories = Stories()
    for event in bench.heard:
        stories.apply(event)
    assert [story.shape for story in stories.calls] == ["adds f()"]
