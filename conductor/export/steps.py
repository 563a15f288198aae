"""What happened to a ticket, step by step, as elements of a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Any

from msgspec import Struct

from conductor import events
from conductor.blame import Contents
from conductor.errors import StateMismatch
from conductor.events import Event
from conductor.page import Html, join, tag
from conductor.stories import CallStory

_DIFF_LINES = 600
_HEAD_LINES, _TAIL_LINES = 120, 80
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_SAID = {
    "approve": ("approved", "good"),
    "reject": ("rejected", "bad"),
    "happened": ("it happened", "good"),
    "skip": ("skipped the ticket", "wait"),
}
_OUTCOMES = {"ok": "good", "error": "bad", "refused": "bad", "rejected": "wait", "unknown": "wait", "happened": "wait"}
_QUIET = (
    *(events.CallProposed, events.CallDecided, events.CallStarted, events.CallFinished, events.CodeChanged),
    *(events.GateStarted, events.HintGiven),  # told with the call or the check they belong to
)


class Told(Struct, frozen=True):
    """What the steps of a run are told from: each call's story, hints by call, and the contents."""

    calls: Mapping[tuple[str, str], CallStory]  # by the request's entry and call id
    hints: Mapping[str, Event]
    get: Contents


def steps(entries: Sequence[Event], told: Told) -> Iterator[Html]:
    """Yield an element for each step of a ticket."""
    turn, called = 0, {call_id for _, call_id in told.calls}
    for event in entries:
        data = event.data
        match data:
            case events.TicketStarted(model=model, trust_level=level):
                turn = 0
                yield _step(event, f"Started with {model}, trust level {level}")
            case events.ContextBuilt(messages=messages):
                parts = [join(tag("p", tag("b", said["role"])), tag("pre", said["content"])) for said in messages]
                yield _step(event, "Context built", _folded("What the worker was told", *parts))
            case events.ModelReplied():
                turn += 1
                yield _reply(event, data, turn)
                yield from _calls(event, data.tool_calls, told)
            case events.CallsOffered(by=by, why=why, tool_calls=offered):
                yield _step(event, tag("b", f"{by} "), why if offered else "has nothing to offer that can be shown")
                yield from _calls(event, offered, told)
            case events.CallDecided(call_id=call_id) if call_id not in called:  # a check, asked about once
                yield _decision(event, data, "this check ")
            case events.GateFinished():
                yield _gate(event, data, told)
            case _ if not isinstance(data, _QUIET):
                yield _plain(event)
            case _:
                pass


def _step(event: Event, *content: str, human: bool = False) -> Html:
    at = tag("span", f"{event.at[11:19]} #{event.sequence}", cls="when", title=f"{event.at} {event.event_id}")
    said = [part for part in content if not isinstance(part, Html) or not part.startswith(("<details", "<div", "<p"))]
    more = [part for part in content if part not in said]
    row = tag("div", tag("span", *said), at, cls="row")
    return tag("div", row, *more, cls="step human" if human else "step")


def _reply(event: Event, data: events.ModelReplied, turn: int) -> Html:
    usage = data.usage
    used = f"{usage.get('input_tokens', 0):,} tokens in, {usage.get('output_tokens', 0):,} out"
    if cached := usage.get("cached_tokens", 0):
        used += f", {cached:,} cached"
    if usd := usage.get("usd", 0.0):
        used += f", ${usd:.4f}"
    said = tag("div", data.text, cls="quote said") if data.text.strip() else Html("")
    return _step(event, tag("b", f"Turn {turn} "), tag("span", f"{data.model} · {used}", cls="soft"), said)


def _calls(event: Event, calls: Sequence[Mapping[str, Any]], told: Told) -> Iterator[Html]:
    for call in calls:
        if story := told.calls.get((event.event_id, call["call_id"])):
            yield from _call(story, told)


def _call(story: CallStory, told: Told) -> Iterator[Html]:
    """Yield what became of a call: what was proposed, what the human said, what it did."""
    target = next((str(story.proposed[name]) for name in ("command", "path", "pattern") if name in story.proposed), "")
    name = join(tag("b", story.tool), " ", tag("code", target))
    shape = tag("p", f"~ {story.shape}", cls="soft") if story.shape else Html("")
    yield _step(story.reply, name, shape, _folded("Payload", tag("pre", _json(story.proposed))))
    if story.decision and (answer := story.answer):
        yield _decision(story.decision, answer)
    if story.finished:
        yield _result(story, story.finished, told)


def _decision(event: Event, answer: events.CallDecided, what: str = "") -> Html:
    word, colour = _SAID.get(answer.decision, (answer.decision, ""))
    waited = f" after {answer.waited_s:.1f} s" if answer.waited_s else ""
    pill = tag("span", f"{'edited, ' if answer.edited else ''}{word}", cls=f"pill {colour}")
    parts: list[str] = [pill, tag("span", f" {what}by {answer.by}{waited}", cls="soft")]
    if answer.reason:
        parts.append(tag("div", answer.reason, cls="quote said"))
    if answer.edited:
        parts.append(_folded("What ran instead", tag("pre", _json(answer.arguments))))
    if answer.rule:
        parts.append(tag("p", "kept as a rule: ", tag("code", answer.rule)))
    return _step(event, *parts, human=not answer.by.startswith(("trust:", "rule:")))


