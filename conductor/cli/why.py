"""`conductor why`."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conductor.cli.options import JsonOption, ProjectOption
from conductor.errors import UsageError
from conductor.visible import visible

if TYPE_CHECKING:
    from conductor.blame import Version
    from conductor.events import Event
    from conductor.stores.reader import SqliteReader
    from conductor.stories import CallStory, StoryFinder

PlaceArgument = Annotated[str, typer.Argument(metavar="FILE[:LINE]", help="A file, or a line of it.")]
_ANSWERS = {"approve": "approved", "reject": "rejected", "happened": "said to have happened", "skip": "skipped"}
_LONGEST = 400
_BEFORE, _OTHERS = "not by Conductor: it was there before", "not by Conductor: changed by others"


def why(place: PlaceArgument, json: JsonOption = False, project: ProjectOption = None) -> None:
    """Tell the decisions behind a line of code.

    The chain is ticket, request, payload, edit, decision and check. Without a line: where each line comes from.

    Examples:

      conductor why bookshop/catalog.py

      conductor why bookshop/catalog.py:14 --json
    """
    from conductor.plan import STATE_FOLDER, find_project
    from conductor.stores.reader import reader

    root = (project or find_project(Path.cwd())).resolve()
    name, number = _parsed(place, root)
    with reader(root / STATE_FOLDER) as source:
        lines = list(_answer(root, name, number, source, json=json))
    typer.echo("\n".join(lines))


def _answer(root: Path, name: str, number: int, source: SqliteReader, *, json: bool) -> Iterator[str]:
    from conductor.blame import blame, split
    from conductor.stories import StoryFinder

    now = (root / name).read_bytes() if (root / name).is_file() else None
    versions, finder = _versions(name, now, source), StoryFinder(source)
    origins, lines = blame(versions), split(now)
    if now is None and len(versions) < 2:
        raise UsageError(f"{name} does not exist, and the journal knows nothing of it")
    if number and number > len(lines):
        raise UsageError(f"{name} has {len(lines)} lines", hint="Without a line the whole file is told.")
    if number:
        told = {"file": name, "line": number, "text": _text(lines[number - 1]), **_chain(origins[number - 1], finder)}
        yield from [json_module.dumps(told, indent=2)] if json else _told(told)
    elif now is None:
        gone = {"file": name, "exists": False, **_chain(versions[-1], finder)}
        if gone["by"] == "others":  # what is asked is whose work is gone
            gone["last"] = _chain(versions[-2], finder)
        yield from [json_module.dumps(gone, indent=2)] if json else _gone(gone)
    elif json:
        parts = [{"from": first, "to": last, **_chain(version, finder)} for first, last, version in _blocks(origins)]
        yield json_module.dumps({"file": name, "lines": parts}, indent=2)
    else:
        yield from _overview(name, list(_blocks(origins)), finder)


def _versions(name: str, now: bytes | None, source: SqliteReader) -> list[Version]:
    """Return what the file held, by the entries of all tracks that say what became of it."""
    from conductor.blame import versions_of
    from conductor.events import ChangesUndone, CodeChanged
    from conductor.journal import read

    rows = [*source.rows(kinds=[CodeChanged.kind], path=name), *source.rows(kinds=[ChangesUndone.kind])]
    return versions_of(name, read(sorted(rows)), source.get, now)


def _parsed(place: str, root: Path) -> tuple[str, int]:
    """Return the file relative to the project, and the line (0: none). Raises `UsageError`."""
    path, number = place, 0
    if not Path(place).is_file() and (found := re.fullmatch(r"(.+):([0-9]{1,9})", place)):
        path, number = found[1], int(found[2])
        if not number:
            raise UsageError("lines are counted from 1")
    here = Path.cwd() / path
    absolute = (here if here.exists() or not (root / path).exists() else root / path).resolve()
    if not absolute.is_relative_to(root):
        raise UsageError(f"{path} lies outside the project {root}")
    if absolute.is_dir():
        raise UsageError(f"{path} is a folder", hint="Name a file.")
    return absolute.relative_to(root).as_posix(), number


def _blocks(origins: Sequence[Version]) -> Iterator[tuple[int, int, Version]]:
    """Yield neighbouring lines of one origin: the first, the last, and what they came with."""
    at = 1
    for _, group in groupby(origins, key=id):
        block = list(group)
        yield at, at + len(block) - 1, block[0]
        at += len(block)


def _chain(version: Version, finder: StoryFinder) -> dict[str, Any]:
    """Return what led to a version of a file, as plain data: only what the journal says."""
    from conductor.events import to_json

    if version.change is None:
        since = version.after.sequence if version.after else None
        return {"by": "others", "since": since}
    change, story = version.change, finder.of(version.change)
    told: dict[str, Any] = {"by": "conductor", "track": change.track_id, "ticket": change.ticket_id}
    told["change"] = {
        **_entry(change),
        "before": to_json(change.data)["before"],
        "after": to_json(change.data)["after"],
    }
    if story is None:
        return {**told, "call": {"id": to_json(change.data)["call_id"]}}
    told["ticket_title"] = story.ticket.partition(": ")[2]
    reply = to_json(story.reply.data)
    if "model" in reply:
        told["request"] = {**_entry(story.reply), "turn": story.turn, "model": reply["model"], "text": reply["text"]}
    else:
        told["offer"] = {**_entry(story.reply), "turn": story.turn, "check": reply["by"], "why": reply["why"]}
    edited = dict(story.ran) != dict(story.proposed)
    told["call"] = {"id": story.call_id, "tool": story.tool, "proposed": story.proposed, "edited": edited}
    if edited:
        told["call"]["ran"] = story.ran
    if story.shape:
        told["call"]["shape"] = story.shape
    if story.decision and (answer := story.answer):
        said = {"decision": answer.decision, "by": answer.by, "comment": answer.reason, "waited_s": answer.waited_s}
        told["decision"] = {**_entry(story.decision), **said}
    if check := finder.check_after(change):
        said = to_json(check.data)
        told["check"] = {**_entry(check), **{name: said[name] for name in ("gate", "command", "passed")}}
    return told


def _entry(event: Event) -> dict[str, Any]:
    return {"sequence": event.sequence, "event_id": event.event_id, "at": event.at}


def _told(told: dict[str, Any]) -> Iterator[str]:
    """Yield the chain as a person reads it, display-safe."""
    if "line" in told:
        yield visible(f"{told['file']}:{told['line']}  {told['text']}", one_line=True)
    if told["by"] == "others":
        yield f"  {_origin(told)}"
        return
    rows = [("ticket", f"{told['ticket']} {told.get('ticket_title', '')} (track {told['track']})")]
    if request := told.get("request"):
        said = f": {request['text']}" if request["text"].strip() else ""
        rows.append(("request", f"turn {request['turn']}, {request['model']}, {_when(request)}{said}"))
    if offer := told.get("offer"):
        rows.append(("offer", f"turn {offer['turn']}, the check {offer['check']}, {_when(offer)}: it {offer['why']}"))
    call = told["call"]
    rows.append(("call", f"{call['id']} {call.get('tool', '')}".rstrip()))
    if "proposed" in call:
        rows.append(("payload", _payload(call["proposed"])))
        rows.append(("edit", _edit(call)))
    if shape := call.get("shape"):
        rows.append(("shape", shape))
    if decision := told.get("decision"):
        said = f': "{decision["comment"]}"' if decision["comment"] else ""
        waited = f" after {decision['waited_s']:.1f} s" if decision["waited_s"] else ""
        rows.append(
            ("decision", f"{_ANSWERS[decision['decision']]} by {decision['by']}{waited}, {_when(decision)}{said}")
        )
    change = told["change"]
    rows.append(
        ("change", f"{change['before'][:8] or 'no file'} -> {change['after'][:8] or 'no file'}, {_when(change)}")
    )
    if check := told.get("check"):
        rows.append(("check", f"{check['gate']}: {check['command']} {'passed' if check['passed'] else 'failed'}"))
    yield from (f"  {label:9} {visible(text, one_line=True)}" for label, text in rows)


def _gone(gone: dict[str, Any]) -> Iterator[str]:
    """Yield what is known of a file that is not there."""
    yield visible(f"{gone['file']} does not exist", one_line=True)
    if gone["by"] == "others":
        yield f"  not by Conductor: deleted by others after entry {gone['since']}; before that:"
    yield from _told(gone.get("last", gone))


def _edit(call: dict[str, Any]) -> str:
    if not call["edited"]:
        return "none; it ran as proposed"
    was, ran = call["proposed"], call["ran"]
    different = {name: ran.get(name) for name in sorted({*was, *ran}) if was.get(name) != ran.get(name)}
    return f"changed by a human: {_payload(different)}"


def _payload(arguments: Any) -> str:
    said = json_module.dumps(arguments, ensure_ascii=False)
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}… ({len(said):,} characters: --json has them all)"


def _overview(name: str, blocks: Sequence[tuple[int, int, Version]], finder: StoryFinder) -> Iterator[str]:
    """Yield a line for each part of a file that has one origin."""
    ours = sum(last - first + 1 for first, last, version in blocks if version.change)
    total = blocks[-1][1] if blocks else 0
    yield f"{visible(name, one_line=True)}: {ours} of {total} lines by Conductor"
    for first, last, version in blocks:
        span = f"{first}" if first == last else f"{first}-{last}"
        yield f"  {span:>11}  {visible(_short(version, finder), one_line=True)}"


def _short(version: Version, finder: StoryFinder) -> str:
    if version.change is None:
        return _BEFORE if version.after is None else f"{_OTHERS} after entry {version.after.sequence}"
    story: CallStory | None = finder.of(version.change)
    if story is None:
        from conductor.events import to_json

        return f"{version.change.ticket_id} {to_json(version.change.data)['call_id']}"
    edited = ", edited" if dict(story.ran) != dict(story.proposed) else ""
    by = f", {_ANSWERS[story.answer.decision]} by {story.answer.by}" if story.answer else ""
    return f"{story.ticket_id} turn {story.turn} {story.tool}{edited}{by}"


def _origin(told: dict[str, Any]) -> str:
    return _BEFORE if told["since"] is None else f"{_OTHERS} after entry {told['since']}"


def _when(entry: dict[str, Any]) -> str:
    return f"#{entry['sequence']} {entry['at'][:19].replace('T', ' ')}"


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
