"""Where each line of a file comes from, by the journal and the contents it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.blame import Version, blame, split, versions_of
from conductor.clutch.scripted import approve
from conductor.journal import read
from conductor.messages import Approved, ToolCall
from conductor.models import Ticket
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
    return [v.change.data.call_id if v.change else "others" if v.after else "before" for v in blame(versions)]


def test_each_line_leads_to_the_call_that_wrote_it(bench: Bench) -> None:
    bench.engine().run()

    assert origins(bench) == ["before", "call_1_1", "call_1_1", "call_2_1"]


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
