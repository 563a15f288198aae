"""Whether arguments are what a server's schema asks for. The schema is a stranger's, so nothing in it is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from conductor.tools.mcp.base import JsonObject

_MATCH_S = 0.5
_SHOWN = 8


def mistakes(schema: JsonObject, arguments: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the arguments, at most eight lines; [] when they fit."""
    from jsonschema import Draft202012Validator, SchemaError, validators
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    library: Any = validators  # its types are of another package's making
    base = library.validator_for(dict(schema), default=Draft202012Validator)
    checker = library.extend(base, {"pattern": _pattern})
    try:
        checker.check_schema(dict(schema))
        # An empty registry: a "$ref" to an address is not followed.
        errors = checker(dict(schema), registry=cast(Any, Registry)()).iter_errors(dict(arguments))
        return [f"{error.json_path}: {error.message[:300]}" for error, _ in zip(errors, range(_SHOWN), strict=False)]
    except SchemaError as error:
        return [f"the server's own schema is wrong: {error.message[:300]}"]
    except (Unresolvable, RecursionError):
        return ["the server's own schema cannot be followed"]
    except TimeoutError:
        return ["a pattern of the server's schema takes too long"]
    except Exception as error:  # a stranger's schema meets a library: whatever comes of it is no crash
        return [f"the server's own schema cannot be used: {type(error).__name__}"]


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    """Match as JSON schema has it, with a limit of time, which the library's own lacks."""
    import regex
    from jsonschema import ValidationError

    del schema
    if validator.is_type(instance, "string") and not regex.search(pattern, instance, timeout=_MATCH_S):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")
