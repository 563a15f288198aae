"""What a model, a file or a command may put on the screen: one table of texts, shown at every place there is.

| what | how it would fool a reader | what must happen |
|---|---|---|
| `HOSTILE` below | moves the cursor, hides, reorders or imitates | shown in writing, as the table says |
| every place of the clutch, `PLACES` | | no byte on the terminal but text and what the clutch itself sends |
| every command that shows a journal, `COMMANDS` | | the same |
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import pexpect
import pytest

from conductor.visible import is_suspect
from tests.clutch.test_terminal import OWN_SEQUENCES, Terminal
from tests.e2e.driver import CONDUCTOR, PATIENCE_S, call, environment, make_project

# what: (the text, what is shown of it)
HOSTILE = {
    "escape sequence": ("\x1b[2K\x1b[1A", "␛[2K␛[1A"),
    "window title": ("\x1b]0;root\x07", "␛]0;root␇"),
    "clipboard": ("\x1b]52;c;cm0=\x1b\\", "␛]52;c;cm0=␛"),
    "hyperlink": ("\x1b]8;;http://x\x1b\\", "␛]8;;http://x␛"),
    "C1 control sequence": ("\x9b2J", "<U+009B>2J"),
    "carriage return": ("rm x\rls", "rm x␍ls"),
    "backspace": ("rm\x08\x08ls", "rm␈␈ls"),
    "delete": ("a\x7fb", "a␡b"),
    "bell": ("\x07", "␇"),
    "shift out": ("\x0eqqq\x0f", "<U+000E>qqq<U+000F>"),
    "right to left": ("a\u202etxt.exe", "a<U+202E>txt.exe"),
    "isolate": ("a\u2066b\u2069", "a<U+2066>b<U+2069>"),
    "zero width": ("ad\u200bmin", "ad<U+200B>min"),
    "tag letters": ("a\U000e0072\U000e006d", "a<U+E0072><U+E006D>"),
    "no-break space": ("rm\xa0-rf", "rm<U+00A0>-rf"),
    "line separator": ("a\u2028b", "a<U+2028>b"),
    "form feed": ("a\x0cb", "a<U+000C>b"),
    "Cyrillic letter in a Latin word": ("p\u0430ypal", "p<U+0430>ypal"),
    "Greek letter in a Latin word": ("\u039fpen", "<U+039F>pen"),
    "a word of look-alikes": ("x \u0455\u0443\u0455", "x <U+0455><U+0443><U+0455>"),
    "mathematical letters": ("\U0001d41eval", "<U+1D41E>val"),
    "private use": ("\ue000", "<U+E000>"),
    "invisible letter": ("a\u3164b", "a<U+3164>b"),
}
ALL = "".join(f"[{text}]" for text, _ in HOSTILE.values())
SHOWN = [shown for _, shown in HOSTILE.values()]
LINES = "".join(f"{text}\n" for text, _ in HOSTILE.values())
_NEW = [f"{line}\n" for line in LINES.split("\n")[:-1]]
DIFF = "".join(difflib.unified_diff([], _NEW, "/dev/null", "b/a.py"))

# where: what is put to the clutch
PLACES: dict[str, dict[str, Any]] = {
    "a command": {"kind": "command", "text": f"echo {ALL}"},
    "a new file": {"kind": "diff", "text": DIFF, "path": "a.py", "tool": "write_file", "effect": "idempotent"},
    "a text": {"kind": "text", "text": LINES, "effect": "read"},
    "the title": {"title": ALL},
    "the path": {"kind": "text", "text": "x", "path": ALL},
    "a notice": {"notices": [ALL]},
    "the name of a tool": {"tool": ALL},
    "the ticket": {"ticket_id": ALL},
}


def written(seen: str) -> str:
    """Return what stands on the screen with rows joined; nothing but text may be left."""
    text = OWN_SEQUENCES.sub("", seen)
    assert not any(is_suspect(char) for char in set(text) - {"\r"}), sorted(set(filter(is_suspect, text)))
    assert "\r" not in text.replace("\r\n", "").replace("\r\r\n", "")
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_shown_at_the_clutch_reaches_the_terminal_raw(place: str) -> None:
    terminal = Terminal(rows=90, **PLACES[place])
    try:
        terminal.expect(" help ")
        seen = written(terminal.seen.getvalue())
    finally:
        terminal.process.close(force=True)
    for shown in SHOWN:
        assert re.sub(r"\s+", "", shown) in seen, shown


COMMANDS = (("run", "--auto", "tracks/track.toml"), ("log",), ("tickets",), ("log", "--json"))
_BY_RICH = re.compile(r"\x1b\[[0-9;]*[mKA]|\x1b\[\?25[lh]|\x1b\[[0-9]+[GD]")


def on_a_terminal(project: Path, arguments: tuple[str, ...]) -> str:
    """Run a command to its end and return what it printed, without the colours."""
    process = pexpect.spawn(
        CONDUCTOR,
        list(arguments),
        cwd=str(project),
        env=environment(project),
        dimensions=(60, 200),
        encoding="utf-8",
        timeout=PATIENCE_S,
    )
    process.expect(pexpect.EOF)
    return _BY_RICH.sub("", process.before or "")


def test_no_command_prints_it_raw(tmp_path: Path) -> None:
    prints = "import ast; print(ast.literal_eval(open('hostile.txt').read())); raise SystemExit(1)"
    turns = [
        {"text": ALL, "tool_calls": [call("write_file", path="notes.txt", content=LINES)]},
        {"text": "Next.", "tool_calls": [call("read_file", path="notes.txt"), call("search", pattern="rm")]},
        {"text": "Run.", "tool_calls": [call("run_shell", command=f'python3 -c "{prints}"')]},
        {"text": "Wrong.", "tool_calls": [call("edit_file", path=ALL, old_string=ALL, new_string="")]},
        {"text": f"Done. {ALL}"},
    ]
    title = "".join(char for char in ALL if " " <= char < "\x7f" or "\x80" <= char < "\ud800")  # what TOML can hold
    tickets = [{"id": "T1", "title": title}]
    project = make_project(tmp_path, tickets, {"T1": turns}, files={"hostile.txt": ascii(ALL)})

    for arguments in COMMANDS:
        seen = on_a_terminal(project, arguments)
        assert "T1" in seen, seen
        assert sorted({char for char in seen if is_suspect(char)} - {"\r"}) == [], arguments
