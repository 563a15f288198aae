"""Views of real packages, held against `ast`: a sample, or all files with CONDUCTOR_ALL_FILES=1 (`make test-views`)."""

from __future__ import annotations

import importlib.util
import os
import sysconfig
import warnings
from pathlib import Path

import pytest

from conductor.views.decode import decode_source
from conductor.views.parser import ASTParser

from .signatures import signatures

PARSER = ASTParser()
PARTS = 16


def sources() -> list[Path]:
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [path for path in library.rglob("*.py") if "site-packages" not in path.parts]
    for package in ("litellm", "pydantic"):
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.origin is not None
        files += Path(spec.origin).parent.rglob("*.py")
    files.sort()
    return files if os.environ.get("CONDUCTOR_ALL_FILES") else files[:: len(files) // 120]


@pytest.mark.parametrize("part", range(PARTS))
def test_signatures_of_real_files(part: int) -> None:
    seen = 0
    for file in sources()[part::PARTS]:
        code, notice = decode_source(file.read_bytes())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = signatures(code)
        except (SyntaxError, ValueError, RecursionError):
            continue
        if notice:
            continue
        seen += 1
        for form in ({}, {"compact": True}, {"docs": "first", "imports": True, "constants": True, "fields": True}):
            assert signatures(PARSER.get_skeleton_view(code, **form)) == expected, (file, form)
        assert signatures(PARSER.get_curated_view(code, docs="first")) == expected, file
        assert signatures(PARSER.get_curated_view(code)) == expected, file
    assert seen
