"""Tests that a change weakens: those that are gone, skipped, or check less than before."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from conductor.shape.base import listed
from conductor.shape.definitions import Definition, Module

_NAME = re.compile(r"test_.*\.py|.*_test\.py|tests?\.py|conftest\.py")
_SKIPS = frozenset(
    (
        "skip",
        "skipif",
        "skipIf",
        "skipUnless",
        "xfail",
        "expectedFailure",
        "skipTest",
        "SkipTest",
        "Skipped",
        "importorskip",
        "__test__",
        "collect_ignore",
        "collect_ignore_glob",
        "pytest_collection_modifyitems",
        "pytest_ignore_collect",
    )
)
_CHECKS = frozenset(["raises", "warns", "deprecated_call", "fail"])
_AT_THE_TOP = "all of the file, at its top"


class Weakened(Struct, frozen=True):
    """The names of the tests that a change removes, skips, or takes assertions or cases from."""

    removed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    lighter: tuple[str, ...] = ()

    def words(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return what is done, and to which tests."""
        kinds = (
            (f"removes {_count(self.removed, 'test')}", self.removed),
            (f"skips {_count(self.skipped, 'test')}", self.skipped),
            (f"takes checks out of {_count(self.lighter, 'test')}", self.lighter),
        )
        return [(verb, names) for verb, names in kinds if names]

    def notices(self) -> tuple[str, ...]:
        """Return a line for each kind, with the names."""
        return tuple(f"{verb}: {listed(names, 5)}" for verb, names in self.words())


def is_test_file(path: str) -> bool:
    """Say whether a file holds tests, by its name or a folder above it."""
    pure = PurePosixPath(path)
    below = not {"test", "tests"}.isdisjoint(pure.parts[:-1])
    return pure.suffix == ".py" and (below or bool(_NAME.fullmatch(pure.name)))


def weakened(old: ast.Module, new: ast.Module, before: Module, after: Module) -> Weakened:
    """Return what a change takes from the tests of a file. A test with another name and the same body is the same."""
    pairs = list(_pairs(before.definitions, after.definitions))
    removed = tuple(was.name for was, now in pairs if now is None and _is_test(was))
    kept = [(was, now) for was, now in pairs if now is not None]
    skipping = {was.name: was.is_class for was, now in kept if _skips(now) > _skips(was)}
    within = {was.name: was.owner for was, _ in kept if _is_test(was) and skipping.get(was.owner)}
    skipped = dict.fromkeys((*(name for name in skipping if name not in within.values()), *within))
    top = [_AT_THE_TOP] if _mentions(_loose(new.body)) > _mentions(_loose(old.body)) else []
    lighter = [was.name for was, now in kept if _checks(now) < _checks(was) or _fewer_cases(was, now)]
    return Weakened(removed, (*skipped, *top), tuple(lighter))


def _pairs(
    old: Mapping[str, Definition], new: Mapping[str, Definition]
) -> Iterator[tuple[Definition, Definition | None]]:
    free = [now for name, now in new.items() if name not in old and _is_test(now)]
    for name, was in old.items():
        now = new.get(name)
        if now is None and _is_test(was):
            now = next((other for other in free if other.body == was.body and _runs(other, was)), None)
            free = [other for other in free if other is not now]
        yield was, now


def _runs(other: Definition, was: Definition) -> bool:
    """Say whether a test that was moved is still collected, as far as the name of its class tells."""
    return other.owner in ("", was.owner) or other.owner.rpartition(".")[2].startswith("Test")


def _is_test(definition: Definition) -> bool:
    return definition.last.startswith("test") and not definition.is_class


def _skips(definition: Definition) -> int:
    """Count what keeps a test from being run to its end; of a class, what holds for all of its tests."""
    node = definition.node
    if isinstance(node, ast.ClassDef):
        return _mentions([*node.decorator_list, *_loose(node.body)])
    ends = sum(isinstance(part, ast.Return) and part.value is None for part in ast.walk(node))
    return _mentions([node]) + (ends if _is_test(definition) else 0)


def _mentions(nodes: Iterable[ast.AST]) -> int:
    """Count the names that skip tests."""
    every = (part for node in nodes for part in ast.walk(node))
    return sum(getattr(part, "attr", getattr(part, "id", getattr(part, "name", ""))) in _SKIPS for part in every)


def _loose(body: Iterable[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a block that are no definitions, but for the hooks that leave tests out."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return [node for node in body if not isinstance(node, kinds) or getattr(node, "name", "") in _SKIPS]


def _checks(definition: Definition) -> int:
    """Count the assertions of a function that can fail."""
    return 0 if definition.is_class else sum(map(_is_check, ast.walk(definition.node)))


def _is_check(node: ast.AST) -> bool:
    match node:
        case ast.Assert(test=ast.Constant(value=value)):
            return not value
        case ast.Assert():
            return True
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name.startswith("assert") or name in _CHECKS
        case _:
            return False


def _fewer_cases(was: Definition, now: Definition) -> bool:
    before, after = _cases(was), _cases(now)
    return before is not None and after is not None and after < before


def _cases(definition: Definition) -> int | None:
    """Count the cases that a test is given; None where they are not all written down there."""
    count = 0
    for decorator in definition.node.decorator_list:
        match decorator:
            case ast.Call(func=ast.Attribute(attr="parametrize"), args=[_, ast.List() | ast.Tuple() as given]):
                count += len(given.elts)
            case ast.Call(func=ast.Attribute(attr="parametrize")):
                return None
            case _:
                pass
    return count


def _count(names: tuple[str, ...], what: str) -> str:
    return f"{len(names)} {what}{'s' if len(names) > 1 else ''}"
