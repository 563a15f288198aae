"""Older turns told by a model: what of it is used, what it costs, and that a resumed run sends the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from conductor.budgets import Budget, Budgets
from conductor.errors import ExitCode, ModelError
from conductor.llm.windows import Windows
from conductor.messages import Completion, Message, Rejected, ToolCall, ToolSpec, Usage
from conductor.models import Ticket, TrustLevel
from conductor.spending import Spending
from tests.bench import DONE, Bench, ListModel, calls

TOLD = "You read long.txt in parts; line 3 says what is meant."


class Teller:
    """A model that retells with a fixed text and keeps what it was asked."""

    name = "teller"

    def __init__(self, answer: Completion | Exception) -> None:
        self.answer = answer
        self.asked: list[Sequence[Message]] = []

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        assert not tools
        self.asked.append(messages)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "a.py").write_text("A = 1\n")
    (tmp_path / "long.txt").write_text("some words in a line\n" * 300)
    reading = [calls(("read_file", {"path": "long.txt", "start_line": n + 1})) for n in range(12)]
    turns = [calls(("run_shell", {"command": "rm -rf build"})), *reading, DONE]
    bench = Bench(
        tmp_path, lambda: [Ticket("T1", "Title", "a.py", "Do it.")], ListModel({"T1": turns}), level=TrustLevel.GUARDED
    )
    bench.window_of = Windows(by_model={"list": 8_192}).of
    return bench


def run(bench: Bench, answer: Completion | Exception) -> Teller:
    bench.compressor = teller = Teller(answer)
    assert bench.engine([Rejected("build holds the only copy")]).run() is ExitCode.OK
    return teller


def test_its_words_stand_for_the_turns_and_what_a_human_said_stays_word_for_word(bench: Bench) -> None:
    teller = run(bench, Completion(TOLD, usage=Usage(900, 30, 0, 0.02), model="teller"))
    first, *_ = bench.of_kind("context_compressed")
    assert (first.source, first.compressor, first.note) == ("model", "teller", "")
    assert f"# Your turns 1 to {first.turns}, in short\n{TOLD}\n" in first.opening
    assert "build holds the only copy" in first.opening
    assert "Do it." in first.opening
    sent = bench.model.requests[-1][1]  # type: ignore[attr-defined]
    assert TOLD in sent[1].content
    record = teller.asked[0][1].content
    assert "read_file" in record and "some words in a line" in record
    assert len(record) < 0.7 * 8_192 * 4
    spent = Spending(bench.heard).sum(lambda account: account.tier == "context")
    times = len(teller.asked)
    assert (spent.completions, spent.usage.input_tokens) == (times, 900 * times)
    assert spent.usage.usd == pytest.approx(0.02 * times)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Completion(""), "said nothing"),
        (Completion("", (ToolCall("c", "read_file", {}),)), "said nothing"),
        (Completion("You read", finish_reason="length"), "cut off"),
        (Completion("word " * 2_000), "said too much"),
        (Completion("You read long.txt\x1b[2J"), "cannot be seen"),
        (Completion("You changed src/secret_plan.py as well."), "src/secret_plan.py"),
        (ModelError("503 from somewhere"), "503 from somewhere"),
    ],
)
def test_an_answer_that_cannot_be_used_leaves_the_built_in_form(
    bench: Bench, answer: Completion | Exception, why: str
) -> None:
    if isinstance(answer, Completion):
        answer = Completion(answer.text, answer.tool_calls, answer.finish_reason, Usage(7, 7))
    run(bench, answer)
    first, *_ = bench.of_kind("context_compressed")
    assert first.source == "built-in" and why in first.note
    assert "run_shell rm -rf build" in first.opening
    assert first.usage == ({} if isinstance(answer, Exception) else {**first.usage, "input_tokens": 7})


def test_what_no_budget_allows_is_not_asked(bench: Bench) -> None:
    bench.budgets = Budgets(Budget(tokens=100_000))
    bench.compressor = teller = Teller(Completion(TOLD))
    teller.answer = Completion(TOLD, usage=Usage(99_000, 0))
    with pytest.raises(Exception, match="tokens for the run"):
        bench.engine([Rejected("no")]).run()
    assert len(teller.asked) == 1


def test_a_resumed_run_sends_the_same_and_asks_nobody_again(bench: Bench) -> None:
    teller = run(bench, Completion(TOLD))
    asked = len(teller.asked)
    whole = bench.model.requests[-1][1]  # type: ignore[attr-defined]
    rows = bench.store._rows
    last = max(n for n, row in enumerate(rows) if row.kind == "model_replied")
    bench.store._rows = rows[:last]  # killed before its last answer was kept
    assert bench.engine([]).run() is ExitCode.OK
    assert bench.model.requests[-1][1] == whole  # type: ignore[attr-defined]
    assert len(teller.asked) == asked
