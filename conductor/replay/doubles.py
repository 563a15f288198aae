"""What stands in for model, human, commands and servers in a replay: each says and does what the journal has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from conductor.errors import Refused, StateMismatch
from conductor.gates.base import Finding, Gate, GateResult, Reading
from conductor.history.base import Changed, Changes, FileState
from conductor.messages import (
    Approved,
    Completion,
    Decision,
    Effect,
    Happened,
    Message,
    Preview,
    Rejected,
    Skipped,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from conductor.qa.base import FailedRun, Hint
from conductor.qa.inspector import Inspector
from conductor.replay.record import Record
from conductor.replay.scene import Scene
from conductor.sandbox.base import Sandbox
from conductor.shell import CommandResult
from conductor.tools.base import Action, Tool
from conductor.tools.workspace import Workspace

_GIVEN_UP = "given_up"


class RecordedModel:
    """Gives each ticket the replies it had."""

    name = "journal"

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """Return the ticket's next reply. Raises `StateMismatch` where the run had none."""
        del messages, tools
        ticket_id, record = self._scene.ticket_id, self._scene.record
        replies = record.replies.get(ticket_id)
        if replies:
            said = replies.popleft()
            calls = tuple(ToolCall(**call) for call in said.tool_calls)
            return Completion(said.text, calls, said.finish_reason, Usage(**said.usage), said.model)
        if record.ended.get(ticket_id) in ("cancelled", "failed"):  # by another terminal, out of turns, out of room
            return Completion("", (ToolCall(_GIVEN_UP, "list_files", {}),), "tool_calls")
        raise StateMismatch(f"ticket {ticket_id} came to a request that the run did not make")


class RecordedClutch:
    """Decides as was decided."""

    name = "journal"

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        """Return the decision on the call; a check that nobody was asked about had been allowed before."""
        del preview
        if call.call_id == _GIVEN_UP:
            return Skipped()
        decided = self._scene.record.decisions.get(call.call_id)
        if decided is None:
            return Approved(call.arguments)
        match decided.decision:
            case "approve":
                as_shown = dict(call.arguments) == dict(decided.arguments)
                return Approved(decided.arguments, comment=decided.reason if as_shown else "")
            case "happened":
                return Happened(decided.reason)
            case "skip":
                return Skipped()
            case _:
                return Rejected(decided.reason)


class RecordedSandbox(Sandbox, frozen=True, kw_only=True):
    """Runs nothing: a command ends as it did, with what it printed and the files it changed."""

    scene: Scene

    def run(self, command: str, *, cwd: Path, timeout_s: float, plain: bool = False) -> CommandResult:
        """Return what the next command of the run came to. Raises `StateMismatch` when that was another one."""
        del cwd, timeout_s, plain
        self.scene.catch_up()
        commands = self.scene.record.commands
        if not commands or commands[0].command != command:
            raise StateMismatch(f"the replay came to a command that the run did not: {command}")
        then = commands.popleft()
        self.scene.apply(then.call_id)
        get = self.scene.get
        return CommandResult(then.exit_code, get(then.stdout), get(then.stderr), then.duration_s)


