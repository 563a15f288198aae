"""The clutch over JSON lines: a request on one stream, a decision on the other."""

from __future__ import annotations

import json
from typing import IO, Any, cast

from conductor.clutch.glance import warnings_of, words_of
from conductor.clutch.lines import Lines
from conductor.messages import Aborted, Approved, Decision, Preview, Rejected, Skipped, ToolCall

_DECISIONS = ("approve", "edit", "reject", "skip", "abort")


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
            preview={"kind": preview.kind, "text": preview.text, **({"words": words} if words else {})},
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
                return self._decide(json.loads(line, parse_constant=_no_constant), call, preview)
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
                return Approved(call.arguments, comment=reason)
            case "edit":
                return Approved(_arguments(said), comment=reason)
            case "reject":
                return Rejected(reason)
            case "skip":
                return Skipped()
            case _:
                return Aborted()

    def _write(self, **fields: Any) -> None:
        self._requests.write(json.dumps(fields) + "\n")
        self._requests.flush()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _arguments(said: dict[str, Any]) -> dict[str, Any]:
    arguments = said.get("arguments")
    if not isinstance(arguments, dict):
        raise ValueError('"edit" needs "arguments": the whole payload as an object')
    return arguments  # pyright: ignore[reportUnknownVariableType]
