"""Budgets of the run, of tickets and of archetypes, alone and in a whole run."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from conductor import events
from conductor.budgets import Budget, Budgets
from conductor.effective import in_force
from conductor.errors import BudgetReached, ExitCode
from conductor.events import Event
from conductor.llm.budget import WorstCase
from conductor.messages import Completion, Usage
from conductor.models import Ticket
from conductor.spending import Account, Spending, Spent, taken_back
from tests.bench import DONE, Bench, ListModel, calls


def spending(**spent: Spent) -> Spending:
    """Spent by ticket; T1 and T2 are a coder's, T3 is a tester's."""
    found = Spending()
    for ticket, amount in spent.items():
        found.accounts[Account("worker", "tester" if ticket == "T3" else "coder", "m", ticket)] = amount
    return found


SPENT = spending(
    T1=Spent(usage=Usage(800, 200, 0, 0.5), seconds=60),
    T2=Spent(usage=Usage(80, 20, 0, 0.25), seconds=90),
    T3=Spent(usage=Usage(4000, 1000, 0, 2.0), seconds=30),
)


@pytest.mark.parametrize(
    ("budgets", "ticket", "worst", "said"),
    [
        (Budgets(Budget(usd=2.75)), "T1", WorstCase(), r"the budget of \$2.75 for the run is reached: \$2.75 spent"),
        (Budgets(Budget(usd=3)), "T1", WorstCase(0, 0.26), r"does not allow the next .*: \$2.75 spent, .* \$0.2600"),
        (Budgets(Budget(usd=3)), "T1", WorstCase(0, 0.25), ""),
        (Budgets(Budget(usd=1)), "T1", WorstCase(), r"^the budget of \$1.00 for the run is reached: \$2.75 spent$"),
        (Budgets(Budget(usd=4)), "T1", WorstCase(0, 2), r"^the budget of \$4.00 for the run does not allow the next "),
        (Budgets(Budget(tokens=6101)), "T1", WorstCase(2), "6,101 tokens .* 6,100 tokens spent, .* up to 2 tokens"),
        (Budgets(Budget(minutes=3)), "T1", WorstCase(9, 9), "the budget of 3 minutes for the run is reached"),
        (Budgets(ticket=Budget(usd=0.5)), "T1", WorstCase(), "for ticket T1 is reached"),
        (Budgets(ticket=Budget(usd=0.5)), "T2", WorstCase(), ""),
        (Budgets(ticket=Budget(usd=0.5)), "T4", WorstCase(0, 0.6), "for ticket T4 does not allow"),
        (Budgets(archetypes={"coder": Budget(tokens=1100)}), "T2", WorstCase(), "for archetype coder is reached"),
        (Budgets(archetypes={"tester": Budget(tokens=1)}), "T2", WorstCase(), ""),
        (Budgets(), "T1", WorstCase(10**9, 10**9), ""),
    ],
)
def test_the_next_request_fits_or_it_is_said_why_not(
    budgets: Budgets, ticket: str, worst: WorstCase, said: str
) -> None:
    if not said:
        budgets.check(SPENT, ticket, "coder", worst)
        return
    with pytest.raises(BudgetReached, match=said):
        budgets.check(SPENT, ticket, "coder", worst)


@pytest.mark.parametrize(
    ("budgets", "key"),
    [
        (Budgets(Budget(usd=2.75)), "budget.usd"),
        (Budgets(Budget(tokens=1)), "budget.tokens"),
        (Budgets(ticket=Budget(minutes=1)), "budget.ticket.minutes"),
        (Budgets(archetypes={"coder": Budget(usd=0.1, tokens=9000, minutes=9)}), "archetypes.coder.budget.usd"),
    ],
)
def test_once_a_budget_is_used_up_only_more_of_it_helps(budgets: Budgets, key: str) -> None:
    assert budgets.concern("coder")
    with pytest.raises(BudgetReached) as caught:
        budgets.check(SPENT, "T1", "coder", WorstCase(0, 0.5))
    assert caught.value.hint == f"Raise {key}, and run again: it goes on where it stopped."


def test_budgets_concern_those_they_name() -> None:
    assert not Budgets().concern("coder")
    assert not Budgets(archetypes={"tester": Budget(usd=1), "coder": Budget()}).concern("coder")


def test_it_is_said_which_setting_to_raise() -> None:
    with pytest.raises(BudgetReached) as caught:
        Budgets(archetypes={"coder": Budget(usd=1)}).check(SPENT, "T2", "coder", WorstCase(0, 0.5))
    assert "Raise archetypes.coder.budget.usd, or set models.max_output_tokens" in caught.value.hint
    assert (caught.value.spent, caught.value.needed, caught.value.exit_code) == (0.75, 0.5, ExitCode.BUDGET)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    return tmp_path


def tickets() -> list[Ticket]:
    return [Ticket(name, title=name, target_file="a.py", prompt=f"Do {name}.") for name in ("T1", "T2")]


def test_a_tickets_budget_is_its_own_and_a_run_goes_on_when_it_is_raised(root: Path) -> None:
    dear = replace(DONE, usage=Usage(usd=0.4))
    looking = replace(calls(("list_files", {})), usage=Usage(usd=0.4))
    model = ListModel({"T1": [dear], "T2": [looking, looking, dear]})
    bench = Bench(root, tickets, model, budgets=Budgets(ticket=Budget(usd=0.7)))
    with pytest.raises(BudgetReached, match=r"\$0.7000 for ticket T2 is reached: \$0.8000 spent"):
        bench.engine().run()
    assert [name for name, _ in model.requests] == ["T1", "T2", "T2"]
    (reached,) = bench.of_kind("budget_reached")
    assert (reached.scope, reached.budget, reached.limit) == ("ticket T2", "usd", 0.7)
    with pytest.raises(BudgetReached, match="ticket T2"):
        bench.engine().run()
    assert len(model.requests) == 3, "what was spent is known after a restart"
    bench.budgets = Budgets(ticket=Budget(usd=2))
    assert bench.engine().run() is ExitCode.OK


def test_what_a_ticket_cost_before_it_was_tried_again_counts_for_the_run_and_not_for_the_ticket(root: Path) -> None:
    looking = replace(calls(("list_files", {})), usage=Usage(usd=0.4))
    model = ListModel({"T1": [looking, looking, DONE], "T2": [DONE]})
    bench = Bench(root, tickets, model, max_turns=2, budgets=Budgets(Budget(usd=1.1), Budget(usd=0.9)))
    assert bench.engine().run() is ExitCode.TICKETS_FAILED
    with pytest.raises(BudgetReached, match=r"\$1.10 for the run is reached: \$1.20 spent"):
        bench.engine().run(retry=["T1"])
    bench.budgets = Budgets(Budget(usd=9), archetypes={"coder": Budget(usd=1.2)})
    with pytest.raises(BudgetReached, match="archetype coder"):
        bench.engine().run()
    bench.budgets = Budgets(Budget(usd=9), Budget(usd=0.9))
    bench.max_turns = 3
    assert bench.engine().run() is ExitCode.OK


def test_undone_turns_stay_paid() -> None:
    payloads = [
        events.TrackStarted("", "", "", ""),
        events.TicketStarted("coder", "m", "step"),
        events.ModelReplied("m", "", [], "stop", {"input_tokens": 7}, 1.0),
        events.ModelReplied("m", "", [], "stop", {"input_tokens": 5}, 1.0),
        events.ChangesUndone("e2", [], 0),
    ]
    entries = [
        Event(f"e{n}", "t", "T1", "", n, "n", 1, "", "", 0, payload, "", "") for n, payload in enumerate(payloads)
    ]
    (account, spent) = next(iter(taken_back(entries, in_force(entries)).items()))
    assert (account, spent.tokens) == (Account("worker", "coder", "m", "T1", present=False), 5)


def test_hints_are_counted_and_stop_being_asked_for(root: Path) -> None:
    """A hint that cannot be afforded is made by the built-in analyser; the worker's own next request pauses the run."""
    failing = calls(("run_shell", {"command": "ls /nowhere"}))
    cheap = ListModel({})
    cheap.complete = lambda messages, tools: Completion("No such folder /nowhere.", usage=Usage(usd=0.3))  # type: ignore[method-assign]
    bench = Bench(root, tickets, ListModel({"T1": [failing, failing, DONE]}), budgets=Budgets(Budget(usd=0.3)))
    bench.cheap = cheap
    with pytest.raises(BudgetReached, match=r"\$0.3000 spent"):
        bench.engine().run()
    (hint,) = bench.of_kind("hint_given")
    assert (hint.source, hint.usage["usd"]) == ("model", 0.3)
    bench.budgets = Budgets(Budget(usd=0.2), archetypes={})
    with pytest.raises(BudgetReached):
        bench.engine().run()
