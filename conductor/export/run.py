"""A run as one page: what it came to, when, what it cost, what it changed, and each step of each ticket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TextIO

from msgspec import Struct, field

from conductor import events
from conductor.blame import Contents
from conductor.events import CallDecided, Event, as_dict
from conductor.export.steps import Told, diff, steps
from conductor.models import TicketStatus, Track
from conductor.page import Html, join, page, tag
from conductor.stories import Stories

_COLOURS: Mapping[str, str] = {
    TicketStatus.COMPLETED: "good",
    TicketStatus.FAILED: "bad",
    TicketStatus.CANCELLED: "bad",
    TicketStatus.BLOCKED: "wait",
    TicketStatus.STEP_PAUSED: "wait",
}
_DECIDED: Mapping[str, str] = {
    "approve": "approved",
    "reject": "rejected",
    "happened": "said to have happened",
    "skip": "skipped",
}
_TICKS: Mapping[str, str] = {"reject": "bad", "skip": "wait"}


class Total(Struct):
    """What was used and decided, by a ticket or by all of them."""

    turns: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    hints_usd: float = 0.0
    decisions: dict[str, int] = field(default_factory=dict[str, int])
    attention_s: float = 0.0

    def add(self, event: Event) -> None:
        """Count an entry."""
        match event.data:
            case events.ModelReplied(usage=usage):
                self.turns += 1
                self._spend(usage)
            case events.HintGiven(usage=usage):
                self.hints_usd += usage.get("usd", 0.0)
                self._spend(usage)
            case CallDecided(by=by, decision=decision, edited=edited) as decided:
                policy = by.startswith(("rule:", "trust:"))
                said = "by rule or trust" if policy else "edited" if edited else _DECIDED.get(decision, decision)
                self.decisions[said] = self.decisions.get(said, 0) + 1
                self.attention_s += 0.0 if policy else decided.attention_s
            case _:
                pass

    def _spend(self, usage: Mapping[str, Any]) -> None:
        self.tokens_in += usage.get("input_tokens", 0)
        self.tokens_out += usage.get("output_tokens", 0)
        self.usd += usage.get("usd", 0.0)


def run_page(track: Track, entries: Sequence[Event], get: Contents, version: str) -> str:
    """Return the page of a run: `track` with its tickets as they stand, all its `entries`, contents by hash."""
    stories, hints, of_ticket = Stories(), dict[str, Event](), dict[str, list[Event]]()
    totals, whole = {ticket.id: Total() for ticket in track.tickets}, Total()
    for event in entries:
        stories.apply(event)
        of_ticket.setdefault(event.ticket_id, []).append(event)
        whole.add(event)
        totals.setdefault(event.ticket_id, Total()).add(event)
        if isinstance(event.data, events.HintGiven):
            hints[event.data.call_id] = event
    told = Told({(s.reply.event_id, s.call_id): s for s in stories.calls}, hints, get)
    return page(
        f"{track.title} · Conductor",
        *_header(track, entries, whole),
        *_times(track, entries, of_ticket),
        *_costs(track, totals, whole),
        *_files(entries, get),
        tag("h2", "Tickets"),
        *(_ticket(track, ticket_id, of_ticket.get(ticket_id, []), told) for ticket_id in totals if ticket_id),
        *_run(of_ticket.get("", []), told),
        _footer(entries, version),
    )


def write_jsonl(entries: Sequence[Event], out: TextIO) -> None:
    """Write each entry as one JSON line, as `conductor log --json` prints it."""
    for event in entries:
        out.write(json.dumps(as_dict(event)) + "\n")


def _header(track: Track, entries: Sequence[Event], whole: Total) -> Iterator[Html]:
    done = track.counts[TicketStatus.COMPLETED]
    colour = "good" if done == len(track.tickets) else "bad" if track.is_finished else "wait"
    yield tag("h1", track.title)
    span = f"{_day(entries[0])} to {_day(entries[-1])} UTC, {_duration(_seconds(entries[0], entries[-1]))}"
    state = tag("span", f"{done} of {len(track.tickets)} tickets completed", cls=f"pill {colour}")
    yield tag("p", state, tag("span", f" track {track.id} · {span}", cls="soft"))
    if track.description:
        yield tag("p", track.description)
    asked = {name: number for name, number in whole.decisions.items() if name != "by rule or trust"}
    cards = [
        (f"{whole.turns:,}", "requests to workers"),
        (f"{whole.tokens_in + whole.tokens_out:,}", "tokens"),
        (_money(whole.usd), "spent"),
        (f"{sum(asked.values()):,}", "human decisions"),
        (f"{asked.get('edited', 0)} / {asked.get('rejected', 0)}", "edited / rejected"),
        (_duration(whole.attention_s), "of attention"),
    ]
    yield tag(
        "div", *(tag("div", tag("b", number), tag("span", what), cls="card") for number, what in cards), cls="cards"
    )


def _times(track: Track, entries: Sequence[Event], of_ticket: Mapping[str, Sequence[Event]]) -> Iterator[Html]:
    """Yield a lane for each ticket: when it was worked on, and when a decision fell."""
    length = _seconds(entries[0], entries[-1]) or 1.0

    def at(event: Event) -> float:
        return min(100.0, 100 * _seconds(entries[0], event) / length)

    lanes: list[Html] = []
    for ticket in track.tickets:
        own = of_ticket.get(ticket.id, [])
        lanes.append(tag("span", tag("a", ticket.id, href=f"#ticket-{ticket.id}"), cls="mono"))
        parts: list[Html] = []
        if own:
            place = f"left:{at(own[0]):.2f}%;width:{max(0.0, at(own[-1]) - at(own[0])):.2f}%"
            took = f"{ticket.id}: {_duration(_seconds(own[0], own[-1]))}"
            parts.append(tag("div", cls="bar", style=place, title=took))
        for event in own:
            if isinstance(event.data, CallDecided):
                said = f"{event.data.decision} by {event.data.by}, {event.at[11:19]}"
                colour = "wait" if event.data.edited else _TICKS.get(event.data.decision, "")
                left = f"left:calc({min(at(event), 99.5):.2f}% - 1px)"
                parts.append(tag("div", cls=f"tick {colour}".rstrip(), style=left, title=said))
        lanes.append(tag("div", *parts, cls="lane"))
    axis = tag("div", tag("span", entries[0].at[11:19]), tag("span", entries[-1].at[11:19]), cls="axis")
    yield tag("h2", "Timeline")
    yield tag("div", tag("div", *lanes, tag("span"), axis, cls="strip"), cls="sheet")


def _costs(track: Track, totals: Mapping[str, Total], whole: Total) -> Iterator[Html]:
    heads = ["ticket", "", "turns", "tokens in", "tokens out", "hints", "cost", "decisions"]
    rows = [tag("tr", *(tag("th", name, cls="number" if name in heads[2:7] else None) for name in heads))]
    for ticket in track.tickets:
        state = tag("span", str(ticket.status), cls=f"pill {_COLOURS.get(ticket.status, '')}".rstrip())
        link = tag("a", f"{ticket.id} {ticket.title}", href=f"#ticket-{ticket.id}")
        rows.append(_row(join(link), state, totals[ticket.id]))
    rows.append(_row(tag("b", "all"), "", whole))
    yield tag("h2", "Costs")
    yield tag("div", tag("table", *rows), cls="sheet wide")


def _row(name: Html, state: str, total: Total) -> Html:
    numbers = (
        f"{total.turns}",
        f"{total.tokens_in:,}",
        f"{total.tokens_out:,}",
        _money(total.hints_usd),
        _money(total.usd),
    )
    said = ", ".join(f"{number} {what}" for what, number in sorted(total.decisions.items())) or "none"
    cells = [
        tag("td", name),
        tag("td", state),
        *(tag("td", number, cls="number") for number in numbers),
        tag("td", said),
    ]
    return tag("tr", *cells)


def _files(entries: Sequence[Event], get: Contents) -> Iterator[Html]:
    """Yield what became of each file that was changed, from before the run to after it."""
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    by: dict[str, dict[str, None]] = {}
    for event in entries:
        if isinstance(event.data, events.CodeChanged):
            first.setdefault(event.data.path, event.data.before)
            last[event.data.path] = event.data.after
            by.setdefault(event.data.path, {})[event.ticket_id] = None
    if not first:
        return
    yield tag("h2", "Files")
    for path in sorted(first):
        what = "new" if not first[path] else "deleted" if not last[path] else "changed"
        head = tag("summary", tag("code", path), f" {what} by {', '.join(by[path])}")
        yield tag("div", tag("details", head, diff(first[path], last[path], get)), cls="sheet step")


def _ticket(track: Track, ticket_id: str, entries: Sequence[Event], told: Told) -> Html:
    ticket = track.ticket(ticket_id) if ticket_id in track else None
    state = tag("span", str(ticket.status), cls=f"pill {_COLOURS.get(ticket.status, '')}".rstrip()) if ticket else ""
    title = tag("h3", f"{ticket_id} {ticket.title if ticket else '(no longer in the track)'}")
    parts: list[str] = [tag("div", title, state, cls="head")]
    if ticket:
        parts.append(tag("div", tag("div", ticket.prompt, cls="said soft"), cls="step"))
    return tag("section", *parts, *steps(entries, told), cls="sheet", id=f"ticket-{ticket_id}")


def _run(entries: Sequence[Event], told: Told) -> Iterator[Html]:
    if entries:
        yield tag("h2", "The run")
        yield tag("section", *steps(entries, told), cls="sheet")


def _footer(entries: Sequence[Event], version: str) -> Html:
    last = entries[-1]
    return tag(
        "footer",
        f"Made by Conductor {version} from {len(entries):,} journal entries; the last is #{last.sequence}, hash ",
        tag("code", last.hash),
        ". Times are UTC.",
    )


def _money(usd: float) -> str:
    return f"${usd:.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


def _seconds(first: Event, last: Event) -> float:
    """Return the seconds between two entries; none where the clock was set back meanwhile."""
    return max(0.0, (datetime.fromisoformat(last.at) - datetime.fromisoformat(first.at)).total_seconds())


def _day(event: Event) -> str:
    return event.at[:19].replace("T", " ")


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
