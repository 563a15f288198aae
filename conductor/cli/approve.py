"""`conductor approve`."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.ask import agreed, can_ask
from conductor.cli.options import JsonOption, ProjectOption
from conductor.cli.outside import CALL_HELP, TrackOption, answer, as_dict, find, preview_of, say_answer, show, waiting
from conductor.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from conductor.events import CallProposed


def approve(
    call: Annotated[str | None, typer.Argument(help=f"{CALL_HELP} Without it: show what waits.")] = None,
    comment: Annotated[str, typer.Option(help="Tell the worker this with the call's result.")] = "",
    digest: Annotated[str, typer.Option(help="Approve without asking, if this is the digest of what waits.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve without asking.")] = False,
    happened: Annotated[
        bool, typer.Option("--happened", help="Of a call that was cut off: it happened; do not run it again.")
    ] = False,
    json: JsonOption = False,
    track: TrackOption = None,
    project: ProjectOption = None,
) -> int:
    """Approve a call that waits in another terminal, or in a run that was paused. The first answer counts.

    Examples:

      conductor approve

      conductor approve call_7f3a

      conductor approve call_7f3a --comment "Mind the tests." --yes

      conductor approve call_7f3a --happened --comment "The row is in the table."
    """
    calls = waiting(track, project)
    if call is None:
        _list(calls, as_json=json)
        return ExitCode.OK
    ticket, proposed = find(calls, call)
    if digest and digest != proposed.digest:
        raise UsageError("the call that waits has another digest", hint=f"What waits now: {proposed.digest}")
    if happened and not proposed.outcome_unknown:
        raise UsageError(f"call {proposed.call_id} has not run", hint="--happened is for a call that was cut off.")
    if happened:
        by = answer(ticket, proposed, "happened", comment.strip(), track, project)
        say_answer(ticket, proposed, "happened", by, as_json=json)
        return ExitCode.OK
    if not digest and not _agreed(ticket, proposed, yes=yes, ask=not json):
        typer.echo("Nothing was answered; the call still waits.", err=True)
        return ExitCode.PAUSED
    by = answer(ticket, proposed, "approve", comment.strip(), track, project)
    say_answer(ticket, proposed, "approve", by, as_json=json)
    return ExitCode.OK


def _list(calls: dict[str, CallProposed], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json_module.dumps([as_dict(ticket, proposed) for ticket, proposed in calls.items()], indent=2))
        return
    for ticket, proposed in calls.items():
        show(ticket, proposed)
    typer.echo("Answer with: conductor approve CALL, conductor reject CALL" if calls else "No call waits.", err=True)


def _agreed(ticket: str, proposed: CallProposed, *, yes: bool, ask: bool) -> bool:
    """Ask the person at this terminal. Raises `UsageError` when nobody can be asked who has to be."""
    danger = preview_of(ticket, proposed).dangerous
    if yes and not danger:
        return True
    if not (ask and can_ask()):
        why = f"it is dangerous ({danger}), and nobody" if danger else "nobody"
        how = "" if danger else "--yes, or "
        raise UsageError(f"{why} can be asked here", hint=f"Approve exactly this: {how}--digest {proposed.digest}")
    show(ticket, proposed)
    return agreed("approve it", danger=danger)
