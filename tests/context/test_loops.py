"""A worker that makes the same call over and over is told, then stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import ExitCode, NeedsHuman
from conductor.messages import Aborted, Completion, Rejected, ToolCall
from conductor.models import Ticket, TrustLevel
from tests.bench import DONE, Bench, ListModel, calls

SAME = calls(("run_shell", {"command": "true"}))
OTHER = calls(("run_shell", {"command": "echo other"}))
BROKEN = Completion("", (ToolCall("", "run_shell", {}, raw='{"x', malformed="no JSON"),), "tool_calls")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    return tmp_path.resolve()


def bench_of(root: Path, *turns: Any, **fields: Any) -> Bench:
    return Bench(root, lambda: [Ticket("T1", "Title", "a.py", "Do it.")], ListModel({"T1": [*turns, DONE]}), **fields)


def outcomes(bench: Bench) -> list[str]:
    return [finished.outcome for finished in bench.of_kind("call_finished")]


def test_the_third_call_in_a_row_comes_back_with_a_hint(root: Path) -> None:
    bench = bench_of(root, SAME, SAME, SAME, OTHER)
    assert bench.engine().run() is ExitCode.OK
    assert outcomes(bench) == ["ok", "ok", "refused", "ok"]
    assert "this very call twice before" in bench.of_kind("call_finished")[2].text


def test_anything_in_between_begins_the_count_anew(root: Path) -> None:
    bench = bench_of(root, SAME, SAME, OTHER, SAME, SAME)
    bench.engine().run()
    assert outcomes(bench) == ["ok"] * 5


def test_the_fourth_waits_for_a_human_whatever_the_trust(root: Path) -> None:
    bench = bench_of(root, SAME, SAME, SAME, SAME, level=TrustLevel.AUTO)
    clutch = ScriptedClutch([Aborted()])
    with pytest.raises(NeedsHuman):
        bench.engine(clutch).run()
    ((_, preview),) = clutch.seen
    assert preview.must_ask
    assert "4 times in a row" in preview.notices[0]
    assert bench.engine([Rejected("read the file first")]).run() is ExitCode.OK
    assert outcomes(bench) == ["ok", "ok", "refused", "rejected"]


def test_calls_of_one_turn_count_too(root: Path) -> None:
    command = ("run_shell", {"command": "true"})
    bench = bench_of(root, calls(command, command, command))
    bench.engine().run()
    assert outcomes(bench) == ["ok", "ok", "refused"]


def test_calls_that_cannot_be_read_pause_the_run_and_it_goes_on(root: Path) -> None:
    bench = bench_of(root, BROKEN, BROKEN, BROKEN, BROKEN)
    with pytest.raises(NeedsHuman, match="the same call over and over"):
        bench.engine().run()
    assert bench.engine([approve]).run() is ExitCode.OK
    assert outcomes(bench) == ["refused"] * 4
