"""Files that workers may change only with a typed yes, by patterns as in .gitignore."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import PurePosixPath


def frozen_by(path: str, patterns: Sequence[str]) -> str:
    """Return the pattern that freezes `path` (relative to the project), "" where none does.

    A pattern without a slash holds in every folder, one that names a folder for all below it; * and ? stay in one
    folder, ** stands for any number of them. Case does not count: on some machines it does not for files either.
    """
    parts = [part.casefold() for part in PurePosixPath(path).parts]
    return next((pattern for pattern in patterns if _covers(pattern.casefold(), parts)), "")


def _covers(pattern: str, parts: Sequence[str]) -> bool:
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    if names and "/" not in pattern.rstrip("/"):
        names.insert(0, "**")
    reached = {0}
    for name in names:
        if name == "**":
            reached = set(range(min(reached), len(parts) + 1))
        else:
            reached = {n + 1 for n in reached if n < len(parts) and fnmatch.fnmatchcase(parts[n], name)}
        if not reached:
            return False
    return any(n > 0 for n in reached)  # whatever is left of the path lies below what the pattern names
