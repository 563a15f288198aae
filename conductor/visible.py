"""Text from models, files and commands, made safe to show: nothing in it can move a cursor or hide a character."""

from __future__ import annotations

import re
import unicodedata

# C0 without tab and newline, DEL, C1; then every format character (bidirectional controls, zero-width, tags,
# soft hyphen), line/paragraph separators, private use, surrogates and other invisible letters.
_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_NAMES = {"\x1b": "␛", "\r": "␍", "\x08": "␈", "\x7f": "␡", "\x00": "␀", "\x07": "␇"}


def visible(text: str, *, one_line: bool = False) -> str:
    """Return `text` with every control, bidirectional, zero-width and private character written out.

    ESC, CR, backspace, DEL, NUL and BEL become their control pictures; everything else suspect becomes `<U+XXXX>`.
    Tabs and newlines stay, unless `one_line`: then they are written out too.
    """
    shown = _SUSPECT.sub(_picture, text)
    if one_line:
        shown = shown.replace("\n", "⏎").replace("\t", "⇥")
    return shown


def is_suspect(text: str) -> bool:
    """Say whether `text` holds a character that `visible` would have to write out."""
    return _SUSPECT.search(text) is not None


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
