"""ASTParser on the code that breaks naive views."""

# ruff: noqa: E501 - a line of code under test stays one line

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from conductor.errors import Refused
from conductor.views.base import Options, View
from conductor.views.parser import ASTParser, grammar

from .signatures import signatures

PARSER = ASTParser()

CASES = {
    "comment after the colon": "def f(a):  # why: because\n    return 1\n",
    "comment under the header": "def f(a):\n    # note\n\n    return 1\n",
    "one-line body": "def f(a): return a; pass\nclass A: x = 1; y = 2\n",
    "decorators": "@a.b  # c\n# between\n@c(1, [2,\n  3])\n@(yield_,)\nclass A:\n    @property\n    def x(self): return 1\n",
    "nested": "def f():\n    def g():\n        class H: pass\n    return g\nclass A:\n    class B:\n        def m(self): pass\n",
    "conditional": "if a:\n    def f(): return 1\nelif b: x = 1\nelse:\n    def f(x): return 2\n",
    "try": "try:\n    import x\nexcept (A, B) as e:\n    class C(e): y = 1\nelse: pass\nfinally: pass\n",
    "try, finally only": "try:\n    def f(): pass\nfinally:\n    x()\n",
    "try, except only": "try:\n    def f(): pass\nexcept* A: pass\nelse: x\n",
    "definition in finally": "try: x\nexcept A: y\nexcept: z\nfinally:\n    def f(): 1\n",
    "with": "with a as b, c(\n  d) as e:\n    def f(): pass\n",
    "match": "match x:\n    case [1, *_] if y:\n        def f(): pass\n    case {'a': 1}: pass\n    case _:\n        class A: pass\n",
    "loops": "for i in x:\n    def f(): pass\nelse:\n    def g(): pass\nwhile (y := 1):\n    def h(): pass\n",
    "a tuple in a condition": "if (a,):\n    def f(): pass\n",
    "long signature": "def f(\n    a,  # the (first\n    b: 'str' = \"x # y\",\n    *,\n    c=(1,),\n) -> (int,):\n    pass\n",
    "strings that look like code": "def f(a='):', b=\"#\", c='''\n  def no(): ''', d=r'\\\\', e=b'x'):\n    pass\n",
    "formatted default": "def f(a=f'{1 + 1!r:>{10}} #', *,\n   b=1):\n    pass\n",
    "lambda default": "def f(a=lambda x: {1: 2}[x:], b=not  -1) -> lambda: 0: pass\n",
    "number and attribute": "def f(a=1 .real, b=1 if c else 2, d=a  is  not  b): pass\n",
    "continued line": "def f(a, \\\n      b) \\\n   -> int: \\\n   return 1\nclass \\\n  A: pass\n",
    "async": "async   def f(): await x\nclass A:\n    async def g(self): yield\n",
    "docstring only": 'def f(): "doc"\nclass A: "doc"\nclass B:\n    """doc\n    more"""\ndef g():\n    """d"""; x = 1\n',
    "soft keywords": "def match(case, type): pass\nmatch = 1\nclass type: pass\nprint = match\n",
    "tabs and form feeds": "class A:\n\tdef f(self):\n\t\treturn 1\n\x0c\n\tdef g(self): pass\n",
    "unicode": "class Größe:\n    def maß(self, ñ='ä…'):\n        return 'é'\ndef 名前(): pass\n",
    "less indented continuation": "class A:\n        def f(self, a,\n  b):\n            x = (1,\n 2)\n            return x\n",
    "nothing": "",
    "comments only": "# one\n\n# two",
    "no newline at the end": "def f(): pass",
}

FORMS = [{}, {"compact": True}, {"docs": "first"}, {"docs": "full", "imports": True, "constants": True, "fields": True}]


@pytest.mark.parametrize("code", CASES.values(), ids=CASES)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_signatures_survive(code: str, newline: str) -> None:
    code = code.replace("\n", newline)
    for form in FORMS:
        assert signatures(PARSER.get_skeleton_view(code, **form)) == signatures(code), form
    for docs in ("full", "first", "none"):
        assert signatures(PARSER.get_curated_view(code, docs=docs)) == signatures(code), docs  # type: ignore[arg-type]


# The grammar would take too long for this and is not asked: CPython's own parser reads what follows.
ODD = "x = 1 + " + "\\\n" * 500 + "1\n"


