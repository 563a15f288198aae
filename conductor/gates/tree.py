"""What a project's files hold, as one digest: the same files give the same answer of a gate."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_PASSED_OVER = frozenset(
    {
        ".git",
        ".conductor",
        ".venv",
        "venv",
        "node_modules",
        "__pycache__",
        ".pytest_cache",
        ".ruff_cache",
        ".mypy_cache",
    }
)

Stamp = tuple[int, int, int, int, int]


class TreeDigest:
    """Digests a folder; a file is read again only when its size, times or inode are others."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: Sequence[tuple[str, Stamp]] = ()
        self._known: dict[str, tuple[Stamp, bytes]] = {}
        self._whole = ""

    def now(self) -> str:
        """Return the SHA-256 over names, modes and contents of all files, what tools make for themselves left out.

        Of virtual environments it holds when something was last installed in them.
        """
        seen = sorted([*_files(str(self._root)), *_installed(self._root)])
        if seen != self._seen or not self._whole:
            known = self._known
            self._known = {
                path: old if (old := known.get(path)) and old[0] == stamp else (stamp, _content(path, stamp))
                for path, stamp in seen
            }
            told = (f"{path}\0{stamp[3]}\0{digest.hex()}\0" for path, (stamp, digest) in self._known.items())
            self._whole = hashlib.sha256("".join(told).encode("utf-8", "surrogateescape")).hexdigest()
            self._seen = seen
        return self._whole

    def files(self) -> dict[str, bytes]:
        """Return the digest of each file's content by its path, as they were at the last `now`."""
        return {path: digest for path, (_, digest) in self._known.items()}


def _installed(root: Path) -> Iterator[tuple[str, Stamp]]:
    """Yield the folders that packages are installed in: their own times say when that was last done."""
    for name in (".venv", "venv"):
        if not os.path.isdir(f"{root}/{name}"):  # noqa: PTH112 - asked before and after each gate
            continue
        for folder in (root / name).glob("lib/python*/site-packages"):
            found = folder.stat()
            yield str(folder), (0, found.st_mtime_ns, 0, found.st_mode, found.st_ino)


def _files(folder: str) -> list[tuple[str, Stamp]]:
    """Return all that is no folder, below this one; asked before and after each gate, so by the shortest names."""
    found: list[tuple[str, Stamp]] = []
    folders: list[str] = []
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return found
    try:
        for name in os.listdir(handle):  # noqa: PTH208
            try:
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            except OSError:
                continue
            if not stat.S_ISDIR(status.st_mode):
                stamp = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode, status.st_ino
                found.append((f"{folder}/{name}", stamp))
            elif name not in _PASSED_OVER:
                folders.append(f"{folder}/{name}")
    finally:
        os.close(handle)
    for inner in folders:
        found += _files(inner)
    return found


def _content(path: str, stamp: Stamp) -> bytes:
    if stat.S_ISDIR(stamp[3]):
        return hashlib.sha256(repr(stamp).encode()).digest()
    try:
        if Path(path).is_symlink():
            return hashlib.sha256(os.fsencode(Path(path).readlink())).digest()
        with open(path, "rb") as file:  # noqa: PTH123 - called for every file of a project
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b"unreadable"
