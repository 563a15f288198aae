"""Python source without most of its function bodies, found by indentation alone: ten times less to parse.

This is text, not syntax, so it must be able to be wrong without harm: it gives up on whatever could mislead it, and a
wrong cut leaves a bracket or a string open, which the grammar then reports (the caller parses the whole source again).
"""

from __future__ import annotations

import re

# A header that ends its line with a colon, and the deeper lines below it. Blank lines and comments never end a body,
# and are no body alone. Possessive, so that a long body is read once.
_FUNCTION = re.compile(
    rb"^( *+)((?:async +)?def\b[^\n]*+\n(?:(?<!:\n)\1[ )][^\n]*+\n){0,60}?(?<=:\n))"
    rb"(?: *+(?:#[^\n]*+)?\n)*+((?:\1 [^\n]*+\n)(?: *+(?:#[^\n]*+)?\n|\1 [^\n]*+\n)*+)",
    re.MULTILINE,
)
_MISLEADING = (b"\t", b"\f", b"\r")


def precut(source: bytes) -> bytes | None:
    """Return `source` with function bodies replaced by `pass`, or None when it is not plain enough to be sure.

    Signatures, classes and statements outside of functions stay; positions do not.
    """
    if any(mark in source for mark in _MISLEADING):
        return None
    odd = False

    def shorten(match: re.Match[bytes]) -> bytes:
        nonlocal odd
        body = match[3]
        double, single = body.count(b'"""'), body.count(b"'''")
        # An even number of one kind of quotes leaves the text outside of a string, as it found it.
        odd = bool(odd or double % 2 or single % 2 or (double and single) or body.endswith(b"\\\n"))
        return b"%b%b%b pass\n" % (match[1], match[2], match[1])

    shorter = _FUNCTION.sub(shorten, source)
    return None if odd else shorter
