"""What a worker has seen of a file, and what happens to changes of what it has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.context.honesty import sent_back
from conductor.context.seen import Sight, hunks_of, seen_in, touched, whole
from conductor.errors import NeedsHuman
from conductor.messages import Aborted, SeenLines, content_hash
from conductor.models import Ticket, TrustLevel
from conductor.tools.base import FileChange
from conductor.views.registry import view_of
from tests.bench import DONE, Bench, ListModel, calls

LIBRARY = '''\
"""A library."""

LIMIT = 3


class Session:
    def commit(self):
        check()
        return 1

    def rollback(self):
        return 2
'''
LINES = st.lists(st.sampled_from("abcdef"), max_size=12)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    (tmp_path / "lib.py").write_text(LIBRARY)
    return tmp_path.resolve()


def bench_of(root: Path, *turns: Any, context: tuple[str, ...] = (), **fields: Any) -> Bench:
    def tickets() -> list[Ticket]:
        return [Ticket("T1", "Title", "a.py", "Do it.", context=context)]

    return Bench(root, tickets, ListModel({"T1": [*turns, DONE]}), **fields)


def edit(old: str, new: str, path: str = "lib.py") -> tuple[str, dict[str, Any]]:
    return ("edit_file", {"path": path, "old_string": old, "new_string": new})


def results(bench: Bench) -> list[tuple[str, str]]:
    return [(finished.outcome, finished.text) for finished in bench.of_kind("call_finished")]


def test_a_function_seen_as_a_skeleton_only_is_sent_back_with_its_text_and_the_second_try_runs(root: Path) -> None:
    change = edit("        return 1\n", "        return 10\n")
    bench = bench_of(root, calls(change), calls(change), context=("lib.py",))
    clutch = ScriptedClutch([approve] * 5)
    bench.engine(clutch).run()
    (first, told), (second, _) = results(bench)
    assert (first, second) == ("refused", "ok")
    assert "only" not in told.splitlines()[0] or "lib.py" in told
    assert "    def commit(self):\n        check()\n        return 1" in told
    assert "rollback" not in told
    assert len(clutch.seen) == 1, "the human is not asked about what was sent back"
    assert "return 10" in (root / "lib.py").read_text()


def test_a_new_line_under_a_signature_counts_as_a_change_of_that_function(root: Path) -> None:
    change = edit("    def commit(self):\n", "    def commit(self):\n        begin()\n")
    bench = bench_of(root, calls(change), context=("lib.py",))
    bench.engine().run()
    assert results(bench)[0][0] == "refused"


def test_lines_that_were_read_may_be_edited_and_others_not(root: Path) -> None:
    bench = bench_of(
        root,
        calls(("read_file", {"path": "lib.py", "start_line": 7, "end_line": 9})),
        calls(edit("        return 1\n", "        return 10\n")),
        calls(edit("        return 2\n", "        return 20\n")),
    )
    bench.engine().run()
    assert [outcome for outcome, _ in results(bench)] == ["ok", "ok", "refused"]
    assert "rollback" in results(bench)[2][1]


def test_a_file_that_changed_since_is_sent_back_as_it_is_now(root: Path) -> None:
    def change_it(call: Any, preview: Any) -> Any:
        (root / "a.py").write_text("# changed\nA = 1\n")
        return approve(call, preview)

    bench = bench_of(
        root, calls(("run_shell", {"command": "true"})), calls(edit("1", "2", "a.py")), calls(edit("1", "2", "a.py"))
    )
    bench.engine([change_it, approve, approve]).run()
    assert [outcome for outcome, _ in results(bench)] == ["ok", "refused", "ok"]
    assert "was changed since you saw it" in results(bench)[1][1]
    assert "# changed\nA = 1" in results(bench)[1][1]
    assert (root / "a.py").read_text() == "# changed\nA = 2\n"


def test_writing_over_a_file_that_was_never_read_is_sent_back(root: Path) -> None:
    write = ("write_file", {"path": "lib.py", "content": "X = 1\n"})
    bench = bench_of(root, calls(write), calls(write))
    bench.engine().run()
    assert [outcome for outcome, _ in results(bench)] == ["refused", "ok"]
    assert LIBRARY.rstrip() in results(bench)[0][1]
    assert (root / "lib.py").read_text() == "X = 1\n"


def test_new_files_deletions_and_what_the_worker_wrote_itself_need_no_look(root: Path) -> None:
    bench = bench_of(
        root,
        calls(("write_file", {"path": "new.py", "content": "B = 1\nC = 2\n"})),
        calls(edit("B = 1", "B = 2", "new.py")),
        calls(edit("C = 2", "C = 3", "new.py")),
        calls(("delete_file", {"path": "lib.py"})),
        calls(edit("A = 1", "A = 2\nB = 3", "a.py"), edit("B = 3", "B = 4", "a.py")),
    )
    bench.engine().run()
    assert {outcome for outcome, _ in results(bench)} == {"ok"}


def test_a_restart_knows_what_was_seen(root: Path) -> None:
    read, change = calls(("read_file", {"path": "lib.py"})), calls(edit("return 1", "return 10"))
    bench = bench_of(root, read, change, level=TrustLevel.GUARDED)
    with pytest.raises(NeedsHuman):
        bench.engine([Aborted()]).run()
    bench.engine([approve]).run()
    assert [outcome for outcome, _ in results(bench)] == ["ok", "ok"]


def test_a_call_that_waits_at_the_clutch_stays_the_humans(root: Path) -> None:
    bench = bench_of(root, calls(edit("1", "2", "a.py")))
    with pytest.raises(NeedsHuman):
        bench.engine([Aborted()]).run()
    (root / "a.py").write_text("A = 1  # by hand\n")
    bench.engine([approve]).run(accept_changes=True)
    assert (root / "a.py").read_text() == "A = 2  # by hand\n"


def test_curated_views_show_the_functions_that_stand_there_whole() -> None:
    source = LIBRARY.replace("return 1", "return 1  # [HOT]")
    view = view_of("lib.py", source.encode(), "curated")
    seen = seen_in("lib.py", source.encode(), view.text, view.kind)
    lines = {line for first, last in seen.lines for line in range(first, last + 1)}
    assert {7, 8, 9} <= lines
    assert not {11, 12} & lines


def test_long_functions_come_back_in_part() -> None:
    text = "def long():\n" + "".join(f"    x{n} = {n}\n" for n in range(900))
    before, after = text.encode(), text.replace("x500 = 500", "x500 = 5").encode()
    told = sent_back(Sight(), FileChange("long.py", before, after))
    assert told
    assert "x500 = 500" in told.text
    assert len(told.text.splitlines()) < 40
    everything = sent_back(Sight(), FileChange("long.py", before, b"pass\n"))
    assert everything
    assert len(everything.text.splitlines()) < 300
    assert "read_file" in everything.text


def test_what_is_no_text_and_an_empty_file_are_not_looked_at() -> None:
    assert sent_back(Sight(), FileChange("a.bin", b"\0\1", b"\0\2")) is None
    assert sent_back(Sight(), FileChange("a.py", b"", b"x = 1\n")) is None


@given(LINES, LINES)
def test_lines_keep_their_text_through_a_change(before: list[str], after: list[str]) -> None:
    old, new = "".join(f"{c}\n" for c in before).encode(), "".join(f"{c}\n" for c in after).encode()
    hunks = hunks_of(old, new)
    sight = Sight()
    sight.saw(whole("f", old))
    sight.changed("f", content_hash(old), content_hash(new), hunks, own=False)
    for line in range(1, len(after) + 1):
        if not sight.lacks("f", content_hash(new), {line}):
            assert after[line - 1] in before
    sight = Sight()
    sight.saw(whole("f", old))
    sight.changed("f", content_hash(old), content_hash(new), hunks)
    assert not sight.lacks("f", content_hash(new), range(1, len(after) + 1)), "all of it was read or written"


@given(LINES, LINES, st.sets(st.integers(1, 12)))
def test_a_change_passes_exactly_when_all_lines_it_touches_were_seen(
    before: list[str], after: list[str], seen: set[int]
) -> None:
    old, new = "".join(f"{c}\n" for c in before).encode(), "".join(f"{c}\n" for c in after).encode()
    sight = Sight()
    sight.saw(SeenLines("f", content_hash(old), tuple((n, n) for n in sorted(seen))))
    told = sent_back(sight, FileChange("f", old, new))
    needed = touched(hunks_of(old, new)) if old else set()
    assert (told is None) == (needed <= seen)
    if told:
        for shown in told.seen:
            sight.saw(shown)
        assert sent_back(sight, FileChange("f", old, new)) is None, "what was sent back may be made again"
