"""Plain values, of TOML or JSON, against annotations: every mistake in words, and the schema that models are told.

An annotation here is bool, int, float, str, a Literal, an Enum, `X | None`, `tuple[X, ...]`, `dict[str, X]`, a Struct
of these, or any of them Annotated with a `Meta`: bounds, a description, and in `extra["check"]` a function that raises
ValueError, in words, at a value that will not do. (`msgspec.convert` alone stops at the first mistake.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct, ValidationError, convert

from conductor.toml_source import Key, did_you_mean

Mistake = tuple[Key, str]

_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
_JSON = {bool: "boolean", int: "integer", float: "number", str: "string"}


def mistakes(value: object, kind: Any, at: Key = ()) -> Iterator[Mistake]:
    """Yield the place and the message of everything in `value` that an annotation does not take."""
    if value is None and _may_be_none(kind):
        return
    kind, metas = _bare(kind)
    if get_origin(kind) is tuple:
        yield from _of_array(value, get_args(kind)[0], at)
    elif get_origin(kind) is dict:
        names, kinds = get_args(kind)
        yield from _of_table(value, names, kinds, at)
    elif _is_struct(kind):
        yield from _of_struct(value, kind, at)
    else:
        yield from _of_scalar(value, kind, metas, at)


def schema(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a scalar, or of a Struct of scalars. What may be left out is not said to take null."""
    if _is_struct(kind):
        return _schema_of_struct(kind)
    kind, metas = _bare(kind)
    said: dict[str, Any] = {"type": _JSON[kind]} if kind in _JSON else {"enum": list(_choices(kind)), "type": "string"}
    for meta in metas:
        named = {"description": meta.description, "minimum": meta.ge, "exclusiveMinimum": meta.gt, "maximum": meta.le}
        said |= {name: value for name, value in named.items() if value is not None}
    return dict(sorted(said.items()))


def _schema_of_struct(kind: type[Struct]) -> dict[str, Any]:
    needed = _needed(kind)
    optional = dict(zip(kind.__struct_fields__[len(needed) :], kind.__struct_defaults__, strict=True))
    properties: dict[str, Any] = {}
    for name, hint in _hints(kind).items():
        default = {} if optional.get(name) is None else {"default": optional[name]}
        properties[name] = default | schema(hint)
    required = {"required": needed} if needed else {}
    return {"additionalProperties": False, "properties": properties, **required, "type": "object"}


def _may_be_none(kind: Any) -> bool:
    arms = (kind,)
    while get_origin(arms[0]) in (Annotated, UnionType, Union):
        if get_origin(arms[0]) is not Annotated and NoneType in get_args(arms[0]):
            return True
        arms = get_args(arms[0])
    return False


def _bare(kind: Any) -> tuple[Any, list[Meta]]:
    """Return an annotation without None and Annotated, and what it was annotated with."""
    metas: list[Meta] = []
    while True:
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            metas[:0] = [meta for meta in more if isinstance(meta, Meta)]
        elif get_origin(kind) in (UnionType, Union):
            kind = next(arm for arm in get_args(kind) if arm is not NoneType)
        else:
            return kind, metas


def _of_array(value: object, kind: Any, at: Key) -> Iterator[Mistake]:
    if not isinstance(value, list):
        yield at, "must be an array"
        return
    for index, item in enumerate(cast("list[object]", value)):
        yield from mistakes(item, kind, (*at, index))


def _of_table(value: object, key: Any, kind: Any, at: Key) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        yield at, "must be a table"
        return
    for name, item in cast("dict[str, object]", value).items():
        yield from mistakes(name, key, (*at, name))
        yield from mistakes(item, kind, (*at, name))


def _of_struct(value: object, kind: type[Struct], at: Key) -> Iterator[Mistake]:
    if not isinstance(value, Mapping):
        yield at, "must be a table"
        return
    given, known, wrong = cast("Mapping[str, object]", value), _hints(kind), False
    for name, item in given.items():
        found = mistakes(item, known[name], (*at, name)) if name in known else [((*at, name), _unknown(name, known))]
        for mistake in found:
            wrong = True
            yield mistake
    for name in _needed(kind):
        if name not in given:
            wrong = True
            yield (*at, name), "missing"
    if not wrong:
        try:
            convert(given, kind)
        except ValidationError as error:  # what the struct itself has against it
            yield at, str(error).partition(" - at `$")[0]


def _of_scalar(value: object, kind: Any, metas: Iterable[Meta], at: Key) -> Iterator[Mistake]:
    if not _fits(value, kind, metas):
        yield at, f"must be {_named(kind, metas)}"
        return
    try:
        for check in (meta.extra["check"] for meta in metas if meta.extra):
            check(value)
    except ValueError as error:
        yield at, str(error)


def _fits(value: object, kind: Any, metas: Iterable[Meta]) -> bool:
    if kind not in _NAMES:
        return value in _choices(kind)
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        return False
    try:
        convert(value, Annotated[kind, *metas] if metas else kind)
    except ValidationError:
        return False
    return not isinstance(value, float) or math.isfinite(value)


def _named(kind: Any, metas: Iterable[Meta]) -> str:
    if kind not in _NAMES:
        *first, last = map(repr, _choices(kind))
        return f"{', '.join(first)} or {last}" if first else last
    bounds = [
        f"{words} {bound:g}"
        for meta in metas
        for words, bound in (("greater than", meta.gt), ("not below", meta.ge), ("not above", meta.le))
        if bound is not None
    ]
    return " ".join((_NAMES[kind], " and ".join(bounds))).strip()


def _choices(kind: Any) -> tuple[str, ...]:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    assert get_origin(kind) is Literal, f"not an annotation that is checked here: {kind}"
    return get_args(kind)


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"unknown key{did_you_mean(name, known)}"


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _needed(kind: type[Struct]) -> list[str]:
    names = kind.__struct_fields__
    return list(names[: len(names) - len(kind.__struct_defaults__)])


def _hints(kind: type[Struct]) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=True)
