"""`conductor cancel`."""

from __future__ import annotations

from typing import Annotated

import typer

from conductor.cli.options import ProjectOption
from conductor.cli.outside import TicketArgument, TrackOption, joined, who


def cancel(
    ticket: TicketArgument,
    reason: Annotated[str, typer.Option(help="Why, for the journal.")] = "",
    track: TrackOption = None,
    project: ProjectOption = None,
) -> None:
    """Cancel a ticket: a run does it at its next safe point, else the next run does. What needs it is blocked.

    Examples:

      conductor cancel T2 --reason "Somebody did it by hand."
    """
    from conductor import requests
    from conductor.plan import load_plan

    with joined(load_plan(track, project)) as ledger:
        requests.cancel(ledger, ticket, reason.strip(), who())
    typer.echo(f"{ticket}: it is cancelled at the next safe point, of this run or of the next.")
