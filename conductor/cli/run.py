"""`conductor run`: its arguments. What it does is in `running`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from conductor.cli.options import AnyTrackArgument, ProjectOption, RebuildOption
from conductor.cli.running import ClutchName, RunOptions, run_track


class CacheModeName(StrEnum):
    """What `--cache` takes."""

    OFF = "off"
    READ = "read"
    WRITE = "write"
    REFRESH = "refresh"


ClutchOption = Annotated[
    ClutchName | None,
    typer.Option(help="Who decides. Default: terminal where there is one, else deny.", show_default=False),
]
StepOption = Annotated[bool, typer.Option("--step", help="Every call waits for you, whatever is configured.")]
AutoOption = Annotated[bool, typer.Option("--auto", help="Nothing waits for you. Use it in a container only.")]
NoSandboxOption = Annotated[
    bool, typer.Option("--no-sandbox", help="Commands are not held: they may do whatever you may.")
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Start over; a copy of the journal is kept aside.")]
AcceptChangesOption = Annotated[
    bool, typer.Option("--accept-changes", help="Go on although the track, a setting or a file was changed.")
]
RetryOption = Annotated[
    list[str] | None, typer.Option(metavar="TICKET", help="Try this failed or skipped ticket again; may be repeated.")
]
CommitOption = Annotated[
    bool, typer.Option("--commit", help="Make a git commit of each completed ticket: its own files, nothing else.")
]
CacheOption = Annotated[
    CacheModeName | None,
    typer.Option(help="Kept completions: use them, also keep new ones, or ask anew. Default: models.cache."),
]
TraceIdsOption = Annotated[
    bool, typer.Option("--trace-ids", help="List failed requests to models with the provider's ids at the end.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would run, in order; ask no model.")]


def run(
    track: AnyTrackArgument = None,
    clutch: ClutchOption = None,
    step: StepOption = False,
    auto: AutoOption = False,
    no_sandbox: NoSandboxOption = False,
    fresh: FreshOption = False,
    accept_changes: AcceptChangesOption = False,
    retry: RetryOption = None,
    commit: CommitOption = False,
    cache: CacheOption = None,
    trace_ids: TraceIdsOption = False,
    rebuild: RebuildOption = False,
    dry_run: DryRunOption = False,
    project: ProjectOption = None,
) -> int:
    """Run a track, or go on where it was stopped.

    Examples:

      conductor run tracks/first.toml

      conductor run tracks/first.toml --dry-run

      conductor run tracks/first.toml --clutch jsonl < decisions.jsonl
    """
    options = RunOptions(
        clutch,
        step=step,
        auto=auto,
        no_sandbox=no_sandbox,
        fresh=fresh,
        accept_changes=accept_changes,
        retry=retry or (),
        commit=commit,
        cache=cache.value if cache else None,
        trace_ids=trace_ids,
        rebuild=rebuild,
        dry_run=dry_run,
    )
    return run_track(track, options, project)
