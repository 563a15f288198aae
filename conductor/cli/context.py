"""`conductor context`."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from conductor.cli.options import JsonOption, ProjectOption


def context(
    ticket: Annotated[str, typer.Argument(help="The ticket's id.", show_default=False)],
    track: Annotated[Path | None, typer.Option(help="The track file. Default: as for `conductor tickets`.")] = None,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Show exactly what a ticket's model is sent next.

    Examples:

      conductor context T1

      conductor context T1 --track tracks/first.toml --json
    """
    from conductor.app import load_plan, next_request, replayed
    from conductor.context import estimate_tokens
    from conductor.visible import visible

    plan = load_plan(track, project)
    messages, tools, notices = next_request(plan, plan.track.ticket(ticket), replayed(plan))
    if json:
        said = [asdict(message) for message in messages]
        known = [{"name": t.name, "description": t.description, "parameters": dict(t.parameters)} for t in tools]
        typer.echo(json_module.dumps({"messages": said, "tools": known, "notices": notices}, indent=2))
        return
    for message in messages:
        typer.echo(f"── {message.role} · about {estimate_tokens([message])} tokens " + "─" * 20)
        typer.echo(visible(message.content))
        for call in message.tool_calls:
            typer.echo(visible(f"→ {call.call_id} {call.tool} {call.raw or json_module.dumps(dict(call.arguments))}"))
    schema = sum(len(json_module.dumps({**asdict(t), "effect": ""})) for t in tools) // 4
    typer.echo(f"── tools · about {schema} tokens " + "─" * 20)
    typer.echo(", ".join(tool.name for tool in tools))
    total = estimate_tokens(messages) + schema
    typer.echo(f"── in all about {total} tokens (characters / 4) " + "─" * 10)
    for notice in notices:
        typer.echo(visible(f"note: {notice}"), err=True)
