"""Expected loss under the worst probabilities in a chi-square ball."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.objectives.dual_set import ROUNDING, is_distribution
from adlopt.objectives.protocol import Objective

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True)
class ChiSquareRobust(Objective):
    """max of w.L over probabilities w with sum_s (w_s - p_s)^2 / p_s <= radius.

    Equals min over t of t + sqrt(1 + radius) sqrt(E[((L - t)^+)^2]). Coherent; second-order cone.

    Parameters
    ----------
    radius : float
        >= 0. At 0 the measure is the expected loss.

    Raises
    ------
    InputError
        The radius is not a number >= 0.

    References
    ----------
    Ben-Tal, den Hertog, De Waegenaere, Melenberg and Rennen, Robust solutions of optimization
    problems affected by uncertain probabilities, Management Science 59 (2013); Krokhmal, Higher
    moment coherent risk measures, Quantitative Finance 7 (2007).

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.ChiSquareRobust(0.25).evaluate([0.0, 1.0])
    0.75
    """

    radius: float

    coherent = cash_additive = smooth = True
    cone = "second-order"

    def __post_init__(self) -> None:
        radius = validation.as_finite("ChiSquareRobust: the radius", self.radius)
        if radius < 0:
            raise InputError(
                f"ChiSquareRobust: the radius is {radius:g}; it must be >= 0, or no probabilities "
                "are left"
            )
        self._set("radius", radius)

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        import cvxpy as cp

        if self.radius == 0:  # the best t is at minus infinity
            return weights @ loss
        t = cp.Variable()
        return t + np.sqrt(1 + self.radius) * cp.norm(
            cp.multiply(np.sqrt(weights), cp.pos(loss - t)), 2
        )

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        return float(self.subgradient(loss, weights) @ loss)

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        likely = weights > 0
        p = weights[likely]
        worst, spread = loss[likely].max(), np.ptp(loss[likely])
        if spread == 0 or self.radius == 0:
            return weights
        below = (loss[likely] - worst) / spread
        tail = below >= self._lowest(below, p)
        # On its tail w = q (1 + tilt * over), with q = p restricted to the tail. Then
        # sum w^2 / p = (1 + tilt^2 variance) / mass = 1 + radius, written without cancellation.
        mass, rest = float(p[tail].sum()), float(p[~tail].sum())
        q = np.where(tail, p, 0.0) / mass
        over = np.where(tail, below - q @ below, 0.0)
        over -= np.where(tail, q @ over, 0.0)  # centred twice: the first mean is rounded
        variance = float(q @ over**2)
        tilt = np.sqrt(max(self.radius * mass - rest, 0.0) / variance) if variance > 0 else 0.0
        stressed = np.zeros(loss.size)
        stressed[likely] = np.maximum(q * (1 + tilt * over), 0.0)
        return np.asarray(stressed / stressed.sum())

    def _lowest(self, below: FloatArray, p: FloatArray) -> float:
        """The smallest loss (in [-1, 0]) that keeps some probability.

        w = normalised p (below - t)^+ leaves the ball as t rises: the last t within it is found by
        bisection over the losses.
        """
        steps = np.unique(below)
        low, high = 0, steps.size - 1  # 0 stands for a t below all losses
        while low < high:
            middle = (low + high + 1) // 2
            ratio = np.maximum(below - steps[middle - 1], 0.0)
            ratio /= p @ ratio
            inside = float(p @ (ratio - 1.0) ** 2) <= self.radius
            low, high = (middle, high) if inside else (low, middle - 1)
        return float(steps[low])

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        if not is_distribution(stress, weights):
            return False
        likely = weights > 0
        distance = (stress[likely] - weights[likely]) / np.sqrt(weights[likely])
        return bool(np.linalg.norm(distance) <= np.sqrt(self.radius) * (1 + ROUNDING) + ROUNDING)
