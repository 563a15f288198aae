"""What the journal says of each call and of each line of a file: who asked for it, who let it happen, what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor.errors import StateMismatch
from conductor.events import Event
from conductor.messages import content_hash

_TELLING = 8  # characters of a line that is known again by itself; shorter ones stand everywhere

Contents = Callable[[str], bytes]
_STEPS: Mapping[str, str] = {  # where an entry stands in the story of its call
    events.CallDecided.kind: "decision",
    events.CallStarted.kind: "started",
    events.CallFinished.kind: "finished",
    events.HintGiven.kind: "hint",
}


class CallStory(Struct, frozen=True):
    """One call from what it came of to what it changed; each step is the entry that says so, if there is one.

    `reply` is the worker's answer that proposed it, or what a check offered.
    """

    track_id: str
    ticket_id: str
    ticket: str  # as the worker was told: its id and title
    call_id: str
    turn: int
    reply: Event
    proposed: Mapping[str, Any]
    tool: str
    decision: Event | None = None
    started: Event | None = None
    finished: Event | None = None
    hint: Event | None = None
    changes: tuple[Event, ...] = ()
    shape: str = ""  # what it does to the shape of the code, as the clutch said when it was asked last

    @property
    def ran(self) -> Mapping[str, Any]:
        """The arguments it ran with, those the worker proposed where it did not run."""
        data = self.started.data if self.started else None
        return data.arguments if isinstance(data, events.CallStarted) else self.proposed

    @property
    def answer(self) -> events.CallDecided | None:
        """What the clutch said; None where it was never asked."""
        data = self.decision.data if self.decision else None
        return data if isinstance(data, events.CallDecided) else None


class Stories:
    """Folds entries, oldest first, into the story of each call. A call's id is only its own within one run's ticket."""

    def __init__(self) -> None:
        self.calls: list[CallStory] = []
        self._latest: dict[tuple[str, str, str], int] = {}  # by track, ticket and call id
        self._tickets: dict[tuple[str, str], str] = {}
        self._turns: dict[tuple[str, str], int] = {}

    def apply(self, event: Event) -> None:
        """Add what an entry says."""
        worker = (event.track_id, event.ticket_id)
        match event.data:
            case events.TicketStarted():
                self._turns[worker] = 0
            case events.ContextBuilt(messages=messages):
                asked = next((said["content"] for said in messages if said["role"] == "user"), "")
                self._tickets[worker] = asked.partition("\n")[0].removeprefix("# Ticket ")
            case events.ModelReplied(tool_calls=calls) | events.CallsOffered(tool_calls=calls):
                turn = self._turns.get(worker, 0) + isinstance(event.data, events.ModelReplied)
                self._turns[worker] = turn
                for call in calls:
                    self._begin(event, call, turn)
            case events.CallProposed(call_id=call_id, preview=preview):
                self._add(event, call_id, shape=str(preview.get("shape", "")))
            case events.CallDecided() | events.CallStarted() | events.CallFinished() | events.HintGiven() as step:
                self._add(event, step.call_id, **{_STEPS[event.kind]: event})
            case events.CodeChanged(call_id=call_id):
                if story := self.of(event, call_id):
                    self._add(event, call_id, changes=(*story.changes, event))
            case _:
                pass

    def of(self, event: Event, call_id: str) -> CallStory | None:
        """Return the story of the latest call of that id of the entry's ticket."""
        at = self._latest.get((event.track_id, event.ticket_id, call_id))
        return None if at is None else self.calls[at]

    def _begin(self, event: Event, call: Mapping[str, Any], turn: int) -> None:
        ticket = self._tickets.get((event.track_id, event.ticket_id), event.ticket_id)
        self._latest[event.track_id, event.ticket_id, call["call_id"]] = len(self.calls)
        names = (event.track_id, event.ticket_id, ticket, call["call_id"])
        self.calls.append(CallStory(*names, turn, event, call["arguments"], call["tool"]))

    def _add(self, event: Event, call_id: str, **more: Any) -> None:
        at = self._latest.get((event.track_id, event.ticket_id, call_id))
        if at is not None:
            self.calls[at] = replace(self.calls[at], **more)


