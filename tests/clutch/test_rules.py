from __future__ import annotations

import pytest
from msgspec.structs import replace

from conductor.clutch.rules import DenyClutch, TrustClutch
from conductor.clutch.scripted import ScriptedClutch
from conductor.messages import Approved, Effect, Preview, Rejected, ToolCall
from conductor.models import TrustLevel

CALL = ToolCall("c1", "tool", {"a": 1})
SHOWN = Preview("text", "t", "t", Effect.READ, "d")
COVERED = {
    (TrustLevel.GUARDED, Effect.READ),
    (TrustLevel.AUTO, Effect.READ),
    (TrustLevel.AUTO, Effect.IDEMPOTENT),
    (TrustLevel.AUTO, Effect.UNSAFE),
}


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("level", TrustLevel)
@pytest.mark.parametrize("must_ask", [True, False])
def test_who_answers(level: TrustLevel, effect: Effect, must_ask: bool) -> None:
    human = ScriptedClutch([Rejected("no")])
    clutch = TrustClutch(level, human)

    decision = clutch.review(CALL, replace(SHOWN, effect=effect, must_ask=must_ask))

    if (level, effect) in COVERED and not must_ask:
        assert (decision, clutch.name, human.seen) == (Approved({"a": 1}), f"trust:{level}", [])
    else:
        assert (decision, clutch.name, len(human.seen)) == (Rejected("no"), "scripted", 1)


def test_the_name_says_who_answered_last() -> None:
    clutch = TrustClutch(TrustLevel.GUARDED, DenyClutch())

    clutch.review(CALL, SHOWN)
    assert clutch.name == "trust:guarded"
    clutch.review(CALL, replace(SHOWN, effect=Effect.UNSAFE))
    assert clutch.name == "deny"
