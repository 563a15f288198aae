from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from conductor.clutch.jsonl import JsonlClutch
from conductor.messages import (
    Aborted,
    Approved,
    ChosenRule,
    Decision,
    Effect,
    Preview,
    Rejected,
    RuleOffer,
    RuleOffers,
    RuleSpan,
    Skipped,
    ToolCall,
)

CALL = ToolCall("c1", "write_file", {"path": "a.py", "content": "x"})
SHOWN = Preview("diff", "+x \ud800\x1b", "write a.py", Effect.IDEMPOTENT, "d1", ticket_id="T1", notices=("note",))


OFFERED = RuleOffers((RuleOffer("r1", "allow exactly", 3, ("ls -l  (rejected)",)), RuleOffer("r2", "allow ls")))


def ask_with_rules(*lines: object, offers: RuleOffers = OFFERED) -> tuple[Decision, list[dict[str, Any]]]:
    said = "".join(f"{json.dumps(line)}\n" for line in lines)
    written = io.StringIO()
    decision = JsonlClutch(written, io.StringIO(said)).review(CALL, replace(SHOWN, offers=lambda: offers))
    return decision, [json.loads(line) for line in written.getvalue().splitlines()][1:]


def test_the_shape_of_a_change_stands_in_the_preview() -> None:
    written = io.StringIO()
    JsonlClutch(written, io.StringIO("")).review(
        CALL, replace(SHOWN, shape="adds f()", dangerous="this removes 1 test")
    )
    asked = json.loads(written.getvalue())
    assert asked["preview"]["shape"] == "adds f()"
    assert asked["notices"] == ["note", "DANGEROUS: this removes 1 test"]


def test_the_rules_that_would_cover_a_call_are_told_when_asked_for() -> None:
    _, [offered] = ask_with_rules(answer("rules"))
    assert offered == {
        "type": "rules_offered",
        "call_id": "c1",
        "rules": [
            {"rule": "r1", "text": "allow exactly", "approved": 3, "regrets": ["ls -l  (rejected)"]},
            {"rule": "r2", "text": "allow ls", "approved": 0, "regrets": []},
        ],
        "why_none": "",
    }


def test_an_approval_may_have_a_rule_kept() -> None:
    kept, _ = ask_with_rules(answer("approve", remember="track"))
    assert kept == Approved(CALL.arguments, ChosenRule(OFFERED.offers[0], RuleSpan.TRACK))
    other, _ = ask_with_rules(
        answer("approve", remember="always", rule="r2", uses=20, expires="2999-01-31T00:00:00+00:00")
    )
    until = datetime(2999, 1, 31, tzinfo=UTC)
    assert other == Approved(CALL.arguments, ChosenRule(OFFERED.offers[1], RuleSpan.ALWAYS, 20, until))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"remember": "forever"}, '"remember" is one of run, track, day, always'),
        ({"remember": "run", "rule": "r9"}, "no such rule covers this call"),
        ({"remember": "run", "uses": 0}, "give a number of times"),
        ({"remember": "run", "expires": "soon"}, "give a time such as"),
        ({"uses": 3}, '"uses" needs "remember"'),
    ],
)
def test_a_rule_that_cannot_be_kept_approves_nothing(more: dict[str, object], said: str) -> None:
    decision, [error] = ask_with_rules(answer("approve", **more))
    assert decision == Aborted()
    assert said in error["message"]


def test_where_no_rule_can_be_it_says_why() -> None:
    decision, [error] = ask_with_rules(answer("approve", remember="run"), offers=RuleOffers((), "it is hidden"))
    assert decision == Aborted()
    assert "it is hidden" in error["message"]


def test_a_key_given_twice_decides_nothing() -> None:
    decision, written = ask('{"call_id": "c1", "decision": "reject", "decision": "approve"}')
    assert decision == Aborted()
    assert "given twice" in written[-1]["message"]


