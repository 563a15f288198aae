"""What a call is about to change, kept before it does; and what it has changed, as entries of the journal."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from conductor import events
from conductor.history.base import Tree, file_state
from conductor.messages import Effect
from conductor.tools.base import Action
from conductor.tools.workspace import Workspace

Recorded = events.CodeChanged | events.ChangesUnknown


class Recorder(Struct, frozen=True):
    """Keeps what the calls of one worker change, by a tree and a store's `put`.

    Calls of file tools say themselves what they change; for commands and other tools of unknown effect the tree is
    compared. `attempt` tells the marks of one worker from those of another. `frozen_by` names the pattern
    that freezes a file.
    """

    tree: Tree
    put: Callable[[bytes], str]
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
