from __future__ import annotations

from pathlib import Path

from msgspec import to_builtins
from msgspec.structs import replace

from conductor.messages import Completion, Usage
from conductor.models import Ticket
from conductor.spending import Spending, Spent
from tests.bench import Bench, ListModel, calls


def test_everything_is_counted_once_and_by_who_spent_it(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n")
    turns = [
        replace(calls(("list_files", {})), usage=Usage(100, 10, 40, 0.1), attempts=3),
        calls(("run_shell", {"command": "printf %0500d 1; exit 3"})),
        Completion("Done.", attempts=0, saved=Usage(7, 7, 0, 0.7), model="m2"),
    ]
    bench = Bench(tmp_path, lambda: [Ticket("T1", title="t", target_file="a.py", prompt="p")], ListModel({"T1": turns}))
    bench.cheap = ListModel({})
    bench.cheap.complete = lambda messages, tools: Completion("It exits 3.", usage=Usage(50, 5), model="cheap")  # type: ignore[attr-defined]
    bench.engine().run()

    found = Spending(bench.heard)
    workers = found.sum(lambda account: account.tier == "worker")
    assert (workers.completions, workers.requests) == (3, 4)
    assert workers.usage == Usage(200, 20, 40, 0.1)
    assert workers.saved == Usage(7, 7, 0, 0.7)
    hints = found.sum(lambda account: account.tier == "hints")
    assert (hints.completions, hints.usage) == (1, Usage(50, 5))
    assert {account.model for account in found.accounts} == {"list", "m2", "cheap", ""}
    assert {(account.ticket, account.archetype) for account in found.accounts} == {("T1", "coder")}
    everything = found.sum()
    assert everything.tokens == 275
    assert everything.hints_kept_back == 500 - len("It exits 3.")
    assert everything.views_kept_back == 0
    parts = sum((found.sum(lambda a, t=tier: a.tier == t) for tier in ("worker", "hints", "tools")), Spent())
    assert (parts.usage, parts.requests, parts.tokens) == (everything.usage, everything.requests, everything.tokens)


def test_older_journals_have_none_of_the_new_fields() -> None:
    from conductor.events import from_json

    reply = from_json(
        "model_replied",
        {
            "model": "m",
            "text": "",
            "tool_calls": [],
            "finish_reason": "stop",
            "usage": to_builtins(Usage(1, 1)),
            "duration_s": 1,
        },
    )
    assert (reply.attempts, reply.saved) == (1, {})  # type: ignore[union-attr]
