"""Second-order models of exponential measures, for sequential quadratic programming.

Entropic risk and EVaR are f(L, t) = t (log E[exp(L / t)] + radius), with t fixed for the first and
free for the second. At (L0, t0), with q proportional to p exp(L0 / t0), the expansion is

    f ~ f0 + q.(L - L0) + (radius - KL(q | p)) dt + Var_q(L - L0 - (L0 / t0) dt) / (2 t0).

f is at least its value for one scenario alone, L_s + t (log p_s + radius). Where f is not to exceed
f0, this bounds each loss; without it the model does not see scenarios of negligible q.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.objectives._entropy import relative_entropy

if TYPE_CHECKING:
    import cvxpy as cp

LEAST_STEP = -0.9  # of t: t stays positive, and may fall tenfold in one step
SLACK = 1e-6  # relative: how much the bounds on single losses exceed the current value


@dataclass(frozen=True, eq=False)
class QuadraticModel:
    """The expansion at losses (S,) in money; `expression` is the model in cvxpy."""

    value: float  # f0
    loss: FloatArray  # (S,) L0
    stress: FloatArray  # (S,) q
    weights: FloatArray  # (S,) p
    scale: float  # t0
    radius: float | None = None  # of a free t; None if t is fixed

    @property
    def slope(self) -> float:
        """df / dt."""
        return (self.radius or 0.0) - relative_entropy(self.stress, self.weights)

    def limited(self, largest: FloatArray) -> IntArray:
        """Scenarios whose own bound can bind, given the largest possible losses (S,)."""
        likely = self.weights > 0
        floor = np.full(self.loss.size, -np.inf)
        # t at most doubles in a step that matters; more would make every bound slacker.
        floor[likely] = largest[likely] + 2 * self.scale * np.minimum(
            np.log(self.weights[likely]) + (self.radius or 0.0), 0.0
        )
        return np.flatnonzero(floor > 0.0)

    def expression(self, loss: cp.Expression, unit: float, largest: FloatArray) -> cp.Expression:
        """The model of losses counted in `unit` money, as a convex cvxpy expression.

        `largest` (S,) are the largest losses that can occur, in money.
        """
        import cvxpy as cp

        from adlopt.objectives.dual_set import partial_minimum

        start, t = self.loss / unit, self.scale / unit
        some = np.flatnonzero(self.stress)
        mean = cp.Variable()
        constraints = [mean == self.stress @ (loss - start)]
        deviation = loss[some] - start[some] - mean
        moved: cp.Expression = t
        model = self.value / unit + mean
        over = [mean]
        if self.radius is not None:
            change = cp.Variable()
            over.append(change)
            centred = (start - self.stress @ start)[some] / t
            deviation = deviation - centred * change
            model += self.slope * change
            moved = t + change
            constraints.append(change >= LEAST_STEP * t)
        model += cp.sum_squares(cp.multiply(np.sqrt(self.stress[some] / t), deviation)) / 2
        limited = self.limited(largest)
        if limited.size:
            rate = np.log(self.weights[limited]) + (self.radius or 0.0)
            constraints.append(loss[limited] + rate * moved <= self.value / unit * (1.0 + SLACK))
        return partial_minimum(model, *constraints, over=over)
