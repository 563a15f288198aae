"""`conductor cost`."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conductor.cli.options import AnyTrackArgument, JsonOption, ProjectOption, RebuildOption
from conductor.visible import visible, width

if TYPE_CHECKING:
    from conductor.plan import Plan
    from conductor.spending import Spending, Spent


class By(StrEnum):
    """What `--by` takes."""

    TIER = "tier"
    ARCHETYPE = "archetype"
    MODEL = "model"
    TICKET = "ticket"


def cost(
    track: AnyTrackArgument = None,
    by: Annotated[
        list[By] | None, typer.Option(help="A line for each of these; may be repeated. Default: all four.")
    ] = None,
    json: JsonOption = False,
    rebuild: RebuildOption = False,
    project: ProjectOption = None,
) -> None:
    """Show what a track has cost: requests, tokens and dollars, and what it was spared.

    Tokens are the provider's count; "cached" is the part of the input that the provider had cached. What tickets used
    before they were tried again counts too.

    Examples:

      conductor cost

      conductor cost --by model

      conductor cost tracks/first.toml --json
    """
    from conductor.plan import load_plan
    from conductor.reading import past_of

    plan = load_plan(track, project)
    spending = past_of(plan, rebuild=rebuild).spending()
    keys = tuple(str(key) for key in by or By)
    if json:
        typer.echo(json_module.dumps(_as_json(plan, spending), indent=2))
        return
    sums = _grouped(spending, keys)
    if not sums:
        typer.echo("No model has been asked yet.")
        return
    total = spending.sum()
    table = [[*keys, "requests", "input", "cached", "output", "cost"]]
    table += [
        [*(visible(part or "-", one_line=True) for part in group), *_cells(spent)] for group, spent in sums.items()
    ]
    table.append(["all", *[""] * (len(keys) - 1), *_cells(total)])
    typer.echo(_aligned(table, numbers_from=len(keys)))
    for line in (*_spared(total), *_unpriced(spending), *_first_texts(spending)):
        typer.echo(visible(line, one_line=True))


def _grouped(spending: Spending, keys: Sequence[str]) -> dict[tuple[str, ...], Spent]:
    """Return what was spent on models by the values of `keys`, in the order they first spent something."""
    sums: dict[tuple[str, ...], Spent] = {}
    for account, spent in spending.accounts.items():
        if spent.completions or spent.requests:
            group = tuple(str(getattr(account, key)) for key in keys)
            sums[group] = sums[group] + spent if group in sums else spent
    return sums


def _cells(spent: Spent) -> list[str]:
    from conductor.display import money

    usage = spent.usage
    counts = (spent.requests, usage.input_tokens, usage.cached_tokens, usage.output_tokens)
    return [*(f"{count:,}" for count in counts), money(usage.usd)]


def _spared(total: Spent) -> Iterator[str]:
    """Yield what was not sent or not paid for, in words."""
    from conductor.display import money

    kept = {"views": total.views_kept_back // 4, "hints": total.hints_kept_back // 4}
    said = [f"{what} about {tokens:,} tokens" for what, tokens in kept.items() if tokens > 0]
    if said:
        yield f"kept out of conversations: {', '.join(said)} (characters / 4; sent once, they go with every later turn)"
    if total.saved.input_tokens or total.saved.output_tokens:
        tokens = total.saved.input_tokens + total.saved.output_tokens
        yield f"from the cache of completions: {tokens:,} tokens, {money(total.saved.usd)} not paid again"


def _unpriced(spending: Spending) -> Iterator[str]:
    """Yield who is in no list of prices: their tokens are counted, their dollars are not."""
    found = [model for (model,), spent in _grouped(spending, ["model"]).items() if spent.tokens and not spent.usage.usd]
    if found:
        yield f"no price is known of: {', '.join(found)}"


def _first_texts(spending: Spending) -> Iterator[str]:
    """Yield how long it was until people saw the first word of an answer."""
    found = {model: spent for (model,), spent in _grouped(spending, ["model"]).items() if spent.streamed}
    said = [f"{model} {s.first_text_s / s.streamed:.2f} s (mean of {s.streamed})" for model, s in found.items()]
    if said:
        yield f"time to first text: {', '.join(said)}"


def _aligned(table: Sequence[Sequence[str]], *, numbers_from: int) -> str:
    widths = [max(map(width, column)) for column in zip(*table, strict=True)]
    lines: list[str] = []
    for row in table:
        cells = [
            f"{' ' * (room - width(cell))}{cell}" if at >= numbers_from else f"{cell}{' ' * (room - width(cell))}"
            for at, (cell, room) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _as_json(plan: Plan, spending: Spending) -> Mapping[str, Any]:
    from msgspec import to_builtins

    def sums(key: str) -> dict[str, Any]:
        return {group: _plain(spent) for (group,), spent in _grouped(spending, [key]).items()}

    return {
        "track": plan.track.id,
        "total": _plain(spending.sum()),
        **{f"by_{key}": sums(str(key)) for key in By},
        "accounts": [{**to_builtins(account), **_plain(spent)} for account, spent in spending.accounts.items()],
    }


def _plain(spent: Spent) -> dict[str, Any]:
    """Return what was spent as plain values, tokens of what was kept back instead of characters."""
    from msgspec import to_builtins

    return {
        "completions": spent.completions,
        "requests": spent.requests,
        **to_builtins(spent.usage),
        "seconds": round(spent.seconds, 3),
        "streamed": spent.streamed,
        "first_text_s": round(spent.first_text_s / max(1, spent.streamed), 4),
        "saved_by_cache": to_builtins(spent.saved),
        "kept_back_by_views": spent.views_kept_back // 4,
        "kept_back_by_hints": spent.hints_kept_back // 4,
    }
