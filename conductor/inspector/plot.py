"""The odds as pictures: a line of Unicode for the terminal, an SVG of the posterior densities for a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from conductor.inspector.odds import QUESTIONS, Worker
from conductor.inspector.posterior import Rate

_WIDTH, _HEIGHT, _GAP, _LEFT, _TOP = 220, 64, 24, 16, 40
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.dim{fill:#777}.axis{stroke:#bbb}.all{fill:#7aa6d8;opacity:.35}"
    ".sure{fill:#2f6fb5;opacity:.75}.mean{stroke:#c0392b;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.dim{fill:#999}.axis{stroke:#555}.mean{stroke:#ff8a75}}"
)


def bar(rate: Rate, level: float, width: int = 24) -> str:
    """Return `width` characters from 0 to 1: the credible interval as a bar, the mean as a dot in it."""
    low, high = rate.interval(level)
    cells = ["━" if low < (cell + 1) / width and cell / width < high else "·" for cell in range(width)]
    cells[min(int(rate.mean * width), width - 1)] = "●"
    return "".join(cells)


def svg(workers: Sequence[Worker], level: float) -> str:
    """Return an SVG document: a row for each worker, a column for each question, densities with their intervals."""
    row = _HEIGHT + 76
    width = _LEFT * 2 + len(QUESTIONS) * (_WIDTH + _GAP) - _GAP
    height = _TOP + row * len(workers) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{_STYLE}</style>",
        f'<text x="{_LEFT}" y="18">Posterior odds; darker: {level:.0%} credible interval; red: mean</text>',
    ]
    for number, worker in enumerate(workers):
        top = _TOP + row * number
        title = escape(f"{worker.archetype} · {worker.model}")
        parts.append(f'<text x="{_LEFT}" y="{top + 12}" font-weight="600">{title}</text>')
        for column, (name, (label, _)) in enumerate(QUESTIONS.items()):
            left = _LEFT + column * (_WIDTH + _GAP)
            parts += _panel(worker.rates[name], label, level, left, top + 20)
    return "\n".join([*parts, "</svg>", ""])


def _panel(rate: Rate, label: str, level: float, left: int, top: int) -> list[str]:
    low, high = rate.interval(level)
    edges = np.linspace(0.0, 1.0, 121)
    density = np.diff([rate.below(float(edge)) for edge in edges])
    middle = (edges[1:] + edges[:-1]) / 2
    highest = max(float(density[2:-2].max()), 1e-12)  # a rate of exactly 0 or 1 may have no bound
    heights = np.minimum(density / highest, 1.0) * _HEIGHT
    points = list(zip(middle.tolist(), heights.tolist(), strict=True))
    base, mean = top + _HEIGHT, left + rate.mean * _WIDTH
    said = f"{rate.mean:.2f} ({low:.2f} to {high:.2f}), {rate.count.successes} of {rate.count.trials}"
    return [
        _area(points, "all", left, base),
        _area([(x, y) for x, y in points if low <= x <= high], "sure", left, base),
        f'<line class="axis" x1="{left}" y1="{base}" x2="{left + _WIDTH}" y2="{base}"/>',
        f'<line class="mean" x1="{mean:.1f}" y1="{top}" x2="{mean:.1f}" y2="{base}"/>',
        f'<text x="{left}" y="{base + 16}">{escape(label)}</text>',
        f'<text class="dim" x="{left}" y="{base + 32}">{said}</text>',
    ]


def _area(points: Sequence[tuple[float, float]], kind: str, left: int, base: int) -> str:
    if not points:
        return ""
    curve = " ".join(f"{left + x * _WIDTH:.1f},{base - y:.1f}" for x, y in points)
    first, last = left + points[0][0] * _WIDTH, left + points[-1][0] * _WIDTH
    return f'<polygon class="{kind}" points="{first:.1f},{base} {curve} {last:.1f},{base}"/>'
