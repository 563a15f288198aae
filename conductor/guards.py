"""Whether a run that goes on finds what it left: the configuration that matters, and the files of its open tickets.

A person who mends a file between two runs does nothing wrong, but the worker does not know of it, and whoever resumes a
run may not either. So each difference is named, and the run goes on once a human has said that it may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from conductor import events
from conductor.context import WorkerContext
from conductor.errors import Refused, StateMismatch
from conductor.events import Event
from conductor.history.base import file_state
from conductor.messages import content_hash
from conductor.tools.workspace import Workspace

_NOW = "Go on with what is there now by --accept-changes, or begin again with --fresh."
_PLAN = "Go on with the changed plan by --accept-changes, or begin again with --fresh."
_SHOWN = 5
_SHORT = 40  # characters of a value that are shown


def check_track(entries: Sequence[Event], digest: str, content: Callable[[str], bytes]) -> None:
    """Raise `StateMismatch` when the track file with `digest` says something else than that of the last run.

    `content(digest)` is what a file held. Comments and layout say nothing.
    """
    runs = (
        e.data.track_digest for e in reversed(entries) if isinstance(e.data, events.TrackStarted | events.RunResumed)
    )
    then = next(runs, digest)
    if then != digest:
        _refuse(list(_track_changes(then, digest, content)), "the track file changed since this run began", _PLAN)


def _track_changes(then: str, now: str, content: Callable[[str], bytes]) -> Iterator[str]:
    import tomllib

    try:
        old, new = (tomllib.loads(content(digest).decode("utf-8-sig")) for digest in (then, now))
    except (StateMismatch, ValueError):  # a run of an earlier version, which did not keep what the file said
        yield f"SHA-256 {then[:12]} then, {now[:12]} now"
        return
    was, is_now = ({ticket["id"]: ticket for ticket in track.pop("tickets", ())} for track in (old, new))
    yield from _changed_keys("", old, new)
    yield from (f"ticket {name} is gone" for name in was if name not in is_now)
    yield from (f"ticket {name} is new" for name in is_now if name not in was)
    for name in (name for name in was if name in is_now):
        yield from _changed_keys(f"{name}: ", was[name], is_now[name])
    if was.keys() == is_now.keys() and list(was) != list(is_now):
        yield "the tickets stand in another order"


def _changed_keys(where: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(key for key in {*then, *now} if then.get(key) != now.get(key)):
        was, is_now = (_value(values, key) for values in (then, now))
        short = was and is_now
        yield f"{where}{key} was {was}, now it is {is_now}" if short else f"{where}{key} is another text"


def _value(values: Mapping[str, Any], key: str) -> str:
    """Return a value as a message shows it, "" for one that is too long for that."""
    said = repr(values[key]) if key in values else "not set"
    return said if len(said) <= _SHORT else ""


def check_settings(entries: Sequence[Event], now: Mapping[str, str]) -> None:
    """Raise `StateMismatch` when settings differ from those the last run began with; older journals name none.

    While no model has answered yet, settings may change: that is how a wrong one is mended.
    """
    if not any(isinstance(event.data, events.ModelReplied | events.TicketCompleted) for event in entries):
        return
    said = (e.data.settings for e in entries if isinstance(e.data, events.TrackStarted | events.RunResumed))
    then: Mapping[str, str] = {}
    for settings in said:
        then = settings or then
    if then:
        _refuse([_setting(key, then, now) for key in sorted({*then, *now}) if then.get(key) != now.get(key)])


def _setting(key: str, then: Mapping[str, str], now: Mapping[str, str]) -> str:
    section, _, name = key.rpartition(".")
    was, is_now = (f'"{settings[key]}"' if key in settings else "not set" for settings in (then, now))
    return f"[{section}] {name} was {was}, now it is {is_now}"


def changed_files(context: WorkerContext, workspace: Workspace) -> dict[str, str]:
    """Return the files that a worker has seen or written and that are different now, with the hash of each now.

    While a call or a check is under way that was cut off, none: what it did is settled with it.
    """
    if context.checking or (context.open_calls and context.open_calls[0].started):
        return {}
    return {
        path: _hash_of(path, workspace)
        for path, (known, _) in context.files.items()
        if known not in (_hash_of(path, workspace), file_state(workspace.root / path).digest)  # the latter for links
    }


def check_files(changed: Mapping[str, Iterable[str]], contexts: Mapping[str, WorkerContext]) -> None:
    """Raise `StateMismatch` when there are files, by ticket, that were changed since its worker knew them."""
    _refuse(
        [f"{path} changed since {contexts[name].files[path][1]}" for name, paths in changed.items() for path in paths]
    )


def _hash_of(path: str, workspace: Workspace) -> str:
    try:
        return content_hash(workspace.content(workspace.resolve(path)))
    except Refused as refusal:  # a folder or a link in its place
        return str(refusal)


def _refuse(differences: Sequence[str], what: str = "this is not what the run left", hint: str = _NOW) -> None:
    if differences:
        raise StateMismatch(f"{what}: {'; '.join(_few(differences))}", hint=hint)


def _few(differences: Sequence[str]) -> Iterator[str]:
    yield from differences[:_SHOWN]
    if len(differences) > _SHOWN:
        yield f"and {len(differences) - _SHOWN} more"