@pytest.mark.parametrize("code", CASES.values(), ids=CASES)
def test_signatures_survive_without_the_grammar(code: str) -> None:
    for form in FORMS:
        view = PARSER.skeleton(ODD + code, Options(**form))  # type: ignore[arg-type]
        assert (signatures(view.text), view.notice) == (signatures(code), ""), form
    for docs in ("full", "first", "none"):
        assert signatures(PARSER.get_curated_view(ODD + code, docs=docs)) == signatures(code), docs  # type: ignore[arg-type]


def test_without_the_grammar_a_view_is_the_same() -> None:
    code = (
        '"""Mod."""\nimport os\nfrom a import b\nLIMIT: int = 3\n\n@x\n@y(1)\nclass A(B, k=1):\n    """Doc."""\n    z = 1\n'
        "    async def f(self, a: int=1, *b) -> str:\n        'F.'\n        return 1\n"
        "if a:\n    def g(): pass\nelif b:\n    x = 1\nelse:\n    def g(b): pass\n"
        "try:\n    def h(): pass\nexcept (C, D) as e:\n    pass\nfinally:\n    pass\n"
        "match a:\n    case [1, *_] if b:\n        def i(): pass\n    case _:\n        pass\n"
        "for n in m:\n    pass\nwith p as q:\n    @core_logic\n    def j():\n        return  2\n"
        "def k():\n    # [HOT]\n    return  '# [HOT]'\ndef last():\n    return '# [HOT]'\n"
    )
    everything = Options(imports=True, constants=True, fields=True, docs="full")
    expected = PARSER.skeleton(code, everything).text
    shown = PARSER.skeleton(code.replace("LIMIT", f"{ODD}LIMIT"), everything).text
    assert shown.replace("x = 1 + 1\n", "") == expected
    for docs in ("full", "first", "none"):
        curated = PARSER.get_curated_view(code + ODD, docs=docs)  # type: ignore[arg-type]
        same = PARSER.get_curated_view(code, docs=docs)  # type: ignore[arg-type]
        assert curated.removesuffix(ODD).split() == same.split()
    placed = PARSER.skeleton(code + ODD, Options(lines=True)).text
    assert placed == PARSER.skeleton(code, Options(lines=True)).text
    assert PARSER.get_symbol(code + ODD, "A.f") == PARSER.get_symbol(code, "A.f")
    assert PARSER.get_symbol(f"@x\ndef f(): pass\n{ODD}", "f") == "@x\ndef f(): pass\n"


def test_bodies_are_pass() -> None:
    tree = ast.parse(
        PARSER.get_skeleton_view("\n".join(CASES[name] for name in ("one-line body", "decorators", "async")))
    )
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert bodies
    assert all(len(body) == 1 and isinstance(body[0], ast.Pass) for body in bodies)


def test_skeleton_reads_like_this() -> None:
    code = (
        'import os\nLIMIT = 3\nclass A(Base):\n    """One.\n\n    Two."""\n    x: int = 1\n    def m(self, a: int=1)->str:\n'
        "        # note\n        def local(): pass\n        return os\n"
    )
    assert PARSER.get_skeleton_view(code) == "class A(Base):\n    def m(self, a: int=1)->str: pass\n"
    assert PARSER.get_skeleton_view(code, compact=True) == "class A(Base):\n def m(self,a:int=1)->str: pass\n"
    everything = {"imports": True, "constants": True, "fields": True, "docs": "first", "lines": True}
    assert PARSER.get_skeleton_view(code, **everything) == (
        'import os\nLIMIT = 3\n\nclass A(Base): #L3-11\n    """One."""\n    x: int = 1\n'
        "    def m(self, a: int=1)->str: pass #L8-11\n"
    )


def test_both_definitions_of_a_conditional_name_appear() -> None:
    assert PARSER.get_skeleton_view("if a:\n    def f(): 1\nelse:\n    def f(x): 2\n") == (
        "if a:\n    def f(): pass\nelse:\n    def f(x): pass\n"
    )


def test_clauses_without_definitions_are_left_out() -> None:
    assert PARSER.get_skeleton_view("if a:\n    import b\nfor x in y: z\ntry: 1\nexcept: 2\n") == ""


