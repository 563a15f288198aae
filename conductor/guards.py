"""Whether a run that goes on finds what it left: the configuration that matters, and the files of its open tickets.

A person who mends a file between two runs does nothing wrong, but the worker does not know of it, and whoever resumes a
run may not either. So each difference is named, and the run goes on once a human has said that it may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from conductor import events
from conductor.context import WorkerContext
from conductor.errors import Refused, StateMismatch
from conductor.events import Event
from conductor.history.base import file_state
from conductor.messages import content_hash
from conductor.tools.workspace import Workspace

_NOW = "Go on with what is there now by --accept-changes, or begin again with --fresh."
_SHOWN = 5


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


def _refuse(differences: Sequence[str]) -> None:
    if differences:
        raise StateMismatch(f"this is not what the run left: {'; '.join(_few(differences))}", hint=_NOW)


def _few(differences: Sequence[str]) -> Iterator[str]:
    yield from differences[:_SHOWN]
    if len(differences) > _SHOWN:
        yield f"and {len(differences) - _SHOWN} more"
