"""Secrets: what no command is given, and what is not written anywhere.

Only values that are known to be secret can be hidden: those of variables, settings and lines of .env files whose names
say so. Patterns would change what programs print.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

HIDDEN = "[secret]"
_CREDENTIAL = re.compile(
    r"(?i)(api_?key|access_?key|private_?key|token|secret|passw(or)?d|passphrase|credential)s?($|[^a-z])"
    r"|_(key|pass|pwd|pat|jwt)s?$"
)
# Shorter ones may be words, as in PGPASSWORD=postgres: hidden, they would make what a command printed unreadable.
_LONG = 12
_MIXED = re.compile(r"(?=.*\d)(?=.*[A-Za-z]).{8,}")
# What names nothing but credentials in a header, an address or a file of variables, though not in an environment.
_HEADER = r"(?i)authorization$|cookie$|(^|[-_])(auth|key|pwd|pass|sig|signature)$"
_SCHEME = r"(?i)(?:bearer|basic|token|apikey) +(\S+)"
_IN_ADDRESS = r"://[^/\s:@]*:([^/\s@]+)@|[?&]([\w.-]+)=([^&#\s]+)"
_VARIABLE = r"\$\{(\w+)\}"
_NAME = r"(?m)^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*"
_LINES = rf"""{_NAME}("(?:[^"\\]|\\.)*"|'[^']*'|`[^`]*`)"""
_LINE = rf"{_NAME}([^\n]*)"
_EXAMPLES = {".example", ".sample", ".template", ".dist", ".defaults"}
_LONGEST_FILE = 64 * 1024


class Secrets(Struct, frozen=True):
    """Credentials: of the environment, those `configured` (`${NAME}` is a variable), and of `.env` files in `folder`.

    All are looked up when something is to be hidden, for a command may have written such a file.
    """

    configured: tuple[str, ...] = ()
    folder: Path | None = None

    def hide(self, text: str) -> str:
        """Return `text` without what is known to be secret, `[secret]` in its place."""
        for value in self._values():
            text = text.replace(value, HIDDEN)
        return text

    def hide_bytes(self, content: bytes) -> bytes:
        """Return what a command printed without what is known to be secret."""
        for value in self._values():
            content = content.replace(os.fsencode(value), HIDDEN.encode())
        return content

    def _values(self) -> list[str]:
        """Return what is secret now, longer values first: one may be part of another."""
        found = set(_credentials(os.environ.items()))
        found.update(re.sub(_VARIABLE, lambda m: os.environ.get(m.group(1), ""), text) for text in self.configured)
        if self.folder:
            found.update(_in_files(self.folder))
        return sorted(filter(_can_be_told, found), key=len, reverse=True)

    def __repr__(self) -> str:
        return "Secrets()"


def command_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for commands: `environ` without what looks like a credential of any service."""
    return {name: value for name, value in environ.items() if not _CREDENTIAL.search(name)}


def hide(text: str) -> str:
    """Return `text` without the credentials of the environment, `[secret]` in their place."""
    return Secrets().hide(text)


def hide_bytes(content: bytes) -> bytes:
    """Return what a command printed without the credentials of the environment."""
    return Secrets().hide_bytes(content)


def credentials_in(settings: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield what is secret in settings, headers, arguments or addresses: values by their names, passwords in addresses.

    `settings` are pairs of name and value. Of `Bearer KEY` the key alone counts too.
    """
    for name, value in settings:
        if re.search(_HEADER, name) or _CREDENTIAL.search(name.replace("-", "_")):
            yield value
            yield from re.findall(_SCHEME, value)
        for password, parameter, said in re.findall(_IN_ADDRESS, value):
            if password:
                yield password
            if parameter:
                yield from credentials_in([(parameter, said)])


def _credentials(variables: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in variables:
        if _CREDENTIAL.search(name):
            yield value
        elif "://" in value:
            yield from credentials_in([("", value)])


def _in_files(folder: Path) -> Iterator[str]:
    """Yield the credentials of the .env files in a folder; those that are examples hold none."""
    for path in folder.glob(".env*"):
        if path.name == ".env" or (path.name.startswith(".env.") and path.suffix not in _EXAMPLES):
            text = _read(path)
            for name, value in re.findall(_LINES, text) + re.findall(_LINE, text):  # a quote may be never closed
                for line in _unquoted(value).splitlines():  # a private key has several
                    yield from credentials_in([(name, line)])


def _read(path: Path) -> str:
    """Return the text of a regular file of bearable size, "" where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return ""
    try:
        return os.read(handle, _LONGEST_FILE).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(handle)


def _unquoted(value: str) -> str:
    if value[:1] in {'"', "'", "`"} and value[-1:] == value[:1] != value:
        return value[1:-1].replace("\\n", "\n")
    return re.split(r"\s#", value, maxsplit=1)[0].strip()


def _can_be_told(value: str) -> bool:
    """Say whether a value is told from a word by its length, or by having letters and digits."""
    return len(value) >= _LONG or bool(_MIXED.fullmatch(value))
