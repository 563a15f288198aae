"""`conductor inspect`."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.options import JsonOption, ProjectOption

if TYPE_CHECKING:
    from conductor.inspector.advice import Advice
    from conductor.inspector.observe import Attempt
    from conductor.inspector.odds import Pool, Worker


ThresholdOption = Annotated[
    float | None,
    typer.Option(
        min=0.5,
        max=0.999,
        help="How often calls must be fine before more trust is advised.",
        show_default="inspector.threshold of the settings, 0.9",
    ),
]


def inspect(
    track: Annotated[str | None, typer.Argument(help="Only this track's id; else all of the project.")] = None,
    threshold: ThresholdOption = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Probability of the credible intervals.")] = 0.95,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the odds into this file.")] = None,
    sampled: Annotated[bool, typer.Option("--sampled", help="Sample the model with PyMC (extra [bayes]).")] = False,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Show how likely each model's work is good, and what it costs.

    Odds are posteriors of what gates and humans said, with credible intervals; the journal has all they come from.

    Examples:

      conductor inspect

      conductor inspect --threshold 0.95 --plot odds.svg
    """
    from conductor.config import load_config
    from conductor.errors import UsageError
    from conductor.inspector.advice import advise
    from conductor.inspector.odds import workers
    from conductor.inspector.posterior import rates
    from conductor.plan import find_project

    if plot and plot.suffix.lower() != ".svg":
        raise UsageError(f"{plot} is no .svg file", hint="The plot is an SVG; name the file so.")
    root = project or find_project(Path.cwd())
    least = threshold or load_config(root).config.inspector.threshold
    known = workers(_attempts(root, track), _sampler() if sampled else rates)
    advice = advise(known, threshold=least, level=level)
    if plot:
        from conductor.inspector.plot import svg

        plot.write_text(svg(known, level), encoding="utf-8")
    if json:
        typer.echo(json_module.dumps(_as_json(known, advice, level), indent=2))
    else:
        _show(known, advice, level)


def _attempts(root: Path, track: str | None) -> list[Attempt]:
    """Return the attempts at tickets of a track, or of all, that the project's journal has. Raises `UsageError`."""
    from conductor.errors import UsageError
    from conductor.inspector.observe import attempts
    from conductor.journal import read
    from conductor.plan import STATE_FOLDER
    from conductor.stores.reader import read_only

    found = [seen for seen in attempts(read(read_only(root / STATE_FOLDER))) if track in (None, seen.track_id)]
    if track and not found:
        raise UsageError(f"no ticket of a track {track!r} was ever started here", hint="See: conductor log")
    return found


def _sampler() -> Pool:
    from conductor.inspector.bayes import sampled_rates

    return sampled_rates


def _show(known: Sequence[Worker], advice: Sequence[Advice], level: float) -> None:
    from conductor.inspector.odds import QUESTIONS
    from conductor.inspector.plot import bar
    from conductor.inspector.posterior import prior
    from conductor.visible import visible

    if not known:
        low, high = prior().interval(level)
        typer.echo(f"Nothing has run here yet: all odds are the prior, 0.50 ({low:.2f} to {high:.2f}).")
    for worker in known:
        typer.secho(visible(f"{worker.archetype} · {worker.model}", one_line=True), bold=True)
        for name, (label, _) in QUESTIONS.items():
            rate = worker.rates[name]
            low, high = rate.interval(level)
            seen = f"{rate.count.successes} of {rate.count.trials}" if rate.count.trials else "none seen"
            typer.echo(f"  {label:25} {rate.mean:.2f} {bar(rate, level)} {low:.2f} to {high:.2f}  {seen}")
        typer.echo(f"  {_costs(worker)}\n")
    for piece in advice:
        typer.secho(visible(f"→ {piece.text}", one_line=True), bold=True)
        for reason in piece.reasons:
            typer.echo(visible(f"  {reason}", one_line=True))


def _costs(worker: Worker) -> str:
    tried = len(worker.attempts)
    commands = sum(attempt.commands for attempt in worker.attempts)
    peak = max(attempt.peak_bytes for attempt in worker.attempts)
    usd, looked = worker.per_completed(lambda a: a.usd), worker.per_completed(lambda a: a.attention_s)
    said = [f"{worker.completed} of {tried} tickets completed"]
    if usd is not None and looked is not None:
        said.append(f"each ${usd:.4f} and {looked:.0f} s of attention")
    if commands:
        cpu = sum(attempt.cpu_s for attempt in worker.attempts)
        most = f", {peak / 1e6:.0f} MB at most" if peak else ""
        said.append(f"{commands} commands: {cpu:.1f} s of processor time{most}")
    return "; ".join(said)


def _as_json(known: Sequence[Worker], advice: Sequence[Advice], level: float) -> dict[str, object]:
    from msgspec import to_builtins

    return {
        "level": level,
        "workers": [worker.as_json(level) for worker in known],
        "advice": [to_builtins(piece) for piece in advice],
    }
