"""Secrets of the environment: what no command is given, and what is not written anywhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

HIDDEN = "[secret]"
_CREDENTIAL = re.compile(
    r"(?i)(api_?key|access_?key|private_?key|token|secret|passw(or)?d|passphrase|credential)s?($|[^a-z])"
    r"|_(key|pass|pwd|pat|jwt)s?$"
)
# Shorter ones may be words, as in PGPASSWORD=postgres: hidden, they would make what a command printed unreadable.
_LONG = 12
_MIXED = re.compile(r"(?=.*\d)(?=.*[A-Za-z]).{8,}")


def command_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for commands: `environ` without what looks like a credential of any service."""
    return {name: value for name, value in environ.items() if not _CREDENTIAL.search(name)}


def hide(text: str) -> str:
    """Return `text` without the credentials of the environment, `[secret]` in their place."""
    for value in _values():
        text = text.replace(value, HIDDEN)
    return text


def hide_bytes(content: bytes) -> bytes:
    """Return what a command printed without the credentials of the environment."""
    for value in _values():
        content = content.replace(os.fsencode(value), HIDDEN.encode())
    return content


def _values() -> Iterator[str]:
    """Yield the credentials that are in the environment now, longer ones first: one may be part of another."""
    found = {value for name, value in os.environ.items() if _CREDENTIAL.search(name)}
    for value in sorted(found, key=len, reverse=True):
        if len(value) >= _LONG or _MIXED.fullmatch(value):
            yield value
