"""Where a replay stands: the folder it happens in, and what others had done in it by then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conductor.events import CallFinished, Event, GateFinished, TicketStarted
from conductor.replay.record import Outside, Record


class Scene:
    """The scratch folder and how far the replay has come; a listener of its journal."""

    def __init__(self, folder: Path, record: Record, get: Callable[[str], bytes]) -> None:
        self.folder = folder
        self.record = record
        self.get = get
        self.ticket_id = ""
        self.place = 0
        self.told_otherwise: list[str] = []  # calls that gave another result than they did then
        self._outside: list[Outside] = record.outside()

    def __call__(self, event: Event) -> None:
        """Note where the replay is."""
        self.ticket_id = event.ticket_id or self.ticket_id
        data = event.data
        if isinstance(data, TicketStarted):
            self.catch_up()
        if isinstance(data, CallFinished | GateFinished):
            self.place = self.record.places.get(data.call_id, self.place) + 1
        if isinstance(data, CallFinished):
            then = self.record.finished.get(data.call_id)
            if isinstance(then, CallFinished) and (then.outcome, then.text) != (data.outcome, data.text):
                self.told_otherwise.append(data.call_id)

    def catch_up(self) -> None:
        """Change what others had changed by now."""
        while self._outside and self._outside[0].place <= self.place:
            change = self._outside.pop(0)
            self.put(change.path, change.digest, change.mode)

    def due(self) -> CallFinished | None:
        """Return the result that the call at hand had."""
        call_id = next((call_id for call_id, at in self.record.places.items() if at == self.place), "")
        then = self.record.finished.get(call_id)
        return then if isinstance(then, CallFinished) else None

    def put(self, path: str, digest: str, mode: str) -> None:
        """Make a file of the scratch folder what it was; an empty hash removes it."""
        target = self.folder / path
        target.unlink(missing_ok=True)
        if not digest:
            return
        content = self.get(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode.startswith("12"):
            target.symlink_to(content.decode("utf-8", "surrogateescape"))
            return
        target.write_bytes(content)
        if mode:
            target.chmod(int(mode, 8) & 0o777)

    def apply(self, call_id: str) -> None:
        """Change what a call changed."""
        for change in self.record.of_call(call_id):
            self.put(change.path, change.after, change.after_mode)
        for file in self.record.put_back(call_id):
            self.put(file["path"], file["after"], file["after_mode"])
