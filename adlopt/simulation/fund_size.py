"""Sizes of an insurance fund: quantiles of what it must pay, with confidence intervals."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray


def exceeded_with(needs: FloatArray, probability: float) -> float:
    """Smallest fund that at most this share of the needs (P,) exceeds."""
    ordered = np.sort(needs)
    # A share of 0.29 of a hundred paths is 29 of them, though 0.29 * 100 < 29 in floats.
    allowed = int(np.floor(probability * ordered.size * (1 + 1e-12)))
    return float(ordered[ordered.size - 1 - allowed]) if allowed < ordered.size else 0.0


def quantile_interval(
    needs: FloatArray, probability: float, confidence: float
) -> tuple[float, float]:
    """Confidence interval of the fund that is exceeded with `probability`, equation (S11).

    Order statistics whose ranks are binomial, so no distribution is assumed; between neighbours
    they are interpolated, so the interval is not longer than it need be (Beran and Hall 1993,
    "Interpolated nonparametric prediction intervals and confidence intervals"). The upper limit is
    infinite where there are too few paths to give one.
    """
    from scipy.special import bdtr

    ordered, n, p = np.sort(needs), needs.size, 1.0 - probability
    tail = (1.0 - confidence) / 2
    # P(r-th smallest > quantile) = P(Binomial(n, p) < r), for r = 0 .. n + 1.
    above = np.concatenate([[0.0], bdtr(np.arange(n), n, p), [1.0]])
    r = int(np.searchsorted(above, tail, side="right")) - 1
    lower = 0.0  # a fund is never negative
    if r >= 1:
        lower = _between(ordered, r, (tail - above[r]) / (above[r + 1] - above[r]))
    s = int(np.searchsorted(above, 1.0 - tail, side="left"))
    if s > n:
        return lower, np.inf
    step = (1.0 - tail - above[s - 1]) / (above[s] - above[s - 1])
    upper = _between(ordered, s - 1, step) if s > 1 else float(ordered[0])
    return lower, upper


def _between(ordered: FloatArray, rank: int, step: float) -> float:
    """Between the order statistics `rank` and `rank + 1` (from one)."""
    low = ordered[rank - 1]
    return float(low + step * (ordered[min(rank, ordered.size - 1)] - low))
