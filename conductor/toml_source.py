"""A TOML file as people wrote it: its values, and the line on which each of them stands.

`tomllib` knows values but no lines; a small scanner walks the same text for the lines. It runs only on text that
tomllib has accepted, so it need not judge, only follow.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from conductor.errors import InvalidFile, Problem
from conductor.visible import visible

Key = tuple[str | int, ...]
"""Where a value stands: ("tickets", 2, "dependencies", 0)."""


class TomlSource(Struct, frozen=True):
    """A file that parsed. `name` is how messages call it, `digest` the SHA-256 of its bytes, `text` what they say."""

    name: str
    data: dict[str, Any]
    lines: Mapping[Key, int]
    digest: str
    text: str

    def problem(self, key: Key, message: str) -> Problem:
        """Return the mistake at `key`, on its line or, when it is missing, on that of the table it should be in."""
        known = (key[:length] for length in range(len(key), 0, -1) if key[:length] in self.lines)
        return Problem(self.name, self.lines[found] if (found := next(known, None)) else 1, dotted(key), message)


def read_toml(path: Path) -> TomlSource:
    """Read the file at `path`. Raises `InvalidFile` when it cannot be read, is not UTF-8 or is not TOML."""
    content = _read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8: byte 0x{content[error.start]:02x} cannot stand here"
        raise InvalidFile([Problem(str(path), line, "", message)]) from error
    try:
        data = tomllib.loads(text)
        lines = key_lines(text)
    except RecursionError as error:
        raise InvalidFile([Problem(str(path), 0, "", "not TOML: values are nested too deeply")]) from error
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise InvalidFile([_syntax_problem(path, text, str(error))]) from error
    return TomlSource(str(path), data, lines, hashlib.sha256(content).hexdigest(), text)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of the bytes at `path`, in hex. Raises `InvalidFile` when it cannot be read."""
    return hashlib.sha256(_read_bytes(path)).hexdigest()


def dotted(key: Key) -> str:
    """Return `key` as people write it, positions counted from 0: `tickets[2].dependencies[0]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{visible(part, one_line=True)}" for part in key)
    return "".join(parts).removeprefix(".")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return '; did you mean "X"?' for the name of `known` that is close to `name`, "" when none is."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def key_lines(text: str) -> dict[Key, int]:
    """Return the 1-based line of every key, table and array element of `text`, which must be valid TOML."""
    return _Scanner(text).scan()


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise InvalidFile([Problem(str(path), 0, "", "is a folder" if path.is_dir() else "is not a regular file")])
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None) or error
        raise InvalidFile([Problem(str(path), 0, "", f"cannot be read: {reason}")]) from error


def _syntax_problem(path: Path, text: str, message: str) -> Problem:
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if place is None:
        return Problem(str(path), 0, "", f"not TOML: {message}")
    line = int(place[1]) if place[1] else text.count("\n") + (not text.endswith("\n"))
    return Problem(str(path), line, "", f"not TOML: {visible(message[: place.start()], one_line=True)}")


_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""\"{0,2}'  # one or two quotes may stand right before the closing three
    r"|'''.*?'''\'{0,2}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._offsets: dict[Key, int] = {}
        self._lengths: dict[Key, int] = {}  # of the arrays made by [[headers]]

    def scan(self) -> dict[Key, int]:
        table: Key = ()
        while self._next():
            table = self._header() if self._text[self._at] == "[" else self._pair(table)
        line_starts = [0, *(match.end() for match in re.finditer("\n", self._text))]
        return {key: bisect_right(line_starts, offset) for key, offset in self._offsets.items()}

    def _next(self) -> str:
        """Pass over blanks, newlines and comments; return the character after them, "" at the end."""
        self._at = self._match(_BLANK).end()
        return self._text[self._at : self._at + 1]

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        assert match is not None, f"tomllib accepted what the scanner cannot follow, at offset {self._at}"
        return match

    def _header(self) -> Key:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        *parents, last = self._key()
        self._at = self._text.index("]", self._at) + (2 if is_array else 1)
        table: Key = ()
        for name in parents:
            table = self._enter((*table, name), start)
        table = (*table, last)
        if is_array:
            self._lengths[table] = self._lengths.get(table, 0) + 1
        return self._enter(table, start)

    def _enter(self, table: Key, offset: int) -> Key:
        """Note `table`; return it, or its newest element when it is an array of tables."""
        self._offsets.setdefault(table, offset)
        if table in self._lengths:
            table = (*table, self._lengths[table] - 1)
            self._offsets.setdefault(table, offset)
        return table

    def _pair(self, table: Key) -> Key:
        """Walk over `key = value` inside `table`, and return `table`."""
        start, path = self._at, table
        for name in self._key():
            path = (*path, name)
            self._offsets.setdefault(path, start)
        self._next()
        self._at += 1  # the equals sign
        self._value(path)
        return table

    def _key(self) -> list[str]:
        """Walk over a dotted key and return its parts."""
        parts: list[str] = []
        while True:
            quoted = self._next() in ("'", '"')
            match = self._match(_STRING if quoted else _BARE_KEY)
            parts.append(tomllib.loads(f"key = {match[0]}")["key"] if quoted else match[0])
            self._at = match.end()
            if self._next() != ".":
                return parts
            self._at += 1

    def _value(self, path: Key) -> None:
        opening = self._next()
        if opening in ("[", "{"):
            self._at += 1
            self._members(path, is_table=opening == "{")
        else:
            self._at = self._match(_STRING if opening in ("'", '"') else _SCALAR).end()

    def _members(self, path: Key, *, is_table: bool) -> None:
        index = 0
        while (char := self._next()) not in ("]", "}"):
            if char == ",":
                self._at += 1
            elif is_table:
                self._pair(path)
            else:
                self._offsets[(*path, index)] = self._at
                self._value((*path, index))
                index += 1
        self._at += 1
