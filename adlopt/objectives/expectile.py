"""Expectiles: the loss at which overshoots, weighted more, balance undershoots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.objectives.dual_set import ROUNDING, is_distribution, partial_minimum
from adlopt.objectives.protocol import Objective

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True)
class Expectile(Objective):
    """The e with tau E[(L - e)^+] = (1 - tau) E[(e - L)^+].

    Coherent for tau >= 1/2; linear program. Dual set: probabilities w for which w / p varies by at
    most a factor of tau / (1 - tau).

    Parameters
    ----------
    tau : float
        In [1/2, 1). At 1/2 the expectile is the expected loss.

    Raises
    ------
    InputError
        tau is not a number in [1/2, 1).

    References
    ----------
    Bellini, Klar, Müller and Rosazza Gianin, Generalized quantiles as risk measures, Insurance:
    Mathematics and Economics 54 (2014).

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.Expectile(0.75).evaluate([0.0, 10.0])
    7.5
    """

    tau: float

    coherent = cash_additive = True
    cone = "linear"

    def __post_init__(self) -> None:
        tau = validation.as_finite("Expectile: tau", self.tau)
        if not 0.5 <= tau < 1:
            reason = (
                "below 1/2 an expectile is not convex"
                if tau < 0.5
                else "no expectile is defined there"
            )
            raise InputError(f"Expectile: tau is {tau:g}; it must lie in [0.5, 1): {reason}")
        self._set("tau", tau)

    @property
    def bonus(self) -> float:
        """How much more than undershoots overshoots count: tau / (1 - tau) - 1."""
        return (2 * self.tau - 1) / (1 - self.tau)

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        import cvxpy as cp

        if self.tau == 0.5:
            return weights @ loss
        e = cp.Variable()
        balance = weights @ loss + self.bonus * (weights @ cp.pos(loss - e)) <= e
        return partial_minimum(e, balance, over=[e])

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        return float(self.subgradient(loss, weights) @ loss)

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        # Counting the k worst scenarios 1 + bonus times is in the dual set for every k, and best
        # for one of them. Scenarios of weight zero do not enter: their losses may be of any size.
        likely = np.flatnonzero(weights)
        order = likely[np.argsort(-loss[likely], kind="stable")]
        p, from_worst = weights[order], loss[order[0]] - loss[order]
        below = (p @ from_worst + self.bonus * np.cumsum(p * from_worst)) / (
            1 + self.bonus * np.cumsum(p)
        )
        k = int(np.argmin(below)) + 1
        stressed = weights.copy()
        stressed[order[:k]] *= 1 + self.bonus
        return np.asarray(stressed / stressed.sum())

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        if not is_distribution(stress, weights):
            return False
        ratio = stress[weights > 0] / weights[weights > 0]
        return bool((1 - self.tau) * ratio.max() <= self.tau * ratio.min() * (1 + ROUNDING))
