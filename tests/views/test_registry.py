"""Views by file name: languages, encodings, and what is said when a view is not exact."""

from __future__ import annotations

import ast
import codecs
import warnings

import pytest

from conductor.views.base import Options
from conductor.views.cpython import error_in, reads_signatures
from conductor.views.decode import decode_source, without_cookie
from conductor.views.registry import language_of, view_of

LATIN = "# -*- coding: latin-1 -*-\nclass Größe:\n    def maß(self, a='é'): return 1\n"


def test_language_by_name() -> None:
    assert [language_of(name) for name in ("a/b.PYI", "a.py", "a.pyw")] == ["python"] * 3
    assert language_of("Makefile") == ""


def test_workers_get_the_compact_form() -> None:
    assert view_of("a.py", b"def f(a: int = 1):\n    return a\n", "skeleton").text == "def f(a:int=1): pass\n"


def test_an_unknown_language_is_raw_and_says_so() -> None:
    view = view_of("a.xyz", b"anything", "skeleton")
    assert (view.text, view.kind) == ("anything", "raw")
    assert view.notice == "no skeleton view of .xyz files: raw"
    assert view_of("Makefile", b"", "curated").notice == "no curated view of this kind of files: raw"
    assert view_of("a.ts", b"", "skeleton", "f").notice == "no definition f in .ts files: raw"


@pytest.mark.parametrize("kind", ["skeleton", "curated"])
def test_encodings(kind: str) -> None:
    for data in (LATIN.encode("latin-1"), codecs.BOM_UTF8 + LATIN[26:].encode(), b"\n" + LATIN.encode("latin-1")):
        view = view_of("a.py", data, kind)  # type: ignore[arg-type]
        assert view.notice == ""
        assert "class Größe" in view.text
        assert "maß" in view.text
        assert "coding" not in view.text
        ast.parse(view.text.encode())


def test_only_the_cookie_goes() -> None:
    for newline in ("\n", "\r\n"):
        code = newline.join(["#!/usr/bin/env python3", "# coding: utf-8", "x = 1", ""])
        assert without_cookie(code) == code.replace("# coding: utf-8", "")
        late = newline.join(["", "", "# coding: utf-8", ""])
        assert without_cookie(late) == late


def test_undecodable_bytes_are_shown_and_said() -> None:
    view = view_of("a.py", b"x = 1\ndef f(a='\xff'): pass\n", "skeleton")
    assert view.text == "def f(a='�'): pass\n"
    assert view.notice == "approximate: not valid utf-8 at line 2"


def test_an_unknown_cookie_is_said() -> None:
    notice = view_of("a.py", b"# coding: no-such\ndef f(): 1\n", "skeleton").notice
    assert notice == "approximate: unknown encoding no-such, read as utf-8"
    for name in ("utf8", "UTF-8", "utf-8-sig", "utf-8-unix", "utf-8-dos", "utf-8-mac"):
        text = f"# vim: fileencoding={name}\nx = 'é'\n"
        assert decode_source(text.encode()) == (text, "")


def test_raw_is_the_file() -> None:
    assert view_of("a.py", b"x = 1\r\n# [HOT]\r\n", "raw").text == "x = 1\r\n# [HOT]\r\n"


def test_curated_keeps_line_ends() -> None:
    source = b'import os\r\ndef f():\r\n    """Doc."""\r\n    return 1\r\n\r\nX = 1\r\n'
    assert view_of("a.py", source, "curated").text == (
        'import os\r\ndef f():\r\n    """Doc."""\r\n    ... # Hidden\r\n\r\nX = 1\r\n'
    )


def test_python_2_is_not_passed_off_as_python() -> None:
    source = b"class A:\n    def f(self, (a, b)):\n        pass\n    def g(self): print 'x'\n"
    view = view_of("a.py", source, "skeleton", options=Options())
    ast.parse(view.text)
    assert "def f(self, (a, b))" in view.text
    assert "def g(self): pass" in view.text
    assert view.notice == "approximate: syntax error at line 2"


def test_an_error_in_a_body_is_said() -> None:
    for body in ("print 'x'", "return = 1", "await = x y", "nonlocal a"):
        view = view_of("a.py", f"def f(a):\n    {body}\ndef g(b): pass\n".encode(), "skeleton")
        assert view.text == "def f(a): pass\ndef g(b): pass\n"
        assert view.notice.endswith("syntax error at line 2"), body
        assert view_of("a.py", f"x\ndef f(a):\n    {body}\n".encode(), "curated").notice.endswith("at line 3"), body


def test_nobody_is_warned_of_what_a_file_says() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert error_in("x = '\\d'\n") is None
        assert reads_signatures("x = '\\d'\n")


def test_type_parameters_are_shown_whatever_python_runs_this() -> None:
    source = "class A[T: (int, str)](B):\n    def f[**P](self, a: T) -> None: pass\n"
    assert view_of("a.py", source.encode(), "skeleton", options=Options()).text == source
    broken = view_of("a.py", f"{source}x = (\n".encode(), "skeleton", options=Options())
    assert broken.text == source
    assert broken.notice.startswith("approximate: syntax error at line ")


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"# c", b"\xef\xbb\xbf", b"\x00", b"\xff\xfe\x00", b"\x0c\x0c", b"\\", b"(" * 9999]
)
def test_nothing_crashes(data: bytes) -> None:
    for kind in ("skeleton", "curated", "raw"):
        assert isinstance(view_of("a.py", data, kind).text, str)  # type: ignore[arg-type]


def test_symbol() -> None:
    assert (
        view_of("a.py", b"class A:\n  def f(self): return 1\n", "skeleton", "A.f").text == "  def f(self): return 1\n"
    )
