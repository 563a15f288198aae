"""What must be the same after a command as before it, whatever the sandbox could hold: compared, and put back.

A repository is written by commits and read as orders: a hook, an alias or a filter that a command leaves in it runs
later, outside of any sandbox, when a person uses git. A mount can keep a file as it is, but not keep one from being
made; Landlock can do neither inside a folder that is writable.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from conductor.sandbox.places import git_folder
from conductor.shell import CommandResult

# What commits, branches, tags, merges and stashes write.
_WRITTEN = """
    objects refs logs index HEAD ORIG_HEAD FETCH_HEAD packed-refs COMMIT_EDITMSG TAG_EDITMSG MERGE_HEAD MERGE_MSG
    MERGE_MODE MERGE_RR AUTO_MERGE SQUASH_MSG CHERRY_PICK_HEAD REVERT_HEAD REBASE_HEAD BISECT_LOG BISECT_START
    BISECT_TERMS BISECT_NAMES BISECT_EXPECTED_REV rebase-merge rebase-apply sequencer rr-cache shallow gc.log gc.pid
"""
WRITABLE_IN_GIT = frozenset(_WRITTEN.split())
_KEPT = ("config", "config.worktree", "commondir", "gitdir", "hooks", "info", "remotes", "branches")
_NEVER_NEW = ("modules", "worktrees")
_HARMLESS = re.compile(
    r"\s*(\[core\]|repositoryformatversion = 0|(filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks)"
    r" = (true|false)|\[user\]|(name|email) = [\w .@+'\"-]*|)\s*"
)
_PLAIN = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"


class _Entry(Struct, frozen=True):
    """A file or link as it was: `signature` changes with anything that is done to it."""

    signature: tuple[int, ...]
    mode: int
    content: bytes


def guarded(root: Path, protected: tuple[str, ...], command: Callable[[], CommandResult]) -> CommandResult:
    """Run `command` and put back what it may not have changed; `undone` of its result names that."""
    had_git = os.path.lexists(root / ".git")
    folders = _git_folders(root)
    roots = [root / name for name in protected if _link_above(root / name, root) is None]
    roots += [folder / name for folder in folders for name in _KEPT]
    before = _entries(roots)
    absent = [path for folder in folders for name in _NEVER_NEW if not os.path.lexists(path := folder / name)]
    undone: list[Path] = []
    try:
        result = command()
    finally:
        undone += [path for top in roots if (path := _link_above(top, root)) and _remove(path)]
        undone += _put_back(before, _signatures(roots))
        undone += [path for path in absent if os.path.lexists(path) and _remove(path)]
        if not had_git and os.path.lexists(root / ".git"):
            undone += _tame(root / ".git")
    return replace(result, undone=tuple(_name(path, root) for path in undone))


def _git_folders(root: Path) -> list[Path]:
    """Return the repository's folder, and the one it shares with others where it is a worktree's."""
    folder = git_folder(root)
    if folder is None:
        return []
    return [folder] if folder == root / ".git" else [folder, folder.parents[1]]


def _link_above(path: Path, root: Path) -> Path | None:
    """Return the link that a command has put in the place of a folder above `path`: it would lead us outside."""
    found, folder = None, os.path.dirname(path)  # noqa: PTH120 - asked for every protected file of every command
    while folder.startswith(f"{root}/"):
        found = folder if os.path.islink(folder) else found  # noqa: PTH114
        folder = os.path.dirname(folder)  # noqa: PTH120
    return Path(found) if found else None


def _paths(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield every file and link at or below `top`."""
    try:
        status = top.lstat()
        if not stat.S_ISDIR(status.st_mode):
            yield top, status
            return
        for entry in sorted(os.scandir(top), key=lambda entry: entry.name):
            # git gives each repository fourteen samples of hooks that it never runs
            if not entry.name.endswith(".sample") or entry.is_dir(follow_symlinks=False):
                yield from _paths(top / entry.name)
    except FileNotFoundError:
        return


def _signature(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _signatures(roots: list[Path]) -> dict[Path, tuple[int, ...]]:
    return {path: _signature(status) for top in roots for path, status in _paths(top)}


def _entries(roots: list[Path]) -> dict[Path, _Entry]:
    found: dict[Path, _Entry] = {}
    for path, status in (pair for top in roots for pair in _paths(top)):
        if stat.S_ISLNK(status.st_mode) or stat.S_ISREG(status.st_mode):
            with contextlib.suppress(OSError):
                found[path] = _Entry(_signature(status), status.st_mode, _content(path, status.st_mode))
    return found


def _content(path: Path, mode: int) -> bytes:
    return os.fsencode(path.readlink()) if stat.S_ISLNK(mode) else path.read_bytes()


def _put_back(before: dict[Path, _Entry], after: dict[Path, tuple[int, ...]]) -> Iterator[Path]:
    """Make things as they were, and yield what had another content or was new."""
    for path in after.keys() - before.keys():
        if _remove(path):
            yield path
    for path, entry in before.items():
        if after.get(path) == entry.signature:
            continue
        if path in after and _is_same(path, entry):  # touched, or its links were counted anew
            continue
        _remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(entry.mode):
            path.symlink_to(os.fsdecode(entry.content))
        else:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, stat.S_IMODE(entry.mode))
            with os.fdopen(handle, "wb") as stream:
                stream.write(entry.content)
                os.fchmod(handle, stat.S_IMODE(entry.mode))
        yield path


def _is_same(path: Path, entry: _Entry) -> bool:
    try:
        status = path.lstat()
        return status.st_mode == entry.mode and _content(path, status.st_mode) == entry.content
    except OSError:
        return False


def _remove(path: Path) -> bool:
    """Remove whatever is at `path`, links not followed, and say whether it is gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
    return not os.path.lexists(path)


def _tame(entry: Path) -> Iterator[Path]:
    """Take from a repository that a command has made what would run something, and yield what that was."""
    if entry.is_symlink() or not entry.is_dir():
        if _remove(entry):
            yield entry
        return
    config = entry / "config"
    lines = config.read_text("utf-8", "replace").splitlines() if config.is_file() and not config.is_symlink() else None
    if lines is None or not all(map(_HARMLESS.fullmatch, lines)):
        _remove(config)
        config.write_text(_PLAIN)
        yield config
    for path in [entry / name for name in (*_KEPT[1:4], *_KEPT[6:], *_NEVER_NEW)]:
        listed = any(True for _ in _paths(path))
        if listed and _remove(path):
            yield path
    for path, _ in list(_paths(entry / "hooks")):
        if _remove(path):
            yield path


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
