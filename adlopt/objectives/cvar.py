"""Conditional value at risk: the mean of the worst tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.objectives.protocol import ROUNDING, Objective, distribution, level

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True)
class CVaR(Objective):
    """Mean loss over the worst 1 - level of probability, splitting the scenario at the edge.

    Source: Rockafellar and Uryasev (2000), min over t of t + E[(L - t)^+] / (1 - level). Level 0 is
    the expected loss.
    """

    level: float

    coherent = cash_additive = True
    cone = "linear"

    def __post_init__(self) -> None:
        level("CVaR: the level", self.level, 0.0, 1.0)

    def expression(
        self, loss: cp.Expression, weights: FloatArray, tail: cp.Parameter | None = None
    ) -> cp.Expression:
        """The measure in cvxpy; `tail` is a parameter that stands for 1 / (1 - level)."""
        import cvxpy as cp

        if (
            self.level == 0 and tail is None
        ):  # any t far enough down is a minimiser: spare the solver that ray
            return weights @ loss
        # cp.cvar knows equally likely scenarios only.
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
        """(S,) stressed probabilities of scenarios sorted from the worst."""
        most = weights / (1 - self.level)
        return np.minimum(most, np.maximum(1.0 - (np.cumsum(most) - most), 0.0))

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        return distribution(stress, weights) and bool(
            (stress <= weights * ((1 + ROUNDING) / (1 - self.level))).all()
        )
