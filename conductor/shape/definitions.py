"""The definitions of a Python file as callers see them: names, signatures, and what a call may hand over."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from msgspec import Struct

from conductor.shape.signatures import Parameters, of_dataclass, of_function

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_WIDEST = 60


@dataclass(frozen=True)
class Definition:
    """A function, method or class. `owner` is the class it stands in, "" for none; `name` includes it.

    `parameters` are what a call hands over, None where that cannot be told.
    """

    name: str
    owner: str
    line: int
    parameters: Parameters | None
    node: FunctionNode | ast.ClassDef = field(compare=False, repr=False)
    many: bool = False  # another one of the same name stands in the file: which of them counts is not known

    @property
    def last(self) -> str:
        """The name without its class."""
        return self.node.name

    @property
    def is_class(self) -> bool:
        """Say whether it is a class."""
        return isinstance(self.node, ast.ClassDef)

    @property
    def has_init(self) -> bool:
        """Say whether it is a class that says itself what makes an object."""
        return any(isinstance(part, FunctionNode) and part.name == "__init__" for part in self.node.body)

    @cached_property
    def decorators(self) -> tuple[str, ...]:
        """The decorators in their source form."""
        return tuple(f"@{ast.unparse(decorator)}" for decorator in self.node.decorator_list)

    @cached_property
    def head(self) -> str:
        """What stands behind the name: the parameters without self or cls, and what is returned."""
        return _head(self.node, method=bool(self.owner), annotated=True)

    @cached_property
    def bare(self) -> str:
        """The same without annotations."""
        return _head(self.node, method=bool(self.owner), annotated=False)

    @cached_property
    def body(self) -> str:
        """What it does, whatever its name."""
        return "\n".join(map(ast.dump, self.node.body))


class Module(Struct, frozen=True):
    """The definitions of a file by name, and the names that are bound at its top.

    It is `open` where names may come from a place that cannot be seen (`import *`, `__getattr__`).
    """

    definitions: Mapping[str, Definition]
    bound: frozenset[str] = frozenset()
    open: bool = False


def module_of(tree: ast.Module) -> Module:
    """Return what stands in a file."""
    found: dict[str, Definition] = {}
    for definition in _definitions(tree.body, ""):
        seen = definition.name in found
        found[definition.name] = replace(definition, many=True, parameters=None) if seen else definition
    bound = frozenset(_bound(tree.body))
    return Module(found, bound, "*" in bound or "__getattr__" in bound)


def short(text: str) -> str:
    """Return a text of bearable width."""
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def blocks(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a block and of the blocks of its conditions, in order; definitions are not entered."""
    waiting = list(reversed(body))
    while waiting:
        statement = waiting.pop()
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.TryStar | ast.With | ast.For | ast.While):
            parts = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
            handlers = [handler.body for handler in getattr(statement, "handlers", ())]
            inner = [*parts[0], *(line for block in handlers for line in block), *parts[1], *parts[2]]
            waiting += reversed(inner)


def _definitions(body: Sequence[ast.stmt], owner: str) -> Iterator[Definition]:
    for node in blocks(body):
        if isinstance(node, ast.ClassDef):
            name = f"{owner}.{node.name}".lstrip(".")
            members = list(_definitions(node.body, name))
            yield Definition(name, owner, node.lineno, _constructor(node, members), node)
            yield from members
        elif isinstance(node, FunctionNode):
            accessor = _accessor(node)
            parameters = None if accessor else of_function(node, method=bool(owner))
            if accessor != "overload":
                yield Definition(f"{owner}.{node.name}{accessor}".lstrip("."), owner, node.lineno, parameters, node)


def _constructor(node: ast.ClassDef, members: Sequence[Definition]) -> Parameters | None:
    own = next((member for member in members if member.last == "__init__"), None)
    made = {"__new__", "__call__"} & {member.last for member in members}
    if own or made or node.decorator_list or node.bases or node.keywords:
        plain = own and not made and not node.keywords
        return own.parameters if own and plain else of_dataclass(node)
    return Parameters()


def _accessor(node: FunctionNode) -> str:
    """Say of which kind a further definition of one name is: a property's setter, an overload."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Attribute) and decorator.attr in ("setter", "deleter"):
            return decorator.attr
        if getattr(decorator, "attr", getattr(decorator, "id", "")) == "overload":
            return "overload"
    return ""


def _bound(body: Sequence[ast.stmt]) -> Iterator[str]:
    for node in blocks(body):
        match node:
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (name.asname or name.name.partition(".")[0] for name in names)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass


def _head(node: FunctionNode | ast.ClassDef, *, method: bool, annotated: bool) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, [*node.bases, *node.keywords]))
        return f"({bases})" if bases else ""
    arguments = copy.deepcopy(node.args)
    positional = arguments.posonlyargs or arguments.args
    static = any(getattr(decorator, "id", "") == "staticmethod" for decorator in node.decorator_list)
    if method and positional and not static:
        del positional[0]
    if not annotated:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for argument in filter(None, every):
            argument.annotation = None
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and annotated else ""
    waits = " async" if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"({ast.unparse(arguments)}){returns}{waits}"
