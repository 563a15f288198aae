"""The clutches that `--clutch` names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from conductor.clutch.base import Clutch


def _terminal() -> Clutch:
    from conductor.clutch.terminal import TerminalClutch

    return TerminalClutch()


def _jsonl() -> Clutch:
    from conductor.clutch.jsonl import JsonlClutch

    return JsonlClutch(sys.stdout, sys.stdin)


def _deny() -> Clutch:
    from conductor.clutch.rules import DenyClutch

    return DenyClutch()


CLUTCHES: Mapping[str, Callable[[], Clutch]] = {"terminal": _terminal, "jsonl": _jsonl, "deny": _deny}
