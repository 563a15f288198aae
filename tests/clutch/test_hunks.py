"""A change taken apart: what is kept is exactly what git would apply, and the tools make exactly that."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from conductor.clutch.hunks import Difference, Hunk, Walk, Whole, read_difference, reduced
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.messages import Approved, Decision, Effect, Preview, Rejected, ToolCall
from conductor.models import Ticket
from conductor.tools.base import Action
from conductor.tools.registry import builtin_tools
from conductor.tools.text import text_of
from conductor.tools.workspace import Workspace
from tests.bench import DONE, Bench, ListModel, calls

LINES = [f"line {number}\n" for number in range(40)]
BEFORE = "".join(LINES)
AFTER = BEFORE.replace("line 2\n", "two\n").replace("line 4\n", "").replace("line 30\n", "line 30\nthirty\n")


def prepared(root: Path, call: ToolCall) -> tuple[Action, Preview]:
    """Return what a call would do in a project, and what is shown of it."""
    action = builtin_tools()[call.tool].prepare(Workspace(root), call.arguments)
    before = text_of(action.change.before) if action.change else None
    return action, Preview(action.kind, action.text, action.title, Effect.IDEMPOTENT, "d", path="f", before=before)


def after(root: Path, call: ToolCall) -> bytes:
    action, _ = prepared(root, call)
    assert action.change and action.change.after is not None
    return action.change.after


def write(content: str) -> ToolCall:
    return ToolCall("c1", "write_file", {"path": "f", "content": content})


def edit(old: str, new: str, **more: Any) -> ToolCall:
    return ToolCall("c1", "edit_file", {"path": "f", "old_string": old, "new_string": new, **more})


def taken_apart(root: Path, call: ToolCall, before: str = BEFORE) -> Difference:
    (root / "f").write_bytes(before.encode())
    return read_difference(call, prepared(root, call)[1])


def by_git(root: Path, diff: str, keep: list[bool]) -> bytes:
    """Return the file as `git apply` of the hunks to keep leaves it; their headers are counted anew, as git does."""
    head, *hunks = re.split(r"(?m)^(?=@@ )", diff)
    grown = 0
    patch = [head]
    for hunk, kept in zip(hunks, keep, strict=True):
        if not kept:
            continue
        found = re.match(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@", hunk)
        assert found
        old, old_count, new_count = int(found[1]), int(found[2] or 1), int(found[3] or 1)
        start = old + grown + (old_count == 0) - (new_count == 0)
        patch.append(f"@@ -{old},{old_count} +{start},{new_count} @@{hunk[found.end() :]}")
        grown += new_count - old_count
    (root / "patch").write_text("".join(patch), newline="")
    subprocess.run(["git", "apply", "--whitespace=nowarn", "patch"], cwd=root, check=True, capture_output=True)
    return (root / "f").read_bytes()


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str]:
    """A text of few different lines, so that places are alike, and the same after changes near and far."""
    line = st.sampled_from(["a", "b", "", "\tc", "-", "+x", "@@ -1 +1 @@", "é\u2028\f"])
    before: list[str] = []
    changed: list[str] = []
    for _ in range(draw(st.integers(1, 6))):
        same = draw(st.lists(line, min_size=1, max_size=3)) * draw(st.integers(1, 6))
        removed = draw(st.lists(line, max_size=2))
        before += [*same, *removed]
        changed += [*same, *draw(st.lists(st.sampled_from("xyz"), min_size=not removed, max_size=2))]
    end = draw(st.sampled_from([("", ""), ("", "\n"), ("\n", "\n")]))  # write_file keeps the last newline
    return "\n".join(before) + end[0], "\n".join(changed) + end[1]


def whole_or_apart(root: Path, call: ToolCall, before: str) -> Iterator[Difference]:
    """Yield the difference; nothing when the call cannot be taken apart or is refused."""
    try:
        yield taken_apart(root, call, before)
    except Whole:
        return


@settings(max_examples=120, deadline=None)
@given(pair=texts(), seed=st.randoms(use_true_random=False), tool=st.sampled_from(["write_file", "edit_file"]))
def test_any_subset_is_what_git_apply_makes_of_it_and_what_the_tool_then_does(
    pair: tuple[str, str], seed: Any, tool: str
) -> None:
    before, proposed = pair
    assume(before and before != proposed)
    call = write(proposed) if tool == "write_file" else edit(before, proposed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for difference in whole_or_apart(root, call, before):
            assert difference.applied(difference.hunks).encode() == after(root, call)
            assert difference.applied([]) == before
            keep = [seed.random() < 0.5 for _ in difference.hunks]
            kept = [hunk for hunk, yes in zip(difference.hunks, keep, strict=True) if yes]
            parts = [part for hunk in kept for part in hunk.parts]
            assert difference.applied(parts) == difference.applied(kept)
            if kept:
                chosen = replace(call, arguments=reduced(call, difference, kept))
                made = after(root, chosen)
                assert made == by_git(root, prepared(root, call)[1].text, keep)
                (root / "f").write_bytes(before.encode())
                some = [part for part in parts if seed.random() < 0.5] or parts[:1]
                chosen = replace(call, arguments=reduced(call, difference, some))
                assert after(root, chosen).decode() == difference.applied(some)


@settings(max_examples=60, deadline=None)
@given(pair=texts())
def test_a_hunk_is_shown_as_the_preview_shows_it(pair: tuple[str, str]) -> None:
    before, proposed = pair
    assume(before and before != proposed)
    with tempfile.TemporaryDirectory() as folder:
        for difference in whole_or_apart(Path(folder), edit(before, proposed), before):
            shown = prepared(Path(folder), edit(before, proposed))[1].text
            again = "".join(map(difference.text, difference.hunks))
            counted = re.sub(r"(?m)^(@@ -\d+)((?:,\d+)? \+\d+)((?:,\d+)?) @@", _counted, shown.partition("@@")[2])
            assert again.partition("@@")[2] == counted


def _counted(head: re.Match[str]) -> str:
    old, middle, new = head.groups()
    return f"{old}{middle if ',' in middle.split(' ')[0] else ',1' + middle}{new or ',1'} @@"


def walked(call: ToolCall, difference: Difference, keys: str, reason: str = "") -> Decision | None:
    walk = Walk(list(difference.hunks))
    for key in keys:
        {
            "y": walk.keep,
            "n": lambda: walk.decline(reason),
            "s": walk.split,
            "a": lambda: walk.keep(len(walk.waiting)),
            "d": lambda: walk.decline(count=len(walk.waiting)),
        }[key]()
    assert not walk.waiting
    return walk.decision(call, difference)


@pytest.mark.parametrize("keys", ["yy", "a", "ya", "syya"])
def test_all_hunks_are_no_decision(tmp_path: Path, keys: str) -> None:
    assert walked(write(AFTER), taken_apart(tmp_path, write(AFTER)), keys) is None


def test_no_hunk_is_a_rejection_with_the_reasons(tmp_path: Path) -> None:
    difference = taken_apart(tmp_path, write(AFTER))
    assert walked(write(AFTER), difference, "d") == Rejected("")
    decision = walked(write(AFTER), difference, "nd", "keep the numbers")
    assert isinstance(decision, Rejected)
    assert "at line 3 of yours, `+two`: keep the numbers" in decision.reason


def test_a_hunk_is_split_at_the_lines_that_stay(tmp_path: Path) -> None:
    decision = walked(write(AFTER), taken_apart(tmp_path, write(AFTER)), "synd", "four is wanted")
    assert isinstance(decision, Approved)
    assert decision.arguments == {"path": "f", "content": BEFORE.replace("line 2\n", "two\n")}
    assert decision.comment.splitlines()[1:] == [
        "- at line 5 of yours, `-line 4`: four is wanted",
        "- at line 31 of yours, `+thirty`",
    ]


def test_an_edit_becomes_a_small_one_that_stands_once(tmp_path: Path) -> None:
    before = "a\nb\n" * 20 + "c\n" + "a\nb\n" * 20
    call = edit("a", "A", replace_all=True)
    difference = taken_apart(tmp_path, call, before)
    parts = [part for hunk in difference.hunks for part in hunk.parts]
    arguments = reduced(call, difference, [parts[20]])
    assert arguments == {"path": "f", "old_string": "c\na\nb\n", "new_string": "c\nA\nb\n"}
    assert after(tmp_path, replace(call, arguments=arguments)).decode() == before.replace("c\na", "c\nA")


def test_line_endings_and_the_byte_order_mark_are_kept(tmp_path: Path) -> None:
    before = ("\ufeff" + BEFORE).replace("\n", "\r\n")
    for call in (write(AFTER), edit(BEFORE, AFTER)):
        difference = taken_apart(tmp_path, call, before)
        chosen = replace(call, arguments=reduced(call, difference, difference.hunks[:1]))
        expected = before.replace("line 2\r\n", "two\r\n").replace("line 4\r\n", "")
        assert after(tmp_path, chosen) == expected.encode()


@pytest.mark.parametrize(
    ("call", "before", "why"),
    [
        (write(BEFORE + "more\n"), BEFORE, "one piece"),
        (write(AFTER), BEFORE.replace("line 7\n", "line 7\r\n"), "different ways"),
        (ToolCall("c1", "delete_file", {"path": "f"}), BEFORE, "a change to a text file"),
        (ToolCall("c1", "write_file", {"path": "new", "content": AFTER}), BEFORE, "a text file that is there"),
    ],
    ids=["one change", "mixed endings", "deletion", "new file"],
)
def test_what_cannot_be_taken_apart_says_why(tmp_path: Path, call: ToolCall, before: str, why: str) -> None:
    with pytest.raises(Whole, match=why):
        taken_apart(tmp_path, call, before)


def test_a_preview_of_another_text_is_not_taken_apart(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(BEFORE)
    _, preview = prepared(tmp_path, write(AFTER))
    with pytest.raises(Whole, match="not a change to this file"):
        read_difference(write(AFTER), replace(preview, before=BEFORE.replace("line 4", "line 5")))


def test_hunks_under_the_engine_are_shown_again_and_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(BEFORE)

    def first_hunk(call: ToolCall, preview: Preview) -> Decision:
        decision = walked(call, read_difference(call, preview), "yn", "no words")
        assert decision is not None
        return decision

    proposed = calls(("write_file", {"path": "f", "content": AFTER}))
    bench = Bench(tmp_path, lambda: [Ticket("T1", "Title", "f", "Do it.")], ListModel({"T1": [proposed, DONE]}))
    clutch = ScriptedClutch([first_hunk, approve])
    bench.engine(clutch).run()
    assert "+two" in clutch.seen[1][1].text and "+thirty" not in clutch.seen[1][1].text
    assert (tmp_path / "f").read_text() == BEFORE.replace("line 2\n", "two\n").replace("line 4\n", "")
    told = bench.of_kind("call_finished")[0].text
    assert told.count("`+thirty`: no words") == 1
    assert told.startswith("A human changed your call.")


def test_parts_of_one_change_are_itself(tmp_path: Path) -> None:
    hunk = taken_apart(tmp_path, write(AFTER)).hunks[1]
    assert hunk.parts == (Hunk(hunk.changes),)
