"""Gates at work: allowed once by the human, run, recorded, and explained to the worker in a hint."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from msgspec import to_builtins
from msgspec.structs import replace

from conductor import events
from conductor.causality import staleness
from conductor.clutch.base import by_policy
from conductor.clutch.glance import deleting
from conductor.errors import NeedsHuman
from conductor.gates.base import Checks, Gate, Reading
from conductor.gates.registry import checker_of
from conductor.journal import Overtaken
from conductor.judging import cannot_check, given_up, hindered, judge, put_back, rank, rounds
from conductor.ledger import Ledger
from conductor.messages import Aborted, Approved, Completion, Effect, Preview, Rejected, Skipped, ToolCall, content_hash
from conductor.offers import Offers
from conductor.qa.base import FailedRun
from conductor.review import Review, Took, ask_clutch, decided
from conductor.tools.danger import danger_of_commands
from conductor.visible import is_suspect
from conductor.worker import Worker

_ONCE = "a check from the track file; your yes is kept until that file changes"
_CHANGED = "you changed this command, for this time"
_AS_BEFORE = (
    "you allowed this very command before; what has changed is the track file around it, or what holds commands"
)


class Permits(Protocol):
    """What the user has allowed for good, by digest."""

    def is_trusted(self, digest: str) -> bool:
        """Say whether the user said yes to what has this digest."""
        ...

    def trust(self, digest: str, check: str, command: str) -> None:
        """Keep the user's yes to a check."""
        ...

    def before(self, check: str) -> str:
        """Return the command that the user allowed for this check last, "" for none."""
        ...


def check_name(gate: str, ticket_id: str) -> str:
    """Return what the user's yes to a check is kept under."""
    return f"{gate} of {ticket_id}"


def permit_of(track_digest: str, gate: str, command: str, terms: str) -> str:
    """Return the digest of all that a yes to a check depends on: the track file, its command, and what holds it."""
    return content_hash("\0".join((track_digest, gate, command, terms)).encode())


def _is_command(arguments: Mapping[str, Any]) -> bool:
    """Say whether an edited payload is one command that can be started and seen in full."""
    command = arguments.get("command")
    return len(arguments) == 1 and isinstance(command, str) and bool(command.strip()) and not is_suspect(command)


