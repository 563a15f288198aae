"""The terminal clutch over a real pseudo-terminal: nothing decides by accident, nothing is hidden."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys
import time
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pexpect
import pytest

from conductor.clutch.terminal import TerminalClutch
from conductor.errors import UsageError
from conductor.visible import is_suspect

DRIVER = Path(__file__).with_name("terminal_driver.py")
KEYS = " help "
# Choices of whoever runs the tests; the two sizes are set in the processes of pytest-xdist.
NOT_PASSED_ON = {"VISUAL", "EDITOR", "NO_COLOR", "COLUMNS", "LINES"}
# What the clutch itself sends: colours, an erased key line, paste marks on and off.
OWN_SEQUENCES = re.compile(r"\x1b\[[0-9;]*m|\r\x1b\[2K|\x1b\[\?2004[hl]")


class Terminal:
    """A pseudo-terminal with one call at the clutch."""

    def __init__(self, *, env: dict[str, str] | None = None, rows: int = 30, **preview: Any) -> None:
        self.seen = io.StringIO()
        environ = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        self.process = pexpect.spawn(
            sys.executable,
            [str(DRIVER), json.dumps(preview)],
            env={**environ, "TERM": "xterm-256color", **(env or {})},
            dimensions=(rows, 80),
            encoding="utf-8",
            timeout=6,
        )
        self.process.logfile_read = self.seen

    def expect(self, text: str) -> None:
        self.process.expect_exact(text)

    def press(self, keys: str, then: str = KEYS) -> None:
        """Send keys in one burst and wait for what must follow."""
        self.process.send(keys)
        self.expect(then)

    def decision(self, keys: str = "") -> tuple[str, dict[str, Any]]:
        if keys:
            self.process.send(keys)
        self.process.expect(r"DECIDED (\w+) ([^\r\n]*)\r\n")
        kind, said = self.process.match.groups()
        self.expect("MODES kept")
        self.process.expect(pexpect.EOF)
        assert self.seen.getvalue().rfind("\x1b[?2004h") <= self.seen.getvalue().rfind("\x1b[?2004l")
        return kind, json.loads(said)


@pytest.fixture
def at_the_keys():
    """Return a function that opens a terminal and waits for the keys; whatever is left of it ends with the test."""
    opened: list[Terminal] = []

    def open_terminal(**options: Any) -> Terminal:
        terminal = Terminal(**options)
        opened.append(terminal)
        terminal.expect(KEYS)
        return terminal

    yield open_terminal
    for terminal in opened:
        terminal.process.close(force=True)


def editor(folder: Path, body: str) -> str:
    """Return an editor command, with an argument of its own, that runs `body` on `text` and logs the file it got."""
    script = folder / "my editor.py"
    script.write_text(
        "import os, pathlib, stat, sys\n"
        "assert sys.argv[1] == '--wait'\n"
        "path = pathlib.Path(sys.argv[2])\n"
        "text = path.read_text()\n"
        f"log = pathlib.Path({str(folder / 'log')!r})\n"
        "with log.open('a') as out:\n"
        "    modes = [oct(stat.S_IMODE(file.stat().st_mode)) for file in (path, path.parent)]\n"
        "    print(path, *modes, file=out)\n"
        f"{body}\n"
        "path.write_text(text)\n"
    )
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} --wait"


def test_one_key_approves_what_was_shown(at_the_keys):
    terminal = at_the_keys(notices=["outcome unknown"])
    screen = OWN_SEQUENCES.sub("", terminal.seen.getvalue())
    assert "── T1 · run_shell · run a command · can change anything ──" in screen
    assert "! outcome unknown" in screen
    assert "$ pytest -q" in screen
    assert terminal.decision("a") == ("Approved", {"arguments": {"command": "pytest -q"}})


def test_a_key_followed_by_enter_alone_counts(at_the_keys):
    assert at_the_keys().decision("a\r")[0] == "Approved"


def test_rejection_takes_a_reason_and_may_be_taken_back(at_the_keys):
    terminal = at_the_keys()
    terminal.press("r", "reason")
    terminal.press("\x03")
    terminal.press("r", "reason")
    terminal.press("\x1b")
    terminal.press("r", "reason")
    assert terminal.decision("use the csv module\r") == ("Rejected", {"reason": "use the csv module"})


def test_rejection_needs_no_reason(at_the_keys):
    terminal = at_the_keys()
    terminal.press("r", "reason")
    assert terminal.decision("\r") == ("Rejected", {"reason": ""})


def test_approval_with_a_comment(at_the_keys):
    terminal = at_the_keys()
    for given_up in ["\r", "  \r", "\x1b"]:
        terminal.press("c", "tell the worker")
        terminal.press(given_up, "Nothing was said")
        terminal.expect(KEYS)
    terminal.press("c", "tell the worker")
    said = ("Approved", {"arguments": {"command": "pytest -q"}, "comment": "mind the tests"})
    assert terminal.decision(" mind the tests\r") == said
    assert "✓ approved: mind the tests" in terminal.seen.getvalue()


def test_a_comment_does_not_approve_what_was_not_shown(at_the_keys):
    terminal = at_the_keys(rows=12, text="\n".join(map(str, range(200))))
    terminal.press("c", "tell the worker")
    terminal.press("fine\r", "approve unseen?")
    terminal.press("no\r")
    assert terminal.decision("q")[0] == "Aborted"


def test_skipping_is_asked_about(at_the_keys):
    terminal = at_the_keys()
    terminal.press("s", "go back")
    terminal.press("n")
    terminal.press("s", "go back")
    terminal.press("\r", "go back")
    assert terminal.decision("y") == ("Skipped", {"reason": ""})


@pytest.mark.parametrize("key", ["q", "\x04"], ids=["q", "end of input"])
def test_pausing(at_the_keys, key):
    assert at_the_keys().decision(key) == ("Aborted", {})


def test_ctrl_c_interrupts(at_the_keys):
    assert at_the_keys().decision("\x03")[0] == "interrupt"


def test_ctrl_c_interrupts_a_paste_that_never_ends(at_the_keys):
    terminal = at_the_keys()
    terminal.process.send("\x1b[200~aaa")
    time.sleep(0.3)
    assert terminal.decision("\x03")[0] == "interrupt"


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_nothing_decides_by_accident(at_the_keys, term):
    terminal = at_the_keys(env={"TERM": term})
    paste = "\x1b[200~a\r\x1b[201~"
    for burst in [
        "\r",
        "\n",
        "x",
        "A",
        " ",
        "aa",
        "ya\r",
        "\x1ba",
        "\x1b[A",
        "\x1b[97u",
        "\x1b",
        "ä",
        paste,
        paste + "a",
    ]:
        terminal.press(burst)
    assert "DECIDED" not in terminal.seen.getvalue()
    assert terminal.decision("q")[0] == "Aborted"


def test_keys_typed_ahead_are_thrown_away():
    terminal = Terminal(wait_s=0.5)
    terminal.expect("READY")
    terminal.process.send("a\r")
    terminal.expect(KEYS)
    terminal.press("x")
    assert "DECIDED" not in terminal.seen.getvalue()
    assert terminal.decision("q")[0] == "Aborted"


def test_help(at_the_keys):
    terminal = at_the_keys()
    terminal.press("?", "the changed call is shown again")
    terminal.expect(KEYS)
    assert terminal.decision("q")[0] == "Aborted"


BEFORE = "".join(f"line {number}\n" for number in range(30))
CHANGED = BEFORE.replace("line 2\n", "two\n").replace("line 4\n", "four\n").replace("line 25\n", "")
HUNKS = {
    "kind": "diff",
    "path": "notes.txt",
    "tool": "write_file",
    "before": BEFORE,
    "text": "".join(unified_diff(BEFORE.splitlines(True), CHANGED.splitlines(True), "a/notes.txt", "b/notes.txt")),
    "arguments": {"path": "notes.txt", "content": CHANGED},
}
WALK = " back "


def test_hunks_are_chosen_one_by_one(at_the_keys):
    terminal = at_the_keys(**HUNKS)
    assert "h hunks" in OWN_SEQUENCES.sub("", terminal.seen.getvalue())
    terminal.press("h", WALK)
    terminal.press("s", WALK)
    terminal.press("s", WALK)  # one piece: the key is not offered, and does nothing
    terminal.press("\r", WALK)
    terminal.press("y", "✓ kept")
    terminal.expect("hunk 2 of 3")
    terminal.expect(WALK)
    terminal.press("n", "why not")
    terminal.press("\x1b", WALK)
    terminal.press("n", "why not")
    terminal.press("four is taken\r", "✗ left out: four is taken")
    terminal.expect("hunk 3 of 3")
    terminal.expect(WALK)
    kind, said = terminal.decision("a")
    assert (kind, said["arguments"]["content"]) == ("Approved", CHANGED.replace("four\n", "line 4\n"))
    assert said["comment"].endswith("- at line 5 of yours, `+four`: four is taken")
    assert "edited, shown again" in terminal.seen.getvalue()


def test_a_walk_that_keeps_all_or_is_left_decides_nothing(at_the_keys):
    terminal = at_the_keys(**HUNKS)
    terminal.press("h", WALK)
    terminal.press("a", "Every hunk is kept")
    terminal.expect(KEYS)
    terminal.press("h", WALK)
    terminal.press("y", WALK)
    terminal.press("q", KEYS)
    assert terminal.decision("a") == ("Approved", {"arguments": HUNKS["arguments"]})


def test_a_walk_that_keeps_nothing_rejects(at_the_keys):
    terminal = at_the_keys(**HUNKS)
    terminal.press("h", WALK)
    assert terminal.decision("d") == ("Rejected", {"reason": ""})


def test_a_command_has_no_hunks(at_the_keys):
    terminal = at_the_keys()
    terminal.press("h", "No hunks to choose")
    terminal.expect(KEYS)
    assert terminal.decision("q")[0] == "Aborted"


RULES = [
    ["id1", "allow run_shell exactly: pytest -q", 2, []],
    ["id2", "allow run_shell pytest, with plain flags", 6, [f"pytest -k {n}  (rejected: \x1b[2Jno)" for n in range(5)]],
]


def test_w_shows_the_rule_and_its_past_and_approves_with_it(at_the_keys):
    terminal = at_the_keys(offers=RULES)
    terminal.press("w", "go back")
    screen = OWN_SEQUENCES.sub("", terminal.seen.getvalue())
    assert "1  allow run_shell exactly: pytest -q" in screen
    assert "2 past calls it would have approved; you approved them all" in screen
    assert "6 past calls it would have approved; you did not approve:" in screen
    assert "pytest -k 2  (rejected: ␛[2Jno)" in screen and "and 2 more" in screen
    terminal.press("2", "for good")
    kind, said = terminal.decision("t")
    assert (kind, said["rule"]["offer"]["rule_id"], said["rule"]["span"]) == ("Approved", "id2", "track")
    assert "from now on (track): allow run_shell pytest" in terminal.seen.getvalue()


def test_w_may_limit_how_often_and_how_long(at_the_keys):
    terminal = at_the_keys(offers=RULES)
    terminal.press("w", "go back")
    terminal.press("1", "for good")
    for key, question, said, answer in (
        ("n", "how many times:", "none", "give a number of times"),
        ("n", "how many times:", "20", "20 times; and it counts for:"),
        ("u", "until when:", "2999-01-31", "20 times, until 2999-01-31 00:00 UTC"),
    ):
        terminal.press(key, question)
        terminal.press(f"{said}\r", answer)
        terminal.expect("for good")
    terminal.process.send("r")
    terminal.expect("from now on (run, 20 times, until 2999-01-31 00:00 UTC)")


@pytest.mark.parametrize("keys", [["x"], ["1", "x"], ["\x1b"], ["2", "\x1b"]])
def test_w_may_be_taken_back(at_the_keys, keys):
    terminal = at_the_keys(offers=RULES)
    terminal.press("w", "go back")
    for key in keys[:-1]:
        terminal.press(key, "for good")
    terminal.press(keys[-1])
    assert terminal.decision("a") == ("Approved", {"arguments": {"command": "pytest -q"}})


@pytest.mark.parametrize(
    ("given", "said"), [({}, "asked about every time"), ({"offers": "it redirects"}, "it redirects.")]
)
def test_w_says_why_there_is_no_rule(at_the_keys, given, said):
    terminal = at_the_keys(**given)
    terminal.press("w", said)
    terminal.expect(KEYS)
    assert terminal.decision("q")[0] == "Aborted"


def test_w_does_not_approve_what_was_not_shown(at_the_keys):
    terminal = at_the_keys(offers=RULES, rows=12, text="\n".join(map(str, range(200))))
    terminal.press("w", "go back")
    terminal.press("1", "for good")
    terminal.press("r", "approve unseen?")
    terminal.press("no\r")
    assert terminal.decision("q")[0] == "Aborted"


def test_an_edited_payload_is_the_decision(at_the_keys, tmp_path):
    command = editor(tmp_path, "text = text.replace('pytest -q', 'pytest -x')")
    terminal = at_the_keys(env={"EDITOR": "false", "VISUAL": command})
    assert terminal.decision("e") == ("Approved", {"arguments": {"command": "pytest -x"}})
    path, mode, folder_mode = (tmp_path / "log").read_text().split()
    assert path.endswith(".json")
    assert (mode, folder_mode) == ("0o600", "0o700")
    assert not Path(path).parent.exists()


def test_what_is_no_payload_is_kept_and_edited_again(at_the_keys, tmp_path):
    body = (
        "tries = len(log.read_text().splitlines())\n"
        "text = {1: '{\"command\":\\n  \"mine\", }', 2: text.replace(', }', ', \"command\": 1}'),\n"
        "        3: '{\"command\": NaN}', 4: '[1]', 5: '{\"command\": \"mine\"}'}[tries]"
    )
    terminal = at_the_keys(env={"EDITOR": editor(tmp_path, body)})
    for said in ["line 2, column", "line 2, column 11: the key 'command' is given twice", "NaN", "expected an object"]:
        terminal.press("e", said)
        terminal.expect("give up this edit ")
    assert terminal.decision("e") == ("Approved", {"arguments": {"command": "mine"}})


def test_an_edit_that_changed_nothing_or_was_given_up_leads_back_to_the_keys(at_the_keys, tmp_path):
    body = "text = text if len(log.read_text().splitlines()) == 1 else 'nonsense'"
    terminal = at_the_keys(env={"EDITOR": editor(tmp_path, body)})
    terminal.press("e", "Nothing was changed")
    terminal.expect(KEYS)
    terminal.press("e", "give up this edit ")
    terminal.press("x")
    assert terminal.decision("a") == ("Approved", {"arguments": {"command": "pytest -q"}})


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "neither VISUAL nor EDITOR is set"),
        ({"EDITOR": "no-such-editor"}, "no-such-editor"),
        ({"EDITOR": "false"}, "exit code 1"),
        ({"EDITOR": "vi 'unclosed"}, "closing quotation"),
    ],
)
def test_without_an_editor_that_works_there_is_one_inline(at_the_keys, env, said):
    terminal = at_the_keys(env=env)
    terminal.press("e", "gives up")
    assert said.lower() in terminal.seen.getvalue().lower()
    terminal.expect("}")
    terminal.press("\x03")
    terminal.press("e", "gives up")
    terminal.expect("}")
    terminal.press("\x7f" * 4 + 'x"\r}', "}")
    assert terminal.decision("\x04") == ("Approved", {"arguments": {"command": "pytest -x"}})


def test_a_hung_up_terminal_pauses(tmp_path):
    log = tmp_path / "log"
    terminal = Terminal(log=str(log))
    terminal.expect(KEYS)
    os.close(terminal.process.child_fd)
    deadline = time.monotonic() + 10
    while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert log.read_text() == "Aborted"
    terminal.process.closed = True  # pexpect would close the descriptor a second time


HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\r\x08\u202e\u200b\ufeff\U000e0041[bold]\u2028end"


@pytest.mark.parametrize("kind", ["command", "text", "diff"])
def test_nothing_raw_reaches_the_screen(at_the_keys, kind):
    text = f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-{HOSTILE}\n+{HOSTILE}!\n" if kind == "diff" else f"{HOSTILE}\n{HOSTILE}"
    terminal = at_the_keys(
        **{
            "kind": kind,
            "text": text,
            "title": HOSTILE,
            "path": f"{HOSTILE}.py",
            "tool": HOSTILE,
            "ticket_id": HOSTILE,
        },
        **{"notices": [HOSTILE], "arguments": {"command": HOSTILE}},
    )
    terminal.press("s", "go back")
    terminal.press("n")
    terminal.press("v")
    screen = OWN_SEQUENCES.sub("", terminal.seen.getvalue()).replace("\r\n", "\n")
    assert not is_suspect(screen)
    assert screen.count("[bold]") >= 5
    terminal.press("q", "DECIDED")


def test_a_long_preview_is_not_approved_before_it_was_seen(at_the_keys):
    text = "\n".join(f"line {number}" for number in range(1, 101))
    terminal = at_the_keys(kind="text", text=text)
    shown = terminal.seen.getvalue()
    assert "more lines: v shows all of it" in shown
    assert "line 100" not in shown
    terminal.press("a", "approve unseen?")
    terminal.press("y\r")
    terminal.press("v", "goes on")
    terminal.press("q")
    terminal.press("a", "approve unseen?")
    terminal.press("\x03")
    terminal.press("v", "goes on")
    for _ in range(2):
        terminal.press(" ", "goes on")
    terminal.press(" ", "line 100")
    terminal.expect(KEYS)
    assert terminal.decision("a")[0] == "Approved"


def test_a_long_preview_may_be_approved_unseen_by_a_typed_word(at_the_keys):
    terminal = at_the_keys(kind="command", text="echo\n" * 100)
    terminal.press("a", "approve unseen?")
    assert terminal.decision("yes\r")[0] == "Approved"


@pytest.mark.parametrize("key", ["a", "c"])
def test_a_dangerous_call_takes_a_typed_word(at_the_keys, key):
    terminal = at_the_keys(dangerous="this deletes a file")
    comment = {"comment": "fine"} if key == "c" else {}
    for word in ["\r", "y\r", "YES\r", "\x1b", "yes\r"]:
        if comment:
            terminal.press("c", "tell the worker")
            terminal.process.send("fine\r")
        else:
            terminal.process.send("a")
        terminal.expect("Dangerous: this deletes a file. Type yes to approve it.")
        terminal.expect("approve?")
        assert "DECIDED" not in terminal.seen.getvalue()
        if word != "yes\r":
            terminal.press(word)
    assert terminal.decision(word) == ("Approved", {"arguments": {"command": "pytest -q"}, **comment})


def test_a_rule_for_a_dangerous_call_takes_the_typed_word_as_well(at_the_keys):
    terminal = at_the_keys(offers=RULES, dangerous="this command can use the network")
    terminal.press("w", "go back")
    terminal.press("1", "for good")
    terminal.press("r", "approve?")
    terminal.press("no\r")
    assert terminal.decision("q")[0] == "Aborted"


def test_what_is_dangerous_and_long_takes_one_word_for_both(at_the_keys):
    terminal = at_the_keys(dangerous="no sandbox holds this command", text="echo\n" * 100)
    terminal.press("a", "Dangerous: no sandbox")
    terminal.expect("Not all of it was shown")
    terminal.expect("approve unseen?")
    assert terminal.decision("yes\r")[0] == "Approved"


def test_a_resize_changes_nothing(at_the_keys):
    terminal = at_the_keys(text="x" * 200)
    terminal.process.setwinsize(10, 30)
    terminal.press("x", " ? ")  # the keys in short
    terminal.process.setwinsize(40, 200)
    terminal.press("x")
    assert terminal.decision("a")[0] == "Approved"


def test_suspended_and_continued_it_asks_again():
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile", "-i"], env={**os.environ, "PS1": "sh> ", "TERM": "xterm"}, encoding="utf-8"
    )
    shell.expect_exact("sh> ")
    shell.sendline(f"{sys.executable} {DRIVER} '{{}}'")
    shell.expect_exact(KEYS)
    for stop in ["\x1a", "outside"]:
        if stop == "outside":
            os.system(f"kill -STOP $(ps -o pid= --ppid {shell.pid})")
        else:
            shell.send(stop)
        shell.expect_exact("Stopped")
        shell.expect_exact("sh> ")
        time.sleep(0.5)
        shell.sendline("fg")
        shell.expect_exact("$")
        shell.expect_exact("pytest -q")
        shell.expect_exact(KEYS)
    shell.send("a")
    shell.expect(r"AWAY ([\d.]+)\r")
    away = float(shell.match[1])
    shell.expect_exact("DECIDED Approved")
    shell.expect_exact("MODES kept")
    shell.close(force=True)
    assert away >= 1.0, "the time for which it was stopped counts as looked at"


def test_it_needs_a_terminal():
    with pytest.raises(UsageError, match="needs a terminal"):
        TerminalClutch(io.StringIO(), io.StringIO())
