"""What `conductor run` does. Loads no typer: see `_run` of the command line."""

from __future__ import annotations

import gc
import os
import shlex
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from conductor.errors import ConductorError, NeedsHuman, UsageError, where_of
from conductor.visible import visible

if TYPE_CHECKING:
    from conductor.display import Display, TicketStatistics
    from conductor.display.whereabouts import Whereabouts
    from conductor.llm.gateway import CacheMode
    from conductor.plan import Plan


class ClutchName(StrEnum):
    """What `--clutch` takes."""

    TERMINAL = "terminal"
    JSONL = "jsonl"
    DENY = "deny"


class RunOptions(Struct, frozen=True):
    """What `conductor run` was told besides the track, each field as the option of that name says."""

    clutch: ClutchName | None = None
    step: bool = False
    auto: bool = False
    no_sandbox: bool = False
    fresh: bool = False
    accept_changes: bool = False
    retry: Sequence[str] = ()
    commit: bool = False
    cache: CacheMode | None = None
    trace_ids: bool = False
    rebuild: bool = False
    dry_run: bool = False


def run_track(track: Path | None, options: RunOptions, project: Path | None = None) -> int:
    """Run a track file, or go on with it, as `conductor run` does with these options, and return the exit code."""
    from conductor.models import TrustLevel
    from conductor.plan import load_plan
    from conductor.reading import forget_snapshot

    if options.step and options.auto:
        raise UsageError("--step and --auto exclude each other")
    level = TrustLevel.STEP if options.step else TrustLevel.AUTO if options.auto else None
    plan = load_plan(track, project, level=level, no_sandbox=options.no_sandbox, cache=options.cache)
    if options.dry_run:
        from conductor.cli.dry_run import show

        return show(plan)
    if options.rebuild:
        forget_snapshot(plan)
    go_on = f"{program()} run {shlex.quote(os.path.relpath(plan.track_path))}"
    try:
        code = run_plan(plan, options, go_on=go_on)
    finally:
        if options.trace_ids:
            _say_failed_requests(plan)
    again = [f"--retry {t.id}" for t in plan.track.tickets if t.status in ("failed", "cancelled")]
    if again:
        _echo(f"Try again with: {go_on} {' '.join(again)}", err=True)
    return code


def run_plan(plan: Plan, options: RunOptions, *, go_on: str) -> int:
    """Run a loaded plan to its end or to where it stops, and return the exit code; `go_on` is the command to resume."""
    from conductor.app import build_engine
    from conductor.clutch.registry import CLUTCHES
    from conductor.display import make_display, statistics, summary
    from conductor.display.warmth import Warmth
    from conductor.display.whereabouts import Whereabouts
    from conductor.llm.gateway import openai_base

    name = options.clutch or default_clutch()
    titles = {ticket.id: ticket.title for ticket in plan.track.tickets}

    def used() -> dict[str, TicketStatistics]:
        return statistics((), engine.spending.accounts)

    display = make_display("jsonl" if name is ClutchName.JSONL else "auto", titles, used_before=used)
    where, warmth, decides = Whereabouts(plan.track.id), Warmth(), CLUTCHES[name]()
    if name is ClutchName.TERMINAL:
        from conductor.clutch.terminal import TerminalClutch

        assert isinstance(decides, TerminalClutch)
        decides.clear_by(display.still)
        if not openai_base(plan.config.models.api_base):
            decides.show_below(warmth.line)
    _say_withheld(plan)
    with (
        closing(display),
        _said_where(where, go_on),
        build_engine(
            plan,
            decides,
            listeners=(display, where, warmth),
            on_retry=partial(_say_retry, display, where),
            on_notice=partial(_say_notice, display),
            on_text=display.on_text,
            commit=options.commit,
        ) as engine,
    ):
        gc.freeze()  # what was loaded is looked through no more
        gc.set_threshold(2_000, 10, 10)
        code = engine.run(fresh=options.fresh, accept_changes=options.accept_changes, retry=options.retry)
    _echo(f"\n{summary(plan.track, used())}", err=name is ClutchName.JSONL)
    return code


def _say_withheld(plan: Plan) -> None:
    for line in plan.loaded.withheld:
        _echo(f"not in force until you allow it with `conductor trust`: {line}", err=True)
    if plan.loaded.withheld and (last := plan.trust.allowed(plan.project / "conductor.toml")):
        _echo(f"conductor.toml has changed since you allowed it on {last.when}; that command shows how", err=True)


@contextmanager
def _said_where(where: Whereabouts, go_on: str) -> Generator[None]:
    """Have whatever ends the run say where it was, and what waits for a human how to go on."""
    try:
        yield
    except BrokenPipeError:
        raise NeedsHuman("paused: nobody reads the output of this run any more", hint=f"Go on with: {go_on}") from None
    except ConductorError as stop:
        if isinstance(stop, NeedsHuman):
            stop.hint = stop.hint or f"Go on with: {go_on}"
        stop.about = {**where.known(), **stop.about}
        raise
    except KeyboardInterrupt as stop:
        vars(stop)["about"] = {**where.known(), **vars(stop).get("about", {})}
        raise
    except Exception as bug:
        bug.add_note(f"where it was: {where.known()}")
        raise


def _say_retry(display: Display, where: Whereabouts, attempt: int, wait_s: float, error: ConductorError) -> None:
    about = where_of({**where.known(), **error.about, "event": ""})  # there is no entry of it before it is over
    line = f"try {attempt} failed: {error}; again in {wait_s:.0f} s{about}"
    with display.aside(cut_off=True):
        _echo(visible(line, one_line=True), err=True)


def _say_failed_requests(plan: Plan) -> None:
    """List the requests that failed in this run of the track, with what their provider calls them."""
    from conductor.events import RequestFailed
    from conductor.reading import entries_of

    failed = [(event, event.data) for event in entries_of(plan) if isinstance(event.data, RequestFailed)]
    _echo(f"failed requests: {len(failed) or 'none'}", err=True)
    for event, data in failed:
        again = f"again after {data.wait_s:.0f} s" if data.wait_s else "not made again"
        request = f"{data.model} request {data.request_id or '(without an id)'}"
        line = f"{event.at[:19]} {event.ticket_id} {request}: {data.error}, {again}"
        _echo(f"  {visible(line, one_line=True)}", err=True)


def _say_notice(display: Display, line: str) -> None:
    with display.aside():
        _echo(visible(line, one_line=True), err=True)


def default_clutch() -> ClutchName:
    """Return `terminal` where a person can answer, else `deny`: without a terminal a run never hangs or approves."""
    return ClutchName.TERMINAL if _is_terminal() else ClutchName.DENY


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _echo(text: str, *, err: bool = False) -> None:
    print(text, file=sys.stderr if err else sys.stdout, flush=True)


def program() -> str:
    """Return how a person would call this program again: by its name where that leads here, else as it was called."""
    found = shutil.which("conductor")
    if found and Path(sys.argv[0]).exists() and Path(found).samefile(sys.argv[0]):
        return "conductor"
    return sys.argv[0] if os.access(sys.argv[0], os.X_OK) else "conductor"
