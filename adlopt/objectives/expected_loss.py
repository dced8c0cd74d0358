"""The mean of the exchange's loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.objectives.dual_set import ROUNDING
from adlopt.objectives.protocol import Objective

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True)
class ExpectedLoss(Objective):
    """The expected loss E[L] = sum_s p_s L_s, the paper's risk-neutral objective.

    Coherent; linear program. Dual set: {p}.

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.ExpectedLoss().evaluate([0.0, 10.0, 2.0, 4.0])
    4.0
    """

    coherent = cash_additive = True
    cone = "linear"

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        return weights @ loss

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        return float(weights @ loss)

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        return weights

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        return bool(np.allclose(stress, weights, rtol=ROUNDING, atol=0.0))
