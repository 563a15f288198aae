"""A worker's turn: its model is asked, and what it answered is in the journal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import to_builtins

from conductor import events
from conductor.errors import FailedRequest, ModelError, NeedsHuman
from conductor.ledger import Ledger
from conductor.messages import Completion
from conductor.worker import Worker

_EMPTY = "Your answer was empty. Call a tool, or say in one sentence that the ticket is done."
_CUT = "Your answer was cut off: it was too long, or said the same again and again. Answer again in smaller steps."
_UNCHANGED = (
    "Nothing was changed yet: what an answer says changes no file. Call a tool that does, or say in one sentence, "
    "without code, why nothing is to be changed."
)
_MOST_USELESS = 3
_WRITERS = ("write_file", "edit_file", "delete_file", "run_shell")


def ask(ledger: Ledger, worker: Worker) -> None:
    """Get the worker's next turn. An answer that says nothing is sent back, as is one that was cut off.

    So is, once in a ticket, a "done" of a worker that only wrote in its answer what it should have changed.

    Raises what its model raises, the failed requests journaled, and `NeedsHuman` after three useless answers in a row.
    """
    began = time.monotonic()
    try:
        completion = worker.model.complete(worker.context.conversation.sent, worker.specs)
    except ModelError as error:
        if error.failed:
            ledger.record(*_failures(worker, error.failed), ticket=worker.ticket)
        error.about.setdefault("stage", "model")
        raise
    replied = events.ModelReplied(
        model=completion.model or worker.model.name,
        text=worker.workspace.hide(completion.text),
        tool_calls=[to_builtins(call) for call in ledger.name_calls(completion.tool_calls)],
        finish_reason=completion.finish_reason,
        usage=to_builtins(completion.usage),
        duration_s=round(time.monotonic() - began, 4),
        attempts=completion.attempts,
        asked_s=completion.asked_s,
        saved=to_builtins(completion.saved),
        first_text_s=completion.first_text_s,
    )
    told: tuple[events.WorkerTold, ...] = ()
    if not completion.tool_calls and completion.finish_reason == "length":
        told = (events.WorkerTold(_CUT),)
    elif not completion.tool_calls and not completion.text.strip():
        told = (events.WorkerTold(_EMPTY),)
    elif not completion.tool_calls and _only_talks(worker, completion):
        told = (events.WorkerTold(_UNCHANGED),)
    ledger.record(*_failures(worker, completion.failed), replied, *told, ticket=worker.ticket)
    useless = _useless(worker) if told else 0
    if useless and useless % _MOST_USELESS == 0:
        raise NeedsHuman(
            f"the last {useless} answers of {worker.model.name} were empty or cut off",
            hint="Run again to go on, or change the ticket or its model: this one may be too hard for it.",
        )


def _useless(worker: Worker) -> int:
    """Return how many of the worker's last answers were sent back as empty or cut off."""
    count = 0
    for message in reversed(worker.context.messages):
        if message.role == "user" and message.content in (_EMPTY, _CUT):
            count += 1
        elif message.role != "assistant" or message.tool_calls:
            break
    return count


def _only_talks(worker: Worker, answer: Completion) -> bool:
    """Say whether the worker was to change something, has not, was not told so yet, and says that it is done."""
    context = worker.context
    if context.changed_ever or not any(name in worker.tools for name in _WRITERS):
        return False
    if any(message.content == _UNCHANGED for message in context.messages):
        return False
    target = worker.workspace.root / worker.ticket.target_file
    return "```" in answer.text or (target.name in answer.text and not target.exists())


def _failures(worker: Worker, failed: Sequence[FailedRequest]) -> list[events.RequestFailed]:
    return [events.RequestFailed(worker.model.name, f.error, f.request_id, f.wait_s or 0.0) for f in failed]
