"""Landlock with seccomp, for Linux where name spaces are not to be had: fewer rights, in the same file system.

The kernel's documentation of both is the source: userspace-api/landlock and userspace-api/seccomp_filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from conductor.sandbox.base import Policy, bounds_of, held_script
from conductor.sandbox.network import no_network_filter
from conductor.sandbox.places import git_folder, homes, programs, system_secrets
from conductor.sandbox.supervisor import supervise
from conductor.shell import SHELL, Launch

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER, _DROP_CAPABILITY = 38, 22, 2, 24
_READ = 0b1101  # execute, read files, list folders
_OF_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # execute, write, read, truncate, ioctl on devices
_LEAST_ABI = 3  # before it, truncate(2) is not held
_RIGHTS_BY_ABI = {3: 15, 4: 15, 5: 16}
_SCOPES_ABI, _SCOPES = 6, 0b11  # no signals to, and no abstract sockets of, processes outside
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm")
_OUT_OF_SIGHT = ("/tmp", "/var/tmp", "/run", "/dev")


class Landlock:
    """Holds a command with rules on paths, which can only add to what the folders above allow, and without sockets."""

    name = "Landlock"
    holds = True
    gaps = "Landlock cannot keep .conductor/ out of reach; what is changed in .git/ and Conductor's files is put back"

    def __init__(self) -> None:
        self._readable: list[Path] = []

    @contextmanager
    def launch(self, policy: Policy, command: str, env: dict[str, str]) -> Generator[Launch]:
        """Yield the command with its temporary folder. Raises OSError where the kernel lacks what is needed."""
        libc = ctypes.CDLL(None, use_errno=True)
        abi = _abi(libc)
        filters = b"" if policy.network else no_network_filter()
        with tempfile.TemporaryDirectory(prefix="conductor-command-") as name:
            scratch = Path(name).resolve()
            ruleset = _ruleset(libc, abi, policy, self._machine(policy, env), scratch)
            own = {"TMPDIR": name, "XDG_CACHE_HOME": f"{name}/cache", "GIT_CONFIG_GLOBAL": _git_settings(env)}
            argv = [SHELL, "-c", *held_script(command, policy)]
            try:
                prepare = _preparation(libc, ruleset, filters)
                yield Launch(argv, env | own, prepare=prepare, scratch=scratch, watch=bounds_of(policy))
            finally:
                os.close(ruleset)

    def _machine(self, policy: Policy, env: dict[str, str]) -> list[Path]:
        """Return what commands may read outside of the project, looked up once: PATH does not change within a run."""
        if not self._readable:
            hidden = [*homes(), *map(Path, _OUT_OF_SIGHT), *system_secrets(), *policy.hidden]
            self._readable += [*_all_but(Path("/"), hidden), *programs(env, hidden)]
        return self._readable


def _git_settings(env: dict[str, str]) -> str:
    return str(Path(env.get("HOME") or Path.home()) / ".gitconfig")


def _abi(libc: ctypes.CDLL) -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "Landlock is a part of Linux")
    abi = int(libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG))
    if abi < _LEAST_ABI:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock, or one that is too old (Linux 6.2 is needed)")
    return abi


def _ruleset(libc: ctypes.CDLL, abi: int, policy: Policy, readable: list[Path], scratch: Path) -> int:
    """Return a descriptor of the rules that follow from a policy."""
    every = (1 << _RIGHTS_BY_ABI.get(abi, 16)) - 1
    attributes = struct.pack("QQQ", every, 0, _SCOPES if abi >= _SCOPES_ABI else 0)
    size = len(attributes) if abi >= _SCOPES_ABI else 8
    ruleset = _checked(libc.syscall(_CREATE_RULESET, attributes, size, 0))
    shared = _shared_repository(policy.root)
    own = (policy.root, *policy.writable, *shared[1:])
    for path in (*readable, *policy.readable, *shared[:1], *(own if policy.read_only else ())):
        _allow(libc, ruleset, path, _READ)
    for path in (scratch, *(() if policy.read_only else own)):
        _allow(libc, ruleset, path, every)
    for name in _DEVICES:
        _allow(libc, ruleset, Path("/dev") / name, every)
    return ruleset


def _all_but(top: Path, hidden: list[Path]) -> Iterator[Path]:
    """Yield as few paths as cover everything below `top` that is not hidden."""
    if top in hidden or top.is_symlink():
        return
    if not any(top in path.parents for path in hidden):
        yield top
        return
    with suppress(OSError):
        for child in top.iterdir():
            yield from _all_but(child, hidden)


def _shared_repository(root: Path) -> list[Path]:
    """Return the repository that the project is a worktree of, then what commits write of it."""
    folder = git_folder(root)
    if folder is None or folder == root / ".git":
        return []
    shared = folder.parents[1]
    return [shared, folder, *(shared / name for name in ("objects", "refs", "logs"))]


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return  # not there, so there is nothing to allow
    try:
        rights = rights if path.is_dir() else rights & _OF_FILES
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, handle), 0))
    finally:
        os.close(handle)


def _preparation(libc: ctypes.CDLL, ruleset: int, filters: bytes) -> Callable[[], None]:
    """Return what the new process does before its program runs: it gives up rights for good."""
    instructions = ctypes.create_string_buffer(filters)
    program = struct.pack("HxxxxxxP", len(filters) // 8, ctypes.addressof(instructions))

    conductor = os.getpid()

    def prepare() -> None:
        supervise(libc, conductor)
        for capability in range(64):  # root would get them back from the next program it starts
            libc.prctl(_DROP_CAPABILITY, capability, 0, 0, 0)
        _checked(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
        if filters:
            _checked(libc.prctl(_SET_SECCOMP, _FILTER, program, 0, 0))
        assert instructions is not None  # the program points to it

    return prepare


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
