"""A measure's numbers, subgradients and conjugates from nothing but its cvxpy expression, to a
solver's accuracy.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import cvxpy as cp
import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError, SolverFailed

if TYPE_CHECKING:  # the protocol falls back on this module
    from adlopt.objectives.protocol import Objective

TOLERANCE = 1e-10  # asked of the solver first; else its own default, 1e-8
NEGATIVE = (
    1e-6  # share of the largest stress that counts as below zero, and not as a solver's inaccuracy
)


def value(measure: Objective, loss: FloatArray, weights: FloatArray) -> float:
    """The measure of losses (S,): evaluated where its expression has no variables of its own, else
    minimised over them.
    """
    unit = _unit(loss)
    expression = measure.scaled(unit).expression(cp.Constant(loss / unit), weights)
    if expression.variables():
        _solve(cp.Problem(cp.Minimize(expression)), measure)
    return unit * float(expression.value)


def subgradient(measure: Objective, loss: FloatArray, weights: FloatArray) -> FloatArray:
    """(S,) multipliers of `variable == loss` in the measure of the variable."""
    unit = _unit(loss)
    variable = cp.Variable(loss.size)
    given = variable == loss / unit
    _solve(
        cp.Problem(cp.Minimize(measure.scaled(unit).expression(variable, weights)), [given]),
        measure,
    )
    found: FloatArray = -np.asarray(given.dual_value, dtype=float)
    s = int(np.argmin(found))
    if found[s] < -NEGATIVE * max(np.abs(found).max(), 1.0):
        raise InputError(
            f"objective {measure}: not monotone: at losses "
            f"{np.array2string(loss, threshold=6, precision=4)} more loss in scenario {s} "
            f"lowers it by {-found[s]:.3g} per unit of money; it must be nondecreasing in every "
            "scenario's loss"
        )
    return np.asarray(np.maximum(found, 0.0))


def conjugate(measure: Objective, stress: FloatArray, weights: FloatArray, ceiling: float) -> float:
    """Largest stress . l - rho(l) over l >= 0 with rho(l) <= ceiling, infinite if the solver finds
    no bound.
    """
    unit = abs(ceiling) or 1.0
    variable = cp.Variable(stress.size, nonneg=True)
    risk = measure.scaled(unit).expression(variable, weights)
    problem = cp.Problem(cp.Minimize(risk - stress @ variable), [risk <= ceiling / unit])
    try:
        _solve(problem, measure)
    except SolverFailed:
        return np.inf
    return -unit * float(problem.value)


def homogeneous(measure: Objective, weights: FloatArray) -> bool:
    """Whether rho(unit * l) = unit * rho(l) is evident: a cone program without any constant."""
    problem = cp.Problem(cp.Minimize(measure.expression(cp.Variable(weights.size), weights)))
    data, _, _ = problem.get_problem_data(cp.CLARABEL, solver_opts={"use_quad_obj": False})
    _, offset, _, b = data["param_prob"].apply_parameters()
    return not offset and not b.any()


def _solve(problem: cp.Problem, measure: Objective) -> None:
    tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), TOLERANCE)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        for options in (tight, {}, {"max_step_fraction": 0.9}):
            try:
                problem.solve(solver=cp.CLARABEL, warm_start=False, **options)
            except cp.error.SolverError:
                continue
            except cp.error.DCPError as error:
                raise InputError(f"objective {measure}: cvxpy cannot use it. {error}") from error
            if problem.status in (cp.OPTIMAL, cp.UNBOUNDED, cp.INFEASIBLE):
                break
    if problem.status != cp.OPTIMAL:
        raise SolverFailed(
            f"objective {measure}: no value found at given losses ({problem.status}); is it finite "
            "and nondecreasing?"
        )


def _unit(loss: FloatArray) -> float:
    return float(np.abs(loss).max()) or 1.0
