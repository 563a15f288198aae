"""`conductor check`."""

from __future__ import annotations

import json as json_module
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from conductor.cli.options import AnyTrackArgument, JsonOption, ProjectOption
from conductor.errors import ExitCode, InvalidFile, Problem, UsageError
from conductor.visible import visible

if TYPE_CHECKING:
    from conductor.models import Track

_SHOWN = 20


def check(track: AnyTrackArgument = None, json: JsonOption = False, project: ProjectOption = None) -> None:
    """Name every mistake of a track; run nothing.

    The configuration is read as well. Each mistake has its file, line and key.

    Examples:

      conductor check tracks/first.toml

      conductor check tracks/first.toml --json
    """
    from conductor.plan import find_project, find_track

    root = (project or find_project(Path.cwd())).resolve()
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder")
    problems: list[Problem] = []
    path = track or Path(os.path.relpath(find_track(root)))
    plan, withheld = _read(path, root, problems)
    if json:
        order = [ticket.id for ticket in plan.planned_order()] if plan and not problems else []
        found = [problem._asdict() for problem in problems]
        report = {"ok": not problems, "problems": found, "order": order, "withheld": withheld}
        typer.echo(json_module.dumps(report, indent=2))
        raise typer.Exit(ExitCode.USAGE if problems else ExitCode.OK)
    if problems or plan is None:
        raise InvalidFile(problems)
    typer.echo(f"OK: {_summary(plan)}")
    for line in withheld:
        typer.echo(visible(f"not in force before `conductor trust`: {line}"))


def _read(path: Path, root: Path, problems: list[Problem]) -> tuple[Track | None, tuple[str, ...]]:
    """Return the track and what of the configuration is withheld, adding the mistakes of both to `problems`."""
    from conductor.config import load_config, user_directory
    from conductor.track_file import load_track
    from conductor.trust import TrustStore

    archetypes, withheld = None, ()
    settings: list[Problem] = []
    try:
        loaded = load_config(root, is_trusted=TrustStore(user_directory(os.environ)).is_trusted)
        archetypes, withheld = tuple(loaded.config.archetypes), loaded.withheld
    except InvalidFile as error:
        settings = error.problems
    try:
        return load_track(path, project=root, archetypes=archetypes), withheld
    except InvalidFile as error:
        problems += error.problems
        return None, withheld
    finally:
        problems += settings


def _summary(track: Track) -> str:
    order = [ticket.id for ticket in track.planned_order()]
    count = f"{len(order)} ticket{'s' if len(order) > 1 else ''}"
    shown = order if len(order) <= _SHOWN else [*order[: _SHOWN - 1], f"... -> {order[-1]}"]
    return f"{count}, order {' -> '.join(shown)}"
