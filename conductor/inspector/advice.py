"""What the odds recommend, each piece with its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from conductor.inspector.observe import Attempt
from conductor.inspector.odds import Worker
from conductor.inspector.posterior import better

_SURE = 0.8  # that one model passes more often than another, before it is called better
_TICKETS = 3


class Advice(Struct, frozen=True):
    """One recommendation about `subject` (an archetype, a model or a ticket), in a sentence, and why."""

    kind: Literal["trust", "model", "ticket"]
    subject: str
    text: str
    reasons: tuple[str, ...]


def advise(workers: Sequence[Worker], *, threshold: float, level: float) -> list[Advice]:
    """Return what may be done: archetypes that could be trusted more, models worth their price, tickets to look at.

    `threshold` is the rate that the lower ends of the intervals (at `level`) must be above for more trust.
    """
    attempts = [attempt for worker in workers for attempt in worker.attempts]
    return [*_trust(workers, threshold, level), *_models(workers), *_tickets(attempts)]


def _trust(workers: Sequence[Worker], threshold: float, level: float) -> Iterator[Advice]:
    for worker in workers:
        unedited, undone = worker.rates["unedited"], worker.rates["undone"]
        if worker.trust_level != "step" or not unedited.count.trials:
            continue
        least_unedited, least_kept = unedited.interval(level)[0], 1 - undone.interval(level)[1]
        reasons = (
            f"approved unedited: {unedited.count.successes} of {unedited.count.trials} calls, "
            f"at least {least_unedited:.0%} of such calls",
            f"undone later: {undone.count.successes} of {undone.count.trials} changes, "
            f"at least {least_kept:.0%} of such changes stay",
        )
        if min(least_unedited, least_kept) > threshold:
            text = f"{worker.archetype} with {worker.model} could move from step to guarded"
        else:
            text = f"keep {worker.archetype} with {worker.model} at step: {threshold:.0%} is not certain yet"
        yield Advice("trust", f"{worker.archetype}/{worker.model}", text, reasons)


def _models(workers: Sequence[Worker]) -> Iterator[Advice]:
    """Compare the models that did the work of the same archetype: the dearer one must pass more often."""
    for archetype in sorted({worker.archetype for worker in workers}):
        rivals = [worker for worker in workers if worker.archetype == archetype and worker.completed]
        rivals.sort(key=_price)
        for cheap, dear in pairwise(rivals):
            sure = better(dear.rates["first_try"], cheap.rates["first_try"])
            reasons = (
                *(
                    f"{w.model}: ${_price(w):.4f} a completed ticket, {w.rates['first_try'].mean:.0%} at first try"
                    for w in (cheap, dear)
                ),
                f"{dear.model} passes more often with probability {sure:.2f}",
            )
            if sure >= _SURE:
                text = f"{dear.model} passes more often as {archetype} than {cheap.model}, and costs more"
                yield Advice("model", dear.model, text, reasons)
            else:
                text = f"{cheap.model} is enough for {archetype}: {dear.model} is not known to pass more often"
                yield Advice("model", cheap.model, text, reasons)


def _tickets(attempts: Sequence[Attempt]) -> Iterator[Advice]:
    """Return the completed tickets with most to doubt, the most doubtful first."""
    last = {(attempt.track_id, attempt.ticket_id): attempt for attempt in attempts}
    doubted = [(attempt, _doubts(attempt)) for attempt in last.values() if attempt.state == "completed"]
    doubted.sort(key=lambda pair: -len(pair[1]))
    for attempt, doubts in doubted[:_TICKETS]:
        if doubts:
            name = f"{attempt.track_id}/{attempt.ticket_id}"
            yield Advice("ticket", name, f"look at {name}", doubts)


def _doubts(attempt: Attempt) -> tuple[str, ...]:
    facts = (
        (attempt.gates == 0, "nothing checked it: no gate ran and it has no verify command"),
        (attempt.gates_failed > 1, f"its checks failed {attempt.gates_failed} times before they passed"),
        (attempt.undone.successes > 0, f"{attempt.undone.successes} of its changes were undone"),
        (attempt.rejections > 0, f"{attempt.rejections} of its calls were rejected"),
        (attempt.edits > 1, f"{attempt.edits} of its calls had to be edited"),
        (
            attempt.by_policy > 0 and attempt.unedited.trials == 0,
            f"no human looked: {attempt.by_policy} calls were approved by rule or trust level",
        ),
    )
    return tuple(reason for holds, reason in facts if holds)


def _price(worker: Worker) -> float:
    return worker.per_completed(lambda attempt: attempt.usd) or 0.0
