"""The lines that findings are about."""

from __future__ import annotations

import os
from pathlib import Path

_MOST = 4 * 1024 * 1024


class Lines:
    """Lines of the project's files, each file read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, list[str]] = {}

    def relative(self, name: str) -> str:
        """Return the path as the project has it; one outside of it stays as it is."""
        path = Path(os.path.normpath(self._root / name))
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else name

    def text(self, path: str, line: int) -> str:
        """Return a line (counted from 1) without the space around it, "" where there is none."""
        if path not in self._files:
            try:
                with (self._root / path).open("rb") as file:
                    self._files[path] = file.read(_MOST).decode("utf-8", "replace").splitlines()
            except OSError:
                self._files[path] = []
        lines = self._files[path]
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""