def ask(*lines: object) -> tuple[Decision, list[dict[str, Any]]]:
    """Answer a review with these lines; return the decision and what was written."""
    said = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    written = io.StringIO()
    decision = JsonlClutch(written, io.StringIO(said)).review(CALL, SHOWN)
    return decision, [json.loads(line) for line in written.getvalue().splitlines()]


def answer(decision: object, **more: object) -> dict[str, object]:
    return {"call_id": "c1", "decision": decision, **more}


def test_the_request_has_the_keys_people_script_against() -> None:
    _, (request,) = ask()

    assert request == {
        "type": "approval_requested",
        "call_id": "c1",
        "ticket_id": "T1",
        "tool": "write_file",
        "arguments": {"path": "a.py", "content": "x"},
        "digest": "d1",
        "effect": "idempotent",
        "preview": {"kind": "diff", "text": "+x \ud800\x1b"},
        "notices": ["note"],
    }


def test_danger_is_a_notice() -> None:
    written = io.StringIO()
    JsonlClutch(written, io.StringIO()).review(CALL, replace(SHOWN, dangerous="it deletes a file"))
    assert json.loads(written.getvalue())["notices"] == ["note", "DANGEROUS: it deletes a file"]


@pytest.mark.parametrize(
    ("said", "decision"),
    [
        (answer("approve"), Approved(CALL.arguments)),
        (answer("approve", digest="d1", arguments=dict(CALL.arguments)), Approved(CALL.arguments)),
        (answer("edit", arguments={"path": "b.py"}), Approved({"path": "b.py"})),
        (answer("approve", reason="mind b.py"), Approved(CALL.arguments, comment="mind b.py")),
        (answer("edit", arguments={"path": "b.py"}, reason="b!"), Approved({"path": "b.py"}, comment="b!")),
        (answer("reject", reason="no"), Rejected("no")),
        (answer("reject"), Rejected("")),
        (answer("reject", reason=None), Rejected("")),
        (answer("skip"), Skipped()),
        (answer("abort"), Aborted()),
    ],
)
def test_decisions(said: object, decision: Decision) -> None:
    assert ask("", said) == (decision, ask()[1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("no json", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ('{"call_id": "c1", "decision": "edit", "arguments": {"a": NaN}}', "NaN is no JSON"),
        ([], "expected"),
        ("null", "expected"),
        ({}, "expected"),
        (answer("yes"), "one of approve, edit, reject, happened, skip, abort"),
        (answer(["approve"]), "expected"),
        ({"decision": "approve"}, "'c1', not None"),
        ({"call_id": "c0", "decision": "approve"}, "'c1', not 'c0'"),
        (answer("approve", digest="d0"), "digest"),
        (answer("approve", arguments={"path": "other"}), 'use "edit"'),
        (answer("edit"), "the whole payload"),
        (answer("edit", arguments=[]), "the whole payload"),
    ],
)
def test_what_is_no_decision_is_answered_and_never_approves(wrong: object, message: str) -> None:
    decision, (_, error) = ask(wrong)
    assert decision == Aborted()
    assert (error["type"], error["call_id"]) == ("error", "c1")
    assert message in error["message"]

    assert ask(wrong, answer("reject", reason="then"))[0] == Rejected("then")


def test_the_end_of_input_pauses() -> None:
    assert ask()[0] == Aborted()
    assert ask("", "  ")[0] == Aborted()


def test_a_reader_that_went_away_pauses() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    requests = os.fdopen(writing, "w")

    assert JsonlClutch(requests, io.StringIO(json.dumps(answer("approve")))).review(CALL, SHOWN) == Aborted()
    with pytest.raises(BrokenPipeError):
        requests.close()


def test_each_call_takes_its_own_line() -> None:
    lines = [answer("approve"), {"call_id": "c2", "decision": "skip"}]
    clutch = JsonlClutch(io.StringIO(), io.StringIO("\n".join(map(json.dumps, lines))))

    assert clutch.review(CALL, SHOWN) == Approved(CALL.arguments)
    assert clutch.review(ToolCall("c2", "t", {}), SHOWN) == Skipped()
