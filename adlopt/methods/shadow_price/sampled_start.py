"""Prices from nested samples of the pools, where no earlier answer gives them (eq. 15)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adlopt.methods.shadow_price.decomposition import Decomposition, Objective, Outcome
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.sampling import draw, sample_sizes
from adlopt.methods.shadow_price.tuning import Tuning

Run = Callable[[Decomposition, float, float], None]


def sampled_start(
    groups: Groups, objective: Objective, start: Outcome, tuning: Tuning, run: Run
) -> tuple[Outcome, float]:
    """Where to start with all pools, and how far to trust it.

    `run(decomposition, width, tolerance)` carries out the decomposition of a sample.
    """
    program, pools = groups.program, groups.program.pools
    R, generator, width = groups.price_scale.size, np.random.default_rng(0), tuning.box
    available = np.bincount(pools.asset, pools.used, minlength=R)
    for size in sample_sizes(program.size, tuning):
        chosen, weight = draw(groups.largest, size, generator)
        groups.assign(chosen, weight, tuning.groups)
        counted = np.zeros(program.size)
        counted[chosen] = weight
        drawn = np.bincount(pools.asset, pools.used * counted[program.owner], minlength=R)
        required = drawn / np.where(available > 0, available, 1.0)
        sample = Decomposition(groups, objective, required, start, tuning, keep_answers=False)
        run(sample, width, tuning.sample_tolerance)
        start = Outcome(sample.outcome.point, sample.outcome.stresses)
        spread = float(np.abs(start.point[:R] / groups.price_scale).max())
        width = 1.0 if groups.live.size else max(spread, tuning.least_box)
        width /= float(np.sqrt(chosen.size))
    return start, width
