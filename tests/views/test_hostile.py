"""Large and hostile inputs: time grows with their length, never with its square."""

from __future__ import annotations

import time

import pytest

from conductor.views.base import Options
from conductor.views.registry import view_of

HOSTILE = {
    "hashes in a class": "class A:\n  '''doc'''\n" + "  # a # b # c\n" * 20_000,
    "hashes and a hot one": "def f():\n  return 1\n" + "  # a\n" * 30_000 + "  # [HOT]\n",
    "blank lines in a header": "def f(a," + " \n" * 50_000 + "b): pass\n",
    "blanks in a header": "def f(a" + " " * 200_000 + "): pass\n",
    "many hot functions": "def f():\n    return 1  # [HOT]\n" * 5_000,
    "continuation lines": "\\\n" * 100_000,
    "open brackets": "(" * 100_000,
    "open headers": "def f(\n" * 10_000,
    "quotes": '"' * 100_000,
    "at signs": "@" * 100_000 + "core_logic",
    "open docstrings": 'def f():\n    """doc\n    return 1\n' * 5_001,
    "deep": "".join(f"{' ' * level}class A{level}:\n" for level in range(1_000)),
    "bytes": bytes(range(256)).decode("latin-1") * 500,
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE)
def test_hostile_input_takes_no_more_than_seconds(code: str) -> None:
    started = time.process_time()
    everything = Options(imports=True, constants=True, fields=True, docs="first", compact=True)
    for kind in ("skeleton", "curated"):
        assert view_of("a.py", code.encode(), kind, options=everything).kind == kind  # type: ignore[arg-type]
        view_of("a.py", code.encode(), kind, options=Options())  # type: ignore[arg-type]
    assert time.process_time() - started < 10
