"""Parts of a file: by name, by need, by change and by budget."""

from __future__ import annotations

import ast

import pytest

from conductor.errors import Refused
from conductor.views.base import Options, Part, View
from conductor.views.budget import fit
from conductor.views.parser import ASTParser
from conductor.views.python import PYTHON
from conductor.views.registry import view_of
from conductor.views.tokens import token_counter

PARSER = ASTParser()
CODE = """\
from typing import overload

def helper(x: int) -> int:
    return x

def unused(): return 0

class A:
    @overload
    def f(self, a: int) -> int: ...
    @overload
    def f(self, a: str) -> str: ...
    def f(self, a):
        return self._g(helper(a))

    @property
    def _g(self) -> None:
        return None

class B:
    def _g(self): return 1
    def h(self): return 2
"""


def test_focus_shows_a_definition_and_what_it_calls() -> None:
    text = PARSER.focused(CODE, "A.f", Options()).text
    assert "def helper(x: int) -> int: pass" in text
    assert "def _g(self) -> None: pass" in text
    assert "return self._g(helper(a))" in text
    assert "unused" not in text
    assert "class B" not in text
    ast.parse(text)


def test_focus_on_a_deeply_nested_definition_parses() -> None:
    code = "if x:\n class A:\n  class B:\n   def f(self):\n    return g()\n def g(): pass\n"
    text = PARSER.focused(code, "A.B.f", Options()).text
    ast.parse(text)
    assert "return g()" in text
    assert "def g(): pass" in text


FAMILY = """\
class Base:
    def __init__(self, a): pass
    def helper(self, b): pass
    def other(self): pass
    def send(self): pass
class Made:
    def __init__(self, c):
        def helper(): pass
    def send(self): pass
class Unmade:
    def __init__(self): pass
class Client(Base, Missing):
    def __init__(self):
        super().__init__(1)
    def send(self):
        "other() and Unmade() are only named"
        return self.helper(Made(2))
"""


def test_focus_shows_what_is_inherited_and_made() -> None:
    made = "class Made:\n    def __init__(self, c): pass\n"
    base = "class Base:\n    def helper(self, b): pass\n    def send(self): pass\n"
    shown = PARSER.focused(FAMILY, "Client.send", Options()).text
    assert shown.startswith(f"{base}\n{made}\nclass Client(Base, Missing):\n    def send(self):\n")
    shown = PARSER.focused(FAMILY, "Client.__init__", Options()).text
    assert shown.startswith("class Base:\n    def __init__(self, a): pass\n\nclass Client(Base, Missing):\n")
    assert PARSER.focused(FAMILY, "Unmade", Options()).text == "class Unmade:\n    def __init__(self): pass\n"


NESTED = """\
def helper(): return 1
class A:
    def f(self): return helper()
class B(
  C,
):
    if x:
        class D:
            def g(self): return self.f() + helper()
    def f(self): pass
"""
INNER = "class B(C):\n        class D:\n            def g(self): return self.f() + helper()\n"
FOCUSED = {
    "A": "def helper(): pass\n\nclass A:\n    def f(self): return helper()\n",
    "A.f": "def helper(): pass\n\nclass A:\n    def f(self): return helper()\n",
    "B.D.g": f"def helper(): pass\n\n{INNER}",
    "B.D": f"def helper(): pass\n\nclass B(C):\n    def f(self): pass\n\n{INNER}",
    "B.f": "class B(C):\n    def f(self): pass\n",
}


@pytest.mark.parametrize(("name", "shown"), FOCUSED.items())
def test_focus_in_full(name: str, shown: str) -> None:
    assert PARSER.focused(NESTED, name, Options()) == View(shown, "skeleton")


NEAR = {
    "def a(): pass\nclass B:\n    def c(self): pass\n": "The file defines: a, B, B.c.",
    "x = 1\n": "The file defines nothing.",
    "class Session:\n    def nobody(self): pass\nclass Other:\n    def nobody(self): pass\n": (
        "Near it: Session.nobody, Other.nobody, Session."
    ),
    "".join(f"class N{n}:\n    def nobody(self): pass\n" for n in range(6)): (
        "Near it: N0.nobody, N1.nobody, N2.nobody, N3.nobody, N4.nobody."
    ),
    "".join(f"def f{n}(): pass\n" for n in range(21)): (f"The file defines: {', '.join(f'f{n}' for n in range(20))}."),
}


@pytest.mark.parametrize(("code", "hint"), NEAR.items())
def test_a_name_that_is_not_there(code: str, hint: str) -> None:
    with pytest.raises(Refused) as caught:
        PARSER.get_symbol(code, "Sesion.x.nobody")
    assert (str(caught.value), caught.value.hint) == ("no definition Sesion.x.nobody", hint)


def test_a_definition_that_cannot_be_read_is_found_by_name() -> None:
    assert PARSER.get_symbol("def half(a, b=:\n    pass\n", "half").startswith("def half(a, b=:\n")


def test_hot_names_stay_whole() -> None:
    text = PARSER.hot(CODE, Options(docs="full"), ["helper", "B"], ()).text
    assert "    return x\n" in text
    assert "def h(self): return 2" in text
    assert "return self._g" not in text
    with pytest.raises(Refused):
        PARSER.hot(CODE, Options(docs="full"), ["nobody"], ())


