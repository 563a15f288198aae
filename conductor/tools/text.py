"""Text files whose bytes must survive an edit: encoding, byte order mark, line endings and final newline are kept."""

from __future__ import annotations

import codecs
import difflib
import re

from msgspec import Struct

from conductor.errors import Refused

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_NEWLINE = re.compile(r"\r\n|\r(?!\n)|(?<!\r)\n")
_WIDEST = 300


class TextFile(Struct, frozen=True):
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
                faithful = text.encode(encoding) == body and _extends_ascii(encoding)
            except (UnicodeError, LookupError):
                continue
            if faithful:
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
        if self.text.endswith(("\n", "\r")) and content and not content.endswith(("\n", "\r")):
            content += "\n"
        return self.encode(_ended(content, self.newline))

    def edited(self, old: str, new: str, *, everywhere: bool) -> bytes:
        """Return the bytes with `old` replaced by `new`; a newline in `old` matches any line ending.

        The new lines end as the replaced ones did, or as most of the file does. Raises `Refused` when `old` is missing
        (with the nearest lines) or stands more than once without `everywhere`.
        """
        if not old:
            raise Refused("old_string is empty; use write_file for a new file")
        pattern = f"(?:{_NEWLINE.pattern})".join(map(re.escape, _NEWLINE.split(old)))
        # As a lookahead it also finds places that overlap, which are no less ambiguous.
        places = [match.start() for match in re.finditer(f"(?={pattern})", self.text)]
        if not places:
            raise Refused(f"old_string was not found. {nearest(self.text, old)}")
        if len(places) > 1 and not everywhere:
            lines = ", ".join(str(len(_NEWLINE.findall(self.text, 0, place)) + 1) for place in places[:8])
            raise Refused(f"old_string stands {len(places)} times, at lines {lines}; add context or set replace_all")

        def replacement(match: re.Match[str]) -> str:
            return _ended(new, _main_newline(match.group(), self.newline))

        return self.encode(re.sub(pattern, replacement, self.text))


def text_of(content: bytes | None) -> str | None:
    """Return the text of a file, None where there is no file or no text in it."""
    try:
        return None if content is None else TextFile.decode(content).text
    except Refused:
        return None


def split_lines(text: str, *, keepends: bool = False) -> list[str]:
    """Return the lines of `text` as editors count them: a form feed or U+2028 ends no line, unlike `str.splitlines`."""
    ends = [match.span() for match in _NEWLINE.finditer(text)]
    starts = [0, *(end for _, end in ends)]
    lines = [text[start : end if keepends else stop] for start, (stop, end) in zip(starts, ends, strict=False)]
    return [*lines, text[starts[-1] :]] if starts[-1] < len(text) else lines


def nearest(text: str, wanted: str) -> str:
    """Say where `text` comes closest to `wanted`: the line number and the lines there."""
    lines = split_lines(text)[:20_000]
    target = _stripped(split_lines(wanted))
    if not lines or not target:
        return "The file has no such text."
    stripped = [line.strip()[:_WIDEST] for line in lines]
    found = difflib.get_close_matches(target[0][:_WIDEST], set(stripped), n=1, cutoff=0.5)
    if not found:
        return "Nothing in the file is close to it; read the file again."
    height = len(split_lines(wanted))

    def alike(index: int) -> int:
        return len(set(target) & set(stripped[index : index + height]))

    best = max((index for index, line in enumerate(stripped) if line == found[0]), key=alike)
    window = lines[best : best + height]
    why = " (only the indentation differs)" if target == _stripped(window) else ""
    return f"The nearest match is at line {best + 1}{why}:\n" + "\n".join(line[:_WIDEST] for line in window[:12])


def unified_diff(path: str, before: str | None, after: str | None) -> str:
    """Return the change as a unified diff with "a/" and "b/" names, /dev/null for a file that is not there.

    Line endings are shown as "\\n" where they are the same all through both texts; else a CR stays in its line, so that
    a change of endings is seen.
    """
    endings = {ending for text in (before, after) if text for ending in _endings(text)}
    uniform = len(endings) < 2
    lines = difflib.unified_diff(
        _lines(before, uniform),
        _lines(after, uniform),
        "/dev/null" if before is None else f"a/{path}",
        "/dev/null" if after is None else f"b/{path}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str | None, uniform: bool) -> list[str]:
    *lines, last = (_ended(text or "", "\n") if uniform else text or "").split("\n")
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


def _ended(text: str, newline: str) -> str:
    """Return `text` with every line ended by `newline`."""
    if "\r" in text:
        return _NEWLINE.sub(newline, text)
    return text if newline == "\n" else text.replace("\n", newline)


def _endings(text: str) -> set[str]:
    """Return the line endings that are in `text`."""
    if "\r" in text:
        return set(_NEWLINE.findall(text))
    return {"\n"} if "\n" in text else set()


def _stripped(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()]


def _cookie(body: bytes) -> str:
    for line in body.split(b"\n", 2)[:2]:
        if match := _COOKIE.match(line):
            return match[1].decode("ascii", "replace")
    return "utf-8"


def _extends_ascii(encoding: str) -> bool:
    """Say whether ASCII means itself in it. UTF-7 and the like could change around an edit."""
    ascii_bytes = bytes(range(128))
    return ascii_bytes.decode(encoding) == ascii_bytes.decode("ascii")


def _main_newline(text: str, default: str = "\n") -> str:
    if "\r" not in text:
        return "\n" if "\n" in text else default
    endings = _NEWLINE.findall(text)
    return max(("\n", "\r\n", "\r"), key=endings.count) if endings else default