class GateRunner:
    """Runs the configured gates and the tickets' verify commands when they are due."""

    def __init__(
        self, ledger: Ledger, gates: Sequence[Gate], permits: Permits, track_digest: str, checks: Checks
    ) -> None:
        self._ledger = ledger
        self._gates = tuple(gates)
        self._permits = permits
        self._track_digest = track_digest
        self._checks = checks
        self._offers = Offers(ledger, checks)

    def due(self, worker: Worker) -> Callable[[], bool] | None:
        """Return the next step that gates want to take, None for none. One that returns False waits at the clutch."""
        if offer := worker.context.verdicts.offer:
            return partial(self._offers.propose, worker, offer)
        if gate := self._baseline_due(worker):
            return partial(self._take_baseline, worker, gate)
        gate = self._next_due(worker)
        return partial(self._run, worker, gate) if gate else None

    def _baseline_due(self, worker: Worker) -> Gate | None:
        """Return a gate whose findings are to be taken before the worker's first turn, so that old ones are known."""
        if worker.context.turns:
            return None
        taken = worker.context.verdicts.baselines
        return next((gate for gate in self._gates if gate.parser and gate.name not in taken), None)

    def _take_baseline(self, worker: Worker, gate: Gate) -> bool:
        """Record what the gate finds in the whole project now."""
        command = gate.command.replace("{files}", ".")
        mark, held = f"baseline_{worker.ticket.id}_{gate.name}", worker.workspace.sandbox
        self._ledger.record(events.GateStarted(gate.name, command, mark, held.terms), ticket=worker.ticket)
        worker.recorder.begin(mark)
        result, _ = self._checks.ask(gate, command, held)
        changed, _ = put_back(worker, gate, worker.recorder.compared(mark))
        reading = result.reading or Reading()
        unread = "" if result.reading else f"its output could not be read, exit code {result.exit_code}"
        taken = events.BaselineTaken(
            gate=gate.name,
            command=command,
            findings=[to_builtins(finding) for finding in reading.findings],
            tests=sorted(reading.passed),
            note=result.skipped or (f"{gate.name} cannot check: {result.broken}" if result.broken else unread),
            duration_s=round(result.duration_s, 4),
            broken=hindered(worker, gate, result),
        )
        self._ledger.record(*changed, taken, ticket=worker.ticket)
        if taken.broken:
            raise cannot_check(worker, gate, taken.broken)
        return True

    def _next_due(self, worker: Worker) -> Gate | None:
        """Return the next gate to run: after changes those of each call, once the worker says it is done all others."""
        context = worker.context
        due = [gate for gate in self._gates if gate.when == "call" and gate.matching(_of(worker, gate))]
        if context.says_done:
            rest = (gate for gate in self._gates if gate.when == "ticket")
            anyway = {gate.name for gate in self._gates if not gate.files and not gate.names_files}
            due += [gate for gate in rest if gate.name in anyway or gate.matching(_of(worker, gate))]
            if verify := worker.ticket.verify:
                due.append(Gate("verify", verify, parser=checker_of(verify), required=True))
        due.sort(key=rank)
        return next((gate for gate in due if gate.name not in context.gates_run), None)

    def _run(self, worker: Worker, gate: Gate) -> bool:
        """Run a gate that is due, if the human allows it. False when that question waits at the clutch."""
        call = ToolCall(
            call_id=worker.context.name_of_check(gate.name),
            tool="run_shell",
            arguments={"command": gate.command_for(_of(worker, gate))},
        )
        held = worker.workspace.sandbox
        digest = permit_of(self._track_digest, gate.name, str(call.arguments["command"]), held.terms)
        if gate.trusted or self._permits.is_trusted(digest):
            self._check(worker, gate, call)
            return True
        return self._run_if_allowed(worker, gate, call, digest)

    def _run_if_allowed(self, worker: Worker, gate: Gate, call: ToolCall, digest: str) -> bool:
        shown, held, took = call, worker.workspace.sandbox, Took()
        while True:
            preview = Preview(
                kind="command",
                text=str(shown.arguments.get("command", "")),
                title=f"{gate.name} {worker.ticket.id} {held.terms}",
                effect=Effect.UNSAFE,
                digest=content_hash(repr((sorted(shown.arguments.items()), held.terms)).encode()),
                ticket_id=worker.ticket.id,
                notices=(*(self._standing(worker, gate, call) if shown is call else (_CHANGED,)), *held.warnings),
                dangerous="; ".join(
                    filter(None, (deleting(str(shown.arguments["command"])), danger_of_commands(held)))
                ),
            )
            known = worker.context.waiting_gate == preview.digest
            review = ask_clutch(self._ledger, worker, shown, preview, already_proposed=known, earlier=took)
            took = review.took
            with suppress(Overtaken):  # somebody else's answer came first: the next round finds it
                match review.decision:
                    case Approved(arguments) if arguments != shown.arguments:
                        if _is_command(arguments):
                            shown = replace(call, arguments=dict(arguments))
                    case Approved():
                        self._allow(worker, gate, call, review, lasting=digest if shown is call else "")
                        self._check(worker, gate, shown)
                        return True
                    case Aborted():
                        return False
                    case _:
                        self._not_allowed(worker, gate, call, review)
                        return True

    def _standing(self, worker: Worker, gate: Gate, call: ToolCall) -> tuple[str, ...]:
        """Say where the check comes from, and what of it is new since the user allowed it."""
        before = self._permits.before(check_name(gate.name, worker.ticket.id))
        if not before:
            return (_ONCE,)
        same = before == call.arguments["command"]
        return (_ONCE, _AS_BEFORE if same else f"CHANGED: what you allowed before was {before}")

    def _allow(self, worker: Worker, gate: Gate, call: ToolCall, review: Review, *, lasting: str) -> None:
        """Record a yes; one of the human to the command as it stood is kept under the digest `lasting`."""
        comment = review.decision.comment if isinstance(review.decision, Approved) else ""
        said = (events.WorkerTold(f"A human approved this check and said: {comment}"),) if comment else ()
        approval = decided(worker, call, "approve", review, comment)
        self._ledger.record(approval, *said, ticket=worker.ticket, durable=True, unless=review.overtaken)
        if lasting and not by_policy(worker.clutch.name):
            self._permits.trust(lasting, check_name(gate.name, worker.ticket.id), review.preview.text)

    def _not_allowed(self, worker: Worker, gate: Gate, call: ToolCall, review: Review) -> None:
        match review.decision:
            case Skipped(reason):
                cancelled = events.TicketCancelled(reason or f"skipped by the human at its check {gate.name}")
                entries = (decided(worker, call, "skip", review, reason), cancelled)
            case decision:
                reason = decision.reason if isinstance(decision, Rejected) else ""
                told = events.WorkerTold(f"Not done yet: a human did not let the check run. {reason}".rstrip())
                entries = (decided(worker, call, "reject", review, reason), told)
        self._ledger.record(*entries, ticket=worker.ticket, unless=review.overtaken)

    def _check(self, worker: Worker, gate: Gate, call: ToolCall) -> None:
        command, held = str(call.arguments["command"]), worker.workspace.sandbox
        self._ledger.record(events.GateStarted(gate.name, command, call.call_id, held.terms), ticket=worker.ticket)
        worker.recorder.begin(call.call_id)
        result, cached = self._checks.ask(gate, command, held)
        changed, undone = put_back(worker, gate, worker.recorder.compared(call.call_id))
        verdict = judge(worker, gate, result, changed, undone)
        store = self._ledger.journal.store
        finished = events.GateFinished(
            gate=gate.name,
            command=command,
            call_id=call.call_id,
            passed=verdict.passed,
            exit_code=result.exit_code,
            stdout=store.put(result.stdout),
            stderr=store.put(result.stderr),
            duration_s=round(result.duration_s, 4),
            cpu_s=round(result.cpu_s, 4),
            peak_bytes=result.peak_bytes,
            kept_back=len(result.stdout) + len(result.stderr),
            stale=verdict.stale,
            findings=[to_builtins(finding) for finding in verdict.new],
            old=verdict.old,
            skipped=result.skipped,
            cached=cached,
            fixable=verdict.fixable,
            put_back=verdict.put_back,
            broken=verdict.broken,
        )
        said = rounds(worker, finished)
        self._ledger.record(*changed, finished, *said, ticket=worker.ticket)
        if finished.broken and not finished.stale:
            raise cannot_check(worker, gate, finished.broken)
        if any(isinstance(event, events.CorrectionsExhausted) for event in said):
            raise NeedsHuman(given_up(worker, finished), hint="Run again to give it as many rounds again.")

    def explain(self, worker: Worker) -> None:
        """Have Tier 4 turn the failing output that the worker still knows nothing of into a hint."""
        failure = worker.context.failure
        if failure is None:
            return
        output = worker.workspace.output_of(failure.call_id)
        run = FailedRun(
            command=failure.command,
            exit_code=failure.exit_code,
            stdout=output.stdout,
            stderr=output.stderr,
            cwd=str(worker.workspace.root),
            timed_out=failure.exit_code == 124,
            target=worker.ticket.target_file,
        )
        began = time.monotonic()
        hint = worker.inspector.hint(run)
        answer = hint.answer or Completion("", attempts=0)
        given = events.HintGiven(
            call_id=failure.call_id,
            text=hint.text,
            source=hint.source,
            usage=to_builtins(answer.usage),
            note=hint.note,
            model=answer.model,
            attempts=answer.attempts,
            saved=to_builtins(answer.saved),
            duration_s=round(time.monotonic() - began, 4),
            stale=staleness(failure.basis, worker.context.code),
        )
        self._ledger.record(given, ticket=worker.ticket)


def _of(worker: Worker, gate: Gate) -> tuple[str, ...]:
    """Return the files a gate is to look at: what the call or the ticket changed, and where it names them, is there."""
    changed = dict.fromkeys(worker.context.changed_now if gate.when == "call" else worker.context.changed_ever)
    return tuple(path for path in changed if not gate.names_files or (worker.workspace.root / path).exists())
