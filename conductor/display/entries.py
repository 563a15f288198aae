"""Every entry of the journal on a line, for people: what happened, without ids, digests and whole payloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conductor import events
from conductor.display.narrator import call_in_words, short, verdict
from conductor.display.summary import money
from conductor.events import Event, Payload
from conductor.visible import visible

_HASH_CHARACTERS = 8
_TOLD_ELSEWHERE = ("call_id", "clock", "digest", "track_digest", "about", "intervention", "since")
_LONG = 40  # a hash, or something as unreadable


def line(event: Event) -> str:
    """Return the line of an entry: its number, time (UTC), ticket and kind, and what it says; display-safe."""
    said = in_words(event.data)
    return visible(f"{event.sequence:5} {event.at[11:19]} {event.ticket_id or '-':6} {event.kind:18} {said}").rstrip()


def in_words(data: Payload) -> str:
    """Return what an entry says beyond its kind; "" where its kind says it all."""
    return " · ".join(part for part in _parts(data) if part)


def _parts(data: Payload) -> Iterator[str]:
    match data:
        case events.TicketStarted():
            yield from (data.worker_archetype, short(data.model.rpartition("/")[2]), data.trust_level)
        case events.ContextBuilt():
            yield f"{sum(len(message['content']) for message in data.messages):,} characters"
            yield ", ".join(short(view["path"]) for view in data.shown)
        case events.ModelReplied():
            yield short(data.text)
            yield from (call_in_words(call["tool"], call["arguments"]) for call in data.tool_calls)
            yield _used(data.usage)
        case events.CallsOffered():
            yield f"{short(data.by)} {short(data.why)}"
            yield from (call_in_words(call["tool"], call["arguments"]) for call in data.tool_calls)
        case events.HintGiven():
            yield from (short(data.text), short(data.stale), data.source)
        case events.PlanningCompleted():
            yield ", ".join(map(short, data.order))
        case _:
            yield from _of_call(data)


def _of_call(data: Payload) -> Iterator[str]:
    match data:
        case events.CallProposed() | events.CallStarted():
            yield call_in_words(data.tool, data.arguments)
        case events.CallDecided():
            yield f"{data.decision}{', edited' if data.edited else ''} by {short(data.by)}"
            yield f"after {data.waited_s:.1f} s" if data.waited_s else ""
            yield short(data.reason)
        case events.CallFinished():
            exited = "" if data.exit_code is None else f", exit code {data.exit_code}"
            yield f"{data.outcome}{exited}"
            yield short(data.text) if data.exit_code is None else ""
            yield f"{data.duration_s:.2f} s" if data.duration_s else ""
        case events.CodeChanged():
            before, after = (digest[:_HASH_CHARACTERS] or "no file" for digest in (data.before, data.after))
            yield from (short(data.path), f"{before} -> {after}")
        case events.GateStarted():
            yield f"{short(data.gate)}: {short(data.command)}"
        case events.GateFinished():
            yield from (text for text, _ in verdict(data))
        case _:
            yield from _fields(data)


def _fields(data: Payload) -> Iterator[str]:
    """Yield the fields of any other entry that are a word, a sentence or a number, sentences without their name."""
    for name, value in events.to_json(data).items():
        if name in _TOLD_ELSEWHERE or value in ("", None, False, 0) or isinstance(value, list | dict):
            continue
        text = f"{value:,}" if isinstance(value, int) and value is not True else str(value)
        if len(text) >= _LONG and " " not in text.strip():
            continue
        yield short(text) if " " in text else f"{name.replace('_', ' ')} {short(text)}"


def _used(usage: Mapping[str, Any]) -> str:
    tokens, usd = usage.get("input_tokens", 0) + usage.get("output_tokens", 0), usage.get("usd", 0.0)
    return f"{tokens:,} tokens{f', {money(usd)}' if usd else ''}" if tokens else ""
