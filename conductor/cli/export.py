"""`conductor export`."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from conductor.cli.options import AnyTrackArgument, ProjectOption
from conductor.errors import UsageError


def export(
    track: AnyTrackArgument = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the page goes; - is standard output.", show_default=False)
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the entries as JSON lines; - is standard output.")
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Write a run as one page: timeline, diffs, decisions, costs; and its entries as JSON lines.

    The page is one file that opens offline: nothing in it is loaded from elsewhere and nothing runs. Without options it
    is written to TRACK.html in the current folder.

    Examples:

      conductor export tracks/first.toml --html run.html

      conductor export --jsonl run.jsonl
    """
    from conductor._version import __version__
    from conductor.effective import without_aside
    from conductor.export.run import run_page, write_jsonl
    from conductor.plan import STATE_FOLDER, load_plan
    from conductor.reading import replayed, run_entries
    from conductor.stores.reader import reader

    plan = load_plan(track, project)
    entries = without_aside(run_entries(plan))
    if not entries:
        raise UsageError(f"track {plan.track.id} has not run here yet", hint="Run it first: conductor run TRACK")
    if jsonl:
        with _written(jsonl) as out:
            write_jsonl(entries, out)
    if jsonl and not html:
        return
    replayed(plan)  # the tickets' states
    with reader(plan.project / STATE_FOLDER) as kept:
        page = run_page(plan.track, entries, kept.get, __version__)
    with _written(html or Path(f"{plan.track.id}.html")) as out:
        out.write(page)


@contextmanager
def _written(path: Path) -> Generator[TextIO]:
    """Yield a file for text, standard output for "-". Raises `UsageError` where it cannot be written."""
    if str(path) == "-":
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8", newline="\n") as out:
            yield out
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    typer.echo(f"Written: {path}", err=True)
