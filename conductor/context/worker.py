"""A worker's conversation as it grows, folded from the ticket's events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from conductor import events
from conductor.causality import Basis, VectorClock
from conductor.context.conversation import Conversation
from conductor.context.verdicts import Verdicts, findings_told
from conductor.events import Event, Payload
from conductor.messages import Message, ToolCall, Usage
from conductor.models import Ticket

_FOUND = "While the run was stopped somebody changed these files; read them again before you rely on them:"


class OpenCall(Struct, frozen=True):
    """A proposed call without a result. While it waits at the clutch, `waiting` is the digest of what is shown there.

    `started` is the try to run it that was cut off; it stays until the call has a result, or is known not to have run.
    `said` is what the human said when they last decided on it; `again`, that they had it run once more. `by` is the
    check that proposed it in place of the worker, and `why` says what it is about.
    """

    call: ToolCall
    waiting: str = ""
    started: events.CallStarted | None = None
    said: str = ""
    again: bool = False
    by: str = ""
    why: str = ""

    def humans_part(self, ran: Mapping[str, Any], *, whole: bool = True) -> str:
        """Return what the worker is told before the call's result, when it ran with the arguments `ran`.

        Without `whole` the arguments themselves are left out.
        """
        part = "This call was cut off; a human had it run again.\n" if self.again else ""
        edited = dict(ran) != dict(self.call.arguments)
        if self.by:
            part += f"The check {self.by} {self.why}. It was {'changed by a human' if edited else 'approved'}.\n"
        elif edited:
            instead = f" What ran instead: {json.dumps(dict(ran), ensure_ascii=False)}" if whole else ""
            part += f"A human changed your call.{instead}\n"
        return f"{part}A human approved this and said: {self.said}\n" if self.said else part


class Failure(Struct, frozen=True):
    """A command that failed and whose output the worker has not been told of. Its output is kept under `call_id`."""

    call_id: str
    command: str
    exit_code: int
    basis: Basis = field(default_factory=Basis)  # the code it is about


class WorkerContext:
    """One ticket's conversation and open calls. Nothing is kept here that its events do not say."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.conversation = Conversation()
        self.open_calls: list[OpenCall] = []
        self.outputs: dict[str, tuple[str, str]] = {}
        self.turns = 0
        self.usage = Usage()
        self.code_version = 0
        self.code = Basis()  # its last change
        self.files: dict[str, tuple[str, str]] = {}  # what it has seen or written: the hash, and how it knows
        self.checking = False  # a check is under way
        self.stale_checks: set[str] = set()  # run again once since the model's last reply
        self._note = ""  # what it is told once no call is open
        self.last_event_id = ""
        self.correlation_id = ""
        self.says_done = False
        self._unheard = False  # what a human said to a check's call
        self.failure: Failure | None = None  # a failing output that still needs a hint
        self.waiting_gate = ""  # digest of a gate's preview that waits at the clutch
        self.gates_run: set[str] = set()  # since the model's last reply
        self._runs: dict[str, int] = {}  # of each gate, since then
        self.changed_now: tuple[str, ...] = ()  # files changed since the model's last reply
        self.changed_ever: dict[str, int] = {}  # how often, by file
        self.checks: dict[str, str] = {}  # how each command and check last ended
        self._of_checks: set[str] = set()  # calls that no worker proposed
        self._checks_made: set[str] = set()  # the ids of checks themselves
        self._last_call: tuple[object, ...] = ()
        self._in_a_row = 0
        self.refused = 0  # requests in a row that were too long
        self.routed = ""  # the larger model it was given to
        self.versions: list[int] = []  # the code version at each reply
        self.verdicts = Verdicts()
        self.reported = (0, 0)  # the tokens the provider counted in a request, and how many messages that had

    @property
    def messages(self) -> list[Message]:
        """Everything that was said, oldest first."""
        return self.conversation.messages

    @property
    def is_done(self) -> bool:
        """Say whether the worker says so, and has heard everything that people said."""
        return self.says_done and not self._unheard

    def times(self, call: ToolCall) -> int:
        """Return how often in a row the worker has made this call, this time included."""
        return self._in_a_row + 1 if _identity(call) == self._last_call else 1

    def name_of_check(self, gate: str) -> str:
        """Return the id of the gate's next run, its own within the ticket."""
        again = f"_{self._runs[gate] + 1}" if gate in self._runs else ""
        return f"check_{self.ticket.id}_{self.turns}_{gate}{again}"

    def apply(self, event: Event) -> None:
        """Fold one of the ticket's events into the conversation."""
        self.last_event_id = event.event_id
        self.verdicts.apply(event.data)
        match event.data:
            case events.TicketStarted():
                self.correlation_id = event.correlation_id
            case events.TicketRouted(to_model=model):
                self.routed, self.refused = model, 0
            case events.ModelReplied() as reply:
                self._replied(reply)
            case events.CallProposed() as proposed:
                self._proposed(proposed)
            case events.CallDecided() as decided:
                self._decided(decided)
            case events.CallStarted() as started:
                cut_off = self.open_calls[0].started is not None
                self.open_calls[0] = replace(self.open_calls[0], waiting="", started=started, again=cut_off)
            case events.CallFinished() as finished:
                self._finished(finished)
            case events.GateStarted(call_id=call_id):
                self.checking = True
                self._checks_made.add(call_id)
            case events.GateFinished() as gate:
                self._checked(gate)
            case events.CodeChanged() as change:
                self._changed(change)
                dot = VectorClock({event.node: event.node_count})
                self._at(change, Basis(self.code_version, dot, event.sequence))
            case data:
                self._told(data)
        if self._note and not self.open_calls:
            self.conversation.say(Message("user", self._note))
            self._note = ""

    def _told(self, data: Payload) -> None:
        match data:
            case events.WindowLearned():
                self.refused += 1
            case events.HintGiven(stale=stale) if stale:
                self.failure = None
            case events.ChangesAccepted(files=files):
                self.files |= {path: (digest, "you accepted it") for path, digest in files.items()}
                self._note = f"{_FOUND} {', '.join(files)}."
            case events.ContextBuilt() as built:
                self._has_seen(built.shown, "it was shown to the worker")
                self.conversation.open(built)
            case events.BaselineTaken():
                self.checking = False
            case events.CallsOffered(by=by, why=why, tool_calls=calls):
                self.open_calls = [OpenCall(ToolCall(**call), by=by, why=why) for call in calls]
                self._of_checks.update(entry.call.call_id for entry in self.open_calls)
            case events.ContextCompressed() as compressed:
                self.usage += Usage(**compressed.usage)
                self.reported = (0, 0)
                self.conversation.compress(compressed)
            case events.HintGiven(text=hint, usage=usage):
                self.usage += Usage(**usage)
                if self.failure:
                    self.checks[self.failure.command] += f" Hint: {hint}"
                self.failure = None
                self.conversation.add_to_last(f"Hint: {hint}")
            case events.WorkerTold() | events.InterventionApplied() as told:
                self.says_done = False
                said = _said(told)
                self.conversation.say(Message("user", said, human=said))
            case _:
                pass

    def _changed(self, change: events.CodeChanged) -> None:
        self.code_version += 1
        own = change.call_id not in self._of_checks
        work = own and change.call_id not in self._checks_made
        if work or change.path in self.changed_ever:  # what a check writes elsewhere is not the ticket's work
            self.changed_now = (*self.changed_now, change.path)
            self.changed_ever[change.path] = self.changed_ever.get(change.path, 0) + 1
        if not own:  # what was checked before is not checked any more
            self.gates_run = set()
        if not change.found:  # what a command wrote the worker has to read; the file is of a version it has not seen
            self.conversation.changed(change.path, change.before, change.after, change.lines, own=own)

    def _at(self, change: events.CodeChanged, code: Basis) -> None:
        self.code = code
        self.files[change.path] = (change.after, f"call {change.call_id} wrote it")
        if self.failure and self.failure.call_id == change.call_id:  # what a command changes itself makes no report old
            self.failure = replace(self.failure, basis=code)

    def _has_seen(self, shown: Sequence[Mapping[str, Any]], how: str) -> None:
        self.files |= {each["path"]: (each["version"], how) for each in shown}

    def _replied(self, reply: events.ModelReplied) -> None:
        calls = tuple(ToolCall(**call) for call in reply.tool_calls)
        self.refused = 0
        self.turns += 1
        self.versions.append(self.code_version)
        self.stale_checks = set()
        self.usage += Usage(**reply.usage)
        self.reported = (Usage(**reply.usage).input_tokens, len(self.conversation.sent))
        if not calls:
            self._last_call = ()
        self.conversation.say(Message("assistant", reply.text, calls))
        self.open_calls = [OpenCall(call) for call in calls]
        self.gates_run, self.changed_now, self._runs, self._unheard = set(), (), {}, False
        self.says_done = not calls and bool(reply.text.strip()) and reply.finish_reason != "length"

    def _proposed(self, proposed: events.CallProposed) -> None:
        if not self._is_open(proposed.call_id):
            self.waiting_gate = proposed.digest
            return
        entry = self.open_calls[0]
        started = entry.started if proposed.outcome_unknown else None
        self.open_calls[0] = replace(entry, waiting=proposed.digest, started=started)

    def _decided(self, decided: events.CallDecided) -> None:
        self.waiting_gate = ""
        if self._is_open(decided.call_id):
            self.open_calls[0] = replace(self.open_calls[0], said=decided.reason)

    def _finished(self, finished: events.CallFinished) -> None:
        entry = self.open_calls.pop(0)
        if entry.by:
            self._settled(entry, finished)
            return
        self._in_a_row = self.times(entry.call)
        self._last_call = _identity(entry.call)
        ran = entry.started.arguments if entry.started else entry.call.arguments
        said = (
            finished.text
            if finished.outcome in ("rejected", "unknown", "happened")
            else entry.humans_part(ran, whole=False)
        )
        told = Message("tool", finished.text, call_id=finished.call_id, human=said)
        self.conversation.say(told, finished.seen)
        self._has_seen(finished.seen, f"call {finished.call_id} showed it")
        if finished.exit_code is not None:
            self.outputs[finished.call_id] = (finished.stdout, finished.stderr)
            self.checks[str(ran.get("command", ""))] = f"exit code {finished.exit_code} in turn {self.turns}."
        if finished.exit_code:
            self.failure = Failure(finished.call_id, str(ran.get("command", "")), finished.exit_code, self.code)

    def _settled(self, entry: OpenCall, finished: events.CallFinished) -> None:
        """Tell the worker of a call of a check that changed a file, or on which a human had something to say."""
        self._unheard = self._unheard or bool(entry.said)
        if entry.said or finished.outcome == "ok":
            self.conversation.say(Message("user", finished.text, human=entry.said))

    def _checked(self, gate: events.GateFinished) -> None:
        self.outputs[gate.call_id] = (gate.stdout, gate.stderr)
        self._runs[gate.gate] = self._runs.get(gate.gate, 0) + 1
        self.waiting_gate = ""
        self.checking = False
        if gate.stale:
            self.stale_checks.add(gate.gate)
            return
        if gate.fixable or gate.broken:
            return  # it runs again once a human has decided on what it can mend, or mended what keeps it from checking
        self.gates_run.add(gate.gate)
        self.checks[gate.command] = f"exit code {gate.exit_code} in turn {self.turns}."
        if gate.passed:
            return
        self.says_done = False
        self.changed_now = ()
        if not gate.findings or any(finding["rule"] == "test" for finding in gate.findings):  # a list says it all
            self.failure = Failure(gate.call_id, gate.command, gate.exit_code, self.code)
        self.conversation.say(Message("user", findings_told(gate)))

    def _is_open(self, call_id: str) -> bool:
        return bool(self.open_calls) and self.open_calls[0].call.call_id == call_id


def _identity(call: ToolCall) -> tuple[object, ...]:
    return (call.tool, json.dumps(dict(call.arguments), sort_keys=True), call.raw if call.malformed else "")


def _said(told: events.WorkerTold | events.InterventionApplied) -> str:
    """Return the message the worker is sent."""
    if isinstance(told, events.WorkerTold):
        return told.text
    changes = told.changes_since
    since = f" (before the last {changes} change{'s' if changes > 1 else ''} of files)" if changes else ""
    return f"A human says{since}: {told.text}"
