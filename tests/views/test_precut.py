"""What is cut before parsing: bodies, in all plain code, and nothing where text alone could mislead."""

from __future__ import annotations

import pytest

from conductor.views.precut import precut

CUT = {
    "def f():\n    x\n\n    # c\n    y\ndef g():\n    z\n": "def f():\n pass\ndef g():\n pass\n",
    "class A:\n    def f(self):\n        x\n    y = 1\n": "class A:\n    def f(self):\n     pass\n    y = 1\n",
    "async  def f(\n    a,\n):\n    x\n": "async  def f(\n    a,\n):\n pass\n",
    "def f():\n    # only\n\n    x\n": "def f():\n pass\n",
    'def f():\n    """doc\n    more"""\n    x\n': "def f():\n pass\n",
    'def f():\n    """doc"""\n    x = \'\'\n    y = ""\n    z = """a"""\n': "def f():\n pass\n",
    "def f():\n    '''doc'''\n    x = ''\n    z = '''a'''\n": "def f():\n pass\n",
    "def f():\n    x\n# margin\n    y\n": "def f():\n pass\n",
    "def f(): return 1\nx = 1\n": "def f(): return 1\nx = 1\n",
}


@pytest.mark.parametrize(("code", "shorter"), CUT.items())
def test_bodies_are_cut(code: str, shorter: str) -> None:
    assert precut(code.encode()) == shorter.encode()


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n\tx\n",
        "def f():\n    x\n\x0c\n",
        "def f():\r\n    x\r\n",
        'def f():\n    x = """\ndef no(): pass\n"""\n',
        "def f():\n    x = '''\ndef no(): pass\n'''\n",
        "def f():\n    x = \"\"\"a\"\"\"\n    y = '''b'''\n",
        'def f():\n    """doc"""\n    x = """\ndef no(): pass\n"""\n',
        "def f():\n    '''doc'''\n    x = '''\ndef no(): pass\n'''\n",
        "def f():\n    x = 1 + \\\n2\n",
    ],
)
def test_what_could_mislead_is_left(code: str) -> None:
    assert precut(code.encode()) is None
