"""`conductor demo` over a real pseudo-terminal, as the first thing a new user does."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pexpect

from tests.e2e.driver import DEMO, assert_calm, environment, journal, tree
from tests.e2e.terminal import editor, terminal


def test_approving_and_editing_to_the_end(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    env = environment(tmp_path, EDITOR=editor(tmp_path, "The books as CSV", "Every book as CSV"))
    with terminal(tmp_path, "demo", "--dir", "shop", env=env) as screen:
        first = screen.prompt()
        assert "T1" in first and "bookshop/report.py" in first and "def to_csv" in first
        changed = screen.answer("e")
        assert "Every book as CSV" in changed and "you changed this call" in changed
        assert "to_csv" not in (shop / "bookshop" / "report.py").read_text()
        assert "tests.test_report" in screen.answer("a")
        assert "full_name" in screen.answer("a")
        assert "tests.test_catalog" in screen.answer("a")
        fix = screen.answer("a")
        assert "recurses forever" in fix and "most recent call" not in fix
        assert "tests.test_catalog" in screen.answer("a")
        assert "CHANGELOG.md" in screen.answer("a")
        screen.press("a")
        assert screen.end() == 0
        assert screen.screen.count("completed") >= 3
        assert_calm(screen.screen)
    assert "Every book as CSV" in (shop / "bookshop" / "report.py").read_text()
    assert "Category.full_name" in (shop / "CHANGELOG.md").read_text()


def test_a_rejection_with_its_reason(tmp_path: Path) -> None:
    with terminal(tmp_path, "demo", "--dir", "shop") as screen:
        shown = screen.prompt()
        while "python3 -m unittest tests.test_catalog" not in shown or "check" in shown.rpartition("T2")[2]:
            shown = screen.answer("a")
        screen.press("r")
        screen.process.expect("reason")
        shown = screen.answer("I ran them myself: RecursionError.\r")
        while "CHANGELOG.md" not in shown:
            shown = screen.answer("a")
        screen.press("a")
        assert screen.end() == 0
    decided = [event.data for event in journal(tmp_path / "shop") if event.kind == "call_decided"]
    assert [d.reason for d in decided if d.decision == "reject"] == ["I ran them myself: RecursionError."]


def test_killed_at_the_prompt_the_tree_is_as_it_was(tmp_path: Path) -> None:
    with terminal(tmp_path, "demo", "--dir", "shop") as screen:
        screen.prompt()
        screen.process.kill(signal.SIGKILL)
        screen.process.expect(pexpect.EOF)
    assert tree(tmp_path / "shop") == tree(DEMO)


def test_keys_typed_ahead_approve_nothing(tmp_path: Path) -> None:
    with terminal(tmp_path, "demo", "--dir", "shop") as screen:
        screen.process.send("aaaa\ra\r")
        screen.prompt()
        time.sleep(0.3)
        assert tree(tmp_path / "shop") == tree(DEMO)
        assert "call_decided" not in [event.kind for event in journal(tmp_path / "shop")]
        screen.press("q")
        assert screen.end() == 3
        assert "Go on with:" in screen.screen


def test_ctrl_c_at_the_prompt_pauses_and_the_run_goes_on_from_there(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    with terminal(tmp_path, "demo", "--dir", "shop") as screen:
        first = screen.prompt()
        screen.press("\x03")
        assert screen.end() == 130
        assert_calm(screen.screen)
    assert tree(shop) == tree(DEMO)
    with terminal(shop, "run", "tracks/demo.toml") as screen:
        assert "bookshop/report.py" in screen.prompt() and "bookshop/report.py" in first
        screen.press("q")
        assert screen.end() == 3
