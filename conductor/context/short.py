"""Turns of a worker in short: where the work stands, and what was done, the most relevant turns in more words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from conductor.context.worker import WorkerContext
from conductor.messages import Message, ToolCall

MAX_SUMMARY = 2_000  # characters, that is 500 tokens
_TARGETS = ("path", "command", "pattern", "call_id")
_CHANGES = frozenset({"write_file", "edit_file", "delete_file"})


class Step(Struct, frozen=True):
    """A turn of the worker with what came back: the messages from `start` to before `end`."""

    number: int
    start: int
    end: int
    version: int


def steps_of(context: WorkerContext) -> list[Step]:
    """Return the turns of a conversation, oldest first."""
    starts = [n for n, message in enumerate(context.messages) if message.role == "assistant"]
    spans = zip(starts, [*starts[1:], len(context.messages)], context.versions, strict=False)
    return [Step(number, start, end, version) for number, (start, end, version) in enumerate(spans, 1)]


def standing(context: WorkerContext) -> str:
    """Return where the work stands, in at most 500 tokens."""
    lines = [f"# Where the work stands after {context.turns} turns"]
    changed = [f"{path} ({times} times)" if times > 1 else path for path, times in context.changed_ever.items()]
    lines.append(f"Files you changed: {', '.join(changed[-20:]) or 'none yet'}.")
    failing = [item for item in context.checks.items() if not item[1].startswith("exit code 0 ")][-5:]
    lines += [f"`{_cut(command, 120)}`: {ended}" for command, ended in failing or list(context.checks.items())[-1:]]
    lines.append("Older turns are in short below. read_file shows files as they are now; read_output has the outputs.")
    return _cut("\n".join(lines), MAX_SUMMARY, lines=True)


def in_short(context: WorkerContext, steps: Sequence[Step], room: int) -> str:
    """Return `steps` in about `room` characters; what a human said in them is kept whole whatever the room.

    The most relevant turns get the most words; the least relevant are counted.
    """
    words: dict[int, list[str]] = {}
    for step in steps:
        if said := human_words(context.messages[step.start : step.end]):
            words[step.number] = [_brief(context, step), *said]
            room -= sum(map(len, words[step.number]))
    ranked = sorted(steps, key=lambda step: (-_relevance(context, step), -step.number))
    for step in ranked:
        brief = words.get(step.number) or [_brief(context, step)]
        detailed = [brief[0], *_detail(context, step), *brief[1:]]
        for form in (detailed, brief):
            size = sum(map(len, form)) - sum(map(len, words.get(step.number, ())))
            if size <= room // (3 if form is detailed else 1):
                words[step.number] = form
                room -= size
                break
    return "\n".join([f"# Your turns 1 to {steps[-1].number}, in short", *_lines(context, steps, words)])


def _lines(context: WorkerContext, steps: Sequence[Step], words: Mapping[int, list[str]]) -> Iterable[str]:
    for spoken, group in groupby(steps, key=lambda step: step.number in words):
        if spoken:
            yield from (line for step in group for line in words[step.number])
            continue
        run = list(group)
        tools = Counter(call.tool for step in run for call in context.messages[step.start].tool_calls)
        counted = ", ".join(f"{tool} ×{times}" if times > 1 else tool for tool, times in tools.items())
        numbers = f"{run[0].number}" if len(run) == 1 else f"{run[0].number}-{run[-1].number}"
        yield f"{numbers}. {counted or 'text only'}"


def _relevance(context: WorkerContext, step: Step) -> int:
    """Say how much a turn matters now: the same module, the same code version, what led to where the work stands."""
    target = PurePosixPath(context.ticket.target_file)
    changed = list(context.changed_ever)
    calls = context.messages[step.start].tool_calls
    paths = {str(call.arguments.get("path", "")) for call in calls}
    score = 4 * (str(target) in paths or (bool(changed) and changed[-1] in paths))
    score += any(PurePosixPath(path).parent == target.parent for path in paths if path)
    score += 3 * (step.version == context.code_version)
    score += 3 * any(call.tool in _CHANGES and call.arguments.get("path") in context.changed_ever for call in calls)
    hints = " ".join(context.checks.values())
    score += 2 * any(PurePosixPath(path).name in hints for path in paths if path)
    return score + 2 * any("\nHint: " in said.content for said in context.messages[step.start : step.end])


def _brief(context: WorkerContext, step: Step) -> str:
    said, *rest = context.messages[step.start : step.end]
    results = {message.call_id: message.content for message in rest if message.role == "tool"}
    done = [f"{_named(call)} -> {_result(results.get(call.call_id, ''))}" for call in said.tool_calls]
    return f"{step.number}. {'; '.join(done) or _cut(said.content, 120)}"


def _detail(context: WorkerContext, step: Step) -> list[str]:
    said, *rest = context.messages[step.start : step.end]
    lines = [f"   you: {_cut(said.content, 300)}"] if said.tool_calls and said.content.strip() else []
    return lines + [f"   {_cut(message.content, 300)}" for message in rest if message.role == "user"]


def human_words(messages: Iterable[Message]) -> list[str]:
    """Return what humans said in these messages, a line each."""
    return [f"   said: {message.human.strip()}" for message in messages if message.human.strip()]


def _named(call: ToolCall) -> str:
    arguments: Mapping[str, Any] = call.arguments
    target = next((str(arguments[name]) for name in _TARGETS if arguments.get(name)), "")
    lines = "-".join(str(arguments[name]) for name in ("start_line", "end_line") if arguments.get(name))
    return f"{call.tool} {_cut(target, 100)}{f':{lines}' if lines else ''}".rstrip()


def _result(text: str) -> str:
    """Return the first line of a result, its hint, and how much there was."""
    lines = text.splitlines()
    hint = next((line for line in reversed(lines) if line.startswith("Hint: ")), "")
    first = _cut(lines[0] if lines else "", 80)
    more = f" [{len(lines)} lines]" if len(lines) > 3 else ""
    return " ".join(filter(None, (first + more, hint)))


def _cut(text: str, most: int, *, lines: bool = False) -> str:
    text = text.strip() if lines else " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
