"""The odds of each worker (a model in an archetype), and what its tickets cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from conductor.inspector.base import Count
from conductor.inspector.observe import Attempt
from conductor.inspector.posterior import Rate, rates

Pool = Callable[[Mapping[str, Count]], Mapping[str, Rate]]


def _first_try(attempt: Attempt) -> Count:
    return Count() if attempt.passed is None else Count(int(attempt.passed), 1)


QUESTIONS: Mapping[str, tuple[str, Callable[[Attempt], Count]]] = MappingProxyType(
    {
        "first_try": ("gates passed at first try", _first_try),
        "unedited": ("call approved unedited", lambda attempt: attempt.unedited),
        "undone": ("change later undone", lambda attempt: attempt.undone),
    }
)


class Worker(Struct, frozen=True):
    """A model in an archetype: its attempts, and by the names of `QUESTIONS` what is believed of its rates.

    Rates of one model are pooled across its archetypes.
    """

    model: str
    archetype: str
    attempts: tuple[Attempt, ...]
    rates: Mapping[str, Rate]

    @property
    def trust_level(self) -> str:
        """The trust level of its last attempt."""
        return self.attempts[-1].trust_level

    @property
    def completed(self) -> int:
        """How many of its attempts completed their ticket."""
        return sum(attempt.state == "completed" for attempt in self.attempts)

    def per_completed(self, amount: Callable[[Attempt], float]) -> float | None:
        """Return the sum of `amount` over all attempts for each completed one, None while none has."""
        return sum(map(amount, self.attempts)) / self.completed if self.completed else None

    def as_json(self, level: float) -> dict[str, object]:
        """Return what is known of it as plain data, with intervals of that probability."""
        return {
            "model": self.model,
            "worker_archetype": self.archetype,
            "trust_level": self.trust_level,
            "attempts": len(self.attempts),
            "completed": self.completed,
            "usd_per_completed": self.per_completed(lambda a: a.usd),
            "attention_s_per_completed": self.per_completed(lambda a: a.attention_s),
            "cpu_s": sum(attempt.cpu_s for attempt in self.attempts),
            "peak_bytes": max(attempt.peak_bytes for attempt in self.attempts),
            "rates": {
                name: {
                    "mean": rate.mean,
                    "interval": rate.interval(level),
                    "successes": rate.count.successes,
                    "trials": rate.count.trials,
                }
                for name, rate in self.rates.items()
            },
        }


def workers(attempts: Sequence[Attempt], pool: Pool = rates) -> list[Worker]:
    """Return the workers that made the attempts, by model and archetype; `pool` makes rates of counts."""
    found: list[Worker] = []
    for model in sorted({attempt.model for attempt in attempts}):
        own = [attempt for attempt in attempts if attempt.model == model]
        groups = {
            name: tuple(attempt for attempt in own if attempt.worker_archetype == name)
            for name in sorted({attempt.worker_archetype for attempt in own})
        }
        answers = {
            question: pool({name: sum(map(count, group), Count()) for name, group in groups.items()})
            for question, (_, count) in QUESTIONS.items()
        }
        found += [
            Worker(model, name, group, {question: answer[name] for question, answer in answers.items()})
            for name, group in groups.items()
        ]
    return found
