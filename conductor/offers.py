"""What a check can mend, or changed by itself, becomes calls that the clutch decides on as on a worker's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import to_builtins

from conductor import events
from conductor.errors import Refused, StateMismatch
from conductor.gates.base import Checks
from conductor.ledger import Ledger
from conductor.messages import ToolCall
from conductor.tools.text import text_of
from conductor.worker import Worker

OFFERED_BY = ("write_file", "delete_file")
_NAMED = 3


class Offers:
    """Proposes what follows from a check, so that nothing a check does to files takes effect without a decision."""

    def __init__(self, ledger: Ledger, checks: Checks) -> None:
        self._ledger = ledger
        self._checks = checks

    def propose(self, worker: Worker, gate: events.GateFinished) -> bool:
        """Record the calls that a check's run leads to; none where nothing of it can be offered."""
        if gate.put_back:
            why, proposed = "changes this file by itself", self._changes_of(gate)
        else:
            why, proposed = _mends(gate), self._fixes(worker, gate)
        calls = [ToolCall(f"by_{gate.call_id}_{n}", *call) for n, call in enumerate(proposed, 1)]
        offered = [to_builtins(call) for call in self._ledger.name_calls(calls)]
        self._ledger.record(events.CallsOffered(gate.gate, gate.call_id, why, offered), ticket=worker.ticket)
        return True

    def _fixes(self, worker: Worker, gate: events.GateFinished) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield a call for each file that is another one once everything is mended in it."""
        for path in gate.fixable:
            try:
                before = worker.workspace.content(worker.workspace.resolve(path))
            except Refused:
                continue
            after = self._checks.mended(gate.command, path, worker.workspace.sandbox) if before else None
            text = text_of(after)
            if text is not None and after != before:
                yield "write_file", {"path": path, "content": text}

    def _changes_of(self, gate: events.GateFinished) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield a call for each change that can be made by one: of text, and of what the file holds."""
        for change in gate.put_back:
            if not change["after"]:
                yield "delete_file", {"path": change["path"]}
            elif change["after"] != change["before"] and not change["after_mode"].startswith("12"):
                text = self._text(change["after"])
                if text is not None:
                    yield "write_file", {"path": change["path"], "content": text}

    def _text(self, digest: str) -> str | None:
        try:
            return text_of(self._ledger.journal.store.get(digest))
        except StateMismatch:
            return None


def _mends(gate: events.GateFinished) -> str:
    """Say in words what is mended."""
    found: Sequence[Mapping[str, Any]] = [f for f in gate.findings if f["fixable"] and f["path"] in gate.fixable]
    said = list(dict.fromkeys("format" if f["rule"] == "format" else f"{f['rule']} {f['message']}" for f in found))
    more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
    return f"mends what it can: {', '.join(said[:_NAMED])}{more}"
