"""Entropic risk: the certainty equivalent of exponential disutility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.objectives._entropy import log_mean_exp, relative_entropy, tilted
from adlopt.objectives.dual_set import is_distribution
from adlopt.objectives.protocol import Objective
from adlopt.objectives.quadratic_model import QuadraticModel

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True)
class Entropic(Objective):
    """log E[exp(theta L)] / theta.

    Largest value over probabilities w of w.L - KL(w | p) / theta. Convex and cash invariant, but
    not coherent: twice the loss is more than twice the risk. Tends to the expected loss as theta
    tends to 0 and to the worst case as it grows. Exponential cone.

    Parameters
    ----------
    theta : float
        Risk aversion > 0, per unit of money: 1 / theta is a loss that hurts.

    Raises
    ------
    InputError
        theta is not a number > 0.

    References
    ----------
    Föllmer and Schied, Stochastic Finance, section 4.

    Examples
    --------
    >>> import adlopt as adl
    >>> round(adl.Entropic(theta=0.1).evaluate([0.0, 10.0]), 4)
    6.2011
    """

    theta: float

    cash_additive = smooth = True
    cone = "exponential"

    def __post_init__(self) -> None:
        theta = validation.as_finite("Entropic: theta", self.theta)
        if not theta > 0:
            raise InputError(
                f"Entropic: theta is {theta:g}; it must be > 0 (ExpectedLoss() is its limit at 0)"
            )
        self._set("theta", theta)

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        import cvxpy as cp

        likely = np.flatnonzero(weights)
        return cp.log_sum_exp(self.theta * loss[likely] + np.log(weights[likely])) / self.theta

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        likely = weights > 0
        worst = float(loss[likely].max())
        return (
            worst + log_mean_exp(self.theta * (loss[likely] - worst), weights[likely]) / self.theta
        )

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        worst = loss[weights > 0].max()
        return tilted(self.theta * np.minimum(loss - worst, 0.0), weights)

    def conjugate(self, stress: FloatArray, weights: FloatArray, ceiling: float) -> float:
        return (
            relative_entropy(stress, weights) / self.theta
            if is_distribution(stress, weights)
            else np.inf
        )

    def scaled(self, unit: float) -> Entropic:
        return Entropic(self.theta * unit)

    def local_model(self, loss: FloatArray, weights: FloatArray) -> QuadraticModel:
        return QuadraticModel(
            value=self.value(loss, weights),
            loss=loss,
            stress=self.subgradient(loss, weights),
            weights=weights,
            scale=1.0 / self.theta,
        )
