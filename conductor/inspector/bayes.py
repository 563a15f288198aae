"""The pooled model of `posterior`, sampled by PyMC instead of summed over a grid; needs the extra [bayes]."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from conductor.errors import UsageError
from conductor.inspector.base import Count
from conductor.inspector.posterior import NU_LEAST, NU_MOST, Rate


def sampled_rates(counts: Mapping[str, Count], *, draws: int = 1000, seed: int = 1) -> dict[str, Rate]:
    """Return what `posterior.rates` does, from `draws` draws of each of two chains (NUTS).

    Only the mean of all groups and their likeness are sampled; given these, a rate is a Beta in closed form. Raises
    `UsageError` where PyMC is not installed.
    """
    try:
        import pymc  # type: ignore[import-not-found]
    except ImportError:
        raise UsageError("PyMC is not installed", hint="pip install 'conductor-clutch[bayes]'") from None
    pm: Any = pymc
    with pm.Model():
        mean = pm.Uniform("mean", 0.0, 1.0)
        size = pm.math.exp(pm.Uniform("log_size", math.log(NU_LEAST), math.log(NU_MOST)))
        pm.Deterministic("size", size)
        pm.BetaBinomial(
            "successes",
            n=np.array([count.trials for count in counts.values()]),
            alpha=mean * size,
            beta=(1 - mean) * size,
            observed=np.array([count.successes for count in counts.values()]),
        )
        sampled = pm.sample(draws, chains=2, cores=1, random_seed=seed, progressbar=False, target_accept=0.95).posterior
    means, sizes = (np.asarray(sampled[name], dtype=np.float64).ravel() for name in ("mean", "size"))
    weights = np.full(means.shape, 1 / means.size)
    return {
        name: Rate(
            count, means * sizes + count.successes, (1 - means) * sizes + (count.trials - count.successes), weights
        )
        for name, count in counts.items()
    }
