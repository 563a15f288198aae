"""Views by file name: which language a file is in, and its view in that language."""

from __future__ import annotations

from pathlib import Path

from conductor.views.base import Options, View, ViewKind
from conductor.views.decode import decode_source, without_cookie
from conductor.views.parser import ASTParser
from conductor.views.python import PYTHON

_LANGUAGES = (PYTHON,)


def language_of(path: Path | str) -> str:
    """Return the name of the language a file of that name is written in, "" when it is not one with views."""
    suffix = Path(path).suffix.lower()
    return next((language.name for language in _LANGUAGES if suffix in language.suffixes), "")


def view_of(
    path: Path | str, source: bytes, view: ViewKind, symbol: str = "", *, options: Options | None = None
) -> View:
    """Return the view of a file with the content `source`; `path` only tells its language.

    Without `options` it is what workers get: a compact skeleton, or a curated view with its docstrings.
    With `symbol` ("Class.method") it is that definition in full, whatever `view` says; `Refused` when there is none.
    A file of a language without views comes back raw, and the notice says so. Line ends stay as they were, except in
    a skeleton: it has "\\n".
    """
    text, notice = decode_source(source)
    language = language_of(path)
    if view == "raw" and not symbol:
        return View(text, "raw", notice)
    if not language:
        return View(text, "raw", f"no {view} view of {Path(path).suffix or 'this kind of'} files: raw")
    parser = ASTParser(language)
    if symbol:
        return View(parser.get_symbol(text, symbol), "raw", notice)
    text = without_cookie(text)
    if view == "skeleton":
        made = parser.checked_skeleton(text, options or Options(compact=True))
    else:
        made = parser.curated(text, options.docs if options else "full")
    return View(made.text, made.kind, "; ".join(filter(None, (notice, made.notice))))