ODD_BODIES = {
    "text at the margin": 'def f():\n    x = """\ndef no(): pass\n"""\n    return x\ndef g(): pass\n',
    "quotes in a comment": 'def f():\n    # """\n    x = """\ndef no(): pass\n"""\ndef g(): pass\n',
    "quotes in quotes": 'def f():\n    x = \'"""\'\n    def h(): pass\ndef g(): pass\n',
    "comment at the margin": "def f():\n    x\n# y\n    def h(): pass\ndef g(): pass\n",
    "bracket at the margin": "def f():\n    x = [\n]\n    def h(): pass\ndef g(): pass\n",
    "form feed": "def f():\n    x\n\x0c\n    def h(): pass\ndef g(): pass\n",
    "code in a signature": 'def f(a="""\ndef no():\n    body\n"""): pass\ndef g(): pass\n',
    "continued at the margin": "def f():\n    x = 1 + \\\n2\n    def h(): pass\ndef g(): pass\n",
    "one-line before a class": "class A:\n    def f(self): pass\n\nclass B:\n\n    x = 1\n    def g(self): pass\n",
    "tab after blanks": "def f():\n    if x:\n\ty\n    def h(): pass\ndef g(): pass\n",
}


@pytest.mark.parametrize("code", ODD_BODIES.values(), ids=ODD_BODIES)
def test_reading_no_bodies_changes_nothing(code: str) -> None:
    assert PARSER.get_skeleton_view(code) == PARSER.skeleton(code, Options()).text


def test_bodies_are_not_read_where_nothing_needs_them() -> None:
    plain = "class A:\n    def f(self, a='', b=\"\"):\n        x = 1\n"
    for options in (Options(), Options(compact=True), Options(imports=True, constants=True, fields=True)):
        assert PARSER.quick_skeleton(plain, options) == PARSER.skeleton(plain, options).text
    assert PARSER.quick_skeleton("", Options()) == ""
    for options in (Options(docs="first"), Options(docs="full"), Options(lines=True)):
        assert PARSER.quick_skeleton(plain, options) is None
    for odd in ('def f(a="""x"""): pass\n', "def f(a='''x'''): pass\n", "def f(): pass\n\0\n", "def f(\n"):
        assert PARSER.quick_skeleton(odd, Options()) is None


def test_a_grammar_is_loaded_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tree_sitter_python", raising=False)
    assert type(grammar("tree_sitter_python")).__name__ == "PyCapsule"
    assert "tree_sitter_python" not in sys.modules
    (tmp_path / "packed_otherwise.py").write_text("def language(): return 'a grammar'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert grammar("packed_otherwise") == "a grammar"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no views for the language 'cobol'"):
        ASTParser("cobol")


def test_a_view_says_what_it_is() -> None:
    good, broken, old = "def f(): pass\n", "def f(): return (\n", "def f(): print 'x'\n"
    for code in (good, broken, old):
        assert PARSER.skeleton(code, Options()).kind == "skeleton"
        assert PARSER.checked_skeleton(code, Options()).kind == "skeleton"
    assert PARSER.checked_skeleton("def f((a, b)): pass\n", Options()).kind == "skeleton"
    assert PARSER.focused(good, "f", Options()).kind == "skeleton"
    assert PARSER.curated(good, Options()).kind == "curated"


def test_statements_of_every_kind() -> None:
    imports = "from __future__ import annotations\nimport a\nfrom b import c\n"
    constants = "X = 1\nY: int = 2\ntype Z = int\n"
    fields = "class A:\n    x = 1\n    y: int\n"
    shown = PARSER.skeleton(imports + constants + fields, Options(imports=True, constants=True, fields=True)).text
    assert shown == f"{imports}{constants}\n{fields}"
    assert PARSER.skeleton(imports + constants + fields, Options(imports=True)).text == f"{imports}class A: pass\n"
    assert PARSER.skeleton('"a" """b"""\nclass A: "c" "d"\n', Options(docs="full")).text == (
        '"a" """b"""\nclass A:\n    "c" "d"\n'
    )


def test_long_runs_of_comments_move_nothing() -> None:
    run = f"    # {'why ' * 50}\n" * 600
    for hot, shown in (("", "def f(): ... # Hidden\n"), ("    # [HOT]\n", None)):
        whole = f"def f():\n{run}{hot}    return 1\n"
        code = f"{whole}def g(): return 2\nclass A: x = 1\n"
        assert PARSER.get_curated_view(code) == f"{shown or whole}def g(): ... # Hidden\nclass A: x = 1\n"
        assert PARSER.get_symbol(code, "g") == "def g(): return 2\n"
        assert PARSER.get_skeleton_view(code, fields=True) == "def f(): pass\ndef g(): pass\n\nclass A:\n    x = 1\n"


