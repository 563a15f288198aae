"""ASTParser: source text in, a view of it out. The only module of the views that loads tree-sitter."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from conductor.views.base import Docs, Options, Outline, View
from conductor.views.outline import outline_tree
from conductor.views.precut import precut
from conductor.views.python import PYTHON
from conductor.views.render import render_skeleton

if TYPE_CHECKING:
    import tree_sitter

_HOPELESS = b"\\\n" * 500  # nobody writes this, and the grammar takes time quadratic in its length
_NOTHING: frozenset[str] = frozenset()


class ASTParser:
    """Makes views of source text of one language. Holds a loaded grammar; keep one and use it again."""

    def __init__(self, language: str = "python") -> None:
        if language != PYTHON.name:
            raise ValueError(f"no views for the language {language!r}")
        self._language = PYTHON
        self._parser: tree_sitter.Parser | None = None

    def get_skeleton_view(self, code: str, **options: bool | str) -> str:
        """Return every class and function of `code` with its whole signature and `pass` as its body.

        The result parses, and its signatures equal the original's by `ast`. `options` are the fields of `base.Options`
        (TypeError for any other). Never raises for what `code` holds.
        """
        chosen = Options(**options)  # type: ignore[arg-type]
        quick = self.quick_skeleton(code, chosen)
        return self.skeleton(code, chosen).text if quick is None else quick

    def get_curated_view(self, code: str, *, docs: Docs = "full") -> str:
        """Return `code` with every function body hidden except those marked `@core_logic` or `# [HOT]`.

        `docs` "first" or "none" saves tokens: docstrings are cut, headers stand on one line, and comments outside of
        functions go. The view parses whenever `code` does; what is marked stays byte for byte, and with `docs` "full"
        so does all that is no body. Never raises for what `code` holds.
        """
        return self.curated(code, Options(docs=docs)).text

    def get_symbol(self, code: str, dotted_name: str) -> str:
        """Return one definition of `code` in full, decorators included, with the indentation it has there.

        A name defined several times (branches, overloads, property setters) gives all of them. Raises `Refused`, naming
        what is near, when there is none.
        """
        from conductor.views.select import find_symbol

        outline = self.outline(_newlines(code), _NOTHING)
        return find_symbol(outline, dotted_name)

    def skeleton(self, code: str, options: Options) -> View:
        """Return the skeleton of `code` with its notice."""
        outline = self.outline(_newlines(code), _statements(options))
        return View(render_skeleton(outline, self._language, options), "skeleton", outline.notice)

    def checked_skeleton(self, code: str, options: Options) -> View:
        """Return the skeleton of `code` after CPython has read all of it: the grammar also takes what is no Python 3.

        Where only a body is refused the skeleton stays and the notice says so; a skeleton that is refused itself is
        made again from what can be made out.
        """
        from conductor.views.cpython import error_in, finding, reads_signatures

        error = error_in(code)
        if error is None:
            quick = self.quick_skeleton(code, options)
            return self.skeleton(code, options) if quick is None else View(quick, "skeleton")
        view = self.skeleton(code, options)
        if view.notice:
            return view
        if reads_signatures(view.text):
            return view._replace(notice=finding(error))
        from conductor.views.recover import outline_broken

        outline = outline_broken(_newlines(code).encode("utf-8", "replace"), error)
        return View(render_skeleton(outline, self._language, options), "skeleton", outline.notice)

    def curated(self, code: str, options: Options) -> View:
        """Return the curated view of `code` with its notice."""
        return self.hot(code, options, (), ())

    def budgeted(self, code: str, options: Options, budget: int) -> View:
        """Return the skeleton of `code` in at most `budget` tokens; the notice and the last line say what it lost."""
        from conductor.views.budget import fit
        from conductor.views.tokens import token_counter

        count, tokenizer = token_counter()
        outline = self.outline(_newlines(code), _statements(options))
        fitted = fit(outline, self._language, options, budget, count)
        dropped = f"left out to fit {budget} tokens ({tokenizer}): {fitted.dropped}" if fitted.dropped else ""
        return View(fitted.text, "skeleton", "; ".join(filter(None, (outline.notice, dropped))))

    def focused(self, code: str, dotted_name: str, options: Options) -> View:
        """Return one definition in full and the signatures of what it calls in `code`. Raises `Refused` without it."""
        from conductor.views.select import focus

        outline = self.outline(_newlines(code), _NOTHING)
        return View(focus(outline, self._language, dotted_name, options), "skeleton", outline.notice)

    def hot(self, code: str, options: Options, names: Collection[str], lines: Sequence[range]) -> View:
        """Return the curated view of `code` with functions kept whole by name, or by a line (1-based) they stand on.

        Of `options` it obeys docs, compact (for headers) and lines (of what is hidden). Raises `Refused` when `code`
        has no definition of one of `names`.
        """
        from conductor.views.curated import render_curated
        from conductor.views.select import with_changed, with_hot

        outline = self.outline(code, _NOTHING if options.docs == "full" else frozenset({"comment"}))
        outline = with_changed(with_hot(outline, names), lines)
        return View(render_curated(outline, self._language, options), "curated", outline.notice)

    def outline(self, code: str, wanted: frozenset[str]) -> Outline:
        """Return the outline of `code`: from the grammar, else from CPython's parser, else what can be made out."""
        source = code.encode("utf-8", "replace")
        return self._from_grammar(source, wanted) or _outline_odd(source, wanted)

    def quick_skeleton(self, code: str, options: Options) -> str | None:
        """Return the skeleton made without reading most bodies, None where that could differ from the real one."""
        if options.docs != "none" or options.lines:  # the text or the place of what was cut
            return None
        source = precut(code.encode("utf-8", "replace"))
        outline = self._from_grammar(source, _statements(options)) if source is not None else None
        text = render_skeleton(outline, self._language, options) if outline else None
        # Code inside a string of a signature was cut like any other.
        return None if text and ('"""' in text or "'''" in text) else text

    def _from_grammar(self, source: bytes, wanted: frozenset[str]) -> Outline | None:
        """Return the outline of `source` from its tree, None where the grammar does not read all of it."""
        if b"\0" in source or _HOPELESS in source:
            return None
        try:
            return outline_tree(source, self._loaded(), self._language, wanted)
        except RecursionError:
            return None

    def _loaded(self) -> tree_sitter.Parser:
        if self._parser is None:
            import tree_sitter

            self._parser = tree_sitter.Parser(tree_sitter.Language(grammar(self._language.grammar)))
        return self._parser


def grammar(package: str) -> object:
    """Return the grammar of `package`, from its extension module alone.

    The package itself would load importlib.resources, for queries that are not used here: a tenth of a view's time.
    """
    found = importlib.util.find_spec(package)
    inside = found.submodule_search_locations if found else None
    binding = importlib.machinery.PathFinder.find_spec(f"{package}._binding", inside) if inside else None
    if binding is None or binding.loader is None:  # packed in another way
        return importlib.import_module(package).language()
    module = importlib.util.module_from_spec(binding)
    binding.loader.exec_module(module)
    return module.language()


def _outline_odd(source: bytes, wanted: frozenset[str]) -> Outline:
    """Return the outline of a file that the grammar does not read."""
    from conductor.views.ast_outline import outline_ast
    from conductor.views.recover import outline_broken

    try:
        return outline_ast(source, wanted)
    except (SyntaxError, RecursionError) as error:
        return outline_broken(source, getattr(error, "lineno", None) or 1)


def _statements(options: Options) -> frozenset[str]:
    switches = (("import", options.imports), ("constant", options.constants), ("field", options.fields))
    return frozenset(kind for kind, on in switches if on)


def _newlines(code: str) -> str:
    return code.replace("\r\n", "\n").replace("\r", "\n")
