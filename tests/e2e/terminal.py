"""The installed `conductor` command on a pseudo-terminal, and an editor that is a script."""

from __future__ import annotations

import io
import re
import shlex
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect

from tests.e2e.driver import CONDUCTOR, PATIENCE_S, environment

_SEQUENCES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_PROMPT = re.compile(r" help\b")

EDITOR = """\
import json, sys
path = sys.argv[-1]
with open(path) as file:
    payload = json.load(file)
for name, value in payload.items():
    if isinstance(value, str):
        payload[name] = value.replace(sys.argv[1], sys.argv[2])
with open(path, "w") as file:
    json.dump(payload, file)
"""


def editor(folder: Path, old: str, new: str) -> str:
    """Return an $EDITOR that replaces `old` by `new` in every text of the payload."""
    script = folder / "edit.py"
    script.write_text(EDITOR)
    return shlex.join([sys.executable, str(script), old, new])


class Terminal:
    """A pseudo-terminal on which a command runs; `screen` is all it has printed, colours left out."""

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._seen = io.StringIO()
        self.process = pexpect.spawn(
            CONDUCTOR,
            list(arguments),
            cwd=str(folder),
            env=dict(env or environment(folder)),
            dimensions=(60, 120),
            encoding="utf-8",
            timeout=PATIENCE_S,
        )
        self.process.logfile_read = self._seen

    @property
    def screen(self) -> str:
        return _SEQUENCES.sub("", self._seen.getvalue())

    def prompt(self) -> str:
        """Wait until the clutch asks, and return what appeared since the last time it did."""
        self.process.expect(_PROMPT)
        return _SEQUENCES.sub("", self.process.before)

    def press(self, keys: str) -> None:
        time.sleep(0.05)  # a person does not answer within the same read
        self.process.send(keys)

    def answer(self, keys: str) -> str:
        self.press(keys)
        return self.prompt()

    def end_with_modes(self) -> tuple[int, list[Any]]:
        """Wait for the end, and return the exit code and how the terminal was left."""
        self.process.expect(pexpect.EOF)
        modes = termios.tcgetattr(self.process.child_fd)
        return self.end(), modes

    def end(self) -> int:
        self.process.expect(pexpect.EOF)
        self.process.close()
        assert self.process.exitstatus is not None, f"ended by signal {self.process.signalstatus}"
        return self.process.exitstatus


@contextmanager
def terminal(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    opened = Terminal(folder, *arguments, env=env)
    try:
        yield opened
    finally:
        opened.process.close(force=True)
