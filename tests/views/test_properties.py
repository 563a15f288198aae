"""Views of programs nobody wrote: their signatures are what `ast` says, and no text at all is a problem."""

from __future__ import annotations

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

from conductor.views.base import Options
from conductor.views.parser import ASTParser
from conductor.views.registry import view_of

from .signatures import signatures

PARSER = ASTParser()

names = st.sampled_from(["f", "g", "A", "match", "type", "_x", "ñ"])
expressions = st.sampled_from(
    [
        "1",
        "'#'",
        "(1,\n 2)",
        "lambda x: {1: x}[1:]",
        "[\n]",
        "f'{1:>3}'",
        "a if b else c",
        "'''\ndef no():\n pass\n'''",
        "-x",
    ]
)
comments = st.sampled_from(["", "  # c: (", "  # [HOT]"])
simple = st.one_of(
    expressions.map(lambda value: f"x = {value}\n"),
    st.sampled_from(['"""doc\n  # [HOT]\n"""\n', "# note\n\npass\n", "import a; b = 1\n", "pass\n"]),
)


def indented(body: str) -> str:
    """Return `body` four columns deeper, with the insides of its strings and brackets where they were."""
    lines = body.splitlines(keepends=True)
    starts = {node.lineno for node in ast.walk(ast.parse(body)) if isinstance(node, ast.stmt)}
    starts |= {number for number, line in enumerate(lines, 1) if line.lstrip().startswith(("@", "else:", "except"))}
    return "".join(f"    {line}" if number in starts else line for number, line in enumerate(lines, 1))


@st.composite
def compound(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    body = indented("".join(draw(st.lists(inner, min_size=1, max_size=3))))
    name, value, comment = draw(names), draw(expressions), draw(comments)
    head = draw(
        st.sampled_from(
            [
                f"def {name}(a={value}, *b: int,\n  c={value}) -> x:{comment}\n",
                f"@d({value})\nasync def {name}(self):{comment}\n",
                f"@core_logic\ndef {name}(): {comment}\n",
                f"class {name}(B, k={value}):{comment}\n",
                f"if ({value},):{comment}\n",
                f"with y as z:{comment}\n",
            ]
        )
    )
    tail = draw(st.sampled_from(["", "else:\n    def other(): return 1\n"])) if head.startswith("if") else ""
    return head + body + tail


programs = st.lists(st.recursive(simple, compound, max_leaves=8), max_size=5).map("".join)


@given(programs)
@settings(max_examples=150, deadline=None)
def test_signatures_of_any_program(code: str) -> None:
    expected = signatures(code)
    for form in ({}, {"compact": True}, {"docs": "full", "imports": True, "constants": True, "fields": True}):
        assert signatures(PARSER.get_skeleton_view(code, **form)) == expected
    for docs in ("full", "first", "none"):
        assert signatures(PARSER.get_curated_view(code, docs=docs)) == expected  # type: ignore[arg-type]
    assert PARSER.get_skeleton_view(code) == PARSER.skeleton(code, Options()).text


@given(programs, st.data())
@settings(max_examples=100, deadline=None)
def test_half_written_programs_still_have_a_skeleton_that_parses(code: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(code)))
    ast.parse(view_of("a.py", code[:cut].encode(), "skeleton").text)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_have_views(data: bytes) -> None:
    for kind in ("skeleton", "curated", "raw"):
        assert isinstance(view_of("a.py", data, kind).text, str)  # type: ignore[arg-type]
