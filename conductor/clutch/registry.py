"""The clutches that `--clutch` names."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO, cast

from conductor.clutch.base import Clutch


def _terminal() -> Clutch:
    from conductor.clutch.terminal import TerminalClutch

    return TerminalClutch()


def _jsonl() -> Clutch:
    from conductor.clutch.jsonl import JsonlClutch

    if isinstance(sys.stdin, io.TextIOWrapper):  # a byte that is no UTF-8 makes a wrong line, not a crash
        cast("io.TextIOWrapper[Any]", sys.stdin).reconfigure(encoding="utf-8", errors="replace")
    return JsonlClutch(sys.stdout, cast("TextIO", sys.stdin))


def _deny() -> Clutch:
    from conductor.clutch.rules import DenyClutch

    return DenyClutch()


CLUTCHES: Mapping[str, Callable[[], Clutch]] = {"terminal": _terminal, "jsonl": _jsonl, "deny": _deny}
