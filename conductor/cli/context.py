"""`conductor context`."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.options import JsonOption, ProjectOption

if TYPE_CHECKING:
    from conductor.app import NextRequest
    from conductor.context import Meter


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
    from conductor.app import next_request
    from conductor.context import Meter
    from conductor.gateways import windows_of
    from conductor.plan import load_plan
    from conductor.reading import replayed

    plan = load_plan(track, project)
    request = next_request(plan, plan.track.ticket(ticket), replayed(plan).entries)
    meter = Meter(request.model, windows_of(plan).of(request.model))
    if json:
        typer.echo(json_module.dumps(_as_json(request, meter), indent=2))
    else:
        _show(request, meter)


def _as_json(request: NextRequest, meter: Meter) -> dict[str, object]:
    from msgspec import to_builtins

    ours = {"human", "stands_for"}  # notes that are not sent
    window = meter.window
    return {
        "model": request.model,
        "messages": [{k: v for k, v in to_builtins(message).items() if k not in ours} for message in request.messages],
        "tools": [
            {"name": t.name, "description": t.description, "parameters": dict(t.parameters)} for t in request.tools
        ],
        "notices": request.notices,
        "size": {
            "tokens": meter.tokens(request.messages, request.tools),
            "counted_by": meter.tokenizer,
            "window": window.tokens,
            "window_source": window.source,
        },
    }


def _show(request: NextRequest, meter: Meter) -> None:
    from conductor.visible import visible

    for message in request.messages:
        typer.echo(f"── {message.role} · about {meter.size(message)} tokens " + "─" * 20)
        typer.echo(visible(message.content))
        for call in message.tool_calls:
            typer.echo(visible(f"→ {call.call_id} {call.tool} {call.raw or json_module.dumps(dict(call.arguments))}"))
    typer.echo(f"── tools · about {meter.tokens([], request.tools)} tokens " + "─" * 20)
    typer.echo(", ".join(tool.name for tool in request.tools))
    total, window = meter.tokens(request.messages, request.tools), meter.window
    typer.echo(f"── in all about {total} tokens ({meter.tokenizer}) " + "─" * 10)
    used = f"{total / window.tokens:.0%} of the window of {visible(request.model, one_line=True)}"
    typer.echo(f"{used}: {window.tokens:,} tokens, {window.source}")
    for notice in request.notices:
        typer.echo(visible(f"note: {notice}"), err=True)
