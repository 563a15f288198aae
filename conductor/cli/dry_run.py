"""What a run would do, without doing it."""

from __future__ import annotations

import typer

from conductor.app import workspace_of
from conductor.context import estimate_tokens, messages_of, opening, room_for_views
from conductor.errors import ExitCode, Refused
from conductor.gateways import windows_of
from conductor.plan import Plan
from conductor.visible import visible


def show(plan: Plan) -> int:
    """Print the tickets in the order of a run, each with its model, trust level, opening and checks."""
    count = len(plan.track.tickets)
    size = f"{count} ticket{'s' * (count != 1)}"
    typer.echo(visible(f"{plan.track.title} ({size}), project {plan.project}. Nothing is run."))
    for number, ticket in enumerate(plan.track.planned_order(), 1):
        archetype = plan.archetype(ticket.worker_archetype)
        try:
            room = room_for_views(windows_of(plan).of(archetype.model).tokens)
            built = opening(ticket, archetype, workspace_of(plan), room)
            size, notices = f"about {estimate_tokens(messages_of(built))} tokens to begin with", list(built.notices)
        except Refused as refusal:
            size, notices = f"its context cannot be built: {refusal}", []
        after = f", after {', '.join(ticket.dependencies)}" if ticket.dependencies else ""
        typer.echo(visible(f"\n{number}. {ticket.id} {ticket.title}{after}"))
        typer.echo(visible(f"   {archetype.model} · {archetype.trust_level} · {size}"))
        checks = [f"{gate.name}: {gate.command}" for gate in plan.config.gates] + [f"verify: {ticket.verify}"] * bool(
            ticket.verify
        )
        for line in (*checks, *notices):
            typer.echo(visible(f"   {line}"))
    return ExitCode.OK
