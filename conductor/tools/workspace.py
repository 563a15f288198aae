"""The project as tools see it: every path checked, every write whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from conductor.errors import NeedsHuman, Refused, TargetChanged

PROTECTED = (".conductor", ".git", "conductor.toml")
_MAX_PATH = 1024
_FULL_OR_READ_ONLY = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True)
class Output:
    """What a command printed, as kept."""

    stdout: bytes
    stderr: bytes


def _no_output(call_id: str) -> Output:
    raise Refused(f"there is no output of a call {call_id!r}")


def _raw_view(name: str, content: bytes, kind: str) -> str:
    if kind != "raw":
        raise Refused(f"{name}: there is no {kind} view here, only raw")
    return content.decode("utf-8", "replace")


@dataclass(frozen=True)
class Workspace:
    """A project folder. `root` must be resolved; `protected` holds further paths, relative to it, out of reach.

    `output_of(call_id)` finds what an earlier command printed; `viewer(name, content, kind)` makes a view of a file.
    """

    root: Path
    protected: tuple[str, ...] = ()
    output_of: Callable[[str], Output] = _no_output
    viewer: Callable[[str, bytes, str], str] = _raw_view

    def resolve(self, path: str) -> Path:
        """Return the real path of `path`, which is inside the project and not protected. Raises `Refused`."""
        if not path or "\0" in path or len(path) > _MAX_PATH:
            raise Refused(f"not a path: {path[:80]!r}")
        if path.startswith("~"):
            raise Refused(f"{path}: give a path relative to the project, without ~")
        try:
            real = (self.root / path).resolve()
        except (OSError, RuntimeError) as error:
            raise Refused(f"{path}: {error}") from None
        if not real.is_relative_to(self.root):
            raise Refused(f"{path} lies outside the project; only files below {self.root.name}/ can be used")
        for candidate in (real, Path(os.path.normpath(self.root / path))):
            self._check_protected(candidate, path)
        return real

    def _check_protected(self, candidate: Path, path: str) -> None:
        # Compared without case: on some file systems .GIT is .git.
        parts = tuple(part.casefold() for part in candidate.relative_to(self.root).parts)
        for name in (*PROTECTED, *self.protected):
            guarded = tuple(part.casefold() for part in PurePosixPath(name).parts)
            if parts[: len(guarded)] == guarded:
                raise Refused(f"{path} is protected; workers may not read or change it")

    def relative(self, real: Path) -> str:
        """Return a resolved path as it is shown and journaled: relative to the project, with forward slashes."""
        return real.relative_to(self.root).as_posix()

    def read(self, real: Path) -> bytes:
        """Return a file's bytes. Raises `Refused` where there is no readable regular file."""
        try:
            if not real.is_file():
                kind = (
                    "is a folder" if real.is_dir() else "does not exist" if not real.exists() else "is no regular file"
                )
                raise Refused(f"{self.relative(real)} {kind}")
            return real.read_bytes()
        except OSError as error:
            raise Refused(f"{self.relative(real)} cannot be read: {error.strerror}") from None

    def content(self, real: Path) -> bytes | None:
        """Return a file's bytes, or None where there is nothing. Raises `Refused` for what is no regular file."""
        return self.read(real) if os.path.lexists(real) else None

    def replace(self, path: str, before: bytes | None, after: bytes | None) -> None:
        """Make the file hold `after` (None: no file) if it still holds `before`. The change is whole or not at all.

        Raises `TargetChanged` when it holds anything else, `Refused` when it may not be written, `NeedsHuman` when
        the disk is full or read-only.
        """
        real = self.resolve(path)
        if self.content(real) != before:
            raise TargetChanged(f"{path} changed since it was shown")
        try:
            if after is None:
                real.unlink()
            else:
                self._write(real, after)
        except OSError as error:
            if error.errno in _FULL_OR_READ_ONLY:
                raise NeedsHuman(
                    f"{path} cannot be written: {error.strerror}", hint="Make room and run again."
                ) from None
            raise Refused(f"{path} cannot be written: {error.strerror}") from None

    def _write(self, real: Path, content: bytes) -> None:
        real.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{real.name[:40]}.", suffix=".conductor", dir=real.parent)
        try:
            with os.fdopen(handle, "wb") as part:
                part.write(content)
                part.flush()
                _copy_owner_and_mode(real, part.fileno())
                os.fsync(part.fileno())
            Path(name).replace(real)
            _sync_folder(real.parent)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()

    def walk(self, start: Path) -> Iterator[Path]:
        """Yield the files below `start` in a stable order, without protected ones and without following links."""
        for folder, folders, files in os.walk(start):
            here = Path(folder)
            folders[:] = sorted(name for name in folders if name not in _SKIPPED and self._reachable(here / name))
            yield from (here / name for name in sorted(files) if self._reachable(here / name))

    def _reachable(self, path: Path) -> bool:
        try:
            self._check_protected(path, "")
        except Refused:
            return False
        return not path.is_symlink()


_SKIPPED = frozenset(
    {"__pycache__", "node_modules", ".venv", "venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox"}
)


def _copy_owner_and_mode(real: Path, handle: int) -> None:
    """Give the open file the mode and owner of the one it replaces, or the mode a new file gets."""
    try:
        old = real.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(handle, 0o666 & ~mask)
        return
    os.fchmod(handle, stat.S_IMODE(old.st_mode))
    with contextlib.suppress(PermissionError):
        os.fchown(handle, old.st_uid, old.st_gid)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
