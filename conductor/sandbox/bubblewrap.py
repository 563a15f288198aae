"""bubblewrap: the command in name spaces of its own, where what it must not reach is not there at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath

from conductor.sandbox.base import Policy, bounds_of, held_script
from conductor.sandbox.guard import WRITABLE_IN_GIT
from conductor.sandbox.places import git_folder, homes, kernel_settings, programs, system_secrets
from conductor.shell import SHELL, Launch

# Not from PATH: the project's own .venv/bin may be on it, and a command could have put a program of that name there.
_WHERE = "/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin"
_PASSING = (".lock", "description")  # what nothing is read from: each mount costs 0.1 ms
_SCRATCH = ("/tmp", "/var/tmp", "/run")


class Bubblewrap:
    """Holds a command with bwrap(1): mounts, processes, network and IPC of its own, and no capabilities."""

    name = "bubblewrap"
    holds = True
    gaps = ""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def launch(self, policy: Policy, command: str, env: dict[str, str]) -> Generator[Launch]:
        """Yield the command with bwrap around it. Raises OSError when bwrap is not installed."""
        argv = [self._program, "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
        argv += ["--share-net"] if policy.network else []
        argv += self._machine(env, policy.network)
        argv += _project(policy)
        script = held_script(command, policy)
        yield Launch([*argv, "--", SHELL], env, watch=bounds_of(policy), script=script)

    @cached_property
    def _program(self) -> str:
        if path := shutil.which("bwrap", path=_WHERE):
            return path
        raise FileNotFoundError(errno.ENOENT, "bwrap is not installed")

    def _machine(self, env: dict[str, str], network: bool) -> list[str]:
        """Return the options for everything but the project, looked up once: PATH does not change within a run."""
        if not self._found:
            self._found += _machine(env, network)
        return self._found


def _machine(env: dict[str, str], network: bool) -> list[str]:
    """Return the options that make the file system without the project: the same for all commands of a run."""
    scratch = [Path(path) for path in _SCRATCH if Path(path).is_dir() and not Path(path).is_symlink()]
    covered = [*scratch, *homes()]  # /dev/shm is new with /dev
    options = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for path in covered:
        options += ["--tmpfs", str(path)]
    for path in (*programs(env, covered), *(_resolver() if network else ())):
        options += ["--ro-bind-try", str(path), str(path)]
    for path in system_secrets():
        options += _without(path)
    for path in kernel_settings():
        options += ["--ro-bind-try", str(path), str(path)]
    return options


def _project(policy: Policy) -> list[str]:
    """Return the options that lie on top: the project, and what of it is read-only or out of sight."""
    options: list[str] = []
    for path in policy.readable:
        options += ["--ro-bind-try", str(path), str(path)]
    for path in (policy.root, *policy.writable):
        options += ["--ro-bind" if policy.read_only else "--bind", str(path), str(path)]
    options += [] if policy.read_only else [*_git(policy.root), *_protected(policy)]
    for path in policy.hidden:  # last, so that nothing lies on top of it
        if not policy.root.is_relative_to(path):
            options += _without(path)
    return options


def _resolver() -> Iterator[Path]:
    """Yield where names of hosts are looked up, when /etc/resolv.conf only leads there."""
    target = Path("/etc/resolv.conf").resolve()
    if target.is_relative_to("/run"):
        yield target


def _without(path: Path) -> list[str]:
    """Return the options that put nothing in a path's place."""
    if path.is_dir():
        return ["--tmpfs", str(path)]
    return ["--ro-bind", "/dev/null", str(path)] if path.exists() else []


def _git(root: Path) -> list[str]:
    """Return the options for a repository: what commits write stays writable, all else in it is read-only.

    The folder is bound onto itself, so that it cannot be renamed to make room for another.
    """
    folder = git_folder(root)
    entry = root / ".git"
    if folder is None:
        return [] if entry.is_symlink() else ["--ro-bind-try", str(entry), str(entry)]
    options: list[str] = []
    if folder != entry:  # a worktree: what it shares lies two folders above, and its own .git is a file
        shared = folder.parents[1]
        options = ["--bind", str(shared), str(shared), "--ro-bind", str(entry), str(entry)]
        options += _read_only_in(shared, besides=("HEAD", "index"))
    return [*options, "--bind", str(folder), str(folder), *_read_only_in(folder)]


def _read_only_in(folder: Path, besides: tuple[str, ...] = ()) -> list[str]:
    options: list[str] = []
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 - only the names are needed
        path = folder / name
        if (name not in WRITABLE_IN_GIT or name in besides) and not name.endswith(_PASSING) and not path.is_symlink():
            options += ["--ro-bind-try", str(path), str(path)]
    return options


def _protected(policy: Policy) -> list[str]:
    """Return the options that keep files of the project as they are, and the folders they lie in where they are."""
    options: list[str] = []
    folders = {parent for name in policy.protected for parent in PurePosixPath(name).parents}
    for folder in sorted(folders - {PurePosixPath(".")}):
        options += ["--bind-try", str(policy.root / folder), str(policy.root / folder)]
    for path in (policy.root / name for name in policy.protected):
        if path.exists() and path.resolve() == path:
            options += ["--ro-bind", str(path), str(path)]
    return options
