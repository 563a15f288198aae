"""What a ticket's gates have said so far: what they found before it began, and how often the worker had to correct."""

from __future__ import annotations

from collections.abc import Mapping

from conductor import events
from conductor.events import Payload

_FINDINGS = 8
_CHARACTERS = 480


class Verdicts:
    """Folded from the ticket's events. `round` is the correction that is under way, 0 for none.

    `offer` is a check that can mend files, or changed some itself: a human is to decide on that, once a turn.
    """

    def __init__(self) -> None:
        self.baselines: dict[str, events.BaselineTaken] = {}
        self.round = 0
        self.rounds = 0  # since the start, or since a human let the worker go on
        self.offer: events.GateFinished | None = None
        self.offered: set[str] = set()  # gates, since the model's last reply

    def apply(self, data: Payload) -> None:
        """Fold one event."""
        match data:
            case events.BaselineTaken(gate=gate, broken=""):
                self.baselines[gate] = data
            case events.GateFinished(gate=gate) if (data.fixable or data.put_back) and gate not in self.offered:
                self.offer = data
            case events.CallsOffered(by=gate):
                self.offer = None
                self.offered.add(gate)
            case events.ModelReplied():
                self.offer = None
                self.offered.clear()
            case events.CorrectionStarted(round=number):
                self.round = self.rounds = number
            case events.CorrectionCompleted():
                self.round = 0
            case events.CorrectionsExhausted():
                self.rounds = 0
            case _:
                pass


def findings_told(gate: events.GateFinished) -> str:
    """Return what the worker is told of a gate that failed: its findings in short, or how it ended."""
    kept = f'Its output is kept back: read_output(call_id="{gate.call_id}").'
    if not gate.findings:
        return f"Not done yet: the check `{gate.command}` ended with exit code {gate.exit_code}. {kept}"
    lines: list[str] = []
    for finding in gate.findings[:_FINDINGS]:
        lines.append(_line(finding))
        if sum(map(len, lines)) > _CHARACTERS:
            break
    if len(lines) < len(gate.findings):
        lines.append(f"and {len(gate.findings) - len(lines)} more. {kept}")
    return "\n".join([f"Not done yet: {gate.gate} found {len(gate.findings)}:", *lines])


def _line(finding: Mapping[str, object]) -> str:
    place = f"{finding['path']}:{finding['line']}" if finding["line"] else str(finding["path"])
    message = str(finding["message"])
    return f"{finding['rule']} {place} {message if len(message) <= 160 else f'{message[:159]}…'}"
