"""Files below a folder, reached by descriptors: no link on the way is followed, whatever is swapped meanwhile.

Linux does it in one step, openat2(2); elsewhere each part of a path is opened from the folder before it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import struct
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath

from conductor.errors import TargetChanged
from conductor.tools.attributes import keep_attributes

Open = Callable[[int, str, int], int]
Stamp = tuple[int, int, int, int, int]

_ANYTHING = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK)
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_OPENAT2 = 437
_RESOLVE = 0x02 | 0x04 | 0x08  # no magic links, no symbolic links, beneath the folder
_NO_SYNC_HERE = {errno.EINVAL, errno.ENOTSUP}
_NOT_THERE = (FileNotFoundError, NotADirectoryError)


def target_of(status: os.stat_result) -> str:
    """Return which file or folder this is, whatever it is called: device and inode."""
    return f"{status.st_dev}:{status.st_ino}"


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what tells a file from every other, and from itself once it was written to."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def open_by_steps(top: int, name: str, flags: int) -> int:
    """Open `name` below the folder `top`, part by part. Raises OSError, also where a part is a link."""
    parts = PurePosixPath(name).parts or (".",)
    if ".." in parts or name.startswith("/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
    held = top
    try:
        for part in parts[:-1]:
            inner = os.open(part, _STEP, dir_fd=held)
            if held != top:
                os.close(held)
            held = inner
        return os.open(parts[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=held)
    finally:
        if held != top:
            os.close(held)


def open_at_once(top: int) -> Open | None:
    """Return what opens names below a folder by openat2(2); None where the system has or allows no such call."""
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    def open_below(top: int, name: str, flags: int) -> int:
        how = struct.pack("QQQ", flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0, _RESOLVE)
        handle = int(libc.syscall(_OPENAT2, top, os.fsencode(name), how, len(how)))
        if handle < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name)
        return handle

    try:
        os.close(open_below(top, ".", _FOLDER))
    except OSError:
        return None
    return open_below


class Below:
    """The files below the folder `root`. Names are relative to it, with forward slashes and without "..".

    Every method raises OSError where the system does; at a link that is ELOOP or ENOTDIR.
    """

    def __init__(self, root: Path, open_below: Open | None = None) -> None:
        self._root = root
        self._given = open_below

    @contextmanager
    def opened(self, name: str, flags: int = _FOLDER) -> Generator[int]:
        """Yield a descriptor of a file or, unless flags say otherwise, of a folder."""
        top = self._top()
        try:
            handle = self._open(top, name, flags)
        finally:
            os.close(top)
        try:
            yield handle
        finally:
            os.close(handle)

    def status(self, name: str) -> os.stat_result | None:
        """Return what the system knows of a file or folder, None where there is none of that name."""
        with suppress(*_NOT_THERE), self.opened(name, _ANYTHING) as handle:
            return os.fstat(handle)
        return None

    def nearest(self, name: str) -> tuple[str, os.stat_result]:
        """Return the name and status of a file, or of the nearest folder above where there is no such file."""
        for candidate in (name, *map(str, PurePosixPath(name).parents)):
            if status := self.status(candidate):
                return candidate, status
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._root))

    def write(self, name: str, content: bytes, stamp: Stamp | None) -> None:
        """Put a whole new file in the place of the one with this stamp (None: of none), with all that file carries.

        The new file is complete on the disk before it gets the name; on failure nothing is left behind. Raises
        `TargetChanged` when at the last moment another file has the name, or its folder is no longer there.
        """
        folder, leaf = _split(name)
        with self._folder(folder, make=stamp is None) as handle, _part_of(handle, leaf) as part:
            _write_part(handle, part, content, leaf)
            self._check(handle, name, stamp)

    def remove(self, name: str, stamp: Stamp) -> None:
        """Delete the file that has this stamp. Raises `TargetChanged` as `write` does."""
        folder, leaf = _split(name)
        with self._folder(folder) as handle:
            self._check(handle, name, stamp)
            os.unlink(leaf, dir_fd=handle)
            _sync_folder(handle)

    def put(self, name: str, content: bytes, mode: int) -> None:
        """Have a file with this content and mode at `name`, or a link that leads to `content`; folders are made.

        A file or link that stands there is replaced as a whole; a folder is not.
        """
        folder, leaf = _split(name)
        with self._folder(folder, make=True) as handle, _part_of(handle, leaf) as part:
            if stat.S_ISLNK(mode):
                os.symlink(content, part, dir_fd=handle)
            else:
                _write_part(handle, part, content, leaf, stat.S_IMODE(mode))

    def drop(self, name: str) -> None:
        """Remove the file or link at `name`, and the folders above that are empty without it."""
        while name != ".":
            folder, leaf = _split(name)
            with self.opened(folder) as handle:
                status = _status(handle, leaf)
                if status and stat.S_ISDIR(status.st_mode):
                    try:
                        os.rmdir(leaf, dir_fd=handle)
                    except OSError:
                        return  # something else is in it
                elif status:
                    os.unlink(leaf, dir_fd=handle)
                _sync_folder(handle)
            name = folder

    def _check(self, folder: int, name: str, stamp: Stamp | None) -> None:
        """Raise `TargetChanged` unless the folder held open has its name still, and the file in it this stamp."""
        above, leaf = _split(name)
        there, here, file = self.status(above), os.fstat(folder), _status(folder, leaf)
        if there is None or target_of(there) != target_of(here) or (file and stamp_of(file)) != stamp:
            raise TargetChanged(f"{name} changed since it was shown")

    @contextmanager
    def _folder(self, name: str, *, make: bool = False) -> Generator[int]:
        """Yield a descriptor of a folder. With `make` it is made, and gone again when the block fails."""
        made: list[str] = []
        try:
            if make:
                made.extend(self._made(name))
            with self.opened(name) as handle:
                yield handle
        except BaseException:
            for folder in reversed(made):
                above, leaf = _split(folder)
                with suppress(OSError), self.opened(above) as handle:
                    os.rmdir(leaf, dir_fd=handle)
            raise

    def _made(self, name: str) -> Iterator[str]:
        """Make the folders that are missing on the way to `name`, and yield the name of each."""
        parents = [str(parent) for parent in PurePosixPath(name).parents]
        for folder in [*reversed(parents[:-1]), *([] if name == "." else [name])]:
            above, leaf = _split(folder)
            with self.opened(above) as handle, suppress(FileExistsError):
                os.mkdir(leaf, dir_fd=handle)
                yield folder

    def _top(self) -> int:
        return os.open(self._root, _FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC)

    @cached_property
    def _open(self) -> Open:
        if self._given:
            return self._given
        top = self._top()
        try:
            return open_at_once(top) or open_by_steps
        finally:
            os.close(top)


def _split(name: str) -> tuple[str, str]:
    path = PurePosixPath(name)
    return str(path.parent), path.name


def _status(folder: int, leaf: str) -> os.stat_result | None:
    try:
        return os.stat(leaf, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextmanager
def _part_of(folder: int, leaf: str) -> Generator[str]:
    """Yield the name for a new file in `folder`; it is called `leaf` after the block, and gone if that fails."""
    _remove_cut_off(folder, leaf)
    part = f".{leaf[:40]}.{secrets.token_hex(6)}.conductor"
    try:
        yield part
        os.rename(part, leaf, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise
    _sync_folder(folder)


def _write_part(folder: int, part: str, content: bytes, leaf: str, wanted: int | None = None) -> None:
    """Write a new file with mode, owner and attributes of the one called `leaf`; without one, with what umask says.

    A mode that is `wanted` is given to either.
    """
    old = _status(folder, leaf)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    # Until it has the old file's mode, nobody else may read it.
    handle = os.open(part, flags, 0o666 if old is None and wanted is None else 0o600, dir_fd=folder)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        if old is not None:
            mode = stat.S_IMODE(old.st_mode)
            try:
                os.fchown(handle, old.st_uid, old.st_gid)
            except PermissionError:  # somebody else's file: what it may do as its owner is not ours to pass on
                mode &= 0o777
            os.fchmod(handle, mode)
            keep_attributes(folder, leaf, handle)
        if wanted is not None:
            os.fchmod(handle, wanted)
        os.fsync(handle)


def _remove_cut_off(folder: int, leaf: str) -> None:
    """Remove what a run left that was killed inside a write of this very file."""
    left = re.compile(re.escape(f".{leaf[:40]}.") + r"[0-9a-f]{12}\.conductor")
    for name in filter(left.fullmatch, os.listdir(folder)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_SYNC_HERE:
            raise
