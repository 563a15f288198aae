from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from msgspec.structs import fields

from conductor.events import KINDS, Payload, from_json, to_json

SAMPLES: dict[Any, Any] = {str: "text \ud800", bool: True, int: 3, float: 0.5, float | None: 0.5, int | None: None}


def sample(kind: type[Payload]) -> Payload:
    """An event of the kind with a value of the declared type in every field."""
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        if name == "kind":
            continue
        if hint in SAMPLES:
            values[name] = SAMPLES[hint]
        elif get_origin(hint) is Sequence:
            values[name] = ["x"] if get_args(hint)[0] is str else [{"a": "b"}]
        else:
            assert get_origin(hint) is Mapping, f"{kind.__name__}.{name} is no plain JSON value: {hint}"
            values[name] = {"a": [1, None, {"b": 2.5}]}
    return kind(**values)


def test_kinds_are_complete_unique_and_described() -> None:
    members = get_args(Payload)

    assert set(KINDS.values()) == set(members)
    assert len(KINDS) == len(members)
    for kind, member in KINDS.items():
        assert kind == member.kind
        assert member.__doc__
        assert not member.__doc__.startswith(f"{member.__name__}(")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_json(kind: str) -> None:
    payload = sample(KINDS[kind])

    assert from_json(kind, json.loads(json.dumps(to_json(payload)))) == payload


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_event_of_ours_is_told(kind: str) -> None:
    with pytest.raises(TypeError):
        from_json(kind, {**to_json(sample(KINDS[kind])), "unheard_of": 1})
    if any(field.required for field in fields(KINDS[kind])):
        with pytest.raises(TypeError):
            from_json(kind, {})
    with pytest.raises(KeyError):
        from_json(f"{kind}_2", {})
