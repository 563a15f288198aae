"""Which files of a project have a history: those git does not ignore, or without git all but caches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from conductor.shell import Launch, run

# A program that the repository's settings name must not run just because files are counted.
_LIST = ("git", "-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
_NEVER = frozenset({".git", ".conductor"})
_CACHES = frozenset({"node_modules", "__pycache__", ".tox", ".nox"})
_MARKS = frozenset({"pyvenv.cfg", "CACHEDIR.TAG"})  # https://bford.info/cachedir/


def project_files(root: Path, protected: tuple[str, ...] = ()) -> list[str]:
    """Return the files and links below `root`, relative to it; `protected` names and what is below them left out.

    In a git repository they are those git does not ignore, repositories inside it included. Elsewhere, and in a folder
    that git ignores as a whole, virtual environments and caches are passed over.
    """
    names = _git_files(root)
    return sorted(name for name in (names or _walk(os.fspath(root))) if _has_history(name, protected))


def _git_files(root: Path) -> list[str]:
    """Return what git lists, nothing where there is no repository or no git."""
    if not any((folder / ".git").exists() for folder in _upward(root)):
        return []  # a process to find that out would take as long as the rest of a step
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        listing = run(Launch(_LIST, env), cwd=root)
    except OSError:
        return []
    if listing.exit_code != 0:
        return []
    found: list[str] = []
    for name in sorted({os.fsdecode(name) for name in listing.stdout.split(b"\0") if name}):
        path = f"{root}/{name.rstrip('/')}"
        if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114 - asked for every file of a project
            found += [f"{name.rstrip('/')}/{inner}" for inner in project_files(Path(path))]  # a repository of its own
        else:
            found.append(name)
    return found


def _upward(root: Path) -> Iterator[Path]:
    """Yield the folders in which git would look for a repository."""
    found = root.resolve()
    yield from (found, *found.parents)


def _has_history(name: str, protected: tuple[str, ...]) -> bool:
    if not _NEVER.isdisjoint(name.split("/")):
        return False
    return not any(name == kept or name.startswith(f"{kept}/") for kept in protected)


def _walk(folder: str, above: str = "") -> Iterator[str]:
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError:
        return
    if above and any(entry.name in _MARKS for entry in entries):
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield above + entry.name
        elif entry.name not in _CACHES and entry.name not in _NEVER:
            yield from _walk(entry.path, f"{above}{entry.name}/")
