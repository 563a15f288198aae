"""What a project's files hold, as one digest: the same files give the same answer of a gate."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
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
        self._known: dict[str, tuple[Stamp, bytes]] = {}

    def now(self) -> str:
        """Return the SHA-256 over names, modes and contents of all files, what tools make for themselves left out.

        Of virtual environments it holds when something was last installed in them.
        """
        whole, found = hashlib.sha256(), dict[str, tuple[Stamp, bytes]]()
        for path, stamp in sorted([*_files(str(self._root)), *_installed(self._root)]):
            known = self._known.get(path)
            found[path] = known if known and known[0] == stamp else (stamp, _content(path, stamp))
            whole.update(f"{path}\0{stamp[3]}\0".encode("utf-8", "surrogateescape"))
            whole.update(found[path][1])
        self._known = found
        return whole.hexdigest()

    def files(self) -> dict[str, bytes]:
        """Return the digest of each file's content by its path, as they were at the last `now`."""
        return {path: digest for path, (_, digest) in self._known.items()}


def _installed(root: Path) -> Iterator[tuple[str, Stamp]]:
    """Yield the folders that packages are installed in: their own times say when that was last done."""
    for name in (".venv", "venv"):
        for folder in (root / name).glob("lib/python*/site-packages"):
            found = folder.stat()
            yield str(folder), (0, found.st_mtime_ns, 0, found.st_mode, found.st_ino)


def _files(folder: str) -> Iterator[tuple[str, Stamp]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _PASSED_OVER:
                yield from _files(entry.path)
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        yield entry.path, (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode, found.st_ino)


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
