"""`conductor watch`."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.options import AnyTrackArgument, JsonOption, ProjectOption
from conductor.errors import exit_code_of

if TYPE_CHECKING:
    from conductor.display.narrator import Line
    from conductor.display.watch import Watched
    from conductor.events import Event

    Show = Callable[[Watched, Sequence[Event], Sequence[Line]], None]


def watch(
    track: AnyTrackArgument = None,
    last: Annotated[
        int | None,
        typer.Option("--last", "-n", min=0, help="How much of the past to show. Default: 20, with --json all."),
    ] = None,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="End with the run, and with its exit code, instead of waiting for more.")
    ] = False,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> int:
    """Watch a track from another terminal: the past first, then each step as it happens. Ctrl-C leaves.

    Watching changes nothing and starts nothing; it may begin before the run does.

    Examples:

      conductor watch

      conductor watch tracks/first.toml --json --until-end
    """
    from conductor.display.watch import Watched, begins_anew
    from conductor.journal import read
    from conductor.plan import STATE_FOLDER, load_plan
    from conductor.reading import entries_of
    from conductor.stores.follow import follow

    plan = load_plan(track, project)
    watched, past = Watched(plan.track), entries_of(plan)
    lines, reached = watched.apply(past), past[-1].sequence if past else 0
    kept = last if last is not None else len(past) if json else 20
    try:
        with _lines_of_json() if json else _screen(watched) as (show, idle):
            show(watched, past[len(past) - kept :] if kept < len(past) else past, lines[max(0, len(lines) - kept) :])
            if until_end and watched.ended is not None:
                return watched.ended
            for rows in follow(plan.project / STATE_FOLDER, reached, idle):
                news = [event for event in read(rows) if event.track_id == plan.track.id]
                new = news
                if any(map(begins_anew, news)):  # then the state is folded on the track as it was planned
                    watched = Watched(load_plan(track, project).track)
                    now = [event for event in entries_of(plan) if event.sequence <= rows[-1].sequence]
                    watched.apply(event for event in now if event.sequence < rows[0].sequence)
                    new = [event for event in now if event.sequence >= rows[0].sequence]
                show(watched, news, watched.apply(new))
                if until_end and watched.ended is not None:
                    return watched.ended
    except KeyboardInterrupt as stop:
        return exit_code_of(stop)
    return 0


@contextmanager
def _lines_of_json() -> Generator[tuple[Show, Callable[[], None]]]:
    from conductor.events import as_dict

    def show(watched: Watched, entries: Sequence[Event], lines: Sequence[Line]) -> None:
        del watched, lines
        for event in entries:
            sys.stdout.write(json_module.dumps(as_dict(event)) + "\n")
        sys.stdout.flush()

    yield show, lambda: None


@contextmanager
def _screen(watched: Watched) -> Generator[tuple[Show, Callable[[], None]]]:
    """Yield what shows lines as text and, where a terminal can show it, the live block below them."""
    from rich.console import Console
    from rich.live import Live

    from conductor.display import text_of

    console = Console(highlight=False, markup=False, emoji=False)
    drawable = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if not drawable:

        def show_plain(watched: Watched, entries: Sequence[Event], lines: Sequence[Line]) -> None:
            del watched, entries
            for line in lines:
                console.print(text_of(line), soft_wrap=True)

        yield show_plain, lambda: None
        return
    shown, size = watched, console.size
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:

        def show(watched: Watched, entries: Sequence[Event], lines: Sequence[Line]) -> None:
            nonlocal shown
            del entries
            shown = watched
            for line in lines:
                console.print(text_of(line), soft_wrap=True)
            live.update(watched.rows(*console.size), refresh=True)

        def idle() -> None:
            nonlocal size
            if console.size != size:
                size = console.size
                live.update(shown.rows(*size), refresh=True)

        yield show, idle
