"""What was said on a ticket, whole, and the shorter form of it that the model is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from conductor.context.opening import messages_of
from conductor.context.seen import Sight
from conductor.events import ContextBuilt, ContextCompressed
from conductor.messages import Message, SeenLines


class _Change(Struct, frozen=True):
    path: str
    before: str
    after: str
    lines: Sequence[Sequence[int]]
    own: bool


class Conversation:
    """The messages of a ticket, oldest first. What was put in short is in `messages` still, and in `sent` no more.

    `sent` grows at its end only, but for the moments it is put in short. `sight` is what the worker sees of files in
    it; `opened` are the views of the opening, `views` those of them that are still sent.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.sent: list[Message] = []
        self.sight = Sight()
        self.opened: tuple[Mapping[str, Any], ...] = ()
        self.views = self.opened
        self.through = 0  # the messages before it are in short
        self._shown: list[tuple[int, SeenLines | _Change]] = []  # by number of the message

    def open(self, built: ContextBuilt) -> None:
        """Begin with an opening."""
        self.messages = messages_of(built)
        self.sent, self.through = list(self.messages), len(self.messages)
        self.opened = self.views = tuple(built.shown)
        for view in self.views:
            self.sight.saw(_seen(view))

    def say(self, message: Message, seen: Sequence[Mapping[str, Any]] = ()) -> None:
        """Add a message, in which lines of files may stand."""
        self.messages.append(message)
        self.sent.append(message)
        for entry in seen:
            self._note(_seen(entry))

    def add_to_last(self, text: str) -> None:
        """Lengthen the last message by a line."""
        last = replace(self.messages[-1], content=f"{self.messages[-1].content}\n{text}")
        self.messages[-1] = self.sent[-1] = last

    def changed(self, path: str, before: str, after: str, lines: Sequence[Sequence[int]], *, own: bool = True) -> None:
        """Note what the last call did to a file; one that is not the worker's `own` wrote lines it has not seen."""
        self._note(_Change(path, before, after, lines, own))

    def compress(self, event: ContextCompressed) -> None:
        """Put the beginning in short. What no longer stands in `sent` is no longer in sight."""
        short = replace(self.messages[1], content=event.opening, stands_for=event.turns)
        self.sent = [self.messages[0], short, *self.messages[event.through :]]
        for number, text in event.cut.items():
            at = int(number) - event.through + 2
            self.sent[at] = replace(self.sent[at], content=text)
        self.views = tuple(view for view in self.views if view["path"] in event.kept)
        self.through = event.through
        self.sight = Sight()
        for view in self.views:
            self.sight.saw(_seen(view))
        cut = set(map(int, event.cut))
        for number, entry in self._shown:
            self._apply(entry, stays=number >= event.through and number not in cut)

    def _note(self, entry: SeenLines | _Change) -> None:
        self._shown.append((len(self.messages) - 1, entry))
        self._apply(entry, stays=True)

    def _apply(self, entry: SeenLines | _Change, *, stays: bool) -> None:
        if isinstance(entry, _Change):
            self.sight.changed(entry.path, entry.before, entry.after, entry.lines, own=stays and entry.own)
        elif stays:
            self.sight.saw(entry)


def _seen(entry: Mapping[str, Any]) -> SeenLines:
    return SeenLines(entry["path"], entry["version"], tuple((first, last) for first, last in entry["lines"]))
