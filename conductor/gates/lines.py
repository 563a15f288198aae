"""The lines that findings are about."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_MOST = 4 * 1024 * 1024

Stamp = tuple[int, int, int, int]


class Lines:
    """Lines of projects' files, kept from one reading to the next: a file is read again only when it is another.

    Kept is what was asked for, not whole files. Findings come file by file, so the file at hand is kept besides.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Stamp, dict[int, str]]] = {}
        self._looked_at: dict[str, tuple[Stamp, dict[int, str]]] = {}
        self._at_hand: tuple[str, Stamp, Sequence[str]] = "", (0, 0, 0, 0), ()
        self._top: tuple[Path | None, str] = None, ""

    def look_again(self) -> None:
        """Begin a reading: files may have changed since the last one, but none is looked at twice within one."""
        self._looked_at = {}

    def relative(self, root: Path, name: str) -> str:
        """Return the path as the project has it; one outside of it stays as it is."""
        top = self._folder(root)
        if name.startswith(top) and "/." not in name and "//" not in name:
            return name[len(top) :]  # as checkers name files, so without a closer look
        path = os.path.normpath(name if name.startswith("/") else top + name)
        return path[len(top) :] if path.startswith(top) else name

    def text(self, root: Path, path: str, line: int) -> str:
        """Return a line (counted from 1) without the space around it, "" where there is none."""
        whole = path if path.startswith("/") else self._folder(root) + path
        stamp, texts = self._looked_at.get(whole) or self._look(whole)
        if line not in texts:
            texts[line] = self._read(whole, stamp, line)
        return texts[line]

    def _folder(self, root: Path) -> str:
        """Return the start of all paths in the project; it is asked for with every finding."""
        if self._top[0] is not root:
            self._top = root, f"{root}/"
        return self._top[1]

    def _look(self, path: str) -> tuple[Stamp, dict[int, str]]:
        try:
            found = os.stat(path)  # noqa: PTH116 - called for every file with a finding
        except (OSError, ValueError):
            return (0, 0, 0, 0), {}
        stamp = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = stamp, {}
        self._looked_at[path] = known
        return known

    def _read(self, path: str, stamp: Stamp, line: int) -> str:
        if self._at_hand[:2] != (path, stamp):
            try:
                with open(path, "rb") as file:  # noqa: PTH123
                    text = file.read(min(stamp[0], _MOST))  # room for the most would be made anew for every file
                    self._at_hand = path, stamp, text.decode("utf-8", "replace").splitlines()
            except (OSError, ValueError):
                return ""
        lines = self._at_hand[2]
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""
