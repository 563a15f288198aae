"""The source files of a folder, and what git says of them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from conductor.errors import UsageError
from conductor.shell import run_command

_HUNK = re.compile(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_SKIPPED = frozenset({"__pycache__", "node_modules"})

_GIT = "git -c core.fsmonitor=false"  # which would run a program that the repository's settings name


def source_files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files below `folder` whose names end in one of `suffixes`, sorted.

    In a git repository they are those git does not ignore; elsewhere, and in a folder that git ignores as a whole,
    hidden folders, virtual environments and caches are passed over.
    """
    listing = run_command(f"{_GIT} ls-files -z --cached --others --exclude-standard", cwd=folder)
    if listing.exit_code == 0:
        names = {os.fsdecode(name) for name in listing.stdout.split(b"\0") if name}
        if names:
            found = (folder / name for name in names if name.endswith(suffixes))
            return sorted(path for path in found if path.is_file())
    return [Path(name) for name in _walk(os.fspath(folder)) if name.endswith(suffixes)]


def changed_lines(path: Path, revision: str) -> list[range]:
    """Return the lines (1-based) of `path` that differ from `revision`; all of them when git does not know the file.

    A deletion counts as the line it stands behind. Raises `UsageError` outside of a repository or without `revision`.
    """
    name, folder = shlex.quote(path.name), path.resolve().parent
    known = run_command(f"{_GIT} ls-files --error-unmatch -- {name}", cwd=folder)
    if known.exit_code == 1:
        return [range(1, 1 << 31)]
    compare = "diff --no-color --no-ext-diff -U0 --end-of-options"
    diff = run_command(f"{_GIT} {compare} {shlex.quote(revision)} -- {name}", cwd=folder)
    if diff.exit_code != 0:
        raise UsageError(f"git cannot compare with {revision}", hint=diff.stderr.decode("utf-8", "replace").strip())
    return [_span(int(match[1]), int(match[2] or b"1")) for match in _HUNK.finditer(diff.stdout)]


def _span(start: int, count: int) -> range:
    return range(start, start + max(count, 1))


def _walk(folder: str) -> Iterator[str]:
    """Yield the files below `folder` in the order of their paths; links to folders are not followed."""
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and entry.name not in _SKIPPED:
                yield from _walk(entry.path)
        elif entry.is_file():
            yield entry.path
