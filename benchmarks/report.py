"""How figures are summed up and printed: medians, p90, ratios, and the machine they are from."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from msgspec import Struct


class Figure(Struct, frozen=True):
    """One line of a table: what was measured of whom, in which unit, and what it was held against."""

    what: str
    who: str
    values: Sequence[float]
    unit: str
    bar: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p90(self) -> float:
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, round(0.9 * (len(ordered) - 1)))]


def options(description: str) -> argparse.ArgumentParser:
    """Return a parser with what all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--peer-venv", type=Path, help="an environment that has (or will get) mini-swe-agent")
    parser.add_argument("--no-peer", action="store_true", help="measure without the peer")
    return parser


def show(figures: Sequence[Figure], base: str, arguments: argparse.Namespace, notes: Sequence[str] = ()) -> None:
    """Print the figures, each with its ratio to what `base` has for the same `what`."""
    lines = [_line(figure, _base_of(figure, figures, base)) for figure in figures]
    if arguments.json:
        print(json.dumps({"machine": machine(), "figures": lines, "notes": list(notes)}, indent=1))
        return
    print(f"{machine()['when']}  {machine()['cpu']}, {machine()['cores']} cores, load {machine()['load']}")
    print(f"{machine()['python']}  {machine()['versions']}")
    rows = [["measured", "of", "median", "p90", "n", f"ratio to {base}" if base else "", "bar"]]
    for line in lines:
        ratio = "" if line["ratio"] is None else f"{line['ratio']:.2f}"
        spread = [_amount(line["median"], line["unit"]), _amount(line["p90"], line["unit"]), str(line["n"])]
        rows.append([line["what"], line["who"], *spread, ratio, line["bar"]])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for note in notes:
        print(note)


def _amount(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if unit else f"{value:g}"


def _base_of(figure: Figure, figures: Sequence[Figure], base: str) -> Figure | None:
    return next((other for other in figures if (other.what, other.who) == (figure.what, base)), None)


def _line(figure: Figure, base: Figure | None) -> dict[str, Any]:
    return {
        "what": figure.what,
        "who": figure.who,
        "median": round(figure.median, 3),
        "p90": round(figure.p90, 3),
        "n": len(figure.values),
        "unit": figure.unit,
        "ratio": round(figure.median / base.median, 4) if base and base.median else None,
        "bar": figure.bar,
    }


def machine() -> dict[str, Any]:
    """Return where and when this is measured, and with which versions."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = next(iter(names), cpu)
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": f"Python {platform.python_version()}",
        "versions": f"conductor {version('conductor-clutch')}, litellm {version('litellm')}",
    }