def test_changed_lines_keep_their_functions() -> None:
    whole = view_of("a.py", CODE.encode(), "curated", part=Part(changed=(range(4, 5), range(22, 23)))).text
    assert "    return x\n" in whole
    assert "def h(self): return 2" in whole
    assert "return 0" not in whole
    code = "def f():\n    return 1\ndef g():\n    return 2\ndef h():\n    return 3\n"
    shown = PARSER.hot(code, Options(docs="full"), (), [range(3, 5)])
    assert shown == View("def f(): ... # Hidden\ndef g():\n    return 2\ndef h(): ... # Hidden\n", "curated")


def test_a_budget_is_kept_and_what_was_dropped_is_said() -> None:
    count, _ = token_counter()
    full = PARSER.skeleton(CODE, Options()).text
    assert PARSER.budgeted(CODE, Options(), count(full)).text == full
    order = []
    for budget in range(count(full), 30, -1):
        view = PARSER.budgeted(CODE, Options(), budget)
        assert count(view.text) <= budget
        ast.parse(view.text)
        order += [word for word in ("private", "overloads", "decorators", "annotations") if word in view.notice]
        assert ("left out" in view.notice) == (view.text != full)
    assert list(dict.fromkeys(order)) == ["private", "overloads", "annotations"]


def test_a_budget_takes_annotations_last() -> None:
    code = "@slow\ndef f(a: dict[str, list[int]], *b: tuple[int, ...], **c: object) -> dict[str, list[int]]: pass\n" * 3
    count, _ = token_counter()
    bare = "@slow\ndef f(a, *b, **c): pass\n" * 3
    view = PARSER.budgeted(code, Options(), count(bare) + 40)
    assert "def f(a, *b, **c): pass" in view.text
    assert "@slow" not in view.text
    assert view.notice.endswith("decorators, annotations")
    one = "class A:\n    def _f(self, a, b, c, d, e, f, g, h, i, j, k): return 1\n    def g(self): return (\n"
    view = PARSER.budgeted(one, Options(), 30)
    note = "left out to fit 30 tokens{}: 1 private name"
    assert view.text == f"class A:\n    def g(self): pass\n# {note.format('')}\n"
    assert view.notice == f"approximate: syntax error at line 3; {note.format(' (o200k_base)')}"
    assert view.kind == "skeleton"


CROWDED = """\
class A:
    @typing.overload
    def f(self, a: int): ...
    @t.overload
    def f(self, a: str): ...
    @overload
    def f(self, a: bytes): ...
    @cached
    def f(self, a): ...
    def __init__(self, b: int) -> None: ...
    def __mangled(self): ...
    def _private(self): ...
def last(c: int): ...
"""


def test_what_a_budget_takes_in_order() -> None:
    outline = PARSER.outline(CROWDED, frozenset())
    shown: dict[str, str] = {}
    for budget in range(420, 100, -1):  # of characters
        fitted = fit(outline, PYTHON, Options(), budget, len)
        text, _, note = fitted.text.partition("# left out")
        assert len(fitted.text) <= budget
        assert note == (f" to fit {budget} tokens: {fitted.dropped}\n" if fitted.dropped else "")
        if len(fitted.text) > 99:  # it fits exactly what it has
            assert fit(outline, PYTHON, Options(), len(fitted.text), len).dropped == fitted.dropped
        shown.setdefault(fitted.dropped, text)
        if "the last 4" in fitted.dropped:
            break
    names, overloads = "2 private names", "2 private names, 3 overloads"
    bare = f"{overloads}, decorators, annotations"
    ends = [f"{bare}, the last {count} of 4 definitions" for count in (2, 3, 4)]
    assert list(shown) == ["", names, overloads, bare, *ends]
    assert shown[overloads] == (
        "class A:\n    @cached\n    def f(self, a): pass\n    def __init__(self, b: int) -> None: pass\n"
        "def last(c: int): pass\n"
    )
    assert shown[bare] == ("class A:\n    def f(self, a): pass\n    def __init__(self, b): pass\ndef last(c): pass\n")
    assert [shown[end] for end in ends] == ["class A:\n    def f(self, a): pass\n", "class A: ...\n", ""]


CLAUSES = """\
try:
    def _private(): return 1
except A:
    def public(): return 2
except B:
    pass
else:
    class C:
        def _m(self): return 3
if a:
    def _f(): return 4
elif b:
    def g(): return 5
else:
    x = 1
match a:
    case 1:
        def _h(): return 6
    case 2:
        def i(): return 7
if c:
    def _j(): return 8
else:
    def k(): return 9
try:
    def _l(): return 10
finally:
    def m(): return 11
try:
    def last(): return 12
finally:
    pass
"""


def test_what_is_left_out_of_clauses_leaves_code_that_parses() -> None:
    count, _ = token_counter()
    full = PARSER.skeleton(CLAUSES, Options()).text
    seen = {PARSER.budgeted(CLAUSES, Options(), budget).text for budget in range(10, count(full))}
    assert len(seen) > 6
    for text in seen:
        ast.parse(text)
    assert any("    class C: ...\n" in text for text in seen)  # not `pass`: it is not empty
    for name in ("public", "C._m", "g", "i", "k", "m", "last"):
        ast.parse(PARSER.focused(CLAUSES + f"def user(): return {name}()\n", "user", Options()).text)
