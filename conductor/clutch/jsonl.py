"""The clutch over JSON lines: a request on one stream, a decision on the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any, cast

from conductor.clutch.glance import warnings_of, words_of
from conductor.clutch.lines import Lines
from conductor.clutch.rule import read_expiry, read_uses
from conductor.messages import (
    Aborted,
    Approved,
    ChosenRule,
    Decision,
    Happened,
    Preview,
    Rejected,
    RuleOffers,
    RuleSpan,
    Skipped,
    ToolCall,
)

_DECISIONS = ("approve", "edit", "reject", "happened", "skip", "abort")
_QUESTION = "rules"  # no decision: asks which rules would cover the call


class JsonlClutch:
    """Writes `approval_requested` lines and reads decisions. What cannot be read is answered by an `error` line."""

    name = "jsonl"

    def __init__(self, requests: IO[str], decisions: IO[str]) -> None:
        self._requests = requests
        self._decisions = Lines(decisions)

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        """Ask, and read lines until one is a decision on this call; the end of either stream pauses the run."""
        try:
            return self._ask(call, preview)
        except BrokenPipeError:
            return Aborted()

    def _ask(self, call: ToolCall, preview: Preview) -> Decision:
        words = list(words_of(preview))
        self._write(
            type="approval_requested",
            call_id=call.call_id,
            ticket_id=preview.ticket_id,
            tool=call.tool,
            arguments=dict(call.arguments),
            digest=preview.digest,
            effect=str(preview.effect),
            **({"outcome_unknown": True} if preview.outcome_unknown else {}),
            preview={
                "kind": preview.kind,
                "text": preview.text,
                **({"words": words} if words else {}),
                **({"shape": preview.shape} if preview.shape else {}),
            },
            notices=[
                *preview.notices,
                *(f"it {warning}" for warning in warnings_of(preview)),
                *([f"DANGEROUS: {preview.dangerous}"] if preview.dangerous else []),
            ],
        )
        while line := self._decisions.next(preview.look):
            if not line.strip():
                continue
            try:
                answer = json.loads(line, parse_constant=_no_constant, object_pairs_hook=_without_duplicates)
                if answer == {"call_id": call.call_id, "decision": _QUESTION}:
                    self._offer(call, preview)
                    continue
                return self._decide(answer, call, preview)
            except (ValueError, RecursionError) as error:
                self._write(type="error", call_id=call.call_id, message=str(error))
        return Aborted()

    def _decide(self, answer: Any, call: ToolCall, preview: Preview) -> Decision:
        """Return the decision an input line holds. Raises ValueError, saying what a right line looks like."""
        said = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
        if said.get("decision") not in _DECISIONS:
            raise ValueError(f'expected {{"call_id": ..., "decision": one of {", ".join(_DECISIONS)}}}')
        if said.get("call_id") != call.call_id:
            raise ValueError(f"the call that waits is {call.call_id!r}, not {said.get('call_id')!r}")
        if said.get("digest", preview.digest) != preview.digest:
            raise ValueError(f"the digest is not that of the preview that waits, {preview.digest}")
        reason = str(said.get("reason") or "")
        match said["decision"]:
            case "approve":
                if said.get("arguments", call.arguments) != call.arguments:
                    raise ValueError('"approve" runs the arguments that were shown; use "edit" for others')
                return Approved(call.arguments, chosen_rule(said, preview), reason)
            case "edit":
                return Approved(_arguments(said), comment=reason)
            case "reject":
                return Rejected(reason)
            case "happened" if not preview.outcome_unknown:
                raise ValueError('"happened" answers a call of unknown outcome only; this one has not run')
            case "happened":
                return Happened(reason)
            case "skip":
                return Skipped()
            case _:
                return Aborted()

    def _offer(self, call: ToolCall, preview: Preview) -> None:
        """Say which rules would cover the call, each with what it would have meant in the past."""
        found = preview.offers() if preview.offers else RuleOffers((), "this call is asked about every time")
        offers = [
            {"rule": o.rule_id, "text": o.text, "approved": o.approved, "regrets": list(o.regrets)}
            for o in found.offers
        ]
        self._write(type="rules_offered", call_id=call.call_id, rules=offers, why_none=found.why_none)

    def _write(self, **fields: Any) -> None:
        self._requests.write(json.dumps(fields) + "\n")
        self._requests.flush()


def chosen_rule(said: Mapping[str, Any], preview: Preview) -> ChosenRule | None:
    """Return the rule that an approval wants kept, None for none. Raises ValueError, saying what is wrong."""
    if "remember" not in said:
        if extra := sorted({"rule", "uses", "expires"} & set(said)):
            raise ValueError(f'"{extra[0]}" needs "remember": one of {", ".join(RuleSpan)}')
        return None
    if said["remember"] not in tuple(RuleSpan):
        raise ValueError(f'"remember" is one of {", ".join(RuleSpan)}')
    found = preview.offers() if preview.offers else RuleOffers((), "this call is asked about every time")
    offers = [offer for offer in found.offers if said.get("rule", offer.rule_id) == offer.rule_id]
    if not offers:
        raise ValueError(f"no such rule covers this call{f': {found.why_none}' if found.why_none else ''}")
    uses = read_uses(str(said["uses"])) if "uses" in said else None
    expires = read_expiry(str(said["expires"]), datetime.now(UTC)) if "expires" in said else None
    return ChosenRule(offers[0], RuleSpan(said["remember"]), uses, expires)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _arguments(said: dict[str, Any]) -> dict[str, Any]:
    arguments = said.get("arguments")
    if not isinstance(arguments, dict):
        raise ValueError('"edit" needs "arguments": the whole payload as an object')
    return arguments  # pyright: ignore[reportUnknownVariableType]
