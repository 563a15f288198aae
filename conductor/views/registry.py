"""Views by file name: which language a file is in, and its view in that language."""

from __future__ import annotations

from os.path import splitext
from typing import TYPE_CHECKING

from conductor.views.base import Options, Part, View, ViewKind
from conductor.views.python import PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from conductor.views.braced import BracedLanguage
    from conductor.views.parser import ASTParser

_LANGUAGES = (PYTHON,)


def language_of(path: Path | str) -> str:
    """Return the name of the language a file of that name is written in, "" when it is not one with views."""
    suffix = _suffix(path)
    return next((language.name for language in _LANGUAGES if suffix in language.suffixes), "")


def braced_language_of(path: Path | str) -> BracedLanguage | None:
    """Return the language of the extra `languages` a file of that name is written in, None when it is in none."""
    from conductor.views.languages import LANGUAGES

    suffix = _suffix(path)
    return next((language for language in LANGUAGES if suffix in language.suffixes), None)


def _suffix(path: Path | str) -> str:
    return splitext(path)[1].lower()  # noqa: PTH122 - as text, for thousands of paths


def suffixes() -> tuple[str, ...]:
    """Return the file name endings that have every kind of view."""
    return tuple(suffix for language in _LANGUAGES for suffix in language.suffixes)


def skeleton_suffixes() -> tuple[str, ...]:
    """Return the file name endings that have a skeleton here: those of the grammars that are installed."""
    from importlib.util import find_spec

    from conductor.views.languages import LANGUAGES

    installed = [language for language in LANGUAGES if find_spec(language.grammar)]
    return (*suffixes(), *(suffix for language in installed for suffix in language.suffixes))


def view_of(
    path: Path | str,
    source: bytes,
    view: ViewKind,
    symbol: str = "",
    *,
    options: Options | None = None,
    part: Part | None = None,
) -> View:
    """Return the view of a file with the content `source`; `path` only tells its language.

    Without `options` it is what workers get: a compact skeleton, or a curated view with its docstrings.
    With `symbol` ("Class.method"), short for `Part(symbol=...)`, it is that definition in full, whatever `view` says.
    A name that is not there raises `Refused`. A file of a language without views comes back raw; the notice says so.
    Line ends stay as they were, except in a skeleton: it has "\\n".
    """
    from conductor.views.decode import decode_source, without_cookie
    from conductor.views.parser import ASTParser

    part = part or Part(symbol=symbol)
    named = part.symbol or part.focus
    text, notice = decode_source(source)
    if view == "raw" and not named:
        return View(text, "raw", notice)
    language = language_of(path)
    if not language and view == "skeleton" and not named and not part.budget:
        other = _braced_view(path, text, options or Options(compact=True))
        if other is not None:
            return other._replace(notice="; ".join(filter(None, (notice, other.notice))))
    if not language:
        wanted = f"definition {named} in" if named else f"{view} view of"
        return View(text, "raw", f"no {wanted} {_suffix(path) or 'this kind of'} files: raw")
    parser = ASTParser(language)
    if part.symbol:
        return View(parser.get_symbol(text, part.symbol), "raw", notice)
    made = _made(parser, without_cookie(text), view, options, part)
    return View(made.text, made.kind, "; ".join(filter(None, (notice, made.notice))))


def _braced_view(path: Path | str, text: str, options: Options) -> View | None:
    """Return the skeleton of a file in a language of the extra `languages`, None when it is in none of them."""
    from conductor.views.braced import braced_skeleton

    language = braced_language_of(path)
    if language is None:
        return None
    missing = f"no grammar for {language.name}: raw (pip install 'conductor-clutch[languages]')"
    return braced_skeleton(text, language, options) or View(text, "raw", missing)


def _made(parser: ASTParser, text: str, view: ViewKind, options: Options | None, part: Part) -> View:
    if view == "curated":
        return _judged(text, parser.hot(text, options or Options(docs="full"), part.hot, part.changed or ()))
    options = options or Options(compact=True)
    if part.focus:
        return _judged(text, parser.focused(text, part.focus, options))
    if part.budget:
        return _judged(text, parser.budgeted(text, options, part.budget))
    return parser.checked_skeleton(text, options)


def _judged(text: str, made: View) -> View:
    """Return `made`, a view of `text`, with what CPython has against a file that the grammar accepts."""
    from conductor.views.cpython import error_in, finding

    line = None if "syntax error" in made.notice else error_in(text)
    return made if line is None else made._replace(notice="; ".join(filter(None, (finding(line), made.notice))))
