"""What a call hands over, and whether a signature takes it."""

from __future__ import annotations

import ast

from msgspec import Struct

# Decorators that leave what a call hands over as it is; of others nobody knows.
_PLAIN = frozenset(
    (
        "staticmethod",
        "classmethod",
        "contextmanager",
        "asynccontextmanager",
        "lru_cache",
        "cache",
        "abstractmethod",
        "override",
        "final",
        "deprecated",
        "wraps",
        "dataclass",
        "total_ordering",
    )
)


class Arguments(Struct, frozen=True):
    """A call: how many arguments by position, which by name, and whether further ones come from `*` or `**`."""

    count: int
    names: tuple[str, ...] = ()
    spread: bool = False


class Parameters(Struct, frozen=True):
    """What a call may hand over. The first `only` of `positional` have no name to callers.

    `more` and `extra` say that further arguments are taken by position and by name.
    """

    positional: tuple[str, ...] = ()
    only: int = 0
    named: tuple[str, ...] = ()
    needed: frozenset[str] = frozenset()
    more: bool = False
    extra: bool = False

    def take(self, call: Arguments) -> bool:
        """Say whether a call fits, as far as it can be seen: what a spread brings is given the benefit of the doubt."""
        if call.count > len(self.positional) and not self.more:
            return False
        given = {*self.positional[: call.count], *call.names}
        by_name = {*self.positional[max(self.only, call.count) :], *self.named}
        if not self.extra and not by_name.issuperset(call.names):
            return False
        return call.spread or given >= self.needed


def arguments_of(call: ast.Call) -> Arguments:
    """Return what a call hands over."""
    plain = [argument for argument in call.args if not isinstance(argument, ast.Starred)]
    names = tuple(keyword.arg for keyword in call.keywords if keyword.arg)
    spread = len(plain) < len(call.args) or len(names) < len(call.keywords)
    return Arguments(len(plain), names, spread)


def of_function(node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool) -> Parameters | None:
    """Return what callers of a function hand over (a method's first parameter left out), None where it is not known."""
    names = [_name(decorator) for decorator in node.decorator_list]
    if not _PLAIN.issuperset(names):
        return None
    given = node.args
    positional = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    only = len(given.posonlyargs)
    needed = set(positional[: len(positional) - len(given.defaults)])
    if method and "staticmethod" not in names:
        needed -= set(positional[:1])
        positional, only = positional[1:], max(0, only - 1)
    needed |= {a.arg for a, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value is None}
    named = tuple(argument.arg for argument in given.kwonlyargs)
    return Parameters(tuple(positional), only, named, frozenset(needed), bool(given.vararg), bool(given.kwarg))


def of_dataclass(node: ast.ClassDef) -> Parameters | None:
    """Return what makes an object of a plain dataclass, None for any other class."""
    if node.bases or node.keywords or [_name(decorator) for decorator in node.decorator_list] != ["dataclass"]:
        return None
    options = node.decorator_list[0].keywords if isinstance(node.decorator_list[0], ast.Call) else []
    if any(option.arg not in ("frozen", "slots", "eq", "order", "repr", "unsafe_hash") for option in options):
        return None
    names: list[str] = []
    needed: set[str] = set()
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=value):
                if "ClassVar" in ast.unparse(kind):
                    continue
                if "InitVar" in ast.unparse(kind) or "KW_ONLY" in ast.unparse(kind) or isinstance(value, ast.Call):
                    return None  # field(...) may leave it out, or give it a default
                names.append(name)
                needed |= set() if value else {name}
            case _:
                pass
    return Parameters(tuple(names), needed=frozenset(needed))


def _name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return getattr(called, "attr", getattr(called, "id", ""))
