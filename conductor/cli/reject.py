"""`conductor reject`."""

from __future__ import annotations

from typing import Annotated

import typer

from conductor.cli.options import JsonOption, ProjectOption
from conductor.cli.outside import CALL_HELP, TrackOption, answer, find, say_answer, waiting


def reject(
    call: Annotated[str, typer.Argument(help=CALL_HELP, show_default=False)],
    reason: Annotated[str, typer.Option(help="Tell the worker why.")] = "",
    json: JsonOption = False,
    track: TrackOption = None,
    project: ProjectOption = None,
) -> None:
    """Reject a call that waits in another terminal, or in a run that was paused. The first answer counts.

    Examples:

      conductor reject call_7f3a --reason "The name is taken."
    """
    ticket, proposed = find(waiting(track, project), call)
    by = answer(ticket, proposed, "reject", reason.strip(), track, project)
    say_answer(ticket, proposed, "reject", by, as_json=json)
