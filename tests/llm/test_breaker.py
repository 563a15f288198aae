from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from conductor.errors import ModelError, TransientModelError
from conductor.llm.breaker import Breaker, Breakers, Breaking
from conductor.llm.gateway import Gateway
from conductor.llm.retry import Retrying
from conductor.messages import Completion, Message, ToolSpec
from tests.openai_server import OpenAIServer, Reply, server_error, unauthorized


class Provider:
    """Does what it is told to: fail, refuse, or answer."""

    name = "openai/m"

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.asked = 0

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        self.asked += 1
        if self.error:
            raise self.error
        return Completion("fine")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class BreakerMachine(RuleBasedStateMachine):
    """Held against what the issue says: open after 3 failures in a row, at once an error, one probe after 10 s."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.provider = Clock(), Provider()
        self.model = Breaking(self.provider, Breaker(failures=3, pause_s=10, clock=self.clock))
        self.in_a_row, self.shut_until = 0, 0.0

    @rule(seconds=st.floats(0, 15))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(answer=st.sampled_from(["fine", "transient", "refused"]))
    def ask(self, answer: str) -> None:
        may = self.in_a_row < 3 or self.clock.now >= self.shut_until
        errors = {"transient": TransientModelError("503"), "refused": ModelError("401")}
        self.provider.error = errors.get(answer)
        before = self.provider.asked
        said = ""
        try:
            self.model.complete([], [])
        except ModelError as error:
            said = str(error)
        assert self.provider.asked - before == may
        assert ("is not asked for another" in said) is not may
        if may:
            self.in_a_row = self.in_a_row + 1 if answer == "transient" else 0
            self.shut_until = self.clock.now + 10 if self.in_a_row >= 3 else 0.0

    @invariant()
    def never_more_failures_than_were_seen(self) -> None:
        assert self.model._breaker._failures == self.in_a_row


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_while_a_probe_is_under_way_nobody_else_is_let_through() -> None:
    clock = Clock()
    breaker = Breaker(failures=1, pause_s=10, clock=clock)
    breaker.enter("m")
    breaker.failed()
    clock.now += 11
    breaker.enter("m")
    with pytest.raises(ModelError, match="m failed 1 times in a row and is not asked for another 10 s"):
        breaker.enter("m")


def test_an_interrupted_request_says_nothing_about_the_provider() -> None:
    provider = Provider()
    provider.error = KeyboardInterrupt()
    breaker = Breaker(failures=1)
    with pytest.raises(KeyboardInterrupt):
        Breaking(provider, breaker).complete([], [])
    breaker.enter("m")


def test_one_question_is_tried_to_its_end_and_the_next_fails_at_once() -> None:
    provider = Provider()
    provider.error = TransientModelError("503")
    model = Retrying(Breaking(provider, Breaker()), sleep=lambda _: None)
    with pytest.raises(TransientModelError, match="503"):
        model.complete([], [])
    assert provider.asked == 6
    with pytest.raises(ModelError, match="not asked for another"):
        model.complete([], [])
    assert provider.asked == 6


def test_models_of_one_name_and_address_share_a_breaker_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conductor.llm.retry.time", SimpleNamespace(sleep=lambda _: None))
    with OpenAIServer([*[server_error()] * 6, unauthorized(), Reply("hi")]) as server:
        gateway = Gateway(server.url)
        with pytest.raises(TransientModelError):
            gateway.open("openai/a").complete([Message("user", "x")], [])
        with pytest.raises(ModelError, match="not asked for another"):
            gateway.open("openai/a").complete([Message("user", "x")], [])
        with pytest.raises(ModelError, match="refused the key"):
            gateway.open("openai/b").complete([Message("user", "x")], [])
        assert len(server.requests) == 7
        assert Breakers().of("a", "x") is not Breakers().of("a", "x")
