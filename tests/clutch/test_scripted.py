from __future__ import annotations

from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.messages import Aborted, Approved, Effect, Preview, Rejected, Skipped, ToolCall

CALL = ToolCall("c1", "tool", {"a": 1})
SHOWN = Preview("text", "t", "t", Effect.READ, "d")


def test_answers_are_given_in_order_and_questions_remembered() -> None:
    clutch = ScriptedClutch([approve, Rejected("why"), lambda call, preview: Rejected(preview.digest), Skipped()])

    given = [clutch.review(CALL, SHOWN) for _ in range(5)]

    assert given == [Approved({"a": 1}), Rejected("why"), Rejected("d"), Skipped(), Aborted()]
    assert clutch.seen == [(CALL, SHOWN)] * 5
