"""Conditional value at risk: the mean of the worst tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.objectives.dual_set import ROUNDING, check_range, is_distribution
from adlopt.objectives.protocol import Objective

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True)
class CVaR(Objective):
    """Mean loss over the worst 1 - level of probability.

    Equals min over t of t + E[(L - t)^+] / (1 - level); the scenario at the edge of the tail is
    split. Coherent; linear program. Dual set: probabilities w with w <= p / (1 - level).

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
    Rockafellar and Uryasev, Optimization of conditional value-at-risk, Journal of Risk 2 (2000).

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.CVaR(0.5).evaluate([0.0, 10.0, 2.0, 4.0])
    7.0
    """

    level: float

    coherent = cash_additive = True
    cone = "linear"

    def __post_init__(self) -> None:
        self._set("level", check_range("CVaR: the level", self.level, 0.0, 1.0))

    def expression(
        self, loss: cp.Expression, weights: FloatArray, tail: cp.Parameter | None = None
    ) -> cp.Expression:
        """The measure in cvxpy.

        Parameters
        ----------
        loss : cvxpy.Expression, shape (S,)
        weights : array, shape (S,)
        tail : cvxpy.Parameter, optional
            Stands for 1 / (1 - level).

        Returns
        -------
        cvxpy.Expression
        """
        import cvxpy as cp

        # At level 0 every t below all losses is optimal: an unbounded ray for the solver.
        if self.level == 0 and tail is None:
            return weights @ loss
        # cp.cvar has no scenario weights.
        threshold = cp.Variable()
        return threshold + (1 / (1 - self.level) if tail is None else tail) * (
            weights @ cp.pos(loss - threshold)
        )

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        return float(self.subgradient(loss, weights) @ loss)

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        order = np.argsort(-loss, kind="stable")
        stressed = np.empty(loss.size)
        stressed[order] = self.tail(weights[order])
        return stressed

    def tail(self, weights: FloatArray) -> FloatArray:
        """Stressed probabilities of scenarios sorted from the largest loss to the least.

        Parameters
        ----------
        weights : array, shape (S,)
            Probabilities of the scenarios, from the largest loss to the least.

        Returns
        -------
        array, shape (S,)
        """
        mass = 1.0 - self.level
        before = np.concatenate([[0.0], np.cumsum(weights)[:-1]])
        # In units of probability, not of 1 / mass: at levels near one those would cancel.
        taken = np.minimum(weights, np.maximum(mass - before, 0.0))
        return np.asarray(taken / taken.sum())

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        return is_distribution(stress, weights) and bool(
            (stress <= weights * ((1 + ROUNDING) / (1 - self.level))).all()
        )
