"""PyMC, where it is installed, says the same of the pooled model as the grid does."""

from __future__ import annotations

import importlib.util

import pytest

from conductor.errors import UsageError
from conductor.inspector.base import Count
from conductor.inspector.bayes import sampled_rates
from conductor.inspector.posterior import rates

INSTALLED = importlib.util.find_spec("pymc") is not None


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="PyMC is not installed")
def test_sampling_and_the_grid_agree() -> None:
    counts = {"coder": Count(38, 40), "tester": Count(12, 20), "writer": Count()}
    grid, sampled = rates(counts), sampled_rates(counts)
    for name in counts:
        assert sampled[name].mean == pytest.approx(grid[name].mean, abs=0.02)
        assert sampled[name].interval() == pytest.approx(grid[name].interval(), abs=0.05)


@pytest.mark.skipif(INSTALLED, reason="PyMC is installed")
def test_without_pymc_it_says_how_to_get_it() -> None:
    with pytest.raises(UsageError) as caught:
        sampled_rates({"coder": Count(1, 2)})
    assert "conductor-clutch[bayes]" in caught.value.hint
