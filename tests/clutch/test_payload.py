"""Payloads as a person edits them: back as they were, and every mistake with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.clutch.payload import NoPayload, read_payload, same_payload, write_payload
from conductor.visible import is_suspect

TEXT = st.text(st.characters(codec=None, categories=None) | st.sampled_from('\\"/{}:,\x1b\u202e\ud800'), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_a_payload_survives_being_written_and_holds_nothing_invisible(payload):
    text = write_payload(payload)
    assert not any(map(is_suspect, set(text)))
    assert same_payload(read_payload(text), payload)


def test_letters_that_pass_for_latin_ones_are_escaped_and_words_of_their_own_script_are_not():
    text = write_payload({"a": "p\u0430ypal", "b": "one\nпривет"})
    assert r'"p\u0430yp' in text
    assert r'"one\nпривет"' in text


@given(st.text('{}[]:,"ab\\ \n12eEN-+.', max_size=20))
def test_any_text_is_a_payload_or_a_mistake_with_a_place(text):
    try:
        read_payload(text)
    except NoPayload as error:
        assert 1 <= error.mistake.line <= text.count("\n") + 1
        assert error.mistake.column >= 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, column 1: Expecting value"),
        ('{"a": 1,\n "b" 2}', "line 2, column 6: Expecting ':' delimiter"),
        (' {"a": 1,\n  "\\u0061": 2}', "line 2, column 3: the key 'a' is given twice"),
        ('{"x": [{"a": 1}, {"a": 1, "b": {}, "a": 2}]}', "line 1, column 36: the key 'a' is given twice"),
        ('{"a": [1, NaN]}', "line 1, column 11: NaN is no number that JSON has"),
        ('{"a": -Infinity}', "line 1, column 7: -Infinity is no number that JSON has"),
        ('{"a": 1e999}', "line 1, column 7: 1e999 is no number that JSON has"),
        ("\n[1]", "line 2, column 1: expected an object: { ... }"),
        ('{"a":' * 100_000, "line 1, column 1: nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "line 1, column 1: "),
    ],
)
def test_mistakes_say_where_they_are(text, said):
    with pytest.raises(NoPayload) as caught:
        read_payload(text)
    assert str(caught.value).startswith(said)


def test_true_is_not_one():
    assert not same_payload({"a": 1}, {"a": True})
    assert same_payload({"a": 1, "b": 2}, {"b": 2, "a": 1})
