"""Text from models, files and commands, made safe to show: nothing in it can move a cursor or hide a character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

# Patterns as text: every command loads them, and few need more than `_rewritten` knows by itself.
# C0 without tab and newline, DEL, C1; then every format character (bidirectional controls, zero-width, tags,
# soft hyphen), line/paragraph separators, private use, surrogates, other invisible letters, and every blank that is
# no space (but the ideographic one, which is as wide as what it stands between).
_SUSPECT = (
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
# Letters of scripts that share shapes with Latin ones: Greek, Cyrillic, Armenian, Cherokee, Coptic, Lisu, and Latin
# letters in other dress (full width, mathematical), which programs may take for the plain ones.
_FOREIGN = (
    "\u0370-\u058f\u13a0-\u13ff\u1c80-\u1c8f\u1f00-\u1fff\u2c80-\u2cff\u2de0-\u2dff\ua4d0-\ua4ff\ua640-\ua69f"
    "\uab70-\uabbf\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff"
)
# Greek that nobody takes for Latin: `Δt`, `λ_1` and `μs` are how people write.
_HARMLESS = "ΓΔΘΛΞΠΣΦΨΩβδεζηθλμξπςστφχψωϑϕϖϵ"
# Letters that have the shape of a Latin one, of which whole words can be made.
_ALIKE = "АВЕЅІЈКМНОРСТУХԌԚԜаеһіјӏорсѕухѵԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧινορυϲϳ"
_LATIN = "[A-Za-z\xc0-\u024f]"
_SHARED = f"[{_FOREIGN}]"
_CONFUSABLE = f"(?![{_HARMLESS}])[{_FOREIGN}]"
_WHOLLY_ALIKE = f"[{_ALIKE}\\d_]+"
_WORD = "[\\w\u0300-\u036f]+"
_CONTROLS = bytes(set(range(32)) - {9, 10}) + b"\x7f"
_NAMES = {"\x1b": "␛", "\r": "␍", "\x08": "␈", "\x7f": "␡", "\x00": "␀", "\x07": "␇"}


def visible(text: str, *, one_line: bool = False) -> str:
    """Return `text` with every control, bidirectional, zero-width and private character written out.

    ESC, CR, backspace, DEL, NUL and BEL become their control pictures; everything else suspect becomes `<U+XXXX>`, and
    so do letters that pass for Latin ones where Latin is written. Tabs and newlines stay, unless `one_line`: then they
    are written out too.
    """
    shown = _rewritten(text, _picture)
    if one_line:
        shown = shown.replace("\n", "⏎").replace("\t", "⇥")
    return shown


def is_suspect(text: str) -> bool:
    """Say whether `text` holds a character that `visible` would have to write out."""
    return bool(suspects(text))


def suspects(text: str) -> set[str]:
    """Return the characters of `text` that `visible` would have to write out."""
    found: set[str] = set()

    def note(match: re.Match[str]) -> str:
        found.add(match.group())
        return match.group()

    _rewritten(text, note)
    return found


def _rewritten(text: str, picture: Callable[[re.Match[str]], str]) -> str:
    if text.isascii() and len(text.encode().translate(None, _CONTROLS)) == len(text):
        return text  # what most text is, told ten times as fast
    text = re.sub(_SUSPECT, picture, text)
    if text.isascii() or not re.search(_SHARED, text):
        return text
    return "\n".join(_unmixed(line, picture) for line in text.split("\n"))


def _unmixed(line: str, picture: Callable[[re.Match[str]], str]) -> str:
    """Write out the letters of other scripts in Latin words, and words of nothing but look-alikes between Latin ones.

    In a line that has the other script for certain (a letter that looks like no other), such words are just words.
    """
    if not (re.search(_SHARED, line) and re.search(_LATIN, line)):
        return line
    words = [word for word in re.findall(_WORD, line) if re.search(_SHARED, word) and not re.search(_LATIN, word)]
    genuine = not all(re.fullmatch(_WHOLLY_ALIKE, word) for word in words)

    def shown(match: re.Match[str]) -> str:
        word = match[0]
        if re.search(_LATIN, word) or (not genuine and re.fullmatch(_WHOLLY_ALIKE, word)):
            return re.sub(_CONFUSABLE, picture, word)
        return word

    return re.sub(_WORD, shown, line)


def _picture(match: re.Match[str]) -> str:
    char = match.group()
    return _NAMES.get(char) or f"<U+{ord(char):04X}>"


def width(text: str) -> int:
    """Return how many terminal cells `text` takes (wide characters count two, combining ones none)."""
    cells = 0
    for char in text:
        if unicodedata.category(char) in ("Mn", "Me"):
            continue
        cells += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return cells
