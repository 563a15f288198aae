"""The project as tools see it: every path checked, every write whole."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import stat
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from conductor.errors import NeedsHuman, Refused, TargetChanged
from conductor.sandbox.base import Sandbox
from conductor.sandbox.registry import unconfined

PROTECTED = (".conductor", ".git", "conductor.toml")
MAX_FILE_BYTES = 32 * 1024 * 1024
_MAX_PATH = 1024
# Controls, surrogates and line separators: a file's name is part of a diff and must not add lines to it.
_NOT_IN_A_PATH = {"Cc", "Cs", "Zl", "Zp"}
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

    `sandbox` holds commands (unless another is given, to nothing). `output_of(call_id)` finds what an earlier command
    printed; `viewer(name, content, kind)` makes a view of a file.
    """

    root: Path
    protected: tuple[str, ...] = ()
    output_of: Callable[[str], Output] = _no_output
    viewer: Callable[[str, bytes, str], str] = _raw_view
    sandbox: Sandbox = field(default_factory=unconfined)

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

    def resolve_again(self, name: str) -> Path:
        """Return the real path of a name that `relative` gave. Raises `TargetChanged` if it leads elsewhere now."""
        try:
            real = self.resolve(name)
        except Refused as refusal:
            raise TargetChanged(f"{name} changed since it was shown: {refusal}") from None
        if self.relative(real) != name:
            raise TargetChanged(f"{name} changed since it was shown: it now leads to {self.relative(real)}")
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

    def read(self, real: Path) -> bytes:
        """Return a file's bytes. Raises `Refused` where there is no readable regular file of a bearable size."""
        name = self.relative(real)
        try:
            # Not blocking, so that a FIFO cannot hold up the run; no link, because `real` is what was checked.
            handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as stream:
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode):
                    raise Refused(f"{name} is no regular file")
                if status.st_size > MAX_FILE_BYTES:
                    raise Refused(f"{name} is too large ({status.st_size} bytes); use a command")
                return stream.read()
        except FileNotFoundError:
            raise Refused(f"{name} does not exist") from None
        except IsADirectoryError:
            raise Refused(f"{name} is a folder") from None
        except OSError as error:
            raise Refused(f"{name} cannot be read: {error.strerror}") from None

    def content(self, real: Path) -> bytes | None:
        """Return a file's bytes, or None where one could be made. Raises `Refused` for what is no regular file."""
        if os.path.lexists(real):
            return self.read(real)
        above = next(folder for folder in real.parents if os.path.lexists(folder))
        if not above.is_dir():
            raise Refused(f"{self.relative(real)}: {self.relative(above)} is no folder")
        return None

    def replace(self, path: str, before: bytes | None, after: bytes | None) -> None:
        """Make the file hold `after` (None: no file) if it still holds `before`. The change is whole or not at all.

        Raises `TargetChanged` when it holds anything else, `Refused` when it may not be written, `NeedsHuman` when
        the disk is full or read-only.
        """
        real = self.resolve_again(path)
        try:
            found = self.content(real)
        except Refused as refusal:
            raise TargetChanged(f"{path} changed since it was shown: {refusal}") from None
        if found != before:
            raise TargetChanged(f"{path} changed since it was shown")
        try:
            if after is None:
                real.unlink()
                _sync_folder(real.parent)
            else:
                _write(real, after)
        except OSError as error:
            if error.errno in _FULL_OR_READ_ONLY:
                raise NeedsHuman(
                    f"{path} cannot be written: {error.strerror}", hint="Make room and run again."
                ) from None
            raise Refused(f"{path} cannot be written: {error.strerror}") from None

    def walk(self, start: Path) -> Iterator[Path]:
        """Yield the files below `start` in a stable order; protected files, hidden and generated folders are left out.

        Links are not followed, and not yielded: what they lead to inside the project has a name of its own.
        """
        for folder, folders, files in os.walk(start):
            here = Path(folder)
            folders[:] = sorted(name for name in folders if _is_source(name) and self._reachable(here / name))
            yield from (here / name for name in sorted(files) if self._reachable(here / name))

    def _reachable(self, path: Path) -> bool:
        try:
            self._check_protected(path, "")
        except Refused:
            return False
        return not path.is_symlink() and _is_usable_name(path.name)


_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})


def _is_source(folder: str) -> bool:
    return folder not in _SKIPPED and not folder.startswith(".")


def _is_usable_name(path: str) -> bool:
    return not any(unicodedata.category(char) in _NOT_IN_A_PATH for char in path)


def _folded(part: str) -> str:
    """Return the part as file systems may compare it: without case and invisible characters (.GIT is .git)."""
    seen = "".join(char for char in unicodedata.normalize("NFC", part) if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFC", seen.casefold())


def _write(real: Path, content: bytes) -> None:
    """Put a whole new file in the place of `real`, with its mode and owner; leave nothing behind on failure."""
    made = [folder for folder in real.parents if not folder.exists()]
    part = real.with_name(f".{real.name[:40]}.{secrets.token_hex(6)}.conductor")
    for cut_off in real.parent.glob(f".{glob.escape(real.name[:40])}.{'[0-9a-f]' * 12}.conductor"):
        cut_off.unlink(missing_ok=True)  # left by a run that was killed inside this very write
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        old = real.stat() if real.exists() else None
        # Until it has the old file's mode, nobody else may read it; a new file gets the mode that umask says.
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if old is None else 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            if old is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(handle, old.st_uid, old.st_gid)
                os.fchmod(handle, stat.S_IMODE(old.st_mode))
            os.fsync(handle)
        part.replace(real)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    _sync_folder(real.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
