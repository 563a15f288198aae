"""What is put to the clutch and what it answered: the preview, the digest that binds an approval, the entry."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor.clutch.glance import deleting
from conductor.context import stuck
from conductor.events.calls import MAX_LOOK_S
from conductor.ledger import Ledger
from conductor.messages import Approved, Decision, Preview, ToolCall, content_hash
from conductor.shape.base import Findings
from conductor.tools.base import Action, Tool
from conductor.tools.danger import danger_of
from conductor.tools.text import text_of
from conductor.worker import Worker


class Took(Struct, frozen=True):
    """For how long questions about a call stood, and for how long a human looked at them."""

    waited_s: float = 0.0
    looked_s: float = 0.0


class Review(Struct, frozen=True):
    """What the clutch said, about exactly which call, and what all questions about the call took so far.

    `overtaken` says whether somebody said something else in another process, which then counts.
    """

    decision: Decision
    shown: ToolCall
    preview: Preview
    took: Took
    overtaken: Callable[[], bool]


def ask_clutch(
    ledger: Ledger,
    worker: Worker,
    shown: ToolCall,
    preview: Preview,
    *,
    already_proposed: bool,
    earlier: Took | None = None,
) -> Review:
    """Journal that the call waits (unless it did before a restart, in the very same form), and ask the clutch.

    `earlier` is what the questions before this one took, when the call was edited or changed meanwhile.
    """
    if not already_proposed:
        proposed = events.CallProposed(
            call_id=shown.call_id,
            tool=shown.tool,
            arguments=shown.arguments,
            effect=preview.effect,
            digest=preview.digest,
            outcome_unknown=preview.outcome_unknown,
            preview=_as_json(preview),
        )
        ledger.record(proposed, ticket=worker.ticket)
    looked: list[float] = []
    asked = time.monotonic()
    decision = worker.clutch.review(shown, replace(preview, looked=looked.append))
    waited = time.monotonic() - asked
    before = earlier or Took()
    took = Took(before.waited_s + waited, before.looked_s + (sum(looked) if looked else min(waited, MAX_LOOK_S)))
    said = ledger.inbox.said(worker.ticket.id)
    return Review(*(decision, shown, preview, took), overtaken=lambda: ledger.inbox.said(worker.ticket.id) != said)


def _as_json(preview: Preview) -> dict[str, Any]:
    """Return what any other process needs to show the call as it is shown here."""
    return {
        "kind": preview.kind,
        "text": preview.text,
        "title": preview.title,
        "path": preview.path,
        "notices": list(preview.notices),
        "dangerous": preview.dangerous,
        **({"shape": preview.shape} if preview.shape else {}),
    }


def preview_of(
    worker: Worker, tool: Tool, shown: ToolCall, action: Action, notices: tuple[str, ...], unknown: bool
) -> Preview:
    """Return what the clutch is shown of a call that passed its checks."""
    repaired = f"the worker's call was repaired: {shown.repaired}" if shown.repaired else ""
    entry = worker.context.open_calls[0]
    again_and_again = "" if entry.by else stuck(worker.context, shown)
    proposed = f"proposed by the check {entry.by}, not by the worker: it {entry.why}" if entry.by else ""
    found = _findings(worker, shown, action)
    deletes = deleting(action.text) if action.kind == "command" else ""
    dangers = (*found.dangers, deletes, danger_of(action, tool.effect, worker.workspace))
    return Preview(
        kind=action.kind,
        text=action.text,
        title=action.title,
        effect=tool.effect,
        digest=digest_of(shown, action, worker.rules()),
        ticket_id=worker.ticket.id,
        path=action.path,
        notices=(*notices, *filter(None, (proposed, again_and_again, repaired)), *action.notices, *found.notices),
        must_ask=unknown or action.must_ask or bool(again_and_again or found.dangers),
        outcome_unknown=unknown,
        before=text_of(action.change.before) if action.change else None,
        dangerous="; ".join(filter(None, dangers)),
        shape=found.shape,
    )


def _findings(worker: Worker, shown: ToolCall, action: Action) -> Findings:
    written = str(shown.arguments.get("path", ""))
    return worker.changes.read(action.change, worker.ticket.frozen, written) if action.change else Findings()


def digest_of(call: ToolCall, action: Action, rules: str = "") -> str:
    """Return what an approval is bound to: tool, final arguments, sandbox, target, its content before and after, rules.

    `rules` stands for the rules in force that could forbid the call.
    """
    change = action.change
    bound: list[Any] = [rules, call.tool, dict(call.arguments), action.path, action.target, action.text]
    if action.sandbox:
        bound.append(action.sandbox)
    if change:
        bound += [content_hash(change.before), content_hash(change.after)]
    return content_hash(json.dumps(bound, sort_keys=True).encode())


def decided(worker: Worker, call: ToolCall, decision: str, review: Review, reason: str = "") -> events.CallDecided:
    """Return the journal entry of a decision: what the worker proposed, what was shown last, and what was said."""
    chosen = review.decision.rule if isinstance(review.decision, Approved) else None
    return events.CallDecided(
        call_id=call.call_id,
        decision=decision,
        by=worker.clutch.name,
        digest=review.preview.digest,
        proposed=call.arguments,
        arguments=review.shown.arguments,
        edited=dict(review.shown.arguments) != dict(call.arguments),
        reason=reason,
        waited_s=round(review.took.waited_s, 3),
        looked_s=round(review.took.looked_s, 3),
        rule=f"{chosen.offer.text} ({chosen.terms})" if chosen else "",
    )
