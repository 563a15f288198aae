"""Completions on disk, each found by what was asked and checked by what it holds.

A manifest (SQLite) has, for each request, the SHA-256 of its completion; the completion lies in a file of that name.
Damage is seen at each reading. Files are touched only under the manifest's lock, so processes do each other no harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path

from msgspec import Struct

_TABLES = """
create table if not exists entry (request text primary key, sha256 text not null, size integer not null) without rowid;
create table if not exists counted (what text primary key, times integer not null) without rowid;
"""
_COUNTED = ("hits", "misses", "written", "bad")


class DamagedEntry(Exception):
    """What the manifest promises is not there or not what was written; the message says which."""


class Stats(Struct, frozen=True):
    """What is kept, and how often, since the last purge, it was found, missed, written and found damaged."""

    entries: int
    bytes: int
    hits: int
    misses: int
    written: int
    bad: int


class Check(Struct, frozen=True):
    """What a check of every entry found. `unlisted` files belong to no entry: a process ended while it wrote them."""

    entries: int
    good: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
    unlisted: tuple[str, ...]

    @property
    def bad(self) -> int:
        """How many entries are not what was written."""
        return len(self.damaged) + len(self.missing)


def default_folder() -> Path:
    """Return where completions are kept: below XDG_CACHE_HOME, or ~/.cache; a project's may be anyone's."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "conductor" / "completions"


class CompletionStore:
    """The completions in a folder, which processes share. Every method may raise OSError or sqlite3.Error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = folder / "entries"

    def read(self, request: str) -> bytes | None:
        """Return what is kept for `request` and count it; None where nothing is. Raises `DamagedEntry`."""
        with self._manifest() as manifest:
            found = manifest.execute("select sha256 from entry where request = ?", (request,)).fetchone()
            body = self._body(found[0]) if found else None
            damage = _damage(body, found[0]) if found else ""
            _count(manifest, "bad" if damage else "hits" if found else "misses")
        if damage:
            raise DamagedEntry(damage)
        return body

    def write(self, request: str, body: bytes) -> None:
        """Keep `body` for `request`, in place of what was there."""
        sha256 = hashlib.sha256(body).hexdigest()
        with self._manifest() as manifest:
            self._files.mkdir(mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", dir=self._files)
            try:
                with os.fdopen(handle, "wb") as part:
                    part.write(body)
                Path(name).replace(self._files / sha256)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            before = manifest.execute("select sha256 from entry where request = ?", (request,)).fetchone()
            manifest.execute("insert or replace into entry values (?, ?, ?)", (request, sha256, len(body)))
            if before and not manifest.execute("select 1 from entry where sha256 = ?", before).fetchone():
                self._remove(before[0])
            _count(manifest, "written")

    def stats(self) -> Stats:
        """Return exact counts."""
        if not self.folder.exists():
            return Stats(0, 0, 0, 0, 0, 0)
        with self._manifest() as manifest:
            entries, size = manifest.execute("select count(*), coalesce(sum(size), 0) from entry").fetchone()
            counted = dict(manifest.execute("select what, times from counted").fetchall())
        return Stats(entries, size, *(counted.get(what, 0) for what in _COUNTED))

    def validate(self) -> Check:
        """Read every entry and say what is wrong; nothing is changed."""
        if not self.folder.exists():
            return Check(0, 0, (), (), ())
        with self._manifest() as manifest:
            return self._check(_listed(manifest))

    def purge(self, *, only_bad: bool = False) -> tuple[int, int]:
        """Remove all entries, or those that are not what was written; return how many, and the bytes of files gone."""
        if not self.folder.exists():
            return 0, 0
        with self._manifest() as manifest:
            listed = _listed(manifest)
            check = self._check(listed)
            gone = [*check.damaged, *check.missing] if only_bad else list(listed)
            manifest.executemany("delete from entry where request = ?", [(request,) for request in gone])
            if not only_bad:
                manifest.execute("delete from counted")
            still = set(_listed(manifest).values())
            names = {listed[request] for request in gone} | set(check.unlisted)
            return len(gone), sum(self._remove(name) for name in names - still)

    def _check(self, listed: Mapping[str, str]) -> Check:
        damage = {request: _damage(self._body(sha256), sha256) for request, sha256 in listed.items()}
        files = {path.name for path in self._files.iterdir()} if self._files.is_dir() else set[str]()
        return Check(
            entries=len(listed),
            good=sum(not found for found in damage.values()),
            damaged=tuple(request for request, found in damage.items() if found.startswith("damaged")),
            missing=tuple(request for request, found in damage.items() if found.startswith("missing")),
            unlisted=tuple(sorted(files - set(listed.values()))),
        )

    def _body(self, sha256: str) -> bytes | None:
        try:
            return (self._files / sha256).read_bytes()
        except FileNotFoundError:
            return None

    def _remove(self, name: str) -> int:
        try:
            size = (self._files / name).stat().st_size
            (self._files / name).unlink()
        except FileNotFoundError:
            return 0
        return size

    @contextlib.contextmanager
    def _manifest(self) -> Generator[sqlite3.Connection]:
        """Yield the manifest, locked: whatever touches the files does so while it holds this lock."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(self.folder / "manifest.db", timeout=10.0)
        try:
            connection.executescript(_TABLES)
            with connection:
                connection.execute("begin immediate")
                yield connection
        finally:
            connection.close()


def _listed(manifest: sqlite3.Connection) -> dict[str, str]:
    return dict(manifest.execute("select request, sha256 from entry").fetchall())


def _damage(body: bytes | None, sha256: str) -> str:
    if body is None:
        return "missing: its file is gone"
    return "" if hashlib.sha256(body).hexdigest() == sha256 else "damaged: its SHA-256 is not the one in the manifest"


def _count(manifest: sqlite3.Connection, what: str) -> None:
    manifest.execute("insert into counted values (?, 1) on conflict do update set times = times + 1", (what,))
