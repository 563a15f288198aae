"""Views of programs that hypothesmith writes from Python's own grammar."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, given, settings

from conductor.views.parser import ASTParser

from .signatures import signatures

hypothesmith = pytest.importorskip("hypothesmith")
PARSER = ASTParser()


@given(hypothesmith.from_grammar())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_signatures_of_any_grammatical_program(code: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = signatures(code)
        except (SyntaxError, ValueError):
            return
        for form in ({}, {"compact": True}):
            assert signatures(PARSER.get_skeleton_view(code, **form)) == expected
        assert signatures(PARSER.get_curated_view(code, docs="none")) == expected
