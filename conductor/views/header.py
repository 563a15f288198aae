"""Headers of definitions, written on one line without changing what they mean."""

from __future__ import annotations

import re

# Strings and comments are set aside first, so that what follows sees code only.
_LITERAL = re.compile(
    r"#[^\n]*|(?:[rRbBuU]{0,2})(?:'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^\\'\n]|\\.)*'|\"(?:[^\\\"\n]|\\.)*\")",
    re.DOTALL,
)
_FORMATTED = re.compile(r"(?i)(?<![a-z0-9_])(?:f|t|fr|rf|tr|rt)['\"]")
_ODD = re.compile(r"[\n\r\"'#\\]")
_SPACE = re.compile(r"\s++")
_AFTER_OPEN = re.compile(r"(?<=[(\[{])\n|\n(?=[)\]}])")
_CONTINUED = re.compile(r"\\\r?\n|\\\r")
_DEFINITION = re.compile(r"(?:async\s+)?def\b|class\b")
_PUNCTUATION = r"!$%&()*+,\-/:;<=>?@\[\\\]^`{|}~"
_BLANK = re.compile(rf"(?<=[.{_PUNCTUATION}])\s++|(?<!\s)\s++(?=[{_PUNCTUATION}])")


def one_line(header: str, *, compact: bool) -> str:
    """Return `header` (a decorator or a signature with its colon) on one line, comments left out.

    `compact` also takes every blank the grammar does not need. A header with a formatted string is returned as it
    stands: what is inside one is code in some Python versions and text in others.
    """
    if _ODD.search(header) is None:
        return _BLANK.sub("", header) if compact else header
    if _FORMATTED.search(header) is not None:
        return header
    literals: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        text = match.group()
        if text.startswith("#"):
            return ""
        literals.append(text)
        return '"'

    code = _LITERAL.sub(set_aside, header)
    code = _CONTINUED.sub(" ", code)
    code = _SPACE.sub(lambda match: "\n" if "\n" in match.group() else match.group(), code)
    code = _AFTER_OPEN.sub("", code).replace("\n", " ").rstrip()
    if compact:
        code = _BLANK.sub("", code)
    if _DEFINITION.match(code):
        code = _drop_last_comma(code)
    if not literals:
        return code
    remaining = iter(literals)
    return re.sub('"', lambda _: next(remaining), code)


def _drop_last_comma(code: str) -> str:
    """Drop the comma behind the last parameter or base, where it never means a tuple."""
    depth = 0
    for match in re.finditer(r"[()\[\]{}]", code):
        depth += 1 if match.group() in "([{" else -1
        if depth == 0 and match.group() == ")":
            head = code[: match.start()].rstrip()
            return head[:-1] + code[match.start() :] if head.endswith(",") else code
    return code
