"""`conductor replay`."""

from __future__ import annotations

import json as json_module
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.options import AnyTrackArgument, JsonOption, ProjectOption
from conductor.errors import ExitCode, StateMismatch, UsageError
from conductor.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conductor.events import Event
    from conductor.models import Track
    from conductor.plan import Plan
    from conductor.replay.run import Report


def replay(
    track: AnyTrackArgument = None,
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to. Default: a new scratch folder.", show_default=False)
    ] = None,
    commands: Annotated[
        bool,
        typer.Option("--commands", help="Run the commands again, in the sandbox, instead of taking their results."),
    ] = False,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Run a finished track again from the journal: no model, no network, in a scratch folder.

    The same engine and tools make the same changes from the recorded replies and decisions. Ends with 6 where the
    resulting files are not the same, byte for byte. The project itself is not touched.

    Examples:

      conductor replay tracks/first.toml

      conductor replay tracks/first.toml --into /tmp/again --commands
    """
    from msgspec import to_builtins

    from conductor.plan import load_plan

    plan = load_plan(track, project)
    folder = _scratch(into, plan.project)
    report = _again(plan, folder, commands)
    if json:
        said = {"folder": str(folder), "same": not report.differences, **to_builtins(report)}
        typer.echo(json_module.dumps(said, indent=2))
    else:
        _tell(plan, report, folder, commands)
    if report.differences:
        raise typer.Exit(ExitCode.STATE)


def _again(plan: Plan, folder: Path, commands: bool) -> Report:
    """Run the plan's track again in `folder`, with `commands` in the sandbox, and return what became of it."""
    from msgspec.structs import replace

    from conductor.app import gates_of, sandbox_of, workspace_of
    from conductor.plan import STATE_FOLDER
    from conductor.reading import run_entries
    from conductor.replay.record import Record
    from conductor.replay.run import Setting, prepare
    from conductor.replay.run import replay as run_again
    from conductor.stores.reader import reader

    entries = run_entries(plan)
    record = Record(entries)
    with reader(plan.project / STATE_FOLDER) as kept:
        try:
            prepare(plan.project, folder, record, kept.get)
            planned = _track(plan, entries, folder, kept.get)
        except OSError as error:
            raise UsageError(f"the project cannot be copied to {folder}: {error}") from error
        sandbox = sandbox_of(replace(plan, project=folder)) if commands else None
        setting = Setting(replace(workspace_of(plan), root=folder), plan.archetype, gates_of(plan), sandbox)
        return run_again(planned, record, kept.get, setting)


def _scratch(into: Path | None, project: Path) -> Path:
    """Return an empty folder outside the project. Raises `UsageError`."""
    if into is None:
        return Path(tempfile.mkdtemp(prefix="conductor-replay-")).resolve()
    folder = into.resolve()
    if folder.is_relative_to(project):
        raise UsageError(f"{into} lies inside the project", hint="Name a folder elsewhere.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{into} is not empty", hint="Name a new folder.")
    return folder


def _track(plan: Plan, entries: Sequence[Event], folder: Path, get: Callable[[str], bytes]) -> Track:
    """Return the track as the run had it, from the journal where the file was changed since."""
    from conductor.events import RunResumed, TrackStarted
    from conductor.track_file import load_track

    runs = [event.data for event in entries if isinstance(event.data, TrackStarted | RunResumed)]
    digest = runs[-1].track_digest
    if digest == plan.digest:
        return plan.track
    try:
        content = get(digest)
    except StateMismatch:
        raise StateMismatch(
            f"{plan.track_path.name} was changed since, and what it was is not in the journal",
            hint="Bring it back as it was, for example from git, and replay again.",
        ) from None
    path = folder / plan.track_path.relative_to(plan.project) if plan.track_path.is_relative_to(plan.project) else None
    place = path or folder.parent / f"{folder.name}.toml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return load_track(place, project=folder, archetypes=plan.config.archetypes)


def _tell(plan: Plan, report: Report, folder: Path, commands: bool) -> None:
    ran = "run again" if commands else "not run: their results are the journal's"
    replies, decisions = _count(report.requests, "reply", "replies"), _count(report.decisions, "decision")
    lines = [
        f"{plan.track.title}: {_count(len(report.tickets), 'ticket')}, {replies} and {decisions} from the journal",
        f"{_count(report.commands, 'command')} {ran}" if report.commands else "no commands",
        *report.notes,
    ]
    if report.differences:
        lines += ["NOT THE SAME:", *(f"  {line}" for line in report.differences), f"See {folder}"]
    else:
        lines.append(f"The same, byte for byte: {_count(len(report.files), 'changed file')} in {folder}")
    typer.echo(visible("\n".join(lines)))


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