def test_what_is_no_docstring() -> None:
    for first in ('"a", "b"', 'x = "a"', "pass", 'b"a"', 'f"a"', "Rb'a'"):
        code = f"class A:\n    {first}\n    def f(self):\n        {first}\n        return 1\n"
        shown = PARSER.get_skeleton_view(code, docs="full")
        assert shown == "class A:\n    def f(self): pass\n", first
    code = "class A:\n    # why\n    'a'\n    def f(self):\n        # why\n        'b'\n"
    assert PARSER.get_skeleton_view(code, docs="full") == "class A:\n    'a'\n    def f(self):\n        'b'\n"
    assert PARSER.get_skeleton_view("# why\n'a'\n", docs="full") == "'a'\n"
    assert PARSER.get_skeleton_view("# why\nb\n'a'\n", docs="full") == ""


def test_long_constants_show_their_name_only() -> None:
    code = f"TABLE: dict = {{{', '.join(f'{n}: {n}' for n in range(50))}}}\na = b = [\n 1]\n"
    assert PARSER.get_skeleton_view(code, constants=True) == "TABLE: dict = ...\na = b = [1]\n"
    code = f"a = b.c = [{', '.join(map(str, range(50)))}]\nd = e(x={'1' * 100})\n"
    assert PARSER.get_skeleton_view(code, constants=True) == "a = b.c = ...\nd = ...\n"
    assert PARSER.get_skeleton_view(ODD + code, constants=True) == "x = 1 + 1\na = b.c = ...\nd = ...\n"


HOT = {
    "plain decorator": "@core_logic\ndef f():\n    return  1  # x\n",
    "called decorator": "@core_logic(weight=2)\ndef f():\n    return  1\n",
    "attribute": "@conductor.core_logic\ndef f():\n    return  1\n",
    "called attribute": "@x\n@a.core_logic()\nasync def f():\n    return  1\n",
    "comment": "def f():\n    # [HOT]\n    return  1\n",
    "comment behind the header": "def f():  # [HOT] path\n    return  1\n",
    "comment at the end": "def f():\n    return  1\n    # [HOT]\n",
    "nested comment": "def f():\n    def g():\n        return 1  # [HOT]\n    return  g\n",
    "nested decorator": "def f():\n    @core_logic\n    def g(): pass\n    return  g\n",
}
COLD = {
    "string": "def f():\n    return '# [HOT]'\n",
    "docstring": 'def f():\n    """\n    # [HOT]\n    @core_logic\n    """\n    return 1\n',
    "another decorator": "@core_logic_not\n@x(core_logic)\n@core_logic.other\ndef f():\n    return 1\n",
    "comment before": "# [HOT]\ndef f():\n    return 1\n",
}


@pytest.mark.parametrize("code", HOT.values(), ids=HOT)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_hot_functions_stay_byte_for_byte(code: str, newline: str) -> None:
    code = code.replace("\n", newline)
    around = f"def before(): return 1{newline}"
    assert PARSER.get_curated_view(around + code) == f"def before(): ... # Hidden{newline}{code}"
    if newline == "\n" and not code.endswith("    # [HOT]\n"):  # to CPython a function ends before such a comment
        shown = PARSER.get_curated_view(around + code + ODD)
        assert shown.startswith("def before():")
        assert shown.endswith(f" ... # Hidden\n{code}{ODD}")


@pytest.mark.parametrize("code", COLD.values(), ids=COLD)
def test_what_only_looks_hot_is_hidden(code: str) -> None:
    shown = PARSER.get_curated_view(code)
    assert "... # Hidden" in shown
    assert "return" not in shown


def test_a_hot_method_does_not_keep_its_class() -> None:
    code = "class A:\n    def a(self):\n        return 1\n    @core_logic\n    def b(self):\n        return 2\n"
    assert PARSER.get_curated_view(code) == code.replace(":\n        return 1", ": ... # Hidden")


