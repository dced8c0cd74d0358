"""Entropic value at risk: the tightest exponential bound on CVaR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.objectives._entropy import log_mean_exp, relative_entropy, tilted
from adlopt.objectives.dual_set import ROUNDING, check_range, is_distribution, partial_minimum
from adlopt.objectives.protocol import Objective
from adlopt.objectives.quadratic_model import QuadraticModel

if TYPE_CHECKING:
    import cvxpy as cp

LEAST_SCALE = 1e-3  # of the spread of the losses: smallest t of a quadratic model


@dataclass(frozen=True)
class EVaR(Objective):
    """min over t > 0 of t log(E[exp(L / t)] / (1 - level)).

    Coherent; exponential cone. Dual set: probabilities w with relative entropy KL(w | p) at most
    -log(1 - level). At least CVaR at the same level.

    Parameters
    ----------
    level : float
        In [0, 1). Level 0 is the expected loss.

    Raises
    ------
    InputError
        The level is not a number in [0, 1).

    References
    ----------
    Ahmadi-Javid, Entropic value-at-risk, Journal of Optimization Theory and Applications 155
    (2012).

    Examples
    --------
    >>> import adlopt as adl
    >>> round(adl.EVaR(0.5).evaluate([0.0, 10.0, 2.0, 4.0]), 4)
    8.5668
    """

    level: float

    coherent = cash_additive = smooth = True
    cone = "exponential"

    def __post_init__(self) -> None:
        self._set("level", check_range("EVaR: the level", self.level, 0.0, 1.0))

    @property
    def radius(self) -> float:
        """Largest relative entropy of the stressed probabilities."""
        return -float(np.log1p(-self.level))

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        import cvxpy as cp

        if self.level == 0:
            return weights @ loss
        # t log E[exp(L / t)] is the least of u - t + t E[exp((L - u) / t)] over u; raised >= t
        # exp((L - u) / t). Clarabel stalls more often on the same as a constraint, E[raised] <= t.
        likely = np.flatnonzero(weights)
        t, u, raised = cp.Variable(nonneg=True), cp.Variable(), cp.Variable(likely.size)
        above = loss[likely] - u + cp.rel_entr(t, raised) <= 0
        return partial_minimum(
            u + (self.radius - 1) * t + weights[likely] @ raised, above, over=[t, u, raised]
        )

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        if self.level == 0:
            return float(weights @ loss)
        likely = weights > 0
        worst, spread, below = _standardised(loss[likely])
        x = self._tilt_parameter(below, weights[likely])
        # The least over x: an error in x is of second order here.
        return (
            worst
            if np.isinf(x)
            else worst + spread * (log_mean_exp(x * below, weights[likely]) + self.radius) / x
        )

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        if self.level == 0:
            return weights
        likely = weights > 0
        p = weights[likely]
        _, spread, below = _standardised(loss[likely])
        if spread == 0:
            return weights
        x = self._tilt_parameter(below, p)
        stressed = np.zeros(loss.size)
        stressed[likely] = tilted(
            np.where(below == 0, 0.0, -np.inf) if np.isinf(x) else x * below, p
        )
        return stressed

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        if self.level == 0:
            return bool(np.allclose(stress, weights, rtol=ROUNDING, atol=0.0))
        most = self.radius * (1 + 10 * ROUNDING)
        return is_distribution(stress, weights) and relative_entropy(stress, weights) <= most

    def local_model(self, loss: FloatArray, weights: FloatArray) -> QuadraticModel | None:
        likely = weights > 0
        p = weights[likely]
        worst, spread, below = _standardised(loss[likely])
        if self.level == 0 or spread == 0:
            return None
        # Where all mass may go to the worst loss t tends to 0: a larger t keeps the model smooth.
        x = min(self._tilt_parameter(below, p), 1.0 / LEAST_SCALE)
        stress = np.zeros(loss.size)
        stress[likely] = tilted(x * below, p)
        return QuadraticModel(
            value=worst + spread * (log_mean_exp(x * below, p) + self.radius) / x,
            loss=loss,
            stress=stress,
            weights=weights,
            scale=spread / x,
            radius=self.radius,
        )

    def _tilt_parameter(self, below: FloatArray, p: FloatArray) -> float:
        """x at which p exp(x below) has relative entropy `radius`; infinite if all mass on the
        worst loss has less.

        `below` in [-1, 0] as `_standardised` makes it: the entropy rises in x from 0 to -log
        P(worst loss).
        """
        from scipy.optimize import brentq

        if -np.log(p[below == 0].sum()) <= self.radius:
            return np.inf

        def excess(log_x: float) -> float:
            return relative_entropy(tilted(np.exp(log_x) * below, p), p) - self.radius

        low = high = 0.0
        while excess(low) > 0:
            low -= 2.0
        while excess(high) < 0:
            high += 2.0
            if high > 690:  # the second worst loss is that close to the worst
                return np.inf
        return float(np.exp(brentq(excess, low, high, xtol=1e-14, rtol=4 * np.finfo(float).eps)))


def _standardised(loss: FloatArray) -> tuple[float, float, FloatArray]:
    """Worst loss, spread, and (loss - worst) / spread, which are zeros where all losses are
    equal.
    """
    worst, spread = float(loss.max()), float(np.ptp(loss))
    return worst, spread, (loss - worst) / (spread or 1.0)
