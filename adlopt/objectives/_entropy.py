"""Exponential means and relative entropy, without overflow and without cancellation."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray


def log_mean_exp(exponent: FloatArray, weights: FloatArray) -> float:
    """log sum p exp(exponent) for exponents <= 0 of which one is 0."""
    mean = float(weights @ np.exp(exponent))
    # Near one, log1p keeps the digits in which the mean differs from one.
    return float(np.log1p(weights @ np.expm1(exponent)) if mean > 0.5 else np.log(mean))


def tilted(exponent: FloatArray, weights: FloatArray) -> FloatArray:
    """(S,) probabilities proportional to p exp(exponent), for exponents as in `log_mean_exp`."""
    raised = weights * np.exp(exponent)
    return np.asarray(raised / raised.sum())


def relative_entropy(stress: FloatArray, weights: FloatArray) -> float:
    """sum w log(w / p) of a distribution w that is zero where p is.

    Summed as p h(w / p) with h(r) = r log r - r + 1 >= 0: no terms cancel, so the entropy of a
    w close to p keeps its digits. Entropic risk divides it by theta, which may be 1e-9.
    """
    likely = weights > 0
    p = weights[likely]
    change = stress[likely] / p - 1.0
    small = np.abs(change) < 1e-2
    with np.errstate(divide="ignore", invalid="ignore"):
        large = (1.0 + change) * np.log1p(change) - change
    large = np.where(change <= -1.0, 1.0, large)
    # h(1 + c) = c^2/2 - c^3/6 + c^4/12 - ... = sum of (-c)^k / (k (k - 1)), k >= 2.
    c = np.where(small, -change, 0.0)
    series = np.zeros(c.size)
    for k in range(9, 1, -1):
        series = c * series + 1.0 / (k * (k - 1))
    return float(p @ np.where(small, c * c * series, large))
