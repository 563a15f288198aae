"""Where each line of a file comes from, by the journal and the contents it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.clutch.scripted import approve
from conductor.journal import read
from conductor.messages import Approved, ToolCall
from conductor.models import Ticket
from conductor.stories import Stories, Version, blame, split, versions_of
from conductor.undo import carry_out, undoing
from tests.bench import DONE, Bench, ListModel, calls


def edit(old: str, new: str) -> tuple[str, dict[str, str]]:
    return ("edit_file", {"path": "a.py", "old_string": old, "new_string": new})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "a.py").write_text("one\ntwo\nthree\n")
    turns = [calls(edit("two\n", "TWO\nmore\n"), text="I begin."), calls(edit("three", "THREE")), DONE]
    return Bench(tmp_path.resolve(), lambda: [Ticket("T1", "Shout", "a.py", "Do it.")], ListModel({"T1": turns}))


def origins(bench: Bench) -> list[str]:
    """The call each line came with, "before" and "others" where it was none."""
    path = bench.root / "a.py"
    versions = versions_of("a.py", bench.heard, bench.store.get, path.read_bytes() if path.exists() else None)
    return [v.story.call_id if v.story else "others" if v.after else "before" for v in blame(versions)]


def test_each_line_leads_to_the_call_that_wrote_it(bench: Bench) -> None:
    bench.engine().run()

    assert origins(bench) == ["before", "call_1_1", "call_1_1", "call_2_1"]


def test_a_call_s_story_has_request_payload_decision_and_change(bench: Bench) -> None:
    commented = Approved({"path": "a.py", "old_string": "two\n", "new_string": "2\n"}, comment="shorter")
    bench.engine([commented, approve, approve]).run()
    path = bench.root / "a.py"
    versions = versions_of("a.py", bench.heard, bench.store.get, path.read_bytes())

    story = blame(versions)[1].story
    assert story is not None
    assert (story.ticket, story.turn, story.tool) == ("T1: Shout", 1, "edit_file")
    assert story.reply.data.text == "I begin."
    assert story.proposed["new_string"] == "TWO\nmore\n"
    assert story.ran["new_string"] == "2\n"
    assert story.answer is not None
    assert (story.answer.by, story.answer.reason) == ("scripted", "shorter")
    assert [event.kind for event in (*story.changes, story.finished) if event] == ["code_changed", "call_finished"]


def test_what_others_changed_in_between_and_since_is_theirs(bench: Bench) -> None:
    def meanwhile(call: ToolCall, preview: object) -> Approved:
        text = (bench.root / "a.py").read_text()
        (bench.root / "a.py").write_text(text.replace("one", "by hand"))
        return Approved(call.arguments)

    bench.engine([approve, meanwhile, approve]).run()
    assert origins(bench) == ["others", "call_1_1", "call_1_1", "call_2_1"]

    (bench.root / "a.py").write_text((bench.root / "a.py").read_text() + "the end\n")
    assert origins(bench) == ["others", "call_1_1", "call_1_1", "call_2_1", "others"]
    (bench.root / "a.py").unlink()
    assert origins(bench) == []


def test_a_line_that_a_person_moved_keeps_its_origin_where_it_can_be_told_again(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("first line\nsecond line\n")
    turns = [calls(edit("second line", "return the_sum_of(all_of_them)\nx = 1")), DONE]
    bench = Bench(tmp_path.resolve(), lambda: [Ticket("T1", "Add", "a.py", "Do it.")], ListModel({"T1": turns}))
    bench.engine().run()
    assert origins(bench) == ["before", "call_1_1", "call_1_1"]
    (bench.root / "a.py").write_text("x = 1\nreturn the_sum_of(all_of_them)\nfirst line\n")
    assert origins(bench) == ["others", "call_1_1", "before"]
    (bench.root / "a.py").write_text("return the_sum_of(all_of_them)\nfirst line\nreturn the_sum_of(all_of_them)\n")
    assert origins(bench).count("call_1_1") == 1, "a copy is somebody's own"


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


def test_contents_that_were_not_kept_are_unknown_and_stop_nothing(bench: Bench) -> None:
    bench.engine().run()
    bench.store._blobs.clear()

    assert origins(bench) == ["call_2_1"] * 4


def test_what_was_undone_leads_to_who_wrote_it_before(bench: Bench) -> None:
    bench.engine().run()
    track = bench.engine().track
    with undoing(track, bench.store, bench.root, "T1", "call_1_1") as (found, journal):
        carry_out(found, journal, track.ticket("T1"), bench.root)
    bench.heard[:] = read(bench.store.rows())

    assert (bench.root / "a.py").read_text() == "one\nTWO\nmore\nthree\n"
    assert origins(bench) == ["before", "call_1_1", "call_1_1", "before"]


LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n"]), max_size=8).map(b"".join)


@given(st.lists(LINES | st.just(None), min_size=1, max_size=6))
def test_every_line_has_one_origin_that_held_it(contents: list[bytes | None]) -> None:
    versions = [Version(content) for content in contents]
    lines, found = split(contents[-1]), blame(versions)

    assert len(found) == len(lines)
    for line, origin in zip(lines, found, strict=True):
        assert line in split(origin.content)
        first = next(n for n, version in enumerate(versions) if version is origin)
        assert all(line in split(version.content) for version in versions[first:]), "carried without a break"


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
