"""What commands share that ask something of a run in another process."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conductor.errors import UsageError
from conductor.visible import visible

if TYPE_CHECKING:
    from conductor.events import CallProposed
    from conductor.ledger import Ledger
    from conductor.messages import Preview
    from conductor.plan import Plan

TrackOption = Annotated[Path | None, typer.Option(help="The track file. Default: as for `conductor tickets`.")]
CALL_HELP = "The call's id, how it begins, or its ticket's id."
TicketArgument = Annotated[str, typer.Argument(help="The ticket's id.", show_default=False)]


def who() -> str:
    """Return the name that answers and requests of this command are kept under."""
    with suppress(OSError, KeyError):
        return f"cli:{getpass.getuser()}"
    return "cli:somebody"


@contextmanager
def joined(plan: Plan) -> Generator[Ledger]:
    """Yield what a second process has of a run, able to record in its journal. Raises `UsageError` when none began."""
    from conductor.journal import Journal, node_of
    from conductor.ledger import Ledger
    from conductor.plan import STATE_FOLDER
    from conductor.stores.access import is_there
    from conductor.stores.registry import STORES

    folder = plan.project / STATE_FOLDER
    none = UsageError(
        f"track {plan.track.id} was not run yet",
        hint="What a worker must know from the start belongs in its ticket's prompt.",
    )
    if not is_there(folder):
        raise none
    with closing(STORES["sqlite"](folder)) as store:
        ledger = Ledger(plan.track, Journal(store, plan.track.id, node=node_of("cli")))
        if not ledger.replay():
            raise none
        yield ledger


def waiting(track: Path | None, project: Path | None) -> dict[str, CallProposed]:
    """Return the calls that wait, by ticket."""
    from conductor.plan import load_plan

    with joined(load_plan(track, project)) as ledger:
        return {ticket: call for ticket, call in ledger.inbox.waiting.items() if not any(ledger.inbox.said(ticket))}


def find(calls: dict[str, CallProposed], name: str) -> tuple[str, CallProposed]:
    """Return the waiting call that `name` is the id of, the beginning of the id, or the ticket.

    Raises `UsageError` when there is none, or not just one.
    """
    found = [(ticket, call) for ticket, call in calls.items() if name in (ticket, call.call_id)]
    found = found or [(ticket, call) for ticket, call in calls.items() if call.call_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(call.call_id for call in calls.values()) or "none"
    what = "more than one call that waits begins with" if found else "no call waits by the name"
    raise UsageError(f"{what} {name}", hint=f"What waits: {known}.")


def answer(
    ticket: str, call: CallProposed, decision: str, reason: str, track: Path | None, project: Path | None
) -> str:
    """Record the answer to a waiting call and return by whom it is. Raises `UsageError` when it came too late."""
    from conductor import requests
    from conductor.plan import load_plan

    with joined(load_plan(track, project)) as ledger:  # as it is now: a person may have thought about it for long
        requests.answer(ledger, ticket, call, decision, reason, by := who())
    return by


def say_answer(ticket: str, call: CallProposed, decision: str, by: str, *, as_json: bool) -> None:
    """Say what was answered."""
    if as_json:
        said = {"ticket_id": ticket, "call_id": call.call_id, "decision": decision, "digest": call.digest, "by": by}
        typer.echo(json.dumps(said))
    else:
        done = {"approve": "approved", "reject": "rejected", "happened": "it happened"}[decision]
        typer.echo(visible(f"{done}: {ticket} {call.tool} ({call.call_id})", one_line=True))


def as_dict(ticket: str, call: CallProposed) -> dict[str, Any]:
    """Return a waiting call as JSON prints it."""
    return {
        "ticket_id": ticket,
        "call_id": call.call_id,
        "tool": call.tool,
        "arguments": dict(call.arguments),
        "effect": call.effect,
        "digest": call.digest,
        "outcome_unknown": call.outcome_unknown,
        "preview": dict(call.preview),
    }


def preview_of(ticket: str, call: CallProposed) -> Preview:
    """Return what the clutch shows of the call; entries of older versions have its arguments only."""
    from conductor.messages import Effect, Preview

    shown = call.preview or {"kind": "text", "text": json.dumps(dict(call.arguments), indent=2), "title": call.tool}
    return Preview(
        kind=shown["kind"],
        text=shown["text"],
        title=shown["title"],
        effect=Effect(call.effect),
        digest=call.digest,
        ticket_id=ticket,
        path=shown.get("path", ""),
        notices=tuple(shown.get("notices", ())),
        dangerous=shown.get("dangerous", ""),
        shape=shown.get("shape", ""),
        outcome_unknown=call.outcome_unknown,
    )


def show(ticket: str, call: CallProposed) -> None:
    """Print all of a waiting call, as the clutch would."""
    from rich.console import Console
    from rich.text import Text

    from conductor.clutch.render import header, notice_rows, preview_lines, rows

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    preview = preview_of(ticket, call)
    lines = preview_lines(preview)
    for row in (*header(preview, call.tool, lines, console.width), *notice_rows(preview, console.width)):
        console.print(row, soft_wrap=True)
    for row in rows(lines, preview.path, console.width):
        console.print(row.text, soft_wrap=True)
    console.print(Text(visible(f"call {call.call_id}", one_line=True), style="dim"), soft_wrap=True)
