"""The exact text of views, form by form: what a wrong blank, bound or line end would change."""

from __future__ import annotations

import pytest

from conductor.views.base import Options
from conductor.views.header import one_line
from conductor.views.parser import ASTParser
from conductor.views.render import first_line

PARSER = ASTParser()

CURATED = [
    ('def f(): "doc"; x = 1\n', "first", 'def f(): "doc"; ... # Hidden\n'),
    ('def f():\n    """D."""\n    return 1\n', "none", "def f(): ... # Hidden\n"),
    ('def f():\n    """D.\n\n    M."""\n    x\n', "first", 'def f():\n    """D."""\n    ... # Hidden\n'),
    ('class A:\n    """D."""\n    x = 1\n', "none", "class A:\n    \n    x = 1\n"),
    ('class A: "d"; x = 1\n', "none", "class A: ...; x = 1\n"),
    ('class A: "d"\t; x = 1\n', "none", "class A: ...\t; x = 1\n"),
    ('class A:\n    """D."""  # c\n', "none", "class A:\n    ...\n"),
    ("\n# c\nx = 1\n", "first", "\nx = 1\n"),
    ("\n\n# c\nx = 1\n", "none", "\n\nx = 1\n"),
    ("x = 1  # c\n# c\ny = 2\n", "first", "x = 1\ny = 2\n"),
    ("x = 1\t\x0c # c\ny = 2\n", "first", "x = 1\ny = 2\n"),
    ("# one\n# two", "none", ""),
    ("# one\n" * 600 + "x = 1\n", "none", "x = 1\n"),
]


@pytest.mark.parametrize(("code", "docs", "shown"), CURATED)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_curated(code: str, docs: str, shown: str, newline: str) -> None:
    code, shown = code.replace("\n", newline), shown.replace("\n", newline)
    assert PARSER.get_curated_view(code, docs=docs) == shown  # type: ignore[arg-type]


def test_a_hot_comment_counts_for_the_function_it_stands_in_only() -> None:
    hot = "def f(): return 1# [HOT]\n"
    assert PARSER.get_curated_view(hot) == hot
    outside = "def f():\n    return 1\n# [HOT]\ndef g(): return 2\n# [HOT]\n"
    assert PARSER.get_curated_view(outside).count("# Hidden") == 2


DOCSTRINGS = {
    '"""One.\n\nTwo."""': '"""One."""',
    "'''\n  One.\n  Two.\n'''": "'''One.'''",
    'R"""\\\n One.\n"""': 'R"""One."""',
    '"""One.\r\rTwo."""': '"""One."""',
    '"""\n\t\\ \n One.\n"""': '"""One."""',
    '"""Ends in\\\n a backslash."""': '"""Ends in\\ """',
    '"""Says "no"\nto all."""': '"""Says "no" """',
    '"""\n\n"""': '""""""',
    # As they stand: nothing to cut, several parts, or quotes inside.
    '"""  One. """': '"""  One. """',
    '"One."': '"One."',
    '"a\\\nb"': '"a\\\nb"',
    '"""One.\n""" "Two."': '"""One.\n""" "Two."',
    "'''x\\'''\ny'''": "'''x\\'''\ny'''",
}


@pytest.mark.parametrize(("docstring", "shown"), DOCSTRINGS.items())
def test_first_line(docstring: str, shown: str) -> None:
    assert first_line(docstring) == shown


HEADERS = {
    "def f(a=~ b, c=- 1, d=x. y): ": ("def f(a=~ b, c=- 1, d=x. y): ", "def f(a=~b,c=-1,d=x.y):"),
    "def f(\n    a,  # why\n    b='x  y',\n):": ("def f(a, b='x  y'):", "def f(a,b='x  y'):"),
    "def f(a,\\\nb):": ("def f(a, b):", "def f(a,b):"),
    "def\\\nf(a):": ("def f(a):", "def f(a):"),
    "class A(\n  B,\n):": ("class A(B):", "class A(B):"),
    "class A[T: (int, str),](B,):": ("class A[T: (int, str),](B,):", "class A[T:(int,str),](B,):"),
    "@a(1,\n)": ("@a(1,)", "@a(1,)"),
    "def f(a={1: 2},\n b=1,\n):": ("def f(a={1: 2}, b=1):", "def f(a={1:2},b=1):"),
    "def f(a,  b,\n  c):": ("def f(a,  b, c):", "def f(a,b,c):"),
    "def f(a=f'{1 + 1}',\n b=2):": ("def f(a=f'{1 + 1}',\n b=2):", "def f(a=f'{1 + 1}',\n b=2):"),
    "def f(a=1 if b else 2, *, c = not d):": (
        "def f(a=1 if b else 2, *, c = not d):",
        "def f(a=1 if b else 2,*,c=not d):",
    ),
}


@pytest.mark.parametrize(("header", "shown"), HEADERS.items())
def test_headers(header: str, shown: tuple[str, str]) -> None:
    assert (one_line(header, compact=False), one_line(header, compact=True)) == shown


def test_skeletons() -> None:
    long = f"x = {'1' * 96}\n"
    assert len(long) == 101
    code = (
        f'"""Mod.\n\nMore."""\nimport {", ".join(f"module_{n}" for n in range(20))}\n{long}y{long}'
        'class A:\n    def f(self):\n        """F.\n\n        M."""\nclass B:\n    def g(self): pass\n'
    )
    imports = code.split("\n")[3]
    everything = Options(imports=True, constants=True, docs="first")
    a, b = '    def f(self):\n        """F."""\n', "    def g(self): pass\n"
    assert PARSER.skeleton(code, everything).text == (
        f'"""Mod."""\n{imports}\n{long}yx = ...\n\nclass A:\n{a}\nclass B:\n{b}'
    )
    assert (
        PARSER.skeleton(code, Options(compact=True)).text
        == "class A:\n def f(self): pass\nclass B:\n def g(self): pass\n"
    )
    full = PARSER.skeleton(code, Options(docs="full")).text
    assert full.startswith('"""Mod.\n\nMore."""\n')
    assert '        """F.\n\n        M."""\n' in full


def test_clauses_have_no_lines() -> None:
    code = "if a:\n    def f(): 1\n"
    assert PARSER.skeleton(code, Options(lines=True)).text == "if a:\n    def f(): pass #L2-2\n"


CLAUSES = {
    "if a:\n    def f(): 1\nelif b: y\nelse: x\n": "if a:\n    def f(): pass\n",
    "if a: x\nelif b:\n    def f(): 1\nelse: y\n": "if a: pass\nelif b:\n    def f(): pass\n",
    "try:\n    def f(): 1\nexcept A: 2\nfinally: 3\n": "try:\n    def f(): pass\nexcept A: pass\n",
    "try:\n    def f(): 1\nfinally: 3\n": "try:\n    def f(): pass\nfinally: pass\n",
    "try: 1\nexcept A: 2\nelse:\n    def f(): 1\nfinally: 3\n": (
        "try: pass\nexcept A: pass\nelse:\n    def f(): pass\n"
    ),
    "try: 1\nexcept A:\n    def f(): 1\nexcept B: 2\nelse: 3\n": (
        "try: pass\nexcept A:\n    def f(): pass\nexcept B: pass\n"
    ),
    "while a: x\nelse:\n    def f(): 1\n": "while a: pass\nelse:\n    def f(): pass\n",
    "async def g():\n    async with a:\n        def f(): 1\n": "async def g(): pass\n",
}


@pytest.mark.parametrize(("code", "shown"), CLAUSES.items())
def test_clauses(code: str, shown: str) -> None:
    assert PARSER.get_skeleton_view(code) == shown
