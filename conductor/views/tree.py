"""The source files of a folder, and what git says of them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from conductor.errors import UsageError

if TYPE_CHECKING:
    from conductor.shell import CommandResult

_HUNK = re.compile(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_SKIPPED = frozenset({"__pycache__", "node_modules"})

_GIT = "git -c core.fsmonitor=false"  # which would run a program that the repository's settings name


def source_files(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Return the paths of the files below `folder` whose names end in one of `suffixes`, sorted, as text.

    In a git repository they are those git does not ignore; elsewhere, and in a folder that git ignores as a whole,
    hidden folders, virtual environments and caches are passed over. A folder that cannot be listed stands there itself.
    """
    start = "" if folder == Path() else os.path.join(folder, "")  # noqa: PTH118 - as text, for thousands of paths
    if _may_be_git(folder):
        listing = _git("ls-files -z --cached --others --exclude-standard", folder)
        names = {os.fsdecode(name) for name in listing.stdout.split(b"\0") if name}
        if listing.exit_code == 0 and names:
            found = (start + name for name in names if name.endswith(suffixes))
            return sorted(path for path in found if os.path.isfile(path))  # noqa: PTH113
    return list(_walk(start, suffixes))


def changed_lines(path: Path, revision: str) -> list[range]:
    """Return the lines (1-based) of `path` that differ from `revision`; all of them when git does not know the file.

    A deletion counts as the line it stands behind. Raises `UsageError` outside of a repository or without `revision`.
    """
    name, folder = shlex.quote(path.name), path.resolve().parent
    known = _git(f"ls-files --error-unmatch -- {name}", folder)
    if known.exit_code == 1:
        return [range(1, 1 << 31)]
    compare = "diff --no-color --no-ext-diff -U0 --end-of-options"
    diff = _git(f"{compare} {shlex.quote(revision)} -- {name}", folder)
    if known.exit_code or diff.exit_code:
        said = (known.stderr or diff.stderr).decode("utf-8", "replace").strip()
        raise UsageError(f"git cannot compare with {revision}", hint=said.partition("\n")[0])
    return [_span(int(match[1]), int(match[2] or b"1")) for match in _HUNK.finditer(diff.stdout)]


def _may_be_git(folder: Path) -> bool:
    """Say whether git could know `folder`; asking git itself takes longer than reading a small tree."""
    above = folder.resolve()
    return "GIT_DIR" in os.environ or any((place / ".git").exists() for place in (above, *above.parents))


def _git(arguments: str, folder: Path) -> CommandResult:
    from conductor.shell import run_command

    return run_command(f"{_GIT} {arguments}", cwd=folder)


def _span(start: int, count: int) -> range:
    return range(start, start + max(count, 1))


def _walk(start: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Yield the files in the folder `start` ("" or with a separator at its end) and below, in the order of their paths.

    Links to folders are not followed. Raises `OSError` when `start` itself cannot be listed.
    """
    with os.scandir(start or ".") as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and entry.name not in _SKIPPED:
                try:
                    yield from _walk(f"{start}{entry.name}{os.sep}", suffixes)
                except OSError:  # whoever opens it finds out why
                    yield start + entry.name
        elif entry.name.endswith(suffixes) and _is_file(entry):
            yield start + entry.name


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False
