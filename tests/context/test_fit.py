"""Requests stay inside the window: what is put in short, what never is, and that a resumed run sends the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor import events
from conductor.context import Meter, WorkerContext, fits, opening, put_in_short
from conductor.context.short import MAX_SUMMARY, standing
from conductor.errors import ExitCode, FailedRequest, NeedsHuman, TooLong
from conductor.events import Event, Payload
from conductor.llm.windows import Window, Windows
from conductor.messages import Aborted, Completion, Message, Rejected, ToolSpec
from conductor.models import Archetype, Ticket, TrustLevel
from conductor.tools.workspace import Workspace
from tests.bench import DONE, Bench, ListModel, calls

PROMPT = "Make the frobnicator frobnicate."
CODER = Archetype("coder", TrustLevel.STEP, ("read_file",), 100, "Be careful.")
WINDOW = Window(8_192, "a test")


def event(payload: Payload) -> Event:
    return Event("e", "t", "T1", "", 1, "n", 1, "", "", 0, payload, "", "")


class Talk:
    """A conversation that grows as the engine would let it, with every event kept."""

    def __init__(self, root: Path, window: Window = WINDOW, *, harder: bool = True) -> None:
        self.ticket = Ticket("T1", "Title", "a.py", PROMPT)
        self.context = WorkerContext(self.ticket)
        self.meter = Meter("m", window)
        self.events: list[Event] = []
        self.harder = harder
        self.record(opening(self.ticket, CODER, Workspace(root), window.tokens))

    def record(self, payload: Payload) -> None:
        self.events.append(event(payload))
        self.context.apply(self.events[-1])

    def step(self, number: int, size: int, outcome: str, text: str = "") -> None:
        call = {"call_id": f"c{number}", "tool": "read_file", "arguments": {"path": f"f{number % 3}.py"}}
        self.record(events.ModelReplied("m", f"I look, {number}.", [call], "tool_calls", {}, 0.0))
        told = text or "\n".join(f"line {n} of {number}" for n in range(size))
        self.record(events.CallFinished(f"c{number}", "read_file", outcome, told))

    def fit(self) -> bool:
        if fits(self.context, self.meter, ()):
            return True
        short = put_in_short(self.context, self.meter, (), "m", harder=self.harder)
        if short:
            assert short == put_in_short(self.context, self.meter, (), "m", harder=self.harder)
            self.record(short)
        return short is not None

    @property
    def sent(self) -> list[Message]:
        return self.context.conversation.sent


def pairs_are_valid(sent: list[Message]) -> bool:
    waiting: list[str] = []
    for message in sent:
        if message.role == "tool":
            if message.call_id not in waiting:
                return False
            waiting.remove(message.call_id)
        elif waiting:
            return False
        waiting += [call.call_id for call in message.tool_calls]
    return not waiting


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    return tmp_path.resolve()


STEP = st.tuples(st.integers(0, 1500), st.sampled_from(["ok", "ok", "ok", "error", "rejected", "told"]))


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, min_size=5, max_size=45))
def test_every_request_fits_keeps_what_counts_and_grows_at_its_end(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    root = tmp_path_factory.getbasetemp()
    (root / "a.py").write_text("A = 1\n")
    talk, said, before = Talk(root), list[str](), list[Message]()
    for number, (size, outcome) in enumerate(steps, 1):
        text = f"A human rejected this call. Reason {number}." if outcome == "rejected" else ""
        talk.step(number, size, "ok" if outcome == "told" else outcome, text)
        if outcome == "told":
            text = f"A human says {number}."
            talk.record(events.WorkerTold(text))
        said += [text] if text else []
        shortened = sum(e.kind == "context_compressed" for e in talk.events)
        assert talk.fit()
        sent = talk.sent
        assert talk.meter.tokens(sent, ()) <= 0.8 * WINDOW.tokens
        assert pairs_are_valid(sent)
        everything = "\n".join(message.content for message in sent)
        assert PROMPT in everything
        assert "Be careful." in sent[0].content
        assert all(words in everything for words in said)
        if shortened == sum(e.kind == "context_compressed" for e in talk.events):
            assert sent[: len(before)] == before, "a provider's cache of the beginning holds"
        assert sum(m.stands_for or m.role == "assistant" for m in sent) == number
        before = list(sent)
    again = WorkerContext(talk.ticket)
    for entry in talk.events:
        kept = json.loads(json.dumps(events.to_json(entry.data)))
        again.apply(event(events.from_json(entry.kind, kept)))
    assert again.conversation.sent == talk.sent, "a resumed run sends the same bytes"


def test_it_lasts_for_many_turns(root: Path) -> None:
    talk = Talk(root)
    for number in range(1, 121):
        talk.step(number, 60, "ok")
        assert talk.fit()
    shortened = [e for e in talk.events if e.kind == "context_compressed"]
    assert 2 <= len(shortened) <= 12


def test_the_last_five_turns_stay_in_full_and_the_rest_is_told_in_short(root: Path) -> None:
    talk = Talk(root)
    number = 0
    while not any(e.kind == "context_compressed" for e in talk.events):
        number += 1
        talk.step(number, 60, "ok")
        assert talk.fit()
    short = talk.events[-1].data
    assert isinstance(short, events.ContextCompressed)
    assert [m.role for m in talk.sent] == ["system", "user", *["assistant", "tool"] * 5]
    assert short.turns == number - 5
    assert f"# Your turns 1 to {number - 5}, in short" in short.opening
    assert f"# Where the work stands after {number} turns" in short.opening
    assert "read_file f1.py -> line 0 of 1 [60 lines]" in short.opening
    assert short.tokens_after < short.tokens_before
    assert (short.window, short.model) == (8_192, "m")


def test_the_state_is_at_most_500_tokens_whatever_happened(root: Path) -> None:
    talk = Talk(root)
    talk.context.changed_ever = {f"src/{'x' * 90}/{n}.py": n for n in range(300)}
    talk.context.checks = {f"pytest -q {'y' * 200} {n}": "exit code 1 in turn 3. Hint: " + "z " * 40 for n in range(50)}
    assert len(standing(talk.context)) <= MAX_SUMMARY


def test_a_result_too_long_for_the_window_is_cut_and_no_longer_seen(root: Path) -> None:
    talk = Talk(root)
    talk.step(1, 6_000, "ok")
    assert talk.fit()
    assert "lines left out: no room" in talk.sent[-1].content
    assert talk.meter.tokens(talk.sent, ()) <= 0.8 * WINDOW.tokens


def test_what_a_human_said_is_worth_failing_for(root: Path) -> None:
    talk = Talk(root)
    for number in range(1, 10):
        talk.step(number, 1, "rejected", "A human rejected this call. Reason: " + "no " * 3_000)
    assert not talk.fit()


def windows(**tokens: int) -> Any:
    return Windows(by_model=tokens).of


def reading(times: int) -> Iterator[Any]:
    for n in range(times):
        yield calls(("read_file", {"path": "long.txt", "start_line": n + 1}))


def test_a_ticket_that_does_not_fit_goes_to_the_larger_model_and_stays_there(root: Path) -> None:
    (root / "long.txt").write_text("some words in a line\n" * 600)
    model = ListModel({"T1": [*reading(4), DONE]})
    large = ListModel({"T1": [*reading(4), DONE]})
    large.name = "big"
    bench = Bench(root, lambda: [Ticket("T1", "Title", "a.py", PROMPT)], model, level=TrustLevel.GUARDED)
    bench.window_of, bench.large, bench.models = windows(list=8_192, big=100_000), "big", {"big": large}
    assert bench.engine().run() is ExitCode.OK
    (routed,) = bench.of_kind("ticket_routed")
    assert (routed.from_model, routed.to_model) == ("list", "big")
    assert "8192" in routed.reason
    assert len(large.requests) >= 2


def test_without_a_larger_model_results_are_cut_and_the_ticket_goes_on(root: Path) -> None:
    (root / "long.txt").write_text("some words in a line\n" * 600)
    model = ListModel({"T1": [*reading(4), DONE]})
    bench = Bench(root, lambda: [Ticket("T1", "Title", "a.py", PROMPT)], model, level=TrustLevel.GUARDED)
    bench.window_of = windows(list=8_192)
    assert bench.engine().run() is ExitCode.OK
    assert bench.of_kind("context_compressed")


def test_a_ticket_whose_own_words_do_not_fit_fails_and_says_what_to_do(root: Path) -> None:
    model = ListModel({"T1": [DONE]})
    bench = Bench(root, lambda: [Ticket("T1", "Title", "a.py", "words " * 8_000)], model)
    bench.window_of = windows(list=8_192)
    assert bench.engine().run() is ExitCode.TICKETS_FAILED
    (failed,) = bench.of_kind("ticket_failed")
    assert "do not fit list, whose window is 8192" in failed.reason
    assert "[models] large" in failed.reason
    assert model.requests == []


class Narrow(ListModel):
    """A model whose server refuses what has more than `most` characters, naming the window `stated`."""

    name = "narrow"

    def __init__(self, turns: dict[str, Any], most: int, stated: int = 0) -> None:
        super().__init__(turns)
        self.most, self.stated, self.refused = most, stated, 0

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        if sum(len(message.content) for message in messages) > self.most:
            self.refused += 1
            refusal = TooLong("the request is too long", window=self.stated)
            refusal.failed = (FailedRequest("the request is too long", "req_1", None),)
            raise refusal
        return super().complete(messages, tools)


@pytest.mark.parametrize("stated", [0, 4_000, 30_000], ids=["no number", "a number", "more than was asked"])
def test_a_refused_request_is_put_in_short_and_asked_again(root: Path, stated: int) -> None:
    (root / "long.txt").write_text("some words in a line\n" * 300)
    model = Narrow({"T1": [*reading(6), DONE]}, 14_000, stated)
    kept: list[tuple[str, int]] = []
    tickets = [Ticket("T1", "Title", "a.py", PROMPT), Ticket("T2", "Title", "a.py", PROMPT)]
    bench = Bench(root, lambda: tickets, model, level=TrustLevel.GUARDED)
    model._turns["T2"] = [*reading(6), DONE]
    bench.window_of, bench.keep_window = windows(narrow=100_000), lambda *said: kept.append(said)
    assert bench.engine().run() is ExitCode.OK
    learned, *more = bench.of_kind("window_learned")
    assert (learned.stated, model.refused) == (stated, 1 + len(more))
    assert stated != 4_000 or not more, "the second ticket knows"
    assert learned.window == min(stated or learned.asked, learned.asked)
    kinds = bench.kinds("T1")
    at = kinds.index("window_learned")
    assert kinds[at - 1 : at + 3] == ["request_failed", "window_learned", "context_compressed", "model_replied"]
    assert set(kept) == ({("narrow", stated)} if stated else set())


def test_a_request_refused_in_short_too_goes_to_the_larger_model_or_fails(root: Path) -> None:
    for large in ("big", ""):
        model, big = Narrow({"T1": [DONE]}, 0), ListModel({"T1": [DONE]})
        big.name = "big"
        (root / "a.py").write_text("A = 1\n" * 400)
        bench = Bench(root, lambda: [Ticket("T1", "Title", "a.py", PROMPT)], model)
        bench.window_of, bench.large, bench.models = windows(narrow=8_192, big=100_000), large, {"big": big}
        ended = bench.engine().run()
        assert model.refused <= 2
        if large:
            assert (ended, len(big.requests)) == (ExitCode.OK, 1)
            continue
        assert ended is ExitCode.TICKETS_FAILED
        (failed,) = bench.of_kind("ticket_failed")
        assert "narrow refused" in failed.reason or "do not fit narrow" in failed.reason
        assert "[models] large" in failed.reason


def test_what_was_learnt_holds_for_one_run(root: Path) -> None:
    (root / "long.txt").write_text("some words in a line\n" * 300)
    model = Narrow({"T1": [*reading(2), calls(("run_shell", {"command": "make"})), DONE]}, 8_000)
    bench = Bench(root, lambda: [Ticket("T1", "Title", "a.py", PROMPT)], model, level=TrustLevel.GUARDED)
    bench.window_of = windows(narrow=100_000)
    with pytest.raises(NeedsHuman):
        bench.engine([Aborted()]).run()
    assert len(bench.of_kind("window_learned")) == 1
    model.most = 100_000  # it was started anew, with more room
    again = bench.engine()
    assert again.run() is ExitCode.OK
    assert len(bench.of_kind("window_learned")) == 1


def test_a_target_longer_than_the_window_is_shown_in_a_smaller_view(root: Path) -> None:
    body = "".join(f"def f{n}():\n" + "    x = 1\n" * 50 for n in range(60))
    (root / "a.py").write_text(body)
    bench = Bench(root, lambda: [Ticket("T1", "Title", "a.py", PROMPT)], ListModel({"T1": [DONE]}))
    bench.window_of = windows(list=8_192)
    assert bench.engine().run() is ExitCode.OK
    (built,) = bench.of_kind("context_built")
    assert "too long for the model's window" in built.notices[0]
    assert "def f59()" in built.messages[1]["content"]


def test_a_rejection_survives_being_put_in_short(root: Path) -> None:
    (root / "long.txt").write_text("some words in a line\n" * 300)
    turns = [calls(("run_shell", {"command": "rm -rf build"})), *reading(12), DONE]
    model = ListModel({"T1": turns})
    bench = Bench(root, lambda: [Ticket("T1", "Title", "a.py", PROMPT)], model, level=TrustLevel.GUARDED, max_turns=20)
    bench.window_of = windows(list=8_192)
    assert bench.engine([Rejected("build holds the only copy")]).run() is ExitCode.OK
    assert bench.of_kind("context_compressed")
    assert "build holds the only copy" in model.requests[-1][1][1].content


def test_the_providers_count_is_believed_where_it_is_higher() -> None:
    meter = Meter("m", Window(10_000, ""))
    sent = [Message("user", "x" * 4_000)]
    assert meter.tokens(sent, ()) == 1_004
    assert meter.tokens(sent, (), (1_506, 1)) == 1_506
    assert meter.tokens(sent, (), (100, 1)) == 1_004
    assert meter.tokens(sent, (), (90_000, 1)) == 2_008, "at most twice: some servers count what is not ours"


def test_windows_come_from_the_configuration_then_the_list_then_the_family() -> None:
    of = Windows({"mine": 5_000}, None, {"probed": Window(6_000, "a probe"), "mine": Window(9_000, "a probe")}).of
    assert of("mine") == Window(5_000, "configured for this model")
    assert of("probed").tokens == 6_000
    assert of("openai/gpt-5-mini") == Window(272_000, "litellm's list")
    assert of("openai/qwen2.5-coder-32b").tokens == 32_768
    assert of("openai/qwen2.5-coder-1.5b").tokens == 8_192
    assert of("openai/claude-next").tokens == 200_000
    assert of("openai/what-is-this").tokens == 8_192
    assert Windows({}, 4_096).of("openai/gpt-5-mini").tokens == 4_096


def test_the_models_own_tokenizer_counts_when_the_window_fills() -> None:
    meter = Meter("openai/gpt-5-mini", Window(1_000, ""))
    assert meter.tokens([Message("user", "short")], ()) < 10
    assert meter.tokenizer == "estimate: characters / 4"
    meter.tokens([Message("user", "words and more words, " * 60)], ())
    assert meter.tokenizer == "o200k_base"
