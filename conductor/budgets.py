"""What a run, each of its tickets and its archetypes may use, and whether one more request fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from conductor.errors import BudgetReached
from conductor.llm.budget import WorstCase
from conductor.spending import Spending, Spent


class Budget(Struct, frozen=True):
    """What may be used; None is no limit. `minutes` are of work (models, commands, checks), not of human decisions."""

    usd: float | None = None
    tokens: int | None = None
    minutes: float | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.usd, self.tokens, self.minutes))


class Budgets(Struct, frozen=True):
    """The budgets of a run: of all of it, of each ticket, and of all tickets of an archetype, by its name.

    What was paid counts for the run and its archetype, whatever became of it; for a ticket what its present try took.
    """

    run: Budget = field(default_factory=Budget)
    ticket: Budget = field(default_factory=Budget)
    archetypes: Mapping[str, Budget] = field(default_factory=dict[str, Budget])

    def concern(self, archetype: str) -> bool:
        """Say whether workers of that archetype have any limit."""
        return bool(self.run or self.ticket or self.archetypes.get(archetype))

    def check(self, spending: Spending, ticket: str, archetype: str, worst: WorstCase) -> None:
        """Raise `BudgetReached` when the next request of the ticket's worker may not be sent."""
        for scope, key, budget, spent in self._scopes(spending, ticket, archetype):
            for unit, limit, used, needed in _amounts(budget, spent, worst):
                if limit is not None and (used >= limit or used + needed > limit):
                    raise _reached(scope, key, unit, (limit, used, needed))

    def _scopes(self, spending: Spending, ticket: str, archetype: str) -> Iterator[tuple[str, str, Budget, Spent]]:
        if self.run:
            yield "the run", "budget", self.run, spending.sum()
        if self.ticket:
            spent = spending.sum(lambda account: account.ticket == ticket and account.present)
            yield f"ticket {ticket}", "budget.ticket", self.ticket, spent
        if budget := self.archetypes.get(archetype):
            spent = spending.sum(lambda account: account.archetype == archetype)
            yield f"archetype {archetype}", f"archetypes.{archetype}.budget", budget, spent


def _amounts(budget: Budget, spent: Spent, worst: WorstCase) -> Iterator[tuple[str, float | None, float, float]]:
    yield "usd", budget.usd, spent.usage.usd, worst.usd
    yield "tokens", budget.tokens, spent.tokens, worst.tokens
    yield "minutes", budget.minutes, spent.seconds / 60, 0.0


def _reached(scope: str, key: str, unit: str, amounts: tuple[float, float, float]) -> BudgetReached:
    limit, used, needed = amounts
    said = f"the budget of {_amount(limit, unit)} for {scope} is reached: {_amount(used, unit)} spent"
    if used < limit:
        said = (
            f"the budget of {_amount(limit, unit)} for {scope} does not allow the next request: "
            f"{_amount(used, unit)} spent, and it may take up to {_amount(needed, unit)}"
        )
    smaller = "" if used >= limit else ", or set models.max_output_tokens so that an answer can cost less"
    return BudgetReached(
        said,
        hint=f"Raise {key}.{unit}{smaller}, and run again: it goes on where it stopped.",
        scope=scope,
        budget=unit,
        limit=limit,
        spent=used,
        needed=needed,
    )


def _amount(value: float, unit: str) -> str:
    if unit == "usd":
        return f"${value:.2f}" if value >= 1 or not value else f"${value:.4f}"
    return f"{value:,.0f} tokens" if unit == "tokens" else f"{value:.3g} minutes"
