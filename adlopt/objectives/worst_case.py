"""The worst case: the largest loss that can happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.objectives.protocol import Objective, distribution

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True)
class WorstCase(Objective):
    """Largest loss over the scenarios of positive probability, however small: the limit of CVaR as
    its level tends to one.
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
        return distribution(stress, weights)
