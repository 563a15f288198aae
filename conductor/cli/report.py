"""`conductor report`."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.options import AnyTrackArgument, JsonOption, ProjectOption
from conductor.visible import visible, width

if TYPE_CHECKING:
    from conductor.models import Track
    from conductor.report import Report, TicketReport

_HEAD = ("ticket", "state", "yes", "edited", "no", "rule", "undone", "looked", "checks", "corrected", "hints", "turns",
         "tokens", "cost", "worked")  # fmt: skip
_LEVEL = 0.95
_ODDS = "Odds of this track's workers, with 95 % intervals (conductor inspect has those of the project)"
_KEY = "yes, edited, no: your decisions · rule: let through by rule or trust level · checks: passed/failed"


def report(
    track: AnyTrackArgument = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that opens offline.")] = None,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Show what a track took: decisions, attention, checks, cost, and which rules would have saved prompts.

    A look at a call counts as five minutes at most. What was undone or tried again counts as well.

    Examples:

      conductor report

      conductor report tracks/first.toml --html report.html
    """
    from conductor.app import report_of
    from conductor.plan import load_plan
    from conductor.reading import replayed

    plan = load_plan(track, project)
    replayed(plan)
    found = report_of(plan)
    if html:
        html.write_text(_page(plan.track, found), encoding="utf-8")
        typer.echo(f"Written: {visible(str(html), one_line=True)}", err=True)
    if json:
        typer.echo(json_module.dumps(_as_json(plan.track, found), indent=2))
    elif not html:
        for line in _lines(plan.track, found):
            typer.echo(line)


def _rows(track: Track, found: Report) -> list[list[str]]:
    rows = [[t.id, str(t.status), *_cells(found.tickets[t.id])] for t in track.tickets]
    rows.append(["all", "", *_cells(found.total)])
    used = [at for at in range(len(_HEAD)) if at < 2 or any(row[at] for row in rows)]
    return [[row[at] for at in used] for row in ([*_HEAD], *rows)]


def _cells(took: TicketReport) -> list[str]:
    from conductor.display.summary import money

    counts = (took.approved, took.edited, took.rejected, took.by_policy, took.undone)
    checks = f"{took.checks_passed}/{took.checks_failed}" if took.checks_passed + took.checks_failed else ""
    return [
        *(str(count or "") for count in counts),
        _time(took.attention_s),
        checks,
        str(took.corrections or ""),
        str(took.hints or ""),
        str(took.turns or ""),
        f"{took.tokens:,}" if took.tokens else "",
        money(took.usd) if took.turns else "",
        _time(took.worked_s),
    ]


def _time(seconds: float) -> str:
    if not seconds:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def _lines(track: Track, found: Report) -> list[str]:
    rows = [[visible(cell, one_line=True) for cell in row] for row in _rows(track, found)]
    room = [max(map(width, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join(cell + " " * (wide - width(cell)) if at < 2 else " " * (wide - width(cell)) + cell
                  for at, (cell, wide) in enumerate(zip(row, room, strict=True))).rstrip()
        for row in rows
    ]  # fmt: skip
    odds = [f"  {visible(line, one_line=True)}" for line in _odds(found)]
    return [
        visible(track.title, one_line=True),
        *table,
        "",
        _KEY,
        "",
        *([f"{_ODDS}:", *odds, ""] if odds else []),
        *_rules(found),
    ]


def _odds(found: Report) -> list[str]:
    """Return a line for each worker and question: how likely, between what, and what was seen."""
    from conductor.inspector.odds import QUESTIONS

    lines: list[str] = []
    for worker in found.workers:
        lines.append(f"{worker.archetype} · {worker.model}")
        for name, (label, _) in QUESTIONS.items():
            rate = worker.rates[name]
            low, high = rate.interval(_LEVEL)
            seen = f"{rate.count.successes} of {rate.count.trials}" if rate.count.trials else "none seen"
            lines.append(f"  {label:25} {rate.mean:.2f}  {low:.2f} to {high:.2f}  {seen}")
    return lines


def _rules(found: Report) -> list[str]:
    if not found.rules:
        return ["No rule would have saved you two prompts or more without a regret."]
    lines = [f"  {rule.approved:3} prompts  {visible(rule.text, one_line=True)}" for rule in found.rules]
    return ["Rules that would have saved you prompts, and none of them one you refused or edited:", *lines]


def _as_json(track: Track, found: Report) -> dict[str, object]:
    from conductor.events.calls import MAX_LOOK_S
    from conductor.report import NUMBERS

    def fields(took: TicketReport) -> dict[str, object]:
        return {name: getattr(took, name) for name in NUMBERS}

    tickets = [
        {"id": t.id, "title": t.title, "status": str(t.status), "commit": found.tickets[t.id].commit,
         **fields(found.tickets[t.id])}
        for t in track.tickets
    ]  # fmt: skip
    rules = [{"id": rule.rule_id, "text": rule.text, "saves": rule.approved} for rule in found.rules]
    return {
        "track": track.id,
        "title": track.title,
        "longest_look_s": MAX_LOOK_S,
        "tickets": tickets,
        "total": fields(found.total),
        "rules": rules,
        "odds": [worker.as_json(_LEVEL) for worker in found.workers],
    }


def _page(track: Track, found: Report) -> str:
    """Return a page that loads nothing and runs nothing, whatever the names in it are."""
    from conductor.page import page, tag

    head, *rows = _rows(track, found)
    body = [tag("tr", *(tag("td", cell, cls=_class(at)) for at, cell in enumerate(row))) for row in rows]
    heads = tag("tr", *(tag("th", cell, cls=_class(at)) for at, cell in enumerate(head)))
    table = tag("table", tag("thead", heads), tag("tbody", *body))
    rules = [
        tag("div", tag("div", f"{rule.approved} prompts  ", tag("code", rule.text), cls="row"), cls="step")
        for rule in found.rules
    ]
    return page(
        track.title,
        tag("h1", track.title),
        tag("p", track.description, cls="soft"),
        tag("h2", "Tickets"),
        tag("div", tag("div", table, cls="wide"), cls="sheet"),
        tag("p", _KEY, cls="soft"),
        tag("h2", "Odds"),
        tag("pre", "\n".join(_odds(found))) if found.workers else tag("p", "Nobody has worked on it yet."),
        tag("p", _ODDS, cls="soft") if found.workers else "",
        tag("h2", "Rules that would have saved prompts"),
        tag("div", *rules, cls="sheet") if rules else tag("p", _rules(found)[0]),
    )


def _class(column: int) -> str | None:
    return "number" if column > 1 else None
