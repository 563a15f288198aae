"""`conductor intervene`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from conductor.cli.options import ProjectOption
from conductor.cli.outside import TicketArgument, TrackOption, joined, who
from conductor.errors import UsageError


def intervene(
    ticket: TicketArgument,
    guidance: Annotated[str, typer.Argument(help="What to tell the worker; - reads it from standard input.")],
    about: Annotated[
        int | None,
        typer.Option(metavar="VERSION", help="Tell it only while the ticket's code is at this version."),
    ] = None,
    track: TrackOption = None,
    project: ProjectOption = None,
) -> None:
    """Tell a ticket's worker something, with its next request, while a run goes on or before the next one.

    Examples:

      conductor intervene T2 "Use the helper in dates.py."

      conductor intervene T2 - < guidance.txt
    """
    from conductor import requests
    from conductor.plan import load_plan

    text = (sys.stdin.read() if guidance == "-" else guidance).strip()
    if not text:
        raise UsageError("there is nothing to tell the worker")
    with joined(load_plan(track, project)) as ledger:
        requests.intervene(ledger, ticket, text, who(), about)
    typer.echo(f"{ticket}: the worker is told with its next request, of this run or of the next.")
