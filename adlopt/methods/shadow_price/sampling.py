"""Samples of the pools whose prices start the full problem (eq. 15)."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.shadow_price.tuning import Tuning


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
