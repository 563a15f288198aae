"""What a run shows: a line an entry in a pipe, JSON lines for programs, a live line that never meets the clutch."""

from __future__ import annotations

import io
import json
import os
import pty
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from conductor import events
from conductor.clutch.scripted import approve
from conductor.display import JsonlDisplay, PlainDisplay, TerminalDisplay, make_display, statistics, summary
from conductor.events import Event
from conductor.messages import Approved, Preview, Rejected, ToolCall
from conductor.models import Ticket
from conductor.visible import is_suspect
from tests.bench import DONE, Bench, ListModel, calls

HOSTILE = "pwned\x1b[2J\x07\u202eevil\r\n\x9b31m"


def run(root: Path, display: Any = None, answers: Any = None) -> Bench:
    """A small run with a failing command, a hint, a rejection and a failing check."""

    def tickets() -> list[Ticket]:
        return [
            Ticket("T1", "Make two", "a.py", "Do it.", verify="grep -q 2 a.py"),
            Ticket("T2", f"Bad {HOSTILE}", "a.py", "Do it.", dependencies=("T1",)),
            Ticket("T3", "Never", "a.py", "Do it.", dependencies=("T2",)),
        ]

    (root / "a.py").write_text("A = 1\n")
    shell = ("run_shell", {"command": "echo 'KeyError: x' >&2; exit 3"})
    write = ("write_file", {"path": "a.py", "content": "A = 2\n"})
    turns = {"T1": [calls(shell, text=f"Trying. {HOSTILE}"), DONE, calls(write), DONE], "T2": [calls(shell)] * 9}
    bench = Bench(root.resolve(), tickets, ListModel(turns), max_turns=4)
    if display is not None:
        bench.heard = type("Heard", (list,), {"append": lambda self, e: (list.append(self, e), display(e))})()
    bench.engine(answers or [approve] * 5 + [Rejected("not again")] + [approve] * 9).run()
    return bench


def test_a_pipe_gets_one_plain_line_for_each_entry_worth_one(tmp_path: Path) -> None:
    out = io.StringIO()
    run(tmp_path, PlainDisplay(out, {"T1": "Make two", "T2": "Bad"}))
    text = out.getvalue()
    lines = text.splitlines()
    assert lines[0] == "T1 started: Make two (list)"
    assert "T1 turn 1: run_shell echo 'KeyError: x' >&2; exit 3 -> exit 3" in lines
    assert any(line.startswith("T1 hint: ") and "KeyError" in line for line in lines)
    assert "T1 verify: grep -q 2 a.py -> exit 1" in lines
    assert "T1 verify: grep -q 2 a.py -> passed" in lines
    assert "T1 completed in 4 turns" in lines
    assert any(line.endswith("rejected: not again") for line in lines)
    assert "T2 failed: out of turns after 4" in lines
    assert "T3 blocked: T2 did not complete" in lines
    assert not is_suspect(text)
    assert text.isprintable() or "\n" in text


def test_json_lines_are_the_journal_to_the_letter(tmp_path: Path) -> None:
    out = io.StringIO()
    bench = run(tmp_path, JsonlDisplay(out))
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["sequence"] for line in said] == [event.sequence for event in bench.heard]
    assert {line["type"] for line in said} == {"event"}
    assert said[0]["hash"] == bench.heard[0].hash


class Screen:
    """The reading end of a pseudo-terminal."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self.out = os.fdopen(slave, "w", buffering=1)
        self.text = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                self.text += os.read(self._master, 4096).decode("utf-8", "replace")
            except OSError:
                return

    def settled(self) -> str:
        time.sleep(0.25)
        return self.text


@pytest.fixture
def screen() -> Screen:
    return Screen()


def test_the_live_line_is_gone_when_the_clutch_asks(tmp_path: Path, screen: Screen) -> None:
    display = TerminalDisplay(screen.out, {})
    seen: list[str] = []

    def look(call: ToolCall, preview: Preview) -> Approved:
        before = screen.settled()
        assert screen.settled() == before, "something is still being drawn"
        seen.append(before)
        return Approved(call.arguments)

    class SlowModel(ListModel):
        def complete(self, messages: Any, tools: Any) -> Any:
            time.sleep(0.3)
            return super().complete(messages, tools)

    bench = Bench(
        tmp_path.resolve(),
        lambda: [Ticket("T1", "Title", "a.py", "Do it.")],
        SlowModel({"T1": [calls(("write_file", {"path": "a.py", "content": "x\n"})), DONE]}),
    )
    bench.heard = type("Heard", (list,), {"append": lambda self, event: display(event)})()
    bench.engine([look]).run()
    display.close()
    assert "worker thinking" in seen[0]
    assert seen[0].rstrip().endswith("\x1b[2K"), "the last thing drawn before the question is the erased line"
    assert screen.settled().count("worker thinking") >= 2


def test_no_control_character_of_a_model_reaches_the_terminal(tmp_path: Path, screen: Screen) -> None:
    display = TerminalDisplay(screen.out, {"T2": HOSTILE})
    run(tmp_path, display)
    display.close()
    shown = screen.settled()
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert "␛[2J" in shown


def test_colours_and_the_live_line_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch, screen: Screen) -> None:
    assert isinstance(make_display("auto", {}, out=io.StringIO()), PlainDisplay)
    assert isinstance(make_display("jsonl", {}, out=io.StringIO()), JsonlDisplay)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(make_display("auto", {}, out=screen.out), TerminalDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_display("auto", {}, out=screen.out), PlainDisplay)


def test_the_closing_table_counts_and_says_why(tmp_path: Path) -> None:
    bench = run(tmp_path)
    engine = bench.engine()
    engine.open()
    spent = statistics(bench.heard)
    assert (spent["T1"].turns, spent["T1"].tokens) == (4, 440)
    lines = summary(engine.track, spent, colour=False).splitlines()
    assert lines[0] == "A track: 1 of 3 tickets completed"
    assert lines[1].split() == ["ticket", "state", "turns", "tokens", "cost"]
    assert lines[2].split()[:4] == ["T1", "completed", "4", "440"]
    assert lines[3].endswith("out of turns after 4")
    assert lines[4].endswith("Never — blocked by T2")
    assert not is_suspect("\n".join(lines))
    assert "\x1b[" in summary(engine.track, spent, colour=True)


def test_totals_go_on_from_an_earlier_run(tmp_path: Path) -> None:
    bench = run(tmp_path)
    half: list[Event] = bench.heard[:10]
    out = io.StringIO()
    display = PlainDisplay(out, {}, lambda: statistics(half))
    resumed = replace(half[0], ticket_id="", data=events.RunResumed(""))
    for event in [resumed, *bench.heard[10:]]:
        display(event)
    assert "T1 completed in 4 turns" in out.getvalue()
