"""What a call is about to change, kept before it does; what it has changed, as entries; what of that is put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from conductor import events
from conductor.history.base import FileState, Tree, file_state
from conductor.history.restore import restore
from conductor.history.steps import Restored
from conductor.messages import Effect
from conductor.tools.base import Action
from conductor.tools.workspace import Workspace

Recorded = events.CodeChanged | events.ChangesUnknown
PutBack = tuple[dict[str, Any], ...]
"""For each file its path, and its mode and hash before and after, as the journal has it."""


class Recorder(Struct, frozen=True):
    """Keeps what the calls of one worker change, by a tree and a store's `put` and `get`.

    Calls of file tools say themselves what they change; for commands and other tools of unknown effect the tree is
    compared. `attempt` tells the marks of one worker from those of another. `frozen_by` names the pattern
    that freezes a file.
    """

    tree: Tree
    put: Callable[[bytes], str]
    get: Callable[[str], bytes]
    workspace: Workspace
    attempt: str = ""
    frozen_by: Callable[[str], str] = lambda _: ""

    def prepare(self, call_id: str, action: Action, effect: str) -> str:
        """Keep what the call may change, before its intent is journaled; return the mode of the file it is about."""
        if effect == Effect.UNSAFE:
            self.begin(call_id)
        if not action.change:
            return ""
        for content in (action.change.before, action.change.after):
            self.put(content or b"")
        return file_state(self.workspace.root / action.change.path).mode

    def begin(self, call_id: str) -> None:
        """Keep the project as it is before a command."""
        self.tree.begin(f"{self.attempt} {call_id}")

    def changed(self, started: events.CallStarted) -> tuple[events.CodeChanged, ...]:
        """Return what a call of a file tool has just done, or is found to have done before a crash."""
        path, after = started.path, started.after
        return (
            events.CodeChanged(
                call_id=started.call_id,
                path=path,
                before=started.before,
                after=after,
                lines=started.lines,
                before_mode=started.before_mode,
                after_mode=file_state(self.workspace.root / path).mode if after else "",
                kept=bool(started.before_mode) or not started.before,
                frozen=self.frozen_by(path),
            ),
        )

    def compared(self, call_id: str) -> tuple[Recorded, ...]:
        """Return what is different since `begin`, and what of it is not known."""
        found = self.tree.changes(f"{self.attempt} {call_id}")
        entries = tuple(
            events.CodeChanged(
                call_id=call_id,
                path=change.path,
                before=change.before.digest,
                after=change.after.digest,
                before_mode=change.before.mode,
                after_mode=change.after.mode,
                kept=change.kept,
                found=True,
                frozen=self.frozen_by(change.path),
            )
            for change in found.files
        )
        return (*entries, events.ChangesUnknown(call_id, found.uncovered)) if found.uncovered else entries

    def put_back(
        self, found: tuple[Recorded, ...], unwanted: Callable[[events.CodeChanged], bool]
    ) -> tuple[tuple[Recorded, ...], PutBack]:
        """Make the files of unwanted changes what they were; return the other changes, and which these were.

        It may be cut off and done again, as long as `begin` was told the same call before both. A file that somebody
        changes at this very moment is left alone. Raises what `restore` does.
        """
        wrong = {c.path: c for c in found if isinstance(c, events.CodeChanged) and c.kept and unwanted(c)}
        files = [
            Restored(path, FileState(c.after_mode, c.after), FileState(c.before_mode, c.before))
            for path, c in wrong.items()
        ]
        for path in restore(self.workspace.root, files, self.get):
            del wrong[path]
        kept = tuple(c for c in found if not isinstance(c, events.CodeChanged) or c.path not in wrong)
        names = ("path", "before", "after", "before_mode", "after_mode")
        return kept, tuple({name: getattr(c, name) for name in names} for c in wrong.values())
