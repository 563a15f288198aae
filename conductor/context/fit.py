"""Fitting a conversation into its model's window: in short, by a larger model, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from conductor.context.meter import Meter
from conductor.context.short import in_short, standing, steps_of
from conductor.context.worker import WorkerContext
from conductor.events import ContextCompressed
from conductor.messages import Message, ToolSpec

LIMIT, AIM = 0.8, 0.5  # of the window: never above the one; below the other when put in short, so that it lasts
VIEWS = 0.4  # of the window, for the views of an opening
_SHORT = 0.12  # of the window, for turns in short
RECENT = 5


class _Variant(Struct, frozen=True):
    """One way to put a conversation in short: how many turns stay, which views, how long a result may be."""

    recent: int
    views: str  # all | fresh | none
    longest: float = 0.0  # of the window; 0: as long as it is


_GENTLE = (_Variant(RECENT, "all"), _Variant(RECENT, "fresh"), _Variant(RECENT, "none"))
_HARSH = (
    _Variant(3, "fresh"),
    _Variant(2, "fresh", 0.25),
    _Variant(2, "none", 0.15),
    _Variant(1, "none", 0.1),
    _Variant(1, "none", 0.03),
)


def room_for_views(window: int) -> int:
    """Return how many characters of a window of so many tokens the views of an opening may take."""
    return int(window * VIEWS) * 4


def fits(context: WorkerContext, meter: Meter, tools: Sequence[ToolSpec]) -> bool:
    """Say whether the next request stays below 80 % of the window."""
    tokens = meter.tokens(context.conversation.sent, tools, context.reported)
    return tokens <= meter.window.tokens * LIMIT


def put_in_short(
    context: WorkerContext, meter: Meter, tools: Sequence[ToolSpec], model: str, *, harder: bool
) -> ContextCompressed | None:
    """Return how the conversation is put in short so that it fits; None when it cannot be.

    The ticket, what it was asked and what a human said stay whole. Unless `harder`, so do the last five turns.
    """
    before = meter.tokens(context.conversation.sent, tools, context.reported)
    measured = meter.tokens(context.conversation.sent, tools)
    best: ContextCompressed | None = None
    for variant in (*_GENTLE, *(_HARSH if harder else ())):
        event, sent = _rendered(context, meter, variant, before, model)
        tokens = _scaled(sum(map(meter.size, sent)) + meter.tokens([], tools), before, measured)
        found = replace(event, tokens_after=tokens)
        if tokens <= meter.window.tokens * AIM:
            return found
        if best is None and tokens <= meter.window.tokens * LIMIT:
            best = found
    return best


def _scaled(tokens: int, before: int, measured: int) -> int:
    return round(tokens * before / max(1, measured))


def _rendered(
    context: WorkerContext, meter: Meter, variant: _Variant, before: int, model: str
) -> tuple[ContextCompressed, list[Message]]:
    steps, window = steps_of(context), meter.window.tokens
    old = steps[: -variant.recent]
    through = steps[-variant.recent].start if old else min(2, len(context.messages))
    opening, kept = _opening(context, variant.views)
    cut = dict(_cuts(context, through, int(variant.longest * window) * 4))
    rest = [_with_text(message, cut.get(str(n))) for n, message in enumerate(context.messages)][through:]
    parts = [opening, *([standing(context)] if steps else [])]
    if old:
        fixed = sum(map(meter.size, (context.messages[0], Message("user", "\n".join(parts)), *rest)))
        room = max(0, min(int(window * _SHORT), int(window * AIM) - fixed)) * 4
        parts.append(in_short(context, old, room))
    event = ContextCompressed(
        through=through,
        turns=len(old),
        opening="\n\n".join(parts),
        model=model,
        window=window,
        tokens_before=before,
        tokens_after=0,
        kept=kept,
        cut=cut,
    )
    return event, [context.messages[0], Message("user", event.opening), *rest]


def _opening(context: WorkerContext, which: str) -> tuple[str, list[str]]:
    """Return the opening with only those views, and the paths of the views that are left."""
    text, kept, left = context.messages[1].content, list[str](), context.conversation.views
    for view in reversed(context.conversation.opened):
        path, (start, end) = view["path"], view["at"]
        changed = path in context.changed_ever
        if view in left and (which == "all" or (which == "fresh" and not changed)):
            kept.append(path)
            continue
        why = "you changed it since" if changed else "to save room"
        text = f"{text[:start]}## {path} (left out, {why}; read_file shows it as it is now){text[end:]}"
    return text, kept[::-1]


def _cuts(context: WorkerContext, through: int, longest: int) -> Iterator[tuple[str, str]]:
    for number, message in enumerate(context.messages[through:], through):
        text = message.content
        if longest and message.role == "tool" and len(text) > longest and not message.human:
            head, tail = text[: longest * 2 // 3], text[-longest // 3 :]
            lines = text[len(head) : -len(tail)].count("\n") + 1
            yield str(number), f"{head}\n[about {lines} lines left out: no room for them; ask for fewer lines]\n{tail}"


def _with_text(message: Message, text: str | None) -> Message:
    """Return the message with another text, if one is given."""
    return message if text is None else Message(message.role, text, message.tool_calls, message.call_id, message.human)