def test_curated_keeps_what_is_not_a_body() -> None:
    code = '"""Mod.\n\nMore."""\nimport os\nX = 1\nclass A:\n    """Doc.\n\n    More."""\n    x = 1\n    def f(self):\n        """F.\n\n        More."""\n        return 1\n'
    hidden = code.replace("        return 1", "        ... # Hidden")
    assert PARSER.get_curated_view(code) == hidden
    assert PARSER.get_curated_view(code, docs="first") == (
        '"""Mod."""\nimport os\nX = 1\nclass A:\n    """Doc."""\n    x = 1\n    def f(self):\n        """F."""\n        ... # Hidden\n'
    )
    assert "Mod" not in PARSER.get_curated_view(code, docs="none")


def test_saving_tokens_drops_comments_outside_of_functions() -> None:
    code = "# one\nx = '# no'  # two\nclass A:\n    # three\n    y = 1\n    @core_logic\n    def f(self):\n        # four\n        pass\n# five"
    kept = "x = '# no'\nclass A:\n    y = 1\n    @core_logic\n    def f(self):\n        # four\n        pass\n"
    assert PARSER.get_curated_view(code, docs="first") == kept
    assert PARSER.get_curated_view(code) == code


HEADERS = (
    "class A(\n    B,  # why\n):\n    def f(\n        self,\n        a: int = 1,  # one\n    ) -> int:  # two\n        return 1\n"
    "    @core_logic\n    def g(\n        self\n    ): return 2\n"
)


def test_saving_tokens_puts_headers_on_one_line() -> None:
    hot = "    @core_logic\n    def g(\n        self\n    ): return 2\n"
    saved = f"class A(B):\n    def f(self, a: int = 1) -> int: ... # Hidden\n{hot}"
    assert PARSER.get_curated_view(HEADERS, docs="first") == saved
    assert PARSER.get_curated_view(HEADERS, docs="none") == saved
    assert PARSER.get_curated_view(HEADERS) == HEADERS.replace("  # two\n        return 1", " ... # Hidden")
    compact = f"class A(B):\n    def f(self,a:int=1)->int: ... # Hidden\n{hot}"
    assert PARSER.curated(HEADERS, Options(docs="full", compact=True)).text == compact
    for newline in ("\r\n", "\r"):
        code = HEADERS.replace("\n", newline)
        for options in (Options(docs="first"), Options(docs="none", compact=True)):
            shown = PARSER.curated(code, options).text
            assert signatures(shown) == signatures(code)
            assert hot.replace("\n", newline) in shown


def test_hidden_bodies_say_where_they_are() -> None:
    code = 'def f():\n    """Doc."""\n    return 1\n@x\ndef g(): return 1\n'
    assert PARSER.curated(code, Options(docs="full", lines=True)).text == (
        'def f():\n    """Doc."""\n    ... # Hidden #L1-3\n@x\ndef g(): ... # Hidden #L4-5\n'
    )


def test_symbol_in_full() -> None:
    code = "class A:\n    @x\n    def f(self):\n        return 1\n\n    @f.setter\n    def f(self, v): pass\ndef g(): pass\n"
    assert PARSER.get_symbol(code, "g") == "def g(): pass\n"
    assert PARSER.get_symbol(code, "A.f") == (
        "    @x\n    def f(self):\n        return 1\n\n    @f.setter\n    def f(self, v): pass\n"
    )


def test_a_missing_symbol_names_what_is_near() -> None:
    with pytest.raises(Refused) as caught:
        PARSER.get_symbol("class Session:\n    def commit(self): pass\n", "Sesion.commit")
    assert "Session.commit" in caught.value.hint


BROKEN = {
    "open bracket": (
        "def f(a):\n    return (1\n\nclass A:\n    def m(self):\n        x = [\n    def n(self): pass\n",
        "f A m n",
    ),
    "half a header": ("def f(a, b=:\n    pass\ndef g(x): pass\nclass B(", "f g B"),
    "open docstring": ('def f():\n    """ abc\n    return 1\ndef g():\n    """Doc"""\ndef h(): pass\n', "f g h"),
    "open string": ("def f():\n    return 'abc\ndef g(): pass\n", "f g"),
    "conflict": ("<<<<<<< HEAD\ndef f(): pass\n=======\ndef g(): pass\n>>>>>>> x\n", "f g"),
    "nothing but half a header": ("class A:\n    def f", "A f"),
    "null byte": ("def f(): pass\n\0\ndef g(): pass\n", "f g"),
}


