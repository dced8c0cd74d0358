"""Exponential means and relative entropy, without overflow and without cancellation."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray


def log_mean_exp(exponent: FloatArray, weights: FloatArray) -> float:
    """log sum p exp(exponent) for exponents <= 0 of which one is 0."""
    mean = float(weights @ np.exp(exponent))
    # Near one the logarithm would lose what differs from it.
    return float(np.log1p(weights @ np.expm1(exponent)) if mean > 0.5 else np.log(mean))


def tilted(exponent: FloatArray, weights: FloatArray) -> FloatArray:
    """(S,) probabilities in proportion to p exp(exponent), for exponents as in `log_mean_exp`."""
    raised = weights * np.exp(exponent)
    return np.asarray(raised / raised.sum())


def relative_entropy(stress: FloatArray, weights: FloatArray) -> float:
    """sum w log(w / p) of a distribution w that is zero where p is."""
    some = stress > 0
    return float(stress[some] @ np.log(stress[some] / weights[some]))
