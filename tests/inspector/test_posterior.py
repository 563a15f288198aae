"""The odds are what a Bayesian would say: closed forms against sampling, intervals against simulated truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.inspector import posterior
from conductor.inspector.base import Count
from conductor.inspector.posterior import better, prior, rates

COUNTS = st.integers(0, 60).flatmap(lambda n: st.integers(0, n).map(lambda k: Count(k, n)))


def alike(quantile: Any) -> Any:
    """How alike groups are: log-uniform, as the model assumes."""
    return posterior.NU_LEAST * (posterior.NU_MOST / posterior.NU_LEAST) ** quantile


def coverage(projects: int, seed: int) -> float:
    """How often the 95 % interval holds the truth, over projects drawn from what the model assumes."""
    random, held = np.random.default_rng(seed), 0
    for _ in range(projects):
        mean, size = (
            random.random(),
            posterior.NU_LEAST * (posterior.NU_MOST / posterior.NU_LEAST) ** random.random(),
        )
        groups = int(random.integers(1, 5))
        truth = random.beta(mean * size, (1 - mean) * size, groups)
        trials = random.integers(0, 40, groups)
        seen = random.binomial(trials, truth)
        found = rates({str(n): Count(int(seen[n]), int(trials[n])) for n in range(groups)})
        low, high = found["0"].interval(0.95)
        held += bool(low <= truth[0] <= high)
    return held / projects


def test_intervals_hold_the_truth_as_often_as_they_say_in_a_sample() -> None:
    assert 0.9 <= coverage(150, seed=7) <= 0.99


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    assert 0.93 <= coverage(2_000, seed=1) <= 0.97


def test_the_grid_agrees_with_sampling_the_model_itself() -> None:
    counts = {"coder": Count(17, 20), "tester": Count(3, 9)}
    random, size = np.random.default_rng(3), 400_000
    mean = random.random(size)
    nu = alike(random.random(size))
    truth = {name: random.beta(mean * nu, (1 - mean) * nu) for name in counts}
    fits = np.ones(size, bool)
    for name, count in counts.items():
        fits &= random.binomial(count.trials, truth[name]) == count.successes
    found = rates(counts)
    for name in counts:
        drawn = truth[name][fits]
        assert found[name].mean == pytest.approx(drawn.mean(), abs=0.02)
        assert found[name].interval() == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.04)


def test_without_observations_it_is_the_prior_and_says_so() -> None:
    nothing = rates({"coder": Count()})["coder"]
    assert nothing.count.trials == 0
    assert nothing.mean == pytest.approx(0.5)
    assert nothing.interval() == pytest.approx(prior().interval())


def test_an_archetype_nobody_tried_leans_on_its_neighbours_and_is_less_certain() -> None:
    found = rates({"coder": Count(38, 40), "tester": Count(27, 30), "writer": Count()})
    alone = rates({"writer": Count()})["writer"]
    assert found["writer"].mean > alone.mean + 0.1
    width = {name: high - low for name, (low, high) in ((n, r.interval()) for n, r in found.items())}
    assert width["writer"] > width["tester"] > 0


@given(COUNTS, COUNTS)
def test_the_interval_is_around_the_mean_and_narrower_at_a_lower_level(one: Count, other: Count) -> None:
    rate = rates({"one": one, "other": other})["one"]
    low, high = rate.interval(0.95)
    inner_low, inner_high = rate.interval(0.5)
    assert 0 <= low <= inner_low <= inner_high <= high <= 1
    assert low <= rate.mean <= high
    assert low < 1e-9 or rate.below(low) == pytest.approx(0.025, abs=1e-3)


@given(COUNTS)
def test_one_more_success_never_lowers_the_odds(count: Count) -> None:
    before = rates({"a": count})["a"].mean
    assert rates({"a": count.and_one(True)})["a"].mean >= before - 1e-9
    assert rates({"a": count.and_one(False)})["a"].mean <= before + 1e-9


def test_better_is_a_probability_of_a_comparison() -> None:
    strong, weak = rates({"a": Count(29, 30)})["a"], rates({"a": Count(5, 30)})["a"]
    assert better(strong, weak) > 0.99
    assert better(weak, strong) < 0.01
    assert better(weak, weak) == pytest.approx(0.5, abs=0.01)
    assert better(strong, weak) + better(weak, strong) == pytest.approx(1.0, abs=0.01)
