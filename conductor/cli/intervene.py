"""`conductor intervene`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.options import ProjectOption
from conductor.cli.outside import TicketArgument, TrackOption, joined, who
from conductor.errors import UsageError
from conductor.visible import visible

if TYPE_CHECKING:
    from conductor.events import BugReported
    from conductor.plan import Plan

_LARGEST = 16 * 1024 * 1024


def intervene(
    ticket: TicketArgument,
    guidance: Annotated[
        str | None, typer.Argument(help="What to tell the worker; - reads it from standard input.", show_default=False)
    ] = None,
    bug: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Report a bug in the ticket's code as it is now; - reads it.")
    ] = None,
    bug_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Report what failed: the worker gets a hint of it. - reads standard input."),
    ] = None,
    about: Annotated[
        int | None,
        typer.Option(metavar="VERSION", help="Tell it only while the ticket's code is at this version."),
    ] = None,
    track: TrackOption = None,
    project: ProjectOption = None,
) -> None:
    """Tell a ticket's worker something, with its next request, while a run goes on or before the next one.

    A bug is reported of the code as it is now: if the worker changes the code before it hears of the bug, the report is
    kept, marked stale, and not told. A failing output reaches it as a hint; all of it is kept in the journal.

    Examples:

      conductor intervene T2 "Use the helper in dates.py."

      conductor intervene T2 - < guidance.txt

      conductor intervene T2 --bug "An empty cart has a total of -1."

      pytest 2>&1 | conductor intervene T2 --bug-file -
    """
    from conductor import requests
    from conductor.plan import load_plan

    reports = bug is not None or bug_file is not None
    if (guidance is None) is not reports:
        raise UsageError("say either what to tell the worker or what is wrong", hint="TEXT, or --bug, or --bug-file.")
    if "-" in (guidance, bug) and str(bug_file) == "-":
        raise UsageError("standard input cannot be both what is said and what failed")
    plan = load_plan(track, project)
    if reports:
        reported = _report(plan, ticket, bug, bug_file, about)
        about_it = visible(reported.said, one_line=True)
        typer.echo(
            f"{ticket}: unless its code (version {reported.about}) changes first, the worker is told: {about_it}"
        )
        return
    text = plan.secrets.hide(_text(guidance))
    if not text:
        raise UsageError("there is nothing to tell the worker")
    with joined(plan) as ledger:
        requests.intervene(ledger, ticket, text, who(), about)
    typer.echo(f"{ticket}: the worker is told with its next request, of this run or of the next.")


def _report(plan: Plan, ticket: str, bug: str | None, bug_file: Path | None, about: int | None) -> BugReported:
    from conductor import requests

    text, output = plan.secrets.hide(_text(bug)), plan.secrets.hide_bytes(_output(bug_file))
    if not text and not output.strip():
        raise UsageError("there is nothing to report", hint="Did the command write to standard error? Add 2>&1.")
    with joined(plan) as ledger:
        return requests.report_bug(ledger, ticket, text, who(), output=output, about=about, cwd=str(plan.project))


def _text(said: str | None) -> str:
    return (sys.stdin.read() if said == "-" else said or "").strip()


def _output(path: Path | None) -> bytes:
    """Return what failed, from a file or from standard input. Raises `UsageError` where that cannot be read."""
    try:
        output = b"" if path is None else sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(output) > _LARGEST:
        raise UsageError(f"{path} is larger than 16 MB", hint="Its end will do: tail -c 1M FILE | ... --bug-file -")
    return output
