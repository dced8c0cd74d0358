"""Prices from nested samples of the pools, where no earlier answer gives them (eq. 15)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.shadow_price.decomposition import Decomposition, Objective, Outcome
from adlopt.methods.shadow_price.groups import Groups
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
        groups.assign(chosen, weight, max(tuning.sample_groups, 2 * R))
        counted = np.zeros(program.size)
        counted[chosen] = weight
        drawn = np.bincount(pools.asset, pools.used * counted[program.owner], minlength=R)
        required = drawn / np.where(available > 0, available, 1.0)
        sample = Decomposition(groups, objective, required, start, tuning, keep_answers=False)
        # Prices err by 1 / sqrt(size), so the value does by 1 / size.
        run(sample, width, tuning.sample_tolerance / chosen.size)
        found = sample.outcome
        start = Outcome(found.point, found.stresses, found.losses)
        spread = float(np.abs(start.point[:R] / groups.price_scale).max())
        width = 1.0 if groups.live.size else max(spread, tuning.least_box)
        width /= float(np.sqrt(chosen.size))
    return start, width


def sample_sizes(pools: int, tuning: Tuning) -> list[int]:
    """Sizes of the nested samples, ascending."""
    sizes, size = [], pools / tuning.sample_step
    while size > tuning.smallest_sample:
        sizes.append(int(size))
        size /= tuning.sample_step
    return sizes[::-1]


def draw(
    largest: FloatArray, size: int, generator: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """About `size` pools, drawn with probability proportional to `largest` (n,) where that is
    below one, and the number of pools that each stands for.

    `largest` is the most that a pool supplies of an asset. Systematic sampling: one random number
    places a comb over the cumulated probabilities, so every stretch of pools has its due.
    """
    sure = np.zeros(largest.size, dtype=bool)
    while True:  # pools too large to be drawn are taken
        left, total = size - int(sure.sum()), float(largest[~sure].sum())
        large = ~sure & (largest * left >= total)
        if not large.any() or total == 0.0:
            break
        sure |= large
    rate = left / total if total > 0 else 0.0
    probability = np.where(sure, 1.0, np.minimum(largest * rate, 1.0))
    comb = np.floor(np.cumsum(np.where(sure, 0.0, probability)) + generator.random())
    drawn = np.diff(comb, prepend=0.0) > 0
    chosen = np.flatnonzero(drawn | sure)
    chosen = chosen[probability[chosen] > 0]
    return chosen, 1.0 / probability[chosen]