class Version(Struct, frozen=True):
    """What a file held for a while. `change` is the entry that made it so; None: it was not by Conductor.

    `story` is the call behind the change. Of a version by others, `after` is the last entry before it was found.
    """

    content: bytes | None
    change: Event | None = None
    story: CallStory | None = None
    after: Event | None = None


def versions_of(path: str, entries: Iterable[Event], get: Contents, now: bytes | None) -> list[Version]:
    """Return what the file held, oldest first, up to what it holds now, as far as the journal of all tracks knows.

    A content that is neither the last one known nor made by the change at hand was put there by others.
    """
    stories, found = Stories(), list[Version]()
    last, known = None, ""
    for event in entries:
        stories.apply(event)
        data = event.data
        if isinstance(data, events.ChangesUndone):
            found = [version for version in found if not _is_undone(version, event, data)]
            known = _known(found)
        if not isinstance(data, events.CodeChanged) or data.path != path:
            continue
        if data.before != (known if found else None):
            found.append(Version(_kept(data.before, get), after=last))
        found.append(Version(_kept(data.after, get), event, stories.of(event, data.call_id)))
        last, known = event, data.after
    if not found or known != ("" if now is None else content_hash(now)):
        found.append(Version(now, after=last))
    else:
        found[-1] = replace(found[-1], content=now)
    # A call that went on to change the file, or has its result only now, is told as it is in the end.
    ends = {story.reply.event_id + story.call_id: story for story in stories.calls}
    return [_ended(version, ends) for version in found]


def _is_undone(version: Version, event: Event, undone: events.ChangesUndone) -> bool:
    change = version.change
    if change is None or (change.track_id, change.ticket_id) != (event.track_id, event.ticket_id):
        return False
    return isinstance(change.data, events.CodeChanged) and change.data.call_id in undone.calls


def _known(versions: Sequence[Version]) -> str:
    content = versions[-1].content if versions else None
    return "" if content is None else content_hash(content)


def _kept(digest: str, get: Contents) -> bytes | None:
    """Return a content; None where there was no file, and where it was not kept (too large, or before any was)."""
    try:
        return get(digest) if digest else None
    except StateMismatch:
        return None


def _ended(version: Version, ends: Mapping[str, CallStory]) -> Version:
    story = version.story
    return version if story is None else replace(version, story=ends[story.reply.event_id + story.call_id])


def blame(versions: Sequence[Version]) -> list[Version]:
    """Return for each line of the newest version the one it came with."""
    lines: list[bytes] = []
    origins: list[Version] = []
    for version in versions:
        new = split(version.content)
        origins = _carried(lines, origins, new, version)
        lines = new
    return origins


def _follow_moved(
    old: list[bytes], origins: list[Version], new: list[bytes], middle: list[Version], version: Version
) -> None:
    """Give lines that a person moved the origin they had: those that say something, and stood once here and there."""
    once_old, once_new = Counter(old), Counter(new)
    places = {line: at for at, line in enumerate(old) if once_old[line] == 1 and len(line.strip()) >= _TELLING}
    for at, line in enumerate(new):
        if middle[at] is version and once_new[line] == 1 and line in places:
            middle[at] = origins[places[line]]


def split(content: bytes | None) -> list[bytes]:
    """Return the lines of a file with their ends; one that is no text is one line."""
    if not content:
        return []
    return [content] if b"\0" in content else content.splitlines(keepends=True)


def _carried(old: list[bytes], origins: list[Version], new: list[bytes], version: Version) -> list[Version]:
    """Return the origins of `new`: those of `old` where a line stayed, else `version`."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle = [version] * (len(new) - head - tail)
    kept = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
    for a, b, size in kept.get_matching_blocks():
        middle[b : b + size] = origins[head + a : head + a + size]
    if version.change is None:
        _follow_moved(old[head : len(old) - tail], origins[head:], new[head : len(new) - tail], middle, version)
    return [*origins[:head], *middle, *origins[len(origins) - tail :]]
