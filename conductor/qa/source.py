"""Reads a single line of source code: what the carets mark, which functions it calls, which input it speaks of."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CALL = re.compile(r"(?<!\w)([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*\(")
_STRING = re.compile(r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\"")
_WORD = re.compile(r"[A-Za-z_]\w*")
_MARGIN = re.compile(r"^[\s|>E]*")
_CARETS = re.compile(r"^[\s|E]*[~^]+$")
_DATA = re.compile(r"\.(?:json|toml|ya?ml|csv|tsv|txt|ini|cfg|xml|conf|env|sql|md|dat|bin|log)$")
_ASSERTION = re.compile(r"(?:assert|expect|fail|to[A-Z]|sub[A-Z])")
_TEST_MODULES = ("pytest", "mock", "unittest", "t", "assert", "jest", "vi", "math", "json", "re", "os")
# What a test calls besides the function it tests: frameworks, built-ins and the plainest methods of several languages.
_COMMON = re.compile(
    r"(?:it|test|describe|raises|warns|approx|isinstance|issubclass|len|str|int|float|bool|list|dict|set|tuple|sorted"
    r"|repr|type|Decimal|Path|range|sum|min|max|abs|round|any|all|zip|enumerate|print|format|join|splitlines|split"
    r"|strip|keys|values|items|getattr|hasattr|callable|open|iter|map|filter|reversed|vars|dir|id|hash|bytes"
    r"|bytearray|frozenset|object|super|readouterr|match|search|loads|dumps|Date|String|Number|Object|Array|Promise"
    r"|resolve|reject|new|not|in|and|or|if|while|for|return|lambda|date|datetime|timedelta|Fraction|vec|Some|Ok|Err"
    r"|unwrap|to_string|into|collect)"
)


def marked(source: str, carets: str) -> str:
    """Return the part of `source` that the line of carets under it marks, or the whole line where there are none."""
    whole = _MARGIN.sub("", source).strip()
    if not _CARETS.match(carets):
        return whole
    start = min(at for at in (carets.find("^"), carets.find("~")) if at >= 0)
    text = source[start : len(carets.rstrip())].strip()
    return text if len(text) > 2 else whole


def subjects(source: str) -> list[str]:
    """Return the functions a line of a test calls, without the test framework and built-ins, in order."""
    found: list[str] = []
    for name in _CALL.findall(_STRING.sub("''", source)):
        parts = name.split(".")
        if parts[0] in _TEST_MODULES or _COMMON.fullmatch(parts[-1]) or _ASSERTION.match(parts[-1]) or name in found:
            continue
        found.append(name)
    return found


def input_file(sources: Sequence[str], files: Sequence[str]) -> str:
    """Return the data file of `files` that shares a word of its name with the code, "" where none or several do.

    The first of `sources` that shares a word with any of them decides.
    """
    data = [file for file in files if _DATA.search(file)]
    for source in sources:
        words = {word.lower() for word in _WORD.findall(_STRING.sub("''", source))}
        shared = [file for file in data if words & _name_words(file)]
        if shared:
            return shared[0] if len(shared) == 1 else ""
    return ""


def only_data_file(files: Sequence[str]) -> str:
    """Return the data file of `files` where there is exactly one, else ""."""
    data = [file for file in files if _DATA.search(file)]
    return data[0] if len(data) == 1 else ""


def _name_words(file: str) -> set[str]:
    stem = file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return {word.lower() for word in re.split(r"[\W_]+", stem) if len(word) > 2}
