"""Text files whose bytes must survive an edit: encoding, byte order mark, line endings and final newline are kept."""

from __future__ import annotations

import codecs
import difflib
import re
from dataclasses import dataclass

from conductor.errors import Refused

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_NEWLINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class TextFile:
    """A decoded file: `text` with its own line endings, and what is needed to write it back as it was."""

    text: str
    encoding: str
    bom: bytes
    newline: str

    @classmethod
    def decode(cls, content: bytes) -> TextFile:
        """Decode by byte order mark, coding cookie (PEP 263), UTF-8, else Latin-1, which every byte survives.

        Raises `Refused` for content with null bytes, which is no text.
        """
        bom = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        body = content[len(bom) :]
        if b"\0" in body:
            raise Refused("this is a binary file")
        for encoding in ("utf-8",) if bom else (_cookie(body), "utf-8", "latin-1"):
            try:
                text = body.decode(encoding)
            except (UnicodeDecodeError, LookupError):
                continue
            if text.encode(encoding) == body:
                return cls(text, encoding, bom, _main_newline(text))
        raise Refused("this file starts as UTF-8 but is not")

    def encode(self, text: str) -> bytes:
        """Return `text` as this file's bytes. Raises `Refused` when its encoding has no such character."""
        try:
            return self.bom + text.encode(self.encoding)
        except UnicodeEncodeError as error:
            bad = error.object[error.start]
            raise Refused(f"the file is encoded as {self.encoding}, which has no {bad!r}") from None

    def replaced(self, content: str) -> bytes:
        """Return the bytes of a whole new content in this file's manner: endings, encoding, and its final newline."""
        if _NEWLINE.search(self.text[-2:]) and content and not content.endswith("\n"):
            content += "\n"
        return self.encode(_NEWLINE.sub(self.newline, content) if self.newline != "\n" else content)

    def edited(self, old: str, new: str, *, everywhere: bool) -> bytes:
        """Return the bytes with `old` replaced by `new`; a newline in `old` matches any line ending.

        Raises `Refused` when `old` is missing (with the nearest lines) or stands more than once without `everywhere`.
        """
        if not old:
            raise Refused("old_string is empty; use write_file for a new file")
        pattern = re.compile("(?:\r\n|\n|\r)".join(map(re.escape, _NEWLINE.split(old))))
        places = [match.start() for match in pattern.finditer(self.text)]
        if not places:
            raise Refused(f"old_string was not found. {nearest(self.text, old)}")
        if len(places) > 1 and not everywhere:
            lines = ", ".join(str(self.text.count("\n", 0, place) + 1) for place in places[:8])
            raise Refused(f"old_string stands {len(places)} times, at lines {lines}; add context or set replace_all")
        replacement = _NEWLINE.sub(self.newline, new)
        return self.encode(pattern.sub(lambda _: replacement, self.text))


def nearest(text: str, wanted: str) -> str:
    """Say where `text` comes closest to `wanted`: the line number and the lines there."""
    lines, target = text.splitlines(), [line for line in wanted.splitlines() if line.strip()]
    if not lines or not target:
        return "The file has no such text."
    stripped = [line.strip() for line in lines]
    first = target[0].strip()
    found = difflib.get_close_matches(first, set(stripped[:20_000]), n=1, cutoff=0.5)
    if not found:
        return "Nothing in the file is close to it; read the file again."
    number = stripped.index(found[0])
    window = lines[number : number + max(1, len(wanted.splitlines()))]
    why = " (only the indentation differs)" if [line.strip() for line in target] == _stripped(window) else ""
    return f"The nearest match is at line {number + 1}{why}:\n" + "\n".join(window[:12])


def unified_diff(path: str, before: str | None, after: str | None) -> str:
    """Return the change as a unified diff with "a/" and "b/" names, /dev/null for a file that is not there."""
    diff: list[str] = []
    lines = difflib.unified_diff(
        _lines(before),
        _lines(after),
        "/dev/null" if before is None else f"a/{path}",
        "/dev/null" if after is None else f"b/{path}",
    )
    for line in lines:
        ending = "" if line.endswith("\n") else "\n" if line.startswith(("---", "+++", "@@")) else None
        diff.append(line + ("\n\\ No newline at end of file\n" if ending is None else ending))
    return "".join(diff)


def _lines(text: str | None) -> list[str]:
    return [] if text is None else _NEWLINE.sub("\n", text).splitlines(keepends=True)


def _stripped(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()]


def _cookie(body: bytes) -> str:
    for line in body.split(b"\n", 2)[:2]:
        if match := _COOKIE.match(line):
            return match[1].decode("ascii", "replace")
    return "utf-8"


def _main_newline(text: str) -> str:
    endings = _NEWLINE.findall(text)
    return max(("\n", "\r\n", "\r"), key=endings.count) if endings else "\n"
