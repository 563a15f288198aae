"""What every clutch that needs no screen keeps to."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest

from conductor.clutch.base import Clutch
from conductor.clutch.jsonl import JsonlClutch
from conductor.clutch.registry import CLUTCHES
from conductor.clutch.rules import DenyClutch, TrustClutch
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.messages import Aborted, Approved, Effect, Preview, ToolCall
from conductor.models import TrustLevel

CALL = ToolCall("c1", "run_shell", {"command": "true"})
SHOWN = Preview("command", "true", "run a command", Effect.UNSAFE, "d1", must_ask=True)

WITHOUT_A_DECISION: dict[str, Callable[[], Clutch]] = {
    "jsonl": lambda: JsonlClutch(io.StringIO(), io.StringIO("")),
    "deny": DenyClutch,
    "scripted": lambda: ScriptedClutch([]),
    "trust": lambda: TrustClutch(TrustLevel.AUTO, DenyClutch()),
}
APPROVING: dict[str, Callable[[], Clutch]] = {
    "jsonl": lambda: JsonlClutch(io.StringIO(), io.StringIO(json.dumps({"call_id": "c1", "decision": "approve"}))),
    "scripted": lambda: ScriptedClutch([approve]),
    "trust": lambda: TrustClutch(TrustLevel.STEP, ScriptedClutch([approve])),
}


def test_the_registry_has_the_names_of_the_command_line() -> None:
    assert set(CLUTCHES) == {"terminal", "jsonl", "deny"}
    assert CLUTCHES["deny"]().name == "deny"


@pytest.mark.parametrize("make", WITHOUT_A_DECISION.values(), ids=WITHOUT_A_DECISION)
def test_without_a_decision_the_run_pauses(make: Callable[[], Clutch]) -> None:
    clutch = make()

    assert clutch.review(CALL, SHOWN) == Aborted()
    assert clutch.review(CALL, SHOWN) == Aborted()
    assert clutch.name


@pytest.mark.parametrize("make", APPROVING.values(), ids=APPROVING)
def test_an_approval_is_of_the_arguments_shown(make: Callable[[], Clutch]) -> None:
    assert make().review(CALL, SHOWN) == Approved({"command": "true"})
