"""What risk measures share: dual sets, ranges of parameters, partial minimisation in cvxpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.prices.protocol import probabilities

if TYPE_CHECKING:
    import cvxpy as cp

    from adlopt.objectives.protocol import Objective

ROUNDING = 1e-12  # relative slack of a probability that arithmetic alone has moved off its edge


def project_to_dual_set(
    objective: Objective, stress: FloatArray, weights: FloatArray
) -> FloatArray:
    """A solver's `stress`, normalised and moved towards `weights` until it is in the dual set.

    The dual set of a coherent measure is convex and, for all built-in measures, contains `weights`:
    bisection on the segment between them finds its edge.
    """
    stress = np.maximum(stress, 0.0)
    if not objective.cash_additive:
        return stress
    stress[weights == 0] = 0.0
    total = float(stress.sum())
    stress = stress / total if total > 0 else weights
    if objective.in_dual_set(stress, weights) or not objective.in_dual_set(weights, weights):
        return stress
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        inside = objective.in_dual_set(weights + middle * (stress - weights), weights)
        low, high = (middle, high) if inside else (low, middle)
    return weights + low * (stress - weights)


def check_range(what: str, given: Any, low: float, high: float) -> float:
    """A parameter in [low, high), or an InputError that says so."""
    value = validation.as_finite(what, given)
    if not low <= value < high:
        raise InputError(f"{what} is {value:g}; it must lie in [{low:g}, {high:g})")
    return value


def is_distribution(stress: FloatArray, weights: FloatArray) -> bool:
    """Whether `stress` is a probability vector that gives nothing to scenarios of probability
    zero.
    """
    return bool(
        (stress >= 0).all() and not stress[weights == 0].any() and abs(stress.sum() - 1) <= ROUNDING
    )


def partial_minimum(
    objective: cp.Expression, *constraints: cp.Constraint, over: list[cp.Variable]
) -> cp.Expression:
    """The minimum over auxiliary variables as an expression, which DCP knows to be convex in all
    others.
    """
    import cvxpy as cp
    from cvxpy.transforms.partial_optimize import partial_optimize

    return partial_optimize(cp.Problem(cp.Minimize(objective), list(constraints)), opt_vars=over)


def read_losses(
    loss: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """Scenario losses and their probabilities, checked; InputError for anything else."""
    try:
        losses = np.asarray(loss, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("losses must be numbers, one per scenario") from None
    if losses.ndim != 1 or losses.size == 0 or not np.isfinite(losses).all():
        raise InputError("losses must be a nonempty list of finite numbers, one per scenario")
    return losses, probabilities("losses", weights, losses.size)
