"""Views by file name: which language a file is in, and its view in that language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os.path import splitext
from typing import TYPE_CHECKING

from conductor.views.base import Options, Part, View, ViewKind
from conductor.views.python import PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from conductor.views.braced import BracedLanguage
    from conductor.views.digest import SourceFile
    from conductor.views.parser import ASTParser

_LANGUAGES = (PYTHON,)
_FOCUSED, _NAMED = 100.0, 10.0  # how much more a focused file, and a name it uses, weighs in a map


def language_of(path: Path | str) -> str:
    """Return the name of the language a file of that name is written in, "" when it is not one with views."""
    suffix = _suffix(path)
    return next((language.name for language in _LANGUAGES if suffix in language.suffixes), "")


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


def map_of(folder: Path, paths: Sequence[str], budget: int, focus: str = "") -> View:
    """Return the map of the files `paths` below `folder` in at most `budget` tokens.

    `focus` is FILE or FILE::NAME (FILE below `folder`): what it names matters more. Raises `Refused` when there is no
    such definition, `OSError` when FILE cannot be read. Files that cannot be read are left out; the notice says so.
    """
    from pathlib import Path

    from conductor.views.digest import undigest
    from conductor.views.many import kept_below
    from conductor.views.map import repository_map
    from conductor.views.tokens import token_counter

    known = set(paths)
    wanted = [path for path in paths if not (path.endswith(".pyi") and path[:-1] in known)]  # the same names once more
    found = list(kept_below(folder, wanted, "raw", "digest", _digest))
    files = [undigest(Path(one.path).relative_to(folder).as_posix(), one.view.text) for one in found if one.view]
    count, tokenizer = token_counter()
    drawn = repository_map(files, PYTHON, budget, count, _weights(folder, focus, files))
    notices = [f"{drawn.shown} of {drawn.total} definitions in {budget} tokens ({tokenizer})"]
    unread = len(found) - len(files)
    notices += [f"{unread} file{'s' if unread > 1 else ''} could not be read"] if unread else []
    return View(drawn.text, "skeleton", "; ".join(notices))


def _digest(path: str, source: bytes) -> View:
    from conductor.views.digest import digest

    return View(digest(path, source, None if language_of(path) else _braced(path)), "raw")


def _weights(folder: Path, focus: str, files: Sequence[SourceFile]) -> dict[str, float]:
    """Return what a focus makes more important: its file, and the names in it."""
    if not focus:
        return {}
    from pathlib import Path

    from conductor.views.decode import decode_source, read_source
    from conductor.views.parser import ASTParser
    from conductor.views.select import require

    path, _, symbol = focus.partition("::")
    part, _ = decode_source(read_source(f"{folder / path}"))
    shown = Path(path).as_posix()
    if symbol and language_of(path):
        part = ASTParser().get_symbol(part, symbol)
    elif symbol:
        require([node for file in files if file.path == shown for node in file.nodes], symbol)
    return {name: _NAMED for name in re.findall(r"[^\W\d]\w+", part)} | {shown: _FOCUSED}


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

    language = _braced(path)
    if language is None:
        return None
    missing = f"no grammar for {language.name}: raw (pip install 'conductor-clutch[languages]')"
    return braced_skeleton(text, language, options) or View(text, "raw", missing)


def _braced(path: Path | str) -> BracedLanguage | None:
    from conductor.views.languages import LANGUAGES

    suffix = _suffix(path)
    return next((language for language in LANGUAGES if suffix in language.suffixes), None)


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
