"""What a human should know of a change to a file before deciding on it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

from conductor.shape.base import Findings, listed
from conductor.shape.frozen import frozen_by
from conductor.tools.base import FileChange
from conductor.tools.text import text_of
from conductor.tools.workspace import Workspace

if TYPE_CHECKING:
    import ast

    from conductor.shape.callers import Callers, Found

_SUFFIXES = (".py", ".pyi")
_LARGEST = 1_000_000


class ChangeReader:
    """Reads changes to the files of a project, of which `frozen` (patterns) may not be changed by a key alone."""

    def __init__(self, workspace: Workspace, frozen: Sequence[str] = ()) -> None:
        self._workspace = workspace
        self._frozen = tuple(frozen)
        self._callers: Callers | None = None

    def frozen_by(self, path: str, further: Sequence[str] = ()) -> str:
        """Return the pattern that freezes a file, one of a ticket's `further` ones included; "" where none does."""
        return frozen_by(path, (*self._frozen, *further))

    def read(self, change: FileChange, further: Sequence[str] = (), written: str = "") -> Findings:
        """Return what is to be said of a change; `further` patterns freeze files too.

        `written` is the path as the worker has it, which may be a frozen link to a file that is not.
        """
        names = (change.path, posixpath.normpath(written))
        pattern = next(filter(None, (self.frozen_by(name, further) for name in names)), "")
        notices = (f'this file is frozen ("{pattern}")',) if pattern else ()
        dangers = ("this changes a frozen file",) if pattern else ()
        found = self._of_python(change) if change.path.endswith(_SUFFIXES) else Findings()
        return Findings(found.shape, (*notices, *found.notices), (*dangers, *found.dangers))

    def _of_python(self, change: FileChange) -> Findings:
        """Return what a change does to Python code. Code that cannot be read, or is too large, has no shape."""
        if max(len(change.before or b""), len(change.after or b"")) > _LARGEST:
            return Findings(notices=("this file is too large to say what the change does to its tests and its shape",))
        from conductor.views.cpython import read_python

        try:
            new = read_python(text_of(change.after) or "")
        except SyntaxError as error:
            return Findings(notices=(f"the new content does not parse: line {error.lineno}: {error.msg}",))
        try:
            return self._compared(change, read_python(text_of(change.before) or ""), new)
        except SyntaxError:
            return Findings()
        except RecursionError:
            return Findings(notices=("this code is nested too deeply to say what the change does to it",))

    def _compared(self, change: FileChange, old: ast.Module, new: ast.Module) -> Findings:
        from conductor.shape.definitions import module_of
        from conductor.shape.difference import broken, difference
        from conductor.shape.weakening import Weakened, is_test_file, weakened

        before, after = module_of(old), module_of(new)
        found = difference(before, after)
        worse = weakened(old, new, before, after) if is_test_file(change.path) else Weakened()
        missing = list(broken(found, before, after))
        callers = self._project().missing(change.path, new, missing) if missing else None
        shape, notices = found.words(), worse.notices()
        if callers and callers.callers:
            notices += (_said(callers),)
        if callers and callers.only is not None:
            shape += f"; callers looked for in {callers.only:,} files only"
        return Findings(shape, notices, tuple(f"this {verb}" for verb, _ in worse.words()))

    def _project(self) -> Callers:
        from conductor.shape.callers import Callers

        self._callers = self._callers or Callers(self._workspace)
        return self._callers


def _said(found: Found) -> str:
    places = list(dict.fromkeys(f"{caller.path}:{caller.line} ({caller.name})" for caller in found.callers))
    return f"{'1 caller does' if len(places) == 1 else f'{len(places)} callers do'} not follow: {listed(places)}"
