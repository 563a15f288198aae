"""Contents by their hash, in a table of the journal's own file: what commands printed, what files held.

They share the journal's write-ahead log, so the commit that makes an intent durable secures the contents it names, and
nothing but the one file has to be kept.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from conductor.errors import StateMismatch
from conductor.messages import content_hash

# Added to a journal that has none; the form of its entries is the same with it and without.
SCHEMA = "CREATE TABLE IF NOT EXISTS contents (digest TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT"
# A content that was damaged is mended by keeping it again.
_PUT = """
INSERT INTO contents (digest, content) VALUES (?, ?)
ON CONFLICT (digest) DO UPDATE SET content = excluded.content WHERE content <> excluded.content
"""
_EMPTY = ("", content_hash(b""))


def put(db: sqlite3.Connection, content: bytes) -> str:
    """See `Store.put`."""
    if not content:
        return ""
    digest = content_hash(content)
    db.execute(_PUT, (digest, content))
    return digest


def get(db: sqlite3.Connection, folder: Path, digest: str) -> bytes:
    """See `Store.get`. What an earlier version kept in a file of its own in `folder` is found there."""
    if digest in _EMPTY:
        return b""
    content = _stored(db, digest)
    if content is None:
        content = _filed(folder, digest)
    if content_hash(content) != digest:
        raise StateMismatch(f"content {digest[:12]} is not what was written: it does not match its name")
    return content


def _stored(db: sqlite3.Connection, digest: str) -> bytes | None:
    try:
        found = db.execute("SELECT content FROM contents WHERE digest = ?", (digest,)).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        found = None  # a journal from before there was the table, opened for reading only
    return found[0] if found else None


def _filed(folder: Path, digest: str) -> bytes:
    try:
        return (folder / "outputs" / digest[:2] / digest).read_bytes()
    except OSError:
        raise StateMismatch(f"content {digest[:12]}, which the journal refers to, is missing") from None
