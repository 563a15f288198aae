"""What a file held, version by version, and which of them each of its lines came with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor.errors import StateMismatch
from conductor.events import Event
from conductor.messages import content_hash

KINDS = (events.CodeChanged.kind, events.ChangesUndone.kind)  # the entries that versions follow from
_TELLING = 8  # characters of a line that is known again by itself; shorter ones stand everywhere

Contents = Callable[[str], bytes]


class Version(Struct, frozen=True):
    """What a file held for a while. `change` is the entry that made it so; None: it was not by Conductor.

    Of a version by others, `after` is the last entry before it was found.
    """

    content: bytes | None
    change: Event | None = None
    after: Event | None = None


def versions_of(path: str, entries: Iterable[Event], get: Contents, now: bytes | None) -> list[Version]:
    """Return what the file held, oldest first, up to what it holds now, as far as the journal of all tracks knows.

    Of the entries those count that say what was changed and undone. A content that is neither the last one known nor
    made by the change at hand was put there by others.
    """
    found = list[Version]()
    last, known = None, ""
    for event in entries:
        data = event.data
        if isinstance(data, events.ChangesUndone):
            found = [version for version in found if not _is_undone(version, event, data)]
            known = _known(found)
        if not isinstance(data, events.CodeChanged) or data.path != path:
            continue
        if data.before != (known if found else None):
            found.append(Version(_kept(data.before, get), after=last))
        found.append(Version(_kept(data.after, get), event))
        last, known = event, data.after
    if not found or known != ("" if now is None else content_hash(now)):
        found.append(Version(now, after=last))
    else:
        found[-1] = replace(found[-1], content=now)
    return found


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
