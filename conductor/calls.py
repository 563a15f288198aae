"""One proposed call: checked, shown, decided, run and recorded, or taken up where a crash left it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec import to_builtins
from msgspec.structs import replace

from conductor import events
from conductor.context import OpenCall, hunks_of, sent_back, stuck, unusable
from conductor.errors import NeedsHuman, Refused, TargetChanged
from conductor.history.recorder import Recorded
from conductor.journal import Overtaken
from conductor.ledger import Ledger
from conductor.messages import (
    Aborted,
    Approved,
    Effect,
    Happened,
    Rejected,
    Skipped,
    ToolCall,
    ToolResult,
    content_hash,
)
from conductor.review import Review, Took, ask_clutch, decided, digest_of, preview_of
from conductor.tools.base import Action, Tool
from conductor.worker import Worker

_EDITED = "you changed this call; this is what would run now"
_CHANGED = "what it would change was changed meanwhile; this is the new preview"
_DIFF_LINES, _DIFF_CHARACTERS = 24, 1_200
_REJECTED = "A human rejected this call."
_STUCK = "Run again to go on, or change the ticket or its model: this one may be too hard for it."
_UNKNOWN = (
    "OUTCOME UNKNOWN: this call was started and cut off; it may have happened. Approve to run it again, "
    "reject to leave it (the worker is told that nobody knows), or say that it happened."
)
_HAPPENED = "This call was cut off. A human says that it happened. It was not run again; what it printed is lost."


class CallRunner:
    """Takes calls from proposal to result. Each step is in the journal before the next begins."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def settle(self, worker: Worker) -> bool:
        """Bring the worker's first open call to its result. False when it stays at the clutch."""
        entry = worker.context.open_calls[0]
        call, tool = entry.call, (worker.own_tools if entry.by else worker.tools).get(entry.call.tool)
        why = "" if entry.by else unusable(worker.context, entry)
        if tool is None or why:
            known = ", ".join(worker.tools)
            return self._refuse(worker, call, why or f"There is no tool {call.tool!r}. The tools are: {known}.")
        try:
            if entry.started:
                return self._take_up(worker, tool, entry, entry.started)
            told = None if entry.waiting or entry.by else self._unseen(worker, tool, call)
            return self._refuse(worker, call, told) if told else self._review(worker, tool, call)
        except Refused as refusal:
            return self._refuse(worker, call, str(refusal))

    def _take_up(self, worker: Worker, tool: Tool, entry: OpenCall, started: events.CallStarted) -> bool:
        """Settle a call that was started before a crash: by the disk where it tells, else by the human."""
        approved = replace(entry.call, arguments=started.arguments)
        if tool.effect is Effect.IDEMPOTENT:
            now = content_hash(worker.workspace.content(worker.workspace.resolve(started.path)))
            if now == started.after:
                told = entry.humans_part(started.arguments)
                done = ToolResult(f"{told}done: {started.path} (found on disk after an interruption)")
                self._finish(worker, entry.call, "ok", done, worker.recorder.changed(started))
                return True
            safe = now == started.before
        else:
            safe = tool.effect is Effect.READ
        if not safe:
            return self._review(worker, tool, approved, unknown=True)
        try:
            action = tool.prepare(worker.workspace, approved.arguments)
            self._execute(worker, entry.call, approved, action, started)
        except TargetChanged:
            return self._review(worker, tool, approved, notices=(_CHANGED,))
        return True

    def _review(
        self, worker: Worker, tool: Tool, shown: ToolCall, notices: tuple[str, ...] = (), unknown: bool = False
    ) -> bool:
        """Ask the clutch until its approval is of exactly what would happen, or it decides otherwise."""
        call, said = worker.context.open_calls[0].call, worker.context.open_calls[0].said
        earlier, said_before, took = shown, said, Took()
        always = (_UNKNOWN,) if unknown else ()
        while True:  # once more as well when somebody else's answer came first
            try:
                action = tool.prepare(worker.workspace, shown.arguments)
            except Refused as refusal:
                if shown is earlier:
                    raise
                shown, said = earlier, said_before
                notices = (f"your edit was refused, this is the call before it: {refusal}",)
                continue
            preview = preview_of(worker, tool, shown, action, (*always, *notices), unknown)
            known = worker.context.open_calls[0].waiting == preview.digest
            review = ask_clutch(self._ledger, worker, shown, preview, already_proposed=known, earlier=took)
            took = review.took
            with suppress(Overtaken):
                match review.decision:
                    case Approved(arguments, comment=comment) if arguments != shown.arguments:
                        earlier, shown, notices = shown, replace(shown, arguments=arguments), (_EDITED,)
                        said_before, said = said, f"{said}\n{comment}".strip()
                    case Approved(comment=comment):
                        whole = f"{said}\n{comment}".strip()
                        if self._run_approved(worker, tool, call, review, whole):
                            return True
                        said, notices = whole, (_CHANGED,)
                    case _:
                        return self._not_approved(worker, call, review, unknown=unknown)

    def _run_approved(self, worker: Worker, tool: Tool, call: ToolCall, review: Review, said: str) -> bool:
        """Run what was approved if it is still what was shown; False sends it back to review."""
        try:
            action = tool.prepare(worker.workspace, review.shown.arguments)
        except Refused:
            return False
        if digest_of(review.shown, action, worker.rules()) != review.preview.digest:
            return False
        change = action.change
        started = events.CallStarted(
            call_id=call.call_id,
            tool=call.tool,
            arguments=review.shown.arguments,
            effect=tool.effect,
            digest=review.preview.digest,
            path=action.path,
            before=content_hash(change.before) if change else "",
            after=content_hash(change.after) if change else "",
            sandbox=action.sandbox,
            lines=hunks_of(change.before, change.after) if change else (),
            before_mode=worker.recorder.prepare(call.call_id, action, tool.effect),
        )
        approval = decided(worker, call, "approve", review, said)
        self._ledger.record(approval, started, ticket=worker.ticket, durable=True, unless=review.overtaken)
        try:
            self._execute(worker, call, review.shown, action, started)
        except TargetChanged:
            return False
        return True

    def _execute(
        self, worker: Worker, call: ToolCall, shown: ToolCall, action: Action, started: events.CallStarted
    ) -> None:
        """Have the effect and record its result. Raises `TargetChanged` when the file is not what was shown."""
        began = time.monotonic()
        try:
            result = action.run()
        except Refused as refusal:
            result = ToolResult(str(refusal), ok=False)
        took = time.monotonic() - began
        changed: tuple[Recorded, ...] = worker.recorder.changed(started) if action.change and result.ok else ()
        if started.effect == Effect.UNSAFE:
            found, result = _without_frozen(worker, call, result)
            changed += found
        entry = worker.context.open_calls[0]
        text = entry.humans_part(shown.arguments) + result.text + (_short(action.text) if entry.by else "")
        result = replace(result, text=text)
        self._finish(worker, call, "ok" if result.ok else "error", result, changed, duration_s=took)

    def _not_approved(self, worker: Worker, call: ToolCall, review: Review, *, unknown: bool) -> bool:
        match review.decision:
            case Rejected(reason):
                said = f" Their reason: {reason}" if reason.strip() else ""
                told = "The outcome of this call is unknown: it was cut off." if unknown else "It did not run."
                rejection = decided(worker, call, "reject", review, reason)
                by = worker.context.open_calls[0].by
                what = f"A human did not let the check {by} change {review.preview.path}." if by else _REJECTED
                result = ToolResult(f"{what} {told}{said}", ok=False)
                found, result = _without_frozen(worker, call, result) if unknown else ((), result)
                outcome = "unknown" if unknown else "rejected"
                self._finish(worker, call, outcome, result, found, decision=rejection, unless=review.overtaken)
                return True
            case Happened(comment):
                said = f" They said: {comment}" if comment.strip() else ""
                told = decided(worker, call, "happened", review, comment)
                found, result = _without_frozen(worker, call, ToolResult(_HAPPENED + said))
                self._finish(worker, call, "happened", result, found, decision=told, unless=review.overtaken)
                return True
            case Skipped(reason):
                cancelled = events.TicketCancelled(reason or f"skipped by the human at {call.tool}")
                skip = decided(worker, call, "skip", review, reason)
                found = _without_frozen(worker, call, ToolResult(""))[0] if unknown else ()
                self._ledger.record(skip, *found, cancelled, ticket=worker.ticket, unless=review.overtaken)
                return True
            case Approved() | Aborted():
                return False

    def _unseen(self, worker: Worker, tool: Tool, call: ToolCall) -> ToolResult | None:
        """Return what the worker is told of a change to lines it has not seen, None when it has seen them."""
        if tool.effect is not Effect.IDEMPOTENT:
            return None
        return sent_back(worker.context.conversation.sight, tool.prepare(worker.workspace, call.arguments).change)

    def _refuse(self, worker: Worker, call: ToolCall, why: str | ToolResult) -> bool:
        again_and_again = "" if worker.context.open_calls[0].by else stuck(worker.context, call)
        self._finish(worker, call, "refused", ToolResult(why, ok=False) if isinstance(why, str) else why)
        if again_and_again:
            raise NeedsHuman(f"ticket {worker.ticket.id}: {again_and_again}", hint=_STUCK)
        return True

    def _finish(
        self,
        worker: Worker,
        call: ToolCall,
        outcome: str,
        result: ToolResult,
        changed: Sequence[Recorded] = (),
        *,
        duration_s: float = 0.0,
        decision: events.CallDecided | None = None,
        unless: Callable[[], bool] | None = None,
    ) -> None:
        """Record the result, together with the decision it follows from where nothing stood between the two.

        What a command turned out to have `changed` comes before its result, what a file tool did after it.
        """
        store = self._ledger.journal.store
        tool = worker.tools.get(call.tool)
        # What a file tool says is the project's own; a server of tools may know what it was given.
        text = worker.workspace.hide(result.text) if tool and tool.effect is Effect.UNSAFE else result.text
        if result.exit_code:
            lines = result.stdout.count(b"\n") + result.stderr.count(b"\n")
            text += f'\nIts output, {lines} lines, is kept back: read_output(call_id="{call.call_id}").'
        finished = events.CallFinished(
            call_id=call.call_id,
            tool=call.tool,
            outcome=outcome,
            text=text,
            exit_code=result.exit_code,
            stdout=store.put(result.stdout),
            stderr=store.put(result.stderr),
            duration_s=round(duration_s, 4),
            seen=[to_builtins(seen) for seen in result.seen],
            cpu_s=round(result.cpu_s, 4),
            peak_bytes=result.peak_bytes,
            kept_back=result.kept_back,
            put_back=result.put_back,
        )
        found = [change for change in changed if not isinstance(change, events.CodeChanged) or change.found]
        done = [change for change in changed if isinstance(change, events.CodeChanged) and not change.found]
        recorded = (*((decision,) if decision else ()), *found, finished, *done)
        self._ledger.record(*recorded, ticket=worker.ticket, unless=unless)


def _without_frozen(worker: Worker, call: ToolCall, result: ToolResult) -> tuple[tuple[Recorded, ...], ToolResult]:
    """Return what a command changed, and its result: frozen files are what they were again, and the worker is told.

    To change one takes a typed yes to a change that can be seen before it is made.
    """
    found, undone = worker.recorder.put_back(worker.recorder.compared(call.call_id), lambda change: bool(change.frozen))
    if not undone:
        return found, result
    names = ", ".join(file["path"] for file in undone)
    told = f"\nPut back, because it is frozen: {names}. If it has to change, propose that as an edit: a human decides."
    return found, replace(result, text=result.text + told, put_back=undone)


def _short(diff: str) -> str:
    """Return a change as a worker is shown it that did not make it: the difference, where that is short."""
    lines = [line for line in diff.splitlines() if not line.startswith(("--- ", "+++ "))]
    if len(lines) > _DIFF_LINES or sum(map(len, lines)) > _DIFF_CHARACTERS:
        return ". Read it again before you rely on it."
    return "\n" + "\n".join(lines)
