"""From two versions of a file to what changed of its shape, in words, and what callers could miss."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from conductor.shape.base import listed
from conductor.shape.definitions import Definition, Module, short


class Broken(Struct, frozen=True):
    """A definition whose callers may have to follow; `now` is what stands there instead, None when it is gone."""

    was: Definition
    now: Definition | None


class Difference(Struct, frozen=True):
    """What changed from one version to another: names with the definitions before and after."""

    changed: tuple[tuple[Definition, Definition], ...] = ()
    annotated: tuple[Definition, ...] = ()
    removed: tuple[Definition, ...] = ()
    renamed: tuple[tuple[Definition, Definition], ...] = ()
    added: tuple[Definition, ...] = ()

    def words(self) -> str:
        """Return it in one line, "" where the shape is the same."""
        parts = (
            ("changes", [_change(*pair) for pair in self.changed]),
            ("renames", [f"{was.name} to {now.last}" for was, now in self.renamed]),
            ("removes", [_named(definition) for definition in self.removed]),
            ("adds", [_named(definition) + short(definition.bare) for definition in self.added]),
            ("annotates", [definition.name for definition in self.annotated]),
        )
        return "; ".join(f"{verb} {listed(items)}" for verb, items in parts if items)


def difference(old: Module, new: Module) -> Difference:
    """Return what changed. What goes with a class that is removed or added as a whole is not named by itself."""
    here, there = old.definitions, new.definitions
    gone = [d for name, d in here.items() if name not in there and d.owner not in here.keys() - there.keys()]
    come = [d for name, d in there.items() if name not in here and d.owner not in there.keys() - here.keys()]
    renamed = list(_renamed(gone, come))
    gone = [d for d in gone if d.name not in {was.name for was, _ in renamed}]
    come = [d for d in come if d.name not in {now.name for _, now in renamed}]
    both = [(definition, there[name]) for name, definition in here.items() if name in there]
    changed = tuple(pair for pair in both if _differ(*pair))
    annotated = tuple(now for was, now in both if was.head != now.head and not _differ(was, now))
    return Difference(changed, annotated, tuple(gone), tuple(renamed), tuple(come))


def broken(found: Difference, old: Module, new: Module) -> Iterator[Broken]:
    """Yield what callers may not follow: what is gone, and what takes other arguments than before."""
    for definition in (*found.removed, *(was for was, _ in found.renamed)):
        still_bound = not definition.owner and (new.open or definition.last in new.bound)
        if not still_bound and " " not in definition.name and not _is_hidden(definition):
            yield Broken(definition, None)
    for name, was in old.definitions.items():
        now = new.definitions.get(name)
        if now and not _is_hidden(was) and was.parameters and now.parameters and was.parameters != now.parameters:
            yield Broken(was, now)


def _is_hidden(definition: Definition) -> bool:
    """Say whether nobody calls it by its name: what makes an object is called by the name of the class."""
    return definition.last.startswith("__") and definition.last.endswith("__")


def _differ(was: Definition, now: Definition) -> bool:
    same = (was.bare, was.decorators, was.is_class) == (now.bare, now.decorators, now.is_class)
    return not same or (was.is_class and was.parameters != now.parameters and not now.has_init)


def _renamed(gone: list[Definition], come: list[Definition]) -> Iterator[tuple[Definition, Definition]]:
    """Pair what has another name and does the same; a body without anything in it says nothing."""
    free = list(come)
    for was in gone:
        for now in free if len(was.body) > 80 else ():
            if (was.owner, was.is_class, was.body) == (now.owner, now.is_class, now.body):
                free.remove(now)
                yield was, now
                break


def _named(definition: Definition) -> str:
    return f"class {definition.name}" if definition.is_class else definition.name


def _change(was: Definition, now: Definition) -> str:
    before, after = was.bare, now.bare
    if was.is_class and now.is_class and before == after:
        before, after = _made_of(was), _made_of(now)
    words = f"{short(before)} → {short(after) or '()'}" if before != after or was.is_class != now.is_class else ""
    gained = [short(f" now {name}") for name in now.decorators if name not in was.decorators]
    lost = [short(f" no longer {name}") for name in was.decorators if name not in now.decorators]
    return _named(was) + words + ("".join([*gained, *lost]) or ("" if words else " in the order of its decorators"))


def _made_of(definition: Definition) -> str:
    known = definition.parameters
    if not known:
        return "(…)"
    return f"({', '.join(name if name in known.needed else f'{name}=…' for name in known.positional)})"