class RecordedChecks:
    """Checks nothing: a gate says what it said, and offers what it offered."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._based: set[tuple[str, str]] = set()

    def ask(self, gate: Gate, command: str, sandbox: Sandbox) -> tuple[GateResult, bool]:
        """Return what the gate's next run came to. Raises `StateMismatch` where it had none.

        What a ticket found when it started is of no use: only what it brought in is in the journal.
        """
        del sandbox
        self._scene.catch_up()
        if gate.parser and (self._scene.ticket_id, gate.name) not in self._based:
            self._based.add((self._scene.ticket_id, gate.name))
            return GateResult(command, 0, b"", b"", 0.0), False
        runs = self._scene.record.checks.get(gate.name)
        if not runs:
            raise StateMismatch(f"the replay came to a check that the run did not make: {command}")
        then, get = runs.popleft(), self._scene.get
        self._scene.apply(then.call_id)
        exit_code = 0 if then.passed else then.exit_code or 1
        findings = tuple(Finding(**finding) for finding in then.findings)
        return GateResult(
            *(command, exit_code, get(then.stdout), get(then.stderr), then.duration_s),
            reading=Reading(findings) if findings else None,
            skipped=then.skipped,
        ), then.cached

    def mended(self, command: str, path: str, sandbox: Sandbox) -> bytes | None:
        """Return what the check offered to make of the file."""
        del command, sandbox
        offers = self._scene.record.mended.get(path)
        text = offers.popleft() if offers else None
        return None if text is None else text.encode()


class RecordedTree:
    """Notices of what calls and checks change only what was put back at once; the scene does the rest itself."""

    def __init__(self, scene: Scene, put: Callable[[bytes], str]) -> None:
        self._scene = scene
        self._put = put

    def begin(self, mark: str) -> None:
        """See `Tree.begin`."""
        del mark

    def changes(self, mark: str) -> Changes:
        """See `Tree.changes`."""
        return Changes(tuple(map(self._changed, self._scene.record.put_back(mark.rpartition(" ")[2]))))

    def _changed(self, file: Mapping[str, Any]) -> Changed:
        for digest in filter(None, (file["before"], file["after"])):
            self._put(self._scene.get(digest))
        before = FileState(file["before_mode"], file["before"])
        return Changed(file["path"], before, FileState(file["after_mode"], file["after"]), kept=True)


class CaughtUp(Struct, frozen=True):
    """A tool as it is, in a folder where everything that others did by then has happened.

    Its effect is given as unsafe, because whether the worker had seen what it changes was judged then: a call that was
    sent back is sent back again, and no other.
    """

    tool: Tool
    scene: Scene
    effect: Effect = Effect.UNSAFE

    @property
    def name(self) -> str:
        """See `Tool.name`."""
        return self.tool.name

    @property
    def spec(self) -> ToolSpec:
        """See `Tool.spec`."""
        return self.tool.spec

    def prepare(self, workspace: Workspace, arguments: Mapping[str, Any]) -> Action:
        """See `Tool.prepare`."""
        self.scene.catch_up()
        then = self.scene.due()
        if then and then.outcome == "refused":
            raise Refused(then.text)
        return self.tool.prepare(workspace, arguments)


class RecordedTool(Struct, frozen=True):
    """A server's tool: nothing is started or asked, its results are those it had."""

    name: str
    scene: Scene
    effect: Effect = Effect.UNSAFE

    @property
    def spec(self) -> ToolSpec:
        """See `Tool.spec`."""
        return ToolSpec(self.name, "as recorded", {"type": "object"}, self.effect)

    def prepare(self, workspace: Workspace, arguments: Mapping[str, Any]) -> Action:
        """See `Tool.prepare`."""
        del workspace, arguments
        self.scene.catch_up()
        return Action("text", self.name, self.name, self._run)

    def _run(self) -> ToolResult:
        then = self.scene.due()
        if then is None:
            raise StateMismatch(f"the replay came to {self.name}, the run did not")
        self.scene.apply(then.call_id)
        return ToolResult(then.text, then.outcome == "ok")


class RecordedHints(Inspector):
    """Gives the hints that were given."""

    def __init__(self, record: Record) -> None:
        super().__init__(None)
        self._record = record

    def hint(self, run: FailedRun) -> Hint:
        """Return the run's next hint; where it had none, the built-in analyser's."""
        if not self._record.hints:
            return super().hint(run)
        then = self._record.hints.popleft()
        return Hint(
            then.text,
            "builtin" if then.source == "builtin" else "model",
            Completion("", usage=Usage(**then.usage)),
            then.note,
        )


class NothingAsked:
    """Has nothing allowed for good, so that every decision comes from the journal, and keeps nothing."""

    def is_trusted(self, digest: str) -> bool:
        """See `Permits.is_trusted`."""
        del digest
        return False

    def trust(self, digest: str, check: str, command: str) -> None:
        """See `Permits.trust`."""
        del digest, check, command

    def before(self, check: str) -> str:
        """See `Permits.before`."""
        del check
        return ""
