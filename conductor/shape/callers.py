"""Callers in the project that do not follow a change: found by names and imports, within a bounded time.

What an object is cannot be told from the syntax, so a method's callers are those of its name, and only where that name
is the project's own; a call that did not fit before either is another function's.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

from msgspec import Struct

from conductor.errors import Refused
from conductor.shape.difference import Broken
from conductor.shape.uses import Use, Uses, leads_to, module_parts, uses_of
from conductor.tools.text import text_of
from conductor.tools.workspace import Workspace
from conductor.views.cpython import read_python

_LARGEST = 300_000
# Names that objects of the language have too: what is meant by them cannot be told.
_KINDS = (str, bytes, list, dict, set, tuple, int, float, Path, re.Pattern, threading.Thread, subprocess.Popen)
_OF_EVERYBODY = frozenset(name for kind in (*_KINDS, io.TextIOWrapper, Future) for name in dir(kind))


class Caller(Struct, frozen=True):
    """A place that uses `name` as it was before. It is `sure` where no other thing of that name can be meant."""

    path: str
    line: int
    name: str
    sure: bool = True


class Found(Struct, frozen=True):
    """The callers, and how many files were looked at where the time was up before the last of them (else None)."""

    callers: tuple[Caller, ...] = ()
    only: int | None = None


class Callers:
    """Looks through the Python files of a project; what it has read of a file is kept until the file changes."""

    def __init__(self, workspace: Workspace, seconds: float = 0.1) -> None:
        self._workspace = workspace
        self._seconds = seconds
        self._kept: dict[str, tuple[int, Uses]] = {}

    def missing(self, path: str, after: ast.Module, broken: Sequence[Broken]) -> Found:
        """Return who uses what is `broken` in the file at `path`, whose new content is `after`, as it was before."""
        until = time.monotonic() + self._seconds
        targets = [_Target(one, module_parts(path)) for one in broken]
        uses = uses_of(after, path)
        names = [node.name for node in ast.walk(after) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        defined = {target.name: names.count(target.name) for target in targets}
        found = [caller for target in targets for caller in target.left_in(uses, path, namesakes=defined[target.name])]
        for looked, (name, content) in enumerate(self._others(path)):
            if time.monotonic() > until:
                return Found(tuple(caller for caller in found if caller.sure), only=looked)
            for target in targets:
                if target.is_in(content):
                    defined[target.name] += target.defined_in(content)
                    found += target.left_in(self._uses(name, content), name) if target.is_near(content) else ()
        alone = {target.name for target in targets if defined[target.name] <= target.defined_now}
        return Found(tuple(caller for caller in found if caller.sure or caller.name in alone))

    def _others(self, path: str) -> Iterator[tuple[str, bytes]]:
        """Yield the project's other Python files, one after the other."""
        for real in self._workspace.walk(self._workspace.root):
            name = self._workspace.relative(real)
            if real.suffix == ".py" and name != path:
                try:
                    yield name, self._workspace.read(real)
                except Refused:
                    continue

    def _uses(self, name: str, content: bytes) -> Uses:
        version = hash(content)
        if name in self._kept and self._kept[name][0] == version:
            return self._kept[name][1]
        try:
            text = text_of(content) if len(content) <= _LARGEST else None
            uses = uses_of(read_python(text or ""), name)
        except (SyntaxError, RecursionError):
            uses = Uses()
        self._kept[name] = (version, uses)
        return uses


class _Target:
    """A definition that callers may not follow, and the module it stands in."""

    def __init__(self, broken: Broken, module: tuple[str, ...]) -> None:
        self._was, self._now = broken.was.parameters, broken.now
        self._owner, self._module = broken.was.owner, module
        self._static = {"@staticmethod", "@classmethod"}.intersection(broken.was.decorators)
        self.name = broken.was.last
        name, called = re.escape(self.name.encode()), rb"" if broken.now is None else rb"(?:\s*\(|\s+as\b)"
        self._pattern = re.compile(rb"\b" + name + rb"\b" + called)
        self._top = self._owner.partition(".")[0] or self.name
        self.defined_now = int(broken.now is not None)

    def is_in(self, content: bytes) -> bool:
        """Say whether a file may call it; of what is gone, whether it names it at all."""
        return self.name.encode() in content and bool(self._pattern.search(content))

    def is_near(self, content: bytes) -> bool:
        """Say whether a file that names it can be about it: whether it names its class, its module or the package."""
        nearby = (self._owner.partition(".")[0], *self._module[-2:])
        return any(word and word.encode() in content for word in nearby)

    def defined_in(self, content: bytes) -> int:
        """Return how many functions of its name a file has."""
        return len(re.findall(rb"\bdef\s+" + self.name.encode() + rb"\s*\(", content))

    def left_in(self, uses: Uses, path: str, namesakes: int | None = None) -> Iterator[Caller]:
        """Yield the places of a file that use it as it was.

        `namesakes` counts the functions of its name in the file it stands in, None for any other file.
        """
        aliases = {i.local for i in uses.imported if i.name == self._top and self._gives(i.parts, exact=i.exact)}
        modules = {i.local for i in uses.imported if leads_to(i.whole, self._module, exact=i.exact)}
        if namesakes is not None and self._top not in uses.stored:
            aliases.add(self._top)
        own = {"self", "cls"} if self._owner and namesakes is not None and namesakes < 2 else set[str]()
        others = {i.local for i in uses.imported} - aliases
        places = [use for use in uses.uses if self._is_meant(use, aliases | own, modules, others) and self._misses(use)]
        for use in sorted(places, key=lambda use: use.line):
            sure = not self._owner or use.before in aliases | own
            yield Caller(path, use.line, self.name, sure)
        if not places and not self._owner and self._now is None:
            yield from (Caller(path, i.line, self.name) for i in uses.imported if i.local in aliases)

    def _gives(self, parts: tuple[str, ...], *, exact: bool) -> bool:
        """Say whether names of the module may be imported from `parts`: from it, or from a package it lies in."""
        ends = range(1, len(self._module) + 1)
        return any(leads_to(parts, self._module[:end], exact=exact) for end in ends)

    def _is_meant(self, use: Use, aliases: set[str], modules: set[str], others: set[str]) -> bool:
        if not self._owner:
            return use.name in aliases if not use.before else use.before in modules and use.name == self.name
        if use.name != self.name or not use.before:
            return False
        if use.before in aliases:
            return bool(self._static) or self._now is None or use.before in ("self", "cls")
        return use.before not in others and self.name not in _OF_EVERYBODY

    def _misses(self, use: Use) -> bool:
        if self._now is None:
            return True
        if not (use.call and self._was and self._now.parameters):
            return False
        return self._was.take(use.call) and not self._now.parameters.take(use.call)