def _result(story: CallStory, event: Event, told: Told) -> Html:
    data = event.data
    assert isinstance(data, events.CallFinished)
    exited = f"exit code {data.exit_code}, " if data.exit_code is not None else ""
    took = tag("span", f" {exited}{data.duration_s:.2f} s", cls="soft")
    parts: list[str] = [tag("span", data.outcome, cls=f"pill {_OUTCOMES.get(data.outcome, '')}"), took]
    parts += [_change(change, told) for change in story.changes]
    if data.text.strip():
        parts.append(_folded("What the worker was told", tag("pre", _cut(data.text))))
    parts += _output(data.stdout, data.stderr, told)
    if hint := told.hints.get(data.call_id):
        parts.append(_hint(hint))
    return _step(event, *parts)


def _gate(event: Event, data: events.GateFinished, told: Told) -> Html:
    said = f"cannot check: {data.broken}" if data.broken else f"exit code {data.exit_code}"
    ended = tag(
        "span",
        "passed" if data.passed else said,
        cls=f"pill {'good' if data.passed else 'bad'}",
    )
    parts: list[str] = [tag("b", f"{data.gate} "), tag("code", data.command), " ", ended]
    parts += _output(data.stdout, data.stderr, told)
    if hint := told.hints.get(data.call_id):
        parts.append(_hint(hint))
    return _step(event, *parts)


def _hint(event: Event) -> Html:
    text = event.data.text if isinstance(event.data, events.HintGiven) else ""
    return tag("p", tag("span", "hint", cls="pill"), f" {text}")


def _change(event: Event, told: Told) -> Html:
    data = event.data
    assert isinstance(data, events.CodeChanged)
    return tag("div", tag("p", tag("code", data.path)), diff(data.before, data.after, told.get))


def diff(before: str, after: str, get: Contents) -> Html:
    """Return what changed between two contents, by their hashes ("": no file)."""
    try:
        old, new = get(before) if before else b"", get(after) if after else b""
    except StateMismatch:
        return tag("p", "its content was not kept", cls="soft")
    if b"\0" in old or b"\0" in new:
        return tag("p", f"no text: {len(old):,} bytes before, {len(new):,} after", cls="soft")
    changed = unified_diff(_text(old).splitlines(), _text(new).splitlines(), lineterm="")
    lines = [line for line in changed if not line.startswith(("---", "+++"))]
    kinds = {"+": "add", "-": "del", "@": "at"}
    shown = [tag("div", line, cls=kinds.get(line[:1])) for line in lines[:_DIFF_LINES]]
    if len(lines) > _DIFF_LINES:
        shown.append(tag("div", f"… {len(lines) - _DIFF_LINES:,} lines more", cls="at"))
    if not lines:
        return tag("p", "no file any more" if not after else "an empty file", cls="soft")
    return tag("div", *shown, cls="diff mono")


def _output(stdout: str, stderr: str, told: Told) -> Iterator[Html]:
    for name, digest in (("Standard output", stdout), ("Standard error", stderr)):
        if digest:
            try:
                text = _text(told.get(digest))
            except StateMismatch:
                text = "(missing)"
            yield _folded(f"{name}, {text.count(chr(10)):,} lines", tag("pre", _cut(_COLOURS.sub("", text))))


def _plain(event: Event) -> Html:
    """Return the step of an entry that stands for itself."""
    match event.data:
        case events.WorkerTold(text=text):
            return _step(event, "The worker was told", tag("div", text, cls="quote said"))
        case events.TicketPaused(reason=reason):
            return _step(event, tag("span", "paused", cls="pill"), f" {reason}")
        case events.TicketCompleted():
            return _step(event, tag("span", "completed", cls="pill good"))
        case events.TicketFailed(reason=reason) | events.TicketCancelled(reason=reason):
            return _step(event, tag("span", event.kind.removeprefix("ticket_"), cls="pill bad"), f" {reason}")
        case _:
            return _step(event, *_said_outside(event))


def _said_outside(event: Event) -> tuple[str, ...]:
    """Return what a step says of what people said from other terminals; of any other entry, the entry."""
    match event.data:
        case events.InterventionQueued(text=text, by=by):
            return tag("b", "Guidance"), f" by {by}", tag("div", text, cls="quote said")
        case events.BugReported(said=said, by=by, about=about):
            what = f" by {by}, in version {about} of the code"
            return tag("b", "Bug reported"), what, tag("div", said, cls="quote said")
        case events.InterventionApplied(request=request):
            return (f"The worker was told of it with its request {request}",)
        case events.InterventionStale(reason=reason):
            return (f"The worker was not told: {reason}",)
        case data:
            said = {name: value for name, value in events.to_json(data).items() if value not in ("", None, [], {})}
            entry = _folded("Entry", tag("pre", _json(said))) if said else Html("")
            return tag("b", event.kind.replace("_", " ")), entry


def _folded(title: str, *content: str) -> Html:
    return tag("details", tag("summary", title), *content)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _cut(text: str) -> str:
    """Return the beginning and the end of a long text, with what was left out counted."""
    lines = text.splitlines()
    if len(lines) > _HEAD_LINES + _TAIL_LINES:
        left = len(lines) - _HEAD_LINES - _TAIL_LINES
        lines = [*lines[:_HEAD_LINES], f"[… {left:,} lines left out …]", *lines[-_TAIL_LINES:]]
    return "\n".join(line if len(line) <= 2_000 else f"{line[:2_000]}… ({len(line):,} characters)" for line in lines)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
