"""`conductor tickets`."""

from __future__ import annotations

import json as json_module

import typer

from conductor.cli.options import AnyTrackArgument, JsonOption, ProjectOption, RebuildOption


def tickets(
    track: AnyTrackArgument = None,
    json: JsonOption = False,
    rebuild: RebuildOption = False,
    project: ProjectOption = None,
) -> None:
    """Show each ticket's state, blocker, turns and cost.

    Examples:

      conductor tickets

      conductor tickets tracks/first.toml --json
    """
    from conductor.display import statistics, summary
    from conductor.plan import load_plan
    from conductor.reading import replayed

    plan = load_plan(track, project)
    past = replayed(plan, rebuild=rebuild)
    spent = statistics(past.entries, past.accounts)
    if not json:
        typer.echo(summary(plan.track, spent))
        return
    rows = [
        {
            "id": ticket.id,
            "title": ticket.title,
            "status": str(ticket.status),
            "priority": str(ticket.priority),
            "dependencies": list(ticket.dependencies),
            "blocked_by": ticket.blocked_by,
            "failure": ticket.failure,
            "turns": spent[ticket.id].turns if ticket.id in spent else 0,
            "tokens": spent[ticket.id].tokens if ticket.id in spent else 0,
            "usd": spent[ticket.id].usd if ticket.id in spent else 0.0,
        }
        for ticket in plan.track.tickets
    ]
    typer.echo(json_module.dumps({"track": plan.track.id, "title": plan.track.title, "tickets": rows}, indent=2))
