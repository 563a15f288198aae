"""The project as tools see it: every path checked, no link followed on the way to a file, every write whole."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from msgspec import Struct, field

from conductor.errors import NeedsHuman, Refused, TargetChanged
from conductor.messages import LineSpan
from conductor.sandbox.base import Sandbox
from conductor.sandbox.registry import unconfined
from conductor.tools.descriptors import Below, Stamp, stamp_of, target_of

PROTECTED = (".conductor", ".git", "conductor.toml")
MAX_FILE_BYTES = 32 * 1024 * 1024
_MAX_PATH = 1024
# Controls, surrogates and line separators: a file's name is part of a diff and must not add lines to it.
_NOT_IN_A_PATH = {"Cc", "Cs", "Zl", "Zp"}
_FULL_OR_READ_ONLY = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_SWAPPED = {errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.EISDIR}


class Output(Struct, frozen=True):
    """What a command printed, as kept."""

    stdout: bytes
    stderr: bytes


def _no_output(call_id: str) -> Output:
    raise Refused(f"there is no output of a call {call_id!r}")


def _raw_view(name: str, content: bytes, kind: str) -> str:
    if kind != "raw":
        raise Refused(f"{name}: there is no {kind} view here, only raw")
    return content.decode("utf-8", "replace")


def _nothing_seen(name: str, content: bytes, view: str, kind: str) -> tuple[LineSpan, ...]:
    del name, content, view, kind
    return ()


class Found(Struct, frozen=True):
    """What stands at the path `name`: the bytes of a regular file (None: no file), and which file that is.

    `target` is its device and inode, those of the nearest folder above where there is no file. `links` counts the
    names it has.
    """

    name: str
    content: bytes | None
    target: str
    stamp: Stamp | None = None
    links: int = 1

    @property
    def existing(self) -> bytes:
        """The bytes of a file that must be there. Raises `Refused` when it is not."""
        if self.content is None:
            raise Refused(f"{self.name} does not exist")
        return self.content


class Workspace(Struct, frozen=True, dict=True):
    """A project folder. `root` must be resolved; `protected` holds further paths, relative to it, out of reach.

    `sandbox` holds commands (unless another is given, to nothing). `output_of(call_id)` finds what an earlier command
    printed; `viewer(name, content, kind)` makes a view of a file, and `seen_in(name, content, view, kind)` says which
    of its lines stand in the view.
    """

    root: Path
    protected: tuple[str, ...] = ()
    output_of: Callable[[str], Output] = _no_output
    viewer: Callable[[str, bytes, str], str] = _raw_view
    seen_in: Callable[[str, bytes, str, str], tuple[LineSpan, ...]] = _nothing_seen
    sandbox: Sandbox = field(default_factory=unconfined)

    def hide(self, text: str) -> str:
        """Return `text` without what is known to be secret."""
        return self.sandbox.policy.secrets.hide(text)

    def resolve(self, path: str) -> Path:
        """Return the real path of `path`, which is inside the project and not protected. Raises `Refused`."""
        if not path or len(path) > _MAX_PATH or not _is_usable_name(path):
            raise Refused(f"not a path: {path[:80]!r}")
        if path.startswith("~"):
            raise Refused(f"{path}: give a path relative to the project, without ~")
        try:
            real = (self.root / path).resolve()
            if any(map(Path.is_symlink, (real, *real.parents))):  # what Python 3.13 makes of a link to itself
                raise Refused(f"{path} leads through a symbolic link to itself")
        except (OSError, RuntimeError) as error:
            raise Refused(f"{path}: {error}") from None
        if not real.is_relative_to(self.root):
            raise Refused(f"{path} lies outside the project; only files below {self.root.name}/ can be used")
        if not _is_usable_name(str(real.relative_to(self.root))):
            raise Refused(f"{path} leads to a file whose name cannot be used")
        self._check_protected(real, path)
        written = Path(os.path.normpath(self.root / path))
        if written.is_relative_to(self.root):
            self._check_protected(written, path)
        return real

    def _check_protected(self, candidate: Path, path: str) -> None:
        parts = tuple(map(_folded, candidate.relative_to(self.root).parts))
        guarded = [tuple(map(_folded, PurePosixPath(name).parts)) for name in (*PROTECTED, *self.protected)]
        # A .git further down belongs to a repository too, and its hooks run as commands.
        if ".git" in parts or any(parts[: len(names)] == names for names in guarded):
            raise Refused(f"{path} is protected; workers may not read or change it")

    def relative(self, real: Path) -> str:
        """Return a resolved path as it is shown and journaled: relative to the project, with forward slashes."""
        return real.relative_to(self.root).as_posix()

    def look(self, real: Path) -> Found:
        """Return what stands at a resolved path. Raises `Refused` unless a bearable file is or could be there."""
        name = self.relative(real)
        try:
            nearest, status = self._below.nearest(name)
            if nearest != name:
                if not stat.S_ISDIR(status.st_mode):
                    raise Refused(f"{name}: {nearest} is no folder")
                return Found(name, None, target_of(status))
            if not stat.S_ISREG(status.st_mode):  # looked at first: to open a device may do something
                raise Refused(f"{name} is {'a folder' if stat.S_ISDIR(status.st_mode) else 'no regular file'}")
            with self._below.opened(name, os.O_RDONLY | os.O_NONBLOCK) as handle:
                return _found(handle, name)
        except OSError as error:
            raise Refused(f"{name} cannot be read: {error.strerror}") from None

    def look_again(self, name: str, target: str) -> Found:
        """Return what stands at the name now. Raises `TargetChanged` unless it is the file or folder `target` still."""
        try:
            found = self.look(self.root / name)
        except Refused as refusal:
            raise TargetChanged(f"{name} changed since it was shown: {refusal}") from None
        if target and found.target != target:
            raise TargetChanged(f"{name} changed since it was shown: another file has its name now")
        return found

    def target(self, real: Path) -> str:
        """Return which file or folder a resolved path leads to, or would be made in. Raises `Refused`."""
        try:
            return target_of(self._below.nearest(self.relative(real))[1])
        except OSError as error:
            raise Refused(f"{self.relative(real)} cannot be read: {error.strerror}") from None

    def expect(self, real: Path, target: str) -> None:
        """Raise `TargetChanged` unless a resolved path leads to the same file or folder as before."""
        try:
            same = self.target(real) == target
        except Refused:
            same = False
        if not same:
            raise TargetChanged(f"{self.relative(real)} changed since it was shown")

    def read(self, real: Path) -> bytes:
        """Return a file's bytes. Raises `Refused` where there is no readable regular file of a bearable size."""
        return self.look(real).existing

    def content(self, real: Path) -> bytes | None:
        """Return a file's bytes, or None where one could be made. Raises `Refused` for what is no regular file."""
        return self.look(real).content

    def replace(self, path: str, before: bytes | None, after: bytes | None, target: str = "") -> None:
        """Make the file hold `after` (None: no file) if it still holds `before`. The change is whole or not at all.

        `path` is as `relative` gives it. Raises `TargetChanged` when it holds anything else or (with `target`) is
        another file, `Refused` when it may not be written, `NeedsHuman` when the disk is full or read-only.
        """
        found = self.look_again(path, target)
        if found.content != before:
            raise TargetChanged(f"{path} changed since it was shown")
        try:
            if after is not None:
                self._below.write(path, after, found.stamp)
            elif found.stamp:
                self._below.remove(path, found.stamp)
        except OSError as error:
            if error.errno in _SWAPPED:
                raise TargetChanged(f"{path} changed since it was shown: {error.strerror}") from None
            if error.errno in _FULL_OR_READ_ONLY:
                raise NeedsHuman(
                    f"{path} cannot be written: {error.strerror}", hint="Make room and run again."
                ) from None
            raise Refused(f"{path} cannot be written: {error.strerror}") from None

    def walk(self, start: Path) -> Iterator[Path]:
        """Yield the files below `start` in a stable order; protected files, hidden and generated folders are left out.

        Links are not followed, and not yielded: what they lead to inside the project has a name of its own.
        """
        waiting = [start]
        while waiting:
            here = waiting.pop()
            try:
                with self._below.opened(self.relative(here)) as handle, os.scandir(handle) as entries:
                    found = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries if not e.is_symlink())
            except OSError:  # not readable, or no longer the folder it was
                continue
            yield from (here / name for name, is_folder in found if not is_folder and self._reachable(here / name))
            folders = [here / name for name, is_folder in found if is_folder and _is_source(name)]
            waiting += filter(self._reachable, reversed(folders))

    @cached_property
    def _below(self) -> Below:
        return Below(self.root)

    def _reachable(self, path: Path) -> bool:
        try:
            self._check_protected(path, "")
        except Refused:
            return False
        return _is_usable_name(path.name)


_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})


def _is_source(folder: str) -> bool:
    return folder not in _SKIPPED and not folder.startswith(".")


def _is_usable_name(path: str) -> bool:
    return not any(unicodedata.category(char) in _NOT_IN_A_PATH for char in path)


def _folded(part: str) -> str:
    """Return the part as file systems may compare it: without case and invisible characters (.GIT is .git)."""
    seen = "".join(char for char in unicodedata.normalize("NFC", part) if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFC", seen.casefold())


def _found(handle: int, name: str) -> Found:
    """Read a file that is open. Raises `Refused` for what is no regular file of a bearable size."""
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{name} is no regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise Refused(f"{name} is too large ({status.st_size} bytes); use a command")
    with os.fdopen(handle, "rb", closefd=False) as stream:
        return Found(name, stream.read(), target_of(status), stamp_of(status), status.st_nlink)
