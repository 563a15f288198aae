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


def source_files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files below `folder` whose names end in one of `suffixes`, sorted.

    In a git repository they are those git does not ignore; elsewhere hidden folders, virtual environments and caches
    are passed over.
    """
    listing = run_command("git ls-files -z --cached --others --exclude-standard", cwd=folder)
    if listing.exit_code == 0:
        names = {os.fsdecode(name) for name in listing.stdout.split(b"\0") if name}
        found = (folder / name for name in names if name.endswith(suffixes))
        return sorted(path for path in found if path.is_file())
    return sorted(path for path in _walk(folder) if path.name.endswith(suffixes))


def changed_lines(path: Path, revision: str) -> list[range]:
    """Return the lines (1-based) of `path` that differ from `revision`; all of them when git does not know the file.

    A deletion counts as the line it stands behind. Raises `UsageError` outside of a repository or without `revision`.
    """
    name, folder = shlex.quote(path.name), path.resolve().parent
    known = run_command(f"git ls-files --error-unmatch -- {name}", cwd=folder)
    if known.exit_code == 1:
        return [range(1, 1 << 31)]
    diff = run_command(
        f"git diff --no-color --no-ext-diff -U0 --end-of-options {shlex.quote(revision)} -- {name}", cwd=folder
    )
    if diff.exit_code != 0:
        raise UsageError(f"git cannot compare with {revision}", hint=diff.stderr.decode("utf-8", "replace").strip())
    return [_span(int(match[1]), int(match[2] or b"1")) for match in _HUNK.finditer(diff.stdout)]


def _span(start: int, count: int) -> range:
    return range(start, start + max(count, 1))


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink() and entry.is_dir():
            continue
        if entry.is_dir():
            hidden = entry.name.startswith(".") or entry.name in _SKIPPED
            if not hidden and not (entry / "pyvenv.cfg").exists():
                yield from _walk(entry)
        elif entry.is_file():
            yield entry