@pytest.mark.parametrize(("code", "names"), BROKEN.values(), ids=BROKEN)
def test_broken_code_still_shows_its_names_and_says_so(code: str, names: str) -> None:
    view = PARSER.skeleton(code, Options())
    ast.parse(view.text)
    assert all(name in view.text for name in names.split())
    curated = PARSER.curated(code, Options(docs="full"))
    assert all(name in curated.text for name in names.split())
    assert view.notice.startswith("approximate: syntax error at line ")
    assert curated.notice == view.notice


HALF_WRITTEN = """\
def half(a, b=:
    pass

@x
@y(1)
class Fine:
    '''Doc: def no(): pass'''
    def method(self): return (1
    @z(
    def n(self):
        def inner(): pass
        x = {
    }
    def m(self,
          a={1: 2}) -> dict[str, int]:
        # def no()
        return 1

async  def g(
   a,
): pass
class Empty(
x = 1
if x:
    def deep(): pass
def last(): return 1"""


def test_half_written_code_in_full() -> None:
    view = PARSER.skeleton(HALF_WRITTEN, Options(lines=True))
    assert view == View(
        "# line 1, cannot be read: def half(a, b=:\n\n@x\n@y(1)\nclass Fine: #L6-17\n    def method(self): pass #L8-8\n"
        "    def n(self): pass #L10-13\n    def m(self, a={1: 2}) -> dict[str, int]: pass #L14-17\n"
        "async  def g(a): pass #L19-21\nclass Empty: pass #L22-22\ndef deep(): pass #L25-25\ndef last(): pass #L26-26\n",
        "skeleton",
        "approximate: syntax error at line 1",
    )
    assert PARSER.get_symbol(HALF_WRITTEN, "Fine.n") == (
        "    def n(self):\n        def inner(): pass\n        x = {\n    }\n"
    )
    assert PARSER.get_symbol(HALF_WRITTEN, "last") == "def last(): return 1\n"
    curated = PARSER.get_curated_view(HALF_WRITTEN)
    assert curated.count(": ... # Hidden\n") == 5
    assert curated.endswith("def last(): ... # Hidden")
    assert not any(word in curated for word in ("return", "inner", "x = {"))


def test_what_stands_around_a_conflict_goes_on() -> None:
    code = (
        "class A:\n    def a(self): pass\n<<<<<<< HEAD\n    def b(self): pass\n||||||| base\n=======\n"
        "    @x\n    def c(self): pass\n>>>>>>> branch\n    def d(self): pass\n"
    )
    assert PARSER.skeleton(code, Options()).text == "class A:\n{}{}    @x\n{}{}".format(
        *(f"    def {name}(self): pass\n" for name in "abcd")
    )


def test_what_is_nested_too_deeply_is_shown_without_its_place() -> None:
    code = "x = 1 + " + "\\\n" * 500 + "1\nif a:\n def f(): pass\n" + "elif a:\n pass\n" * 2000
    assert PARSER.skeleton(code, Options()) == View(
        "def f(): pass\n", "skeleton", "approximate: syntax error at line 1"
    )


def test_the_line_of_a_null_byte_is_named() -> None:
    assert PARSER.skeleton("# \0\ndef f(): pass\n", Options()).notice == "approximate: syntax error at line 1"
    for view in (PARSER.skeleton, PARSER.checked_skeleton, PARSER.curated):
        assert view("def f(): pass\n\0\n", Options()).notice == "approximate: syntax error at line 2"


def test_deep_nesting() -> None:
    deep = "".join(f"{'  ' * level}class C{level}:\n" for level in range(200)) + "  " * 200 + "x = 1\n"
    assert "C199" in PARSER.get_skeleton_view(deep)
    very_deep = "".join(f"{' ' * level}if x:\n" for level in range(3000)) + " " * 3000 + "def f(): pass\n"
    assert "def f()" in PARSER.get_skeleton_view(very_deep)
    assert PARSER.get_skeleton_view("def f(): pass\nx = " + "(" * 5000 + ")" * 5000).startswith("def f(): pass")


@pytest.mark.parametrize("code", ["A\\\n#\n", "A\\\n  # why\nB = 1\n", "A\\\r\n#\r\nB = 1  # why\r\n"])
def test_a_comment_that_ends_a_continued_line_leaves_a_line_behind(code: str) -> None:
    curated = ASTParser().get_curated_view(code, docs="none")
    assert "#" not in curated
    assert ast.dump(ast.parse(curated)) == ast.dump(ast.parse(code))
