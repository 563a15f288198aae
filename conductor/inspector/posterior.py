"""Odds of yes-or-no outcomes: a small hierarchical model whose groups (archetypes) learn from each other.

Group g has k_g successes in n_g trials and a rate of its own, theta_g ~ Beta(mu * nu, (1 - mu) * nu). The mean mu of
all groups is uniform, and how alike they are, nu, is log-uniform between `NU_LEAST` and `NU_MOST`. Given mu and nu
the rate's posterior is a Beta in closed form; both are summed out over a grid, so a rate's posterior is a mixture of
Betas (Gelman et al., Bayesian Data Analysis, 3rd ed., section 5.3). With no trials at all it is the prior.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaln

from conductor.inspector.base import Count

NU_LEAST, NU_MOST = 1.0, 200.0
_MEANS, _SIZES = 48, 24
_NEGLIGIBLE = 1e-7  # of the heaviest component: all that are lighter move no quantile by a thousandth

Floats = NDArray[np.float64]


class Rate(Struct, frozen=True, dict=True):
    """What is believed of a rate: a mixture of Beta(a, b) with `weights` that sum to 1 (arrays of one shape).

    `count` is what was seen of this group itself; with `count.trials` 0 nothing was, and the groups beside it speak.
    """

    count: Count
    a: Floats
    b: Floats
    weights: Floats

    @cached_property
    def mean(self) -> float:
        """The expected rate, between 0 and 1."""
        return float(np.sum(self.weights * self.a / (self.a + self.b)))

    def below(self, rate: float) -> float:
        """Return the probability that the rate is below `rate`."""
        return float(np.sum(self.weights * betainc(self.a, self.b, rate)))

    def quantile(self, probability: float) -> float:
        """Return the rate that the true one is below with `probability`."""

        def over(rate: float) -> float:
            return self.below(rate) - probability

        return float(brentq(over, 0.0, 1.0, xtol=1e-12))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the central credible interval that holds the true rate with probability `level`."""
        tail = (1 - level) / 2
        return self.quantile(tail), self.quantile(1 - tail)


def rates(counts: Mapping[str, Count]) -> dict[str, Rate]:
    """Return the posterior of each group's rate, all groups of `counts` taken together."""
    grid_a, grid_b = _grid()
    weights = _weights(grid_a, grid_b, counts.values())
    kept = weights > weights.max() * _NEGLIGIBLE
    a, b, weights = grid_a[kept], grid_b[kept], weights[kept] / weights[kept].sum()
    return {
        name: Rate(count, a + count.successes, b + (count.trials - count.successes), weights)
        for name, count in counts.items()
    }


def prior() -> Rate:
    """Return what is believed of a rate before anything was seen."""
    return rates({"": Count()})[""]


def better(one: Rate, other: Rate, *, points: int = 512) -> float:
    """Return the probability that the rate `one` is above `other`, the two taken as independent."""
    edges = np.linspace(0.0, 1.0, points + 1)
    cdf = np.sum(one.weights[:, None] * betainc(one.a[:, None], one.b[:, None], edges[None, :]), axis=0)
    middle = (edges[1:] + edges[:-1]) / 2
    lower = np.sum(other.weights[:, None] * betainc(other.a[:, None], other.b[:, None], middle[None, :]), axis=0)
    return float(np.sum(np.diff(cdf) * lower))


def _grid() -> tuple[Floats, Floats]:
    """Return a and b of the Beta at every point of the grid over mu and nu."""
    means = (np.arange(_MEANS) + 0.5) / _MEANS
    steps = (np.arange(_SIZES) + 0.5) / _SIZES
    sizes = NU_LEAST * (NU_MOST / NU_LEAST) ** steps
    mean, size = np.meshgrid(means, sizes)
    return (mean * size).ravel(), ((1 - mean) * size).ravel()


def _weights(a: Floats, b: Floats, counts: Iterable[Count]) -> Floats:
    """Return the posterior probability of each point of the grid; the prior gives all the same."""
    log_likelihood = np.zeros_like(a)
    for count in counts:
        log_likelihood += betaln(a + count.successes, b + (count.trials - count.successes)) - betaln(a, b)
    weights = np.exp(log_likelihood - log_likelihood.max())
    return weights / weights.sum()
