from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, ValidationError, convert

from conductor.typed import mistakes, schema


class Call(Struct):
    path: Annotated[str, Meta(description="where")]
    line: Annotated[int, Meta(ge=1)] | None = None
    view: Literal["raw", "curated"] = "raw"


def _even(number: int) -> None:
    if number % 2:
        raise ValueError("must be even")


SHARE = "must be a number greater than 0 and not above 1"


class Mood(StrEnum):
    CALM = "calm"
    LOUD = "loud"


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    share: Annotated[float, Meta(gt=0, le=1)]


class Whole(Struct, frozen=True, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=2, extra={"check": _even})] | None = None
    on: bool = False
    mood: Mood = Mood.CALM
    way: Literal["left", "right"] = "left"
    parts: tuple[Inner, ...] = ()
    named: dict[str, Inner] = {}

    def __post_init__(self) -> None:
        if self.on and self.count is None:
            raise ValueError("on needs a count")


def test_every_mistake_is_named_with_its_place() -> None:
    value = {
        "count": 1,
        "on": 1,
        "mood": "sad",
        "way": None,
        "parts": [{"share": 2}, {}, 3],
        "named": {"a": {"share": True, "shape": 1}},
        "mod": "x",
    }
    assert list(mistakes(value, Whole)) == [
        (("count",), "must be an integer not below 2"),
        (("on",), "must be true or false"),
        (("mood",), "must be 'calm' or 'loud'"),
        (("way",), "must be 'left' or 'right'"),
        (("parts", 0, "share"), SHARE),
        (("parts", 1, "share"), "missing"),
        (("parts", 2), "must be a table"),
        (("named", "a", "share"), SHARE),
        (("named", "a", "shape"), 'unknown key; did you mean "share"?'),
        (("mod",), 'unknown key; did you mean "mood"?'),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"count": 3}, [(("count",), "must be even")]),
        ({"count": None}, []),
        ({"on": True}, [((), "on needs a count")]),
        ({"named": []}, [(("named",), "must be a table")]),
        ({"parts": {}}, [(("parts",), "must be an array")]),
        ([], [((), "must be a table")]),
        (
            {"parts": [{"share": float("nan")}]},
            [(("parts", 0, "share"), SHARE)],
        ),
    ],
)
def test_what_a_value_has_against_it(value: object, expected: list[object]) -> None:
    assert list(mistakes(value, Whole)) == expected


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 5) | st.floats(-2, 2) | st.sampled_from(["calm", "left", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["count", "on", "mood", "way", "parts", "named", "share", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_what_has_no_mistakes_can_be_converted(value: Any) -> None:
    try:
        convert(value, Whole)
    except ValidationError:
        assert list(mistakes(value, Whole))
    else:
        assert [message for _, message in mistakes(value, Whole)] in ([], ["must be even"])


def test_the_schema_says_bounds_choices_and_what_is_needed() -> None:
    assert schema(Call) == {
        "additionalProperties": False,
        "properties": {
            "path": {"description": "where", "type": "string"},
            "line": {"minimum": 1, "type": "integer"},
            "view": {"default": "raw", "enum": ["raw", "curated"], "type": "string"},
        },
        "required": ["path"],
        "type": "object",
    }
