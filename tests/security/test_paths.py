"""What a worker may try with paths, payloads and commands: one table of what, how, and what must happen.

Every row is a whole run of the engine: the worker proposes the calls, a scripted human answers, and afterwards nothing
outside the project has changed, nothing Conductor keeps has, and the journal is whole. Beside this table stand
`shell_attacks.py` (commands against allow rules: `git -c`, `find -exec`, `rg --pre`, `sed e`, `tar
--checkpoint-action`, `pytest --basetemp`, line breaks, `${x@P}`, `$IFS`), `test_display.py` (what reaches the screen),
`tests/tools/test_descriptors.py` (a swap at every single step of a write) and `tests/sandbox/` (fork bombs, memory).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from conductor.clutch.scripted import Answer, ScriptedClutch, approve
from conductor.errors import ExitCode
from conductor.journal import Journal
from conductor.llm.wire import RawCall, read_calls
from conductor.messages import Approved, Completion, Preview, Rejected, ToolCall, Usage
from conductor.models import Ticket
from tests.bench import DONE, Bench, ListModel, calls, tree

Do = Callable[[Path], object]
PROC = pytest.mark.skipif(not Path("/proc/self/root").exists(), reason="needs /proc")


def run(project: Path, answers: Iterable[Answer], *turns: Completion) -> tuple[Bench, ScriptedClutch]:
    """Run a ticket whose worker makes these turns, to its end, and check what must hold whatever it tried."""
    before = _kept(project)
    bench = Bench(project, lambda: [Ticket("T1", "Title", "top.py", "Do it.")], ListModel({"T1": [*turns, DONE]}))
    clutch = ScriptedClutch(answers)
    assert bench.engine(clutch).run() in (ExitCode.OK, ExitCode.TICKETS_FAILED)  # 10 MB are more than a model takes
    assert _kept(project) == before, "something outside, or of Conductor's own, was changed"
    entries = Journal(bench.store, "t").entries()
    assert [event.kind for event in entries] == bench.kinds(), "the journal is not whole"
    assert [path for path in project.rglob(".*.conductor") if path.is_file()] == []
    return bench, clutch


def _kept(project: Path) -> dict[str, bytes]:
    """Return everything that no call may change: all beside the project, and Conductor's and git's own in it."""
    own = (".git/", ".conductor/", "conductor.toml", "tracks/t.toml")
    inside = {name: content for name, content in tree(project).items() if name.startswith(own)}
    beside = {
        str(path): path.read_bytes()
        for path in sorted(project.parent.rglob("*"))
        if path.is_file() and not path.is_symlink() and not path.is_relative_to(project)
    }
    return inside | beside


def outcomes(bench: Bench) -> list[tuple[str, str]]:
    return [(done.outcome, done.text) for done in bench.of_kind("call_finished")]


def nothing(project: Path) -> None:
    del project


def link(name: str, target: str) -> Do:
    return lambda project: (project / name).symlink_to(target)


# --- paths that must never reach the human: what, how, must ---------------------------------------------------------

PATHS: list[tuple[str, str, Do, str]] = [
    ("a way up", "../secret.txt", nothing, "outside"),
    ("a way up from a folder", "src/../../secret.txt", nothing, "outside"),
    ("a way up through nothing", "none/../../secret.txt", nothing, "outside"),
    ("an absolute path", "/etc/conductor-was-here", nothing, "outside"),
    ("somebody's home", "~/secret.txt", nothing, "without ~"),
    ("a null byte", "top.py\0.txt", nothing, "not a path"),
    ("4,000 characters", "a/" * 2000, nothing, "not a path"),
    ("a line break", "top\n.py", nothing, "not a path"),
    ("a link to a file outside", "link", link("link", "../secret.txt"), "outside"),
    ("a link to a folder outside", "out/secret.txt", link("out", ".."), "outside"),
    ("a link to nothing outside", "out", link("out", "../new.txt"), "outside"),
    ("a link to a link", "two", lambda p: (link("one", "../secret.txt")(p), link("two", "one")(p)), "outside"),
    ("a link to itself", "loop/x", link("loop", "loop"), "link"),
    ("the root of a process", "/proc/self/root/etc/conductor-was-here", nothing, "outside"),
    ("a link to the root of a process", "r/etc/conductor-was-here", link("r", "/proc/self/root"), "outside"),
    ("a process's working folder", "/proc/self/cwd/../secret.txt", nothing, "outside"),
    ("git's settings", ".git/config", nothing, "protected"),
    ("a hook", ".git/hooks/pre-commit", nothing, "protected"),
    ("git's settings in capitals", ".GIT/config", nothing, "protected"),
    ("git's settings with a letter that is not seen", ".g\u200cit/config", nothing, "protected"),
    ("git's settings by a link", "g/config", link("g", ".git"), "protected"),
    ("a hook of a repository inside", "src/.git/hooks/pre-commit", nothing, "protected"),
    ("Conductor's settings", "conductor.toml", nothing, "protected"),
    ("Conductor's settings in capitals", "CONDUCTOR.TOML", nothing, "protected"),
    ("the track", "tracks/t.toml", nothing, "protected"),
    ("the track by a detour", "src/../tracks/./t.toml", nothing, "protected"),
    ("the journal", ".conductor/journal.db", nothing, "protected"),
]


@pytest.mark.parametrize(("how", "prepare", "must"), [row[1:] for row in PATHS], ids=[row[0] for row in PATHS])
def test_a_path_that_must_not_be_used_is_refused_to_every_tool(project: Path, how: str, prepare: Do, must: str) -> None:
    prepare(project)
    tried = calls(
        ("read_file", {"path": how}),
        ("write_file", {"path": how, "content": "x"}),
        ("edit_file", {"path": how, "old_string": "secret", "new_string": "x"}),
        ("delete_file", {"path": how}),
        ("list_files", {"path": how}),
        ("search", {"pattern": "secret", "path": how}),
    )

    bench, clutch = run(project, [], tried)

    assert clutch.seen == []
    for outcome, text in outcomes(bench):
        assert outcome == "refused"
        assert must in text
        assert "secret\n" not in text


# --- what is swapped while the human looks: what, how, must ---------------------------------------------------------


def _to_link_outside(project: Path) -> None:
    (project / "src/a.py").unlink()
    (project / "src/a.py").symlink_to(project.parent / "secret.txt")


def _folder_to_link_outside(project: Path) -> None:
    (project.parent / "elsewhere").mkdir()
    (project.parent / "elsewhere/a.py").write_text("def f():\n    return 1\n")
    (project / "src").rename(project / "was")
    (project / "src").symlink_to(project.parent / "elsewhere")


def _to_twin(project: Path) -> None:
    (project / "twin").write_bytes((project / "src/a.py").read_bytes())
    (project / "twin").replace(project / "src/a.py")


def _to_hard_link_of_outside(project: Path) -> None:
    (project / "src/a.py").unlink()
    os.link(project.parent / "secret.txt", project / "src/a.py")


def _rewritten(project: Path) -> None:
    (project / "src/a.py").write_text("def f():\n    return 1  # by another hand\n")


def _gone(project: Path) -> None:
    (project / "src/a.py").unlink()


def _to_folder(project: Path) -> None:
    _gone(project)
    (project / "src/a.py").mkdir()


def _to_fifo(project: Path) -> None:
    _gone(project)
    os.mkfifo(project / "src/a.py")


def _folder_to_link_inside(project: Path) -> None:
    (project / "src").rename(project / "real")
    (project / "src").symlink_to("real")


ASKED, REFUSED = "asked again", "refused"
SWAPS: list[tuple[str, Do, str]] = [
    ("the file for a link outside", _to_link_outside, REFUSED),
    ("its folder for a link outside", _folder_to_link_outside, REFUSED),
    ("its folder for a link inside", _folder_to_link_inside, ASKED),
    ("the file for another with the same content", _to_twin, ASKED),
    ("the file for a hard link of one outside", _to_hard_link_of_outside, ASKED),
    ("its content", _rewritten, ASKED),
    ("the file for nothing", _gone, REFUSED),
    ("the file for a folder", _to_folder, REFUSED),
    ("the file for a pipe", _to_fifo, REFUSED),
]
CHANGING: dict[str, dict[str, Any]] = {
    "edit_file": {"path": "src/a.py", "old_string": "return 1", "new_string": "return 2"},
    "delete_file": {"path": "src/a.py"},
    "read_file": {"path": "src/a.py"},
}


@pytest.mark.parametrize("tool", CHANGING)
@pytest.mark.parametrize(("swap", "must"), [row[1:] for row in SWAPS], ids=[row[0] for row in SWAPS])
def test_what_is_swapped_during_the_wait_is_not_what_was_approved(
    project: Path, swap: Do, must: str, tool: str
) -> None:
    if swap is _rewritten and tool == "read_file":
        pytest.skip("a read is of the file as it is when it is read")
    before: dict[str, dict[str, bytes]] = {}

    def approve_after_the_swap(call: ToolCall, preview: Preview) -> Approved:
        swap(project)
        if (project.parent / "elsewhere").exists():
            before["elsewhere"] = tree(project.parent / "elsewhere")
        return Approved(call.arguments)

    bench = Bench(
        project,
        lambda: [Ticket("T1", "Title", "top.py", "Do it.")],
        ListModel({"T1": [calls((tool, CHANGING[tool])), DONE]}),
    )
    clutch = ScriptedClutch([approve_after_the_swap, Rejected("It was swapped.")])
    assert bench.engine(clutch).run() is ExitCode.OK

    assert (project.parent / "secret.txt").read_text() == "secret\n"
    if before:
        assert tree(project.parent / "elsewhere") == before["elsewhere"]
    [(outcome, text)] = outcomes(bench)
    if len(clutch.seen) == 2:
        assert "changed meanwhile" in clutch.seen[1][1].notices[0]
        assert outcome == "rejected"
    else:
        assert must == REFUSED or tool == "edit_file"  # an edit whose text is gone is told to the worker
        assert outcome == "refused"
    assert bench.of_kind("code_changed") == []
    assert "secret" not in text


# --- further calls: what, the calls, the answers, must --------------------------------------------------------------

LINKING = ("run_shell", {"command": "ln -s .. out && ln ../secret.txt hard"})
BIG = "x" * 10_000_000


class Row(Struct, frozen=True):
    """Calls in turns, and the outcome and a piece of the text that the last one must have."""

    turns: list[tuple[str, dict[str, Any]]]
    outcome: str
    must: str
    answers: tuple[Answer, ...] = (approve, approve)


ROWS = {
    "a link that an approved call made": Row(
        [LINKING, ("write_file", {"path": "out/secret.txt", "content": "x"})], "refused", "outside"
    ),
    "a hard link that an approved call made": Row(
        [LINKING, ("read_file", {"path": "hard"}), ("write_file", {"path": "hard", "content": "x\n"})],
        "ok",
        "wrote hard",
        (approve,) * 3,
    ),
    "deleting a hard link": Row([LINKING, ("delete_file", {"path": "hard"})], "ok", "deleted hard"),
    "a payload edited into a way out": Row(
        [("write_file", {"path": "new.txt", "content": "x"})],
        "rejected",
        "no",
        (Approved({"path": "../out.txt", "content": "x"}), Rejected("no")),
    ),
    "10 MB to write": Row([("write_file", {"path": "big.txt", "content": BIG})], "ok", "created big.txt, 1 lines"),
    "10 MB to look for": Row([("search", {"pattern": BIG})], "refused", "longer than"),
    "10 MB as a path": Row([("read_file", {"path": BIG})], "refused", "not a path"),
    "10 MB as a command": Row([("run_shell", {"command": f"echo {BIG}"})], "error", "cannot be started"),
    "conftest.py": Row([("write_file", {"path": "conftest.py", "content": "x = 1\n"})], "ok", "created conftest.py"),
    "a command that ignores SIGTERM": Row(
        [("run_shell", {"command": "trap '' TERM; sleep 60 & wait; sleep 60", "timeout_s": 0.5})], "error", "longer"
    ),
    "a command that prints for ever": Row([("run_shell", {"command": "yes"})], "error", "printed more than"),
    "a child that keeps the pipe": Row([("run_shell", {"command": "sleep 60 & echo on"})], "ok", "on"),
    "a command that reads standard input": Row([("run_shell", {"command": "cat; echo end"})], "ok", "end"),
    "a null byte in a command": Row([("run_shell", {"command": "ls\0"})], "refused", "null byte"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_table(project: Path, name: str) -> None:
    row = ROWS[name]

    bench, _ = run(project, row.answers, *map(calls, row.turns))

    outcome, text = outcomes(bench)[-1]
    assert outcome == row.outcome, text[:300]
    assert row.must in text


# --- arguments that are no JSON: what, how, must --------------------------------------------------------------------

MALFORMED = [
    ("keys given twice", '{"path": "top.py", "path": "../secret.txt", "content": "x"}', "more than once"),
    ("NaN", '{"command": "ls", "timeout_s": NaN}', "NaN"),
    ("infinity", '{"command": "ls", "timeout_s": 1e999}', ""),
    ("deep nesting", '{"path": ' + "[" * 100_000 + "]" * 100_000 + "}", ""),
    ("no object", '["top.py"]', ""),
    ("cut off", '{"path": "top.py", "content": "', ""),
]


@pytest.mark.parametrize(("how", "must"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_arguments_that_are_no_json_are_told_to_the_worker_and_run_nothing(project: Path, how: str, must: str) -> None:
    raw = RawCall("c1", "run_shell" if "command" in how else "write_file", how)
    turn = Completion("", read_calls([raw], frozenset()), "tool_calls", Usage(100, 10))

    bench, clutch = run(project, [], turn)

    assert clutch.seen == []
    [(outcome, text)] = outcomes(bench)
    assert outcome == "refused"
    assert must in text
    assert len(text) < 2_000
