"""What a check's result says of a ticket: what is new, whether it is about the code as it is, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor.errors import NeedsHuman
from conductor.gates.base import Finding, Gate, GateResult, brought_in
from conductor.gates.registry import reader_of
from conductor.history.recorder import PutBack, Recorded
from conductor.worker import Worker

_CHANGES = "changes"
_BROKEN = "broken"


class Verdict(Struct, frozen=True):
    """What a check found of the ticket's own (`new`) and of what was there before (`old`).

    `stale` says why it is not about the files as they are, `fixable` are those in which the checker can mend something,
    `put_back` what the check itself had changed. `broken` says why nothing could be checked, where the ticket is not to
    blame for it.
    """

    passed: bool
    new: tuple[Finding, ...]
    old: int
    stale: str
    fixable: tuple[str, ...]
    put_back: PutBack
    broken: str = ""


def judge(worker: Worker, gate: Gate, result: GateResult, changed: Sequence[Recorded], put_back: PutBack) -> Verdict:
    """Return what follows from a result, and from what was `changed` and what of that was put back since it began."""
    stale = _stale(worker, gate, changed, put_back)
    if result.broken:
        mine = _settings_of(gate, result.broken, worker.context.changed_ever)
        new = (replace(result.broken, rule=_BROKEN, path=result.broken.path or mine[0]),) if mine else ()
        return Verdict(False, new, 0, stale, (), put_back, "" if mine else str(result.broken))
    new, old = _new_and_old(worker, gate, result)
    own = [file["path"] for file in put_back if file["path"] in _about(worker)]
    if own and not stale:  # it does so again, and nobody approved of it
        new = [*new, *map(_changes, own)]
    passed = (result.passed and not own) or bool(old and not new)
    fixable = [] if own or stale else _fixable(worker, gate, new)
    return Verdict(passed, tuple(new), len(old), stale, tuple(fixable), put_back)


def put_back(worker: Worker, gate: Gate, found: tuple[Recorded, ...]) -> tuple[tuple[Recorded, ...], PutBack]:
    """Undo what a check did to files that were there, or are frozen; what it created stays, as tests leave it.

    Return what stays changed, and what was undone. A checker that changes nothing has not done it: somebody else has.
    """
    reader = reader_of(gate.parser)
    if reader and not reader.writes(gate.command):
        return found, ()
    return worker.recorder.put_back(found, lambda change: bool(change.before_mode or change.frozen))


def rounds(worker: Worker, gate: events.GateFinished) -> list[events.Payload]:
    """Return what the verdict says of the worker's rounds of correction."""
    verdicts, found = worker.context.verdicts, list[events.Payload]()
    if gate.stale or gate.fixable or gate.broken:
        return found
    if verdicts.round:
        found.append(events.CorrectionCompleted(gate.gate, verdicts.round, gate.passed))
    if gate.passed:
        return found
    if verdicts.rounds >= worker.archetype.max_corrections:
        return [*found, events.CorrectionsExhausted(gate.gate, verdicts.rounds)]
    return [*found, events.CorrectionStarted(gate.gate, verdicts.rounds + 1)]


def given_up(worker: Worker, gate: events.GateFinished) -> str:
    """Return why the run pauses, with all that is known."""
    said = "; ".join(str(Finding(**finding)) for finding in gate.findings[:3]) or f"exit code {gate.exit_code}"
    return f"{worker.ticket.id}: {gate.gate} still fails after {worker.archetype.max_corrections} corrections: {said}"


def hindered(worker: Worker, gate: Gate, result: GateResult) -> str:
    """Return why a ticket is not to begin, "" if it may: its checker cannot check, and that is not what it is about."""
    target = [worker.ticket.target_file]
    if not result.broken or not gate.matching(target) or _settings_of(gate, result.broken, target):
        return ""
    return str(result.broken)


def cannot_check(worker: Worker, gate: Gate, why: str) -> NeedsHuman:
    """Return what stops the run where a check cannot be made, and is no fault of the worker's."""
    by_hand = gate.command.replace("{files}", ".")
    hint = f"Nothing counts against the worker. Mend that and run again; `{by_hand}` shows all of it."
    return NeedsHuman(f"{worker.ticket.id}: {gate.name} cannot check: {why}", hint=hint)


def rank(gate: Gate) -> int:
    """Return the place of a gate in the order of cost: style, types, unknown commands, tests; verify comes last."""
    reader = reader_of(gate.parser)
    return 4 if gate.required else reader.rank if reader else 2


def _settings_of(gate: Gate, broken: Finding, paths: Iterable[str]) -> list[str]:
    """Return those of `paths` that may keep it from checking: the one it names, any that leads to it else."""
    reader = reader_of(gate.parser)
    names = reader.settings if reader else ()
    one = PurePath(broken.path).name in names
    return [path for path in paths if path == broken.path or (not one and PurePath(path).name in names)]


def _about(worker: Worker) -> set[str]:
    return {*worker.context.changed_ever, worker.ticket.target_file}


def _stale(worker: Worker, gate: Gate, changed: Sequence[Recorded], put_back: PutBack) -> str:
    """Return why the result is not about the ticket's files as they are; said once a turn, a check may always do it."""
    if gate.name in worker.context.stale_checks:
        return ""
    about = _about(worker)
    if own := sorted({file["path"] for file in put_back} & about):
        return f"it changed {', '.join(own)} by itself, which was put back"
    meanwhile = sorted({each.path for each in changed if isinstance(each, events.CodeChanged)} & about)
    return f"{', '.join(meanwhile)} changed while it ran" if meanwhile else ""


def _changes(path: str) -> Finding:
    return Finding(_CHANGES, path, 0, "is changed by this check itself, which was not approved and is put back")


def _fixable(worker: Worker, gate: Gate, new: Sequence[Finding]) -> list[str]:
    """Return the ticket's files in which the checker can mend something; that is offered once a turn."""
    if gate.name in worker.context.verdicts.offered:
        return []
    return sorted({finding.path for finding in new if finding.fixable} & worker.context.changed_ever.keys())


def _new_and_old(worker: Worker, gate: Gate, result: GateResult) -> tuple[list[Finding], list[Finding]]:
    """Return what the ticket brought in, and what was there when it started."""
    baseline: events.BaselineTaken | None = worker.context.verdicts.baselines.get(gate.name)
    before: list[Mapping[str, Any]] = list(baseline.findings) if baseline else []
    new, old = brought_in(result.reading.findings if result.reading else (), (Finding(**each) for each in before))
    tests = set(baseline.tests) if baseline else set[str]()
    return [_as_regression(finding) if _test(finding) in tests else finding for finding in new], old


def _test(finding: Finding) -> str:
    return f"{finding.path}::{finding.text}"


def _as_regression(finding: Finding) -> Finding:
    return replace(finding, message=f"{finding.message} (it passed before this ticket)")
