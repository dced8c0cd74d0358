"""Expected loss under the worst probabilities in a chi-square ball."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.objectives.protocol import ROUNDING, Objective, distribution

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True)
class ChiSquareRobust(Objective):
    """max of w.L over probabilities w with sum (w - p)^2 / p <= radius, radius >= 0; at 0 the
    expected loss.

    Equals min over t of t + sqrt(1 + radius) sqrt(E[((L - t)^+)^2]). Source: Ben-Tal et al. (2013),
    Krokhmal (2007).
    """

    radius: float

    coherent = cash_additive = True
    cone = "second-order"

    def __post_init__(self) -> None:
        if validation.as_finite("ChiSquareRobust: the radius", self.radius) < 0:
            raise InputError(
                f"ChiSquareRobust: the radius is {self.radius:g}; it must be >= 0, or no probabilities are left"
            )

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        import cvxpy as cp

        if self.radius == 0:  # the least t is at minus infinity
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
        steps = np.unique(below)
        # w is p (below - t)^+, normalised, and the ball is left as t rises: find the last step that
        # lies within.
        # Index 0 stands for a t below all losses.
        low, high = 0, steps.size - 1
        while low < high:
            middle = (low + high + 1) // 2
            tilted = p * np.maximum(below - steps[middle - 1], 0.0)
            tilted /= tilted.sum()
            inside = float(tilted**2 @ (1 / p)) <= 1 + self.radius
            low, high = (middle, high) if inside else (low, middle - 1)
        tail = below >= steps[low]
        q = np.where(tail, p, 0.0)
        mass = q.sum()
        q /= mass
        over = below - q @ below
        variance = float(q @ over**2)
        stressed = np.zeros(loss.size)
        tilt = np.sqrt(max((1 + self.radius) * mass - 1, 0.0) / variance) if variance > 0 else 0.0
        stressed[likely] = np.maximum(q * (1 + tilt * over), 0.0)
        return np.asarray(stressed / stressed.sum())

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        if not distribution(stress, weights):
            return False
        likely = weights > 0
        distance = (stress[likely] - weights[likely]) / np.sqrt(weights[likely])
        return bool(np.linalg.norm(distance) <= np.sqrt(self.radius) + ROUNDING)
