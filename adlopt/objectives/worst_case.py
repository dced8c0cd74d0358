"""The worst case: the largest loss that can happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.objectives.dual_set import is_distribution
from adlopt.objectives.protocol import Objective

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True)
class WorstCase(Objective):
    """The largest loss over scenarios of positive probability, however small.

    Coherent; linear program. Dual set: all probabilities w that are zero where p is. The limit of
    CVaR as its level tends to one.

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.WorstCase().evaluate([0.0, 10.0, 2.0])
    10.0
    """

    coherent = cash_additive = True
    cone = "linear"

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        import cvxpy as cp

        return cp.max(loss[np.flatnonzero(weights)])

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        return float(loss[weights > 0].max())

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        stressed = np.zeros(loss.size)
        stressed[np.argmax(np.where(weights > 0, loss, -np.inf))] = 1.0
        return stressed

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        return is_distribution(stress, weights)
