"""Mean plus upper semideviation: the expectation, and a share of what exceeds it."""

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
class Semideviation(Objective):
    """E[L] + c E[((L - E[L])^+)^order]^(1 / order).

    Coherent because c <= 1; linear program for order 1, second-order cone for order 2. Dual set:
    w = p (1 + c (h - E[h])) with h >= 0 and max h <= 1 (order 1) or E[h^2] <= 1 (order 2).

    Parameters
    ----------
    c : float
        In [0, 1].
    order : int
        1 or 2.

    Raises
    ------
    InputError
        A parameter is out of its range.

    References
    ----------
    Ogryczak and Ruszczyński, From stochastic dominance to mean-risk models: semideviations as risk
    measures, European Journal of Operational Research 116 (1999).

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.Semideviation(0.5).evaluate([0.0, 4.0])
    2.5
    """

    c: float
    order: int = 1

    coherent = cash_additive = True

    def __post_init__(self) -> None:
        c = validation.as_finite("Semideviation: c", self.c)
        if c < 0:
            raise InputError(
                f"Semideviation: c is {c:g}; below 0 the measure is not convex: take c in [0, 1]"
            )
        if c > 1:
            raise InputError(
                f"Semideviation: c is {c:g}; above 1 the measure is not monotone (more loss could "
                "count as better): take c in [0, 1]"
            )
        order = validation.as_finite("Semideviation: order", self.order)
        if order not in (1, 2):
            raise InputError(f"Semideviation: order is {self.order!r}; it must be 1 or 2")
        self._set("c", c)
        self._set("order", int(order))

    @property
    def cone(self) -> str:  # type: ignore[override]
        return "linear" if self.order == 1 else "second-order"

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        return self.order == 2

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        import cvxpy as cp

        # Monotone, though not term by term: a loss variable that is only bounded below still ends
        # on its bound. The mean is a variable: written out, it would fill a (scenarios x scenarios)
        # matrix.
        mean = cp.Variable()
        over = cp.pos(loss - mean)
        spread = (
            weights @ over if self.order == 1 else cp.norm(cp.multiply(np.sqrt(weights), over), 2)
        )
        return partial_minimum(mean + self.c * spread, mean == weights @ loss, over=[mean])

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        mean = float(weights @ loss)
        over = np.maximum(loss - mean, 0.0)
        largest = float(np.max(over, where=weights > 0, initial=0.0))
        if largest == 0:
            return mean
        # In units of the largest: no square leaves the range of floats.
        moment = float(weights @ (over / largest) ** self.order)
        return mean + self.c * largest * float(moment ** (1 / self.order))

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        over = np.where(weights > 0, np.maximum(loss - weights @ loss, 0.0), 0.0)
        largest = over.max()
        if largest == 0:
            return weights
        if self.order == 1:
            slope = (over > 0).astype(float)
        else:
            slope = over / largest
            slope = slope / np.sqrt(weights @ slope**2)
        return np.asarray(weights * np.maximum(1 + self.c * (slope - weights @ slope), 0.0))

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        if not is_distribution(stress, weights):
            return False
        # w = p (1 + c (slope - E slope)) for some slope >= 0 whose dual norm is at most one. The
        # smallest that fits is the one that touches zero.
        likely = weights > 0
        tilt = stress[likely] / weights[likely] - 1
        slope = tilt - tilt.min()
        norm = slope.max() if self.order == 1 else np.sqrt(weights[likely] @ slope**2)
        return bool(norm <= self.c + ROUNDING)
