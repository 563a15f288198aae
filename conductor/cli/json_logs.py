"""Standard error as JSON lines, for programs that collect it (`--json-logs`)."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import TextIO


class JsonLines(io.TextIOBase):
    """Makes each line that is written to it one JSON object of level "notice"; errors come with what they are about."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What the lines are written in."""
        return "utf-8"

    def writable(self) -> bool:
        """See `io.IOBase.writable`."""
        return True

    def write(self, text: str, /) -> int:
        """Take text; each line that is whole is written at once. Lines that say nothing are left out."""
        *lines, self._begun = f"{self._begun}{text}".split("\n")
        for line in lines:
            if line.strip():
                self.record("notice", line.strip())
        return len(text)

    def record(self, level: str, message: str, **more: object) -> None:
        """Write one object."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        said = {name: value for name, value in more.items() if value not in ("", None)}
        self._out.write(json.dumps({"at": at, "level": level, "message": message, **said}) + "\n")
        self._out.flush()

    def flush(self) -> None:
        """Nothing waits here but a line that is not whole."""

    def close(self) -> None:
        """Write what was not ended by a newline."""
        if self._begun.strip():
            self.record("notice", self._begun.strip())
        self._begun = ""
