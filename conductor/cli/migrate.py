"""`conductor migrate`."""

from __future__ import annotations

import json as json_module
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conductor.cli.options import JsonOption, ProjectOption
from conductor.visible import visible

if TYPE_CHECKING:
    from conductor.stores.upgrade import Upgrade
    from conductor.track_upgrade import TrackUpgrade


def migrate(
    tracks: Annotated[
        list[Path] | None, typer.Argument(help="Track files. Default: those in tracks/.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Bring the journal and track files of an older Conductor to the formats of this one.

    What was is kept in a copy beside it. What is up to date is left as it is, byte for byte.

    Examples:

      conductor migrate --dry-run

      conductor migrate
    """
    from conductor.errors import UsageError
    from conductor.plan import STATE_FOLDER, find_project
    from conductor.stores.access import is_there
    from conductor.stores.upgrade import upgrade
    from conductor.track_upgrade import upgrade_track

    root = (project or find_project(Path.cwd())).resolve()
    if missing := [str(path) for path in tracks or () if not path.is_file()]:
        raise UsageError(f"no such track file: {', '.join(missing)}")
    found: list[Upgrade | TrackUpgrade] = []
    paths = tracks or sorted((root / "tracks").glob("*.toml"))
    for path in paths:  # before the journal: their mistakes are known without a change
        upgrade_track(path, dry_run=True)
    if is_there(root / STATE_FOLDER):
        found.append(upgrade(root / STATE_FOLDER, dry_run=dry_run))
    found += [upgrade_track(path, dry_run=dry_run) for path in paths]
    if json:
        typer.echo(json_module.dumps({"dry_run": dry_run, "files": [_as_dict(one) for one in found]}, indent=2))
        return
    if not found:
        typer.echo("There is no journal and no track here.", err=True)
    for one in found:
        typer.echo(visible("\n".join(_lines(one, dry_run))))


def _version(one: Upgrade | TrackUpgrade) -> int:
    from conductor.stores.upgrade import Upgrade

    return one.version if isinstance(one, Upgrade) else one.schema


def _steps(one: Upgrade | TrackUpgrade) -> list[tuple[int, str]]:
    from conductor.stores.upgrade import Upgrade

    if isinstance(one, Upgrade):
        return [(step.version, step.what) for step in one.steps]
    return [(step.schema, step.what) for step in one.steps]


def _lines(one: Upgrade | TrackUpgrade, dry_run: bool) -> list[str]:
    path, steps = os.path.relpath(one.path), _steps(one)
    if not steps:
        return [f"{path}: format {_version(one)}, up to date"]
    verb = "would go" if dry_run else "went"
    lines = [f"{path}: {verb} from format {_version(one)} to {steps[-1][0]}"]
    lines += [f"  {number}  {what}" for number, what in steps]
    return lines + ([f"  as it was: {os.path.relpath(one.copy)}"] if one.copy else [])


def _as_dict(one: Upgrade | TrackUpgrade) -> dict[str, Any]:
    steps = [{"to": number, "what": what} for number, what in _steps(one)]
    return {
        "path": str(one.path.absolute()),
        "format": _version(one),
        "steps": steps,
        "copy": str(one.copy.absolute()) if one.copy else None,
    }
