"""Constraints that no allocation meets: the least relaxation that makes them feasible.

With all other constraints kept, one is loosened: a constraint with a parameter,
A x <= parameter * b, by the least parameter for which an allocation exists; any other by the least
excess on its right-hand side. Each is a convex program without scenarios.
"""

from __future__ import annotations

from typing import NamedTuple

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from adlopt.errors import InfeasibleConstraints, SolverFailed
from adlopt.methods.cvxpy_solver import solve_model
from adlopt.methods.scenario_program import market_sale, sums
from adlopt.methods.user_constraints import read_constraints
from adlopt.model.constraints import Constraints, ProportionalLimit
from adlopt.model.problem import Problem

TOLERANCE = 1e-7  # relative: a relaxation below it is a solver's rounding


class Relaxation(NamedTuple):
    """One way to make the constraints feasible."""

    number: int  # of the constraint, from 1
    parameter: float  # the least feasible one, or the least excess
    sentence: str


def require_feasible(problem: Problem, constraints: tuple[Constraints, ...]) -> None:
    """Raise InfeasibleConstraints, with the least relaxations, if no allocation meets them."""
    found: list[Relaxation] = []
    for number in range(1, len(constraints) + 1):
        relaxed = _relaxation(problem, constraints, number)
        if relaxed is None:
            continue
        if _holds(constraints[number - 1], relaxed):
            return
        found.append(relaxed)
    if found:
        ways = "; or ".join(one.sentence for one in found)
        raise InfeasibleConstraints(
            f"no allocation meets the constraints: {ways}",
            [(one.number, one.parameter) for one in found],
        )
    together = _common_excess(problem, constraints)
    if together is None or together <= TOLERANCE:
        return
    raise InfeasibleConstraints(
        "no allocation meets the constraints, whichever one of them is dropped; all must be "
        f"relaxed, together by {together:.3g} of their size",
        [],
    )


def _holds(constraint: Constraints, relaxed: Relaxation) -> bool:
    """Whether the least relaxation is none."""
    if isinstance(constraint, ProportionalLimit):
        return relaxed.parameter <= constraint.parameter * (1 + TOLERANCE) + 1e-12
    return relaxed.parameter <= TOLERANCE


def _relaxation(
    problem: Problem, constraints: tuple[Constraints, ...], number: int
) -> Relaxation | None:
    """The least relaxation of one constraint with the others kept; None if there is none."""
    chosen = constraints[number - 1]
    others = constraints[: number - 1] + constraints[number:]
    allocation, limits = _feasible_set(problem)
    if others:
        limits += read_constraints(others, allocation)
    slack = cp.Variable(nonneg=True)
    if isinstance(chosen, ProportionalLimit):
        limits.append(chosen.with_parameter(allocation, slack))
    else:
        limits += _loosened(problem, chosen, allocation, slack)
    value = _least(slack, limits)
    if value is None:
        return None
    if isinstance(chosen, ProportionalLimit):
        return Relaxation(number, value, chosen.relaxed_sentence(value))
    sentence = f"constraint {number} must be relaxed by {value:.3g} of its size"
    return Relaxation(number, value, sentence)


def _common_excess(problem: Problem, constraints: tuple[Constraints, ...]) -> float | None:
    allocation, limits = _feasible_set(problem)
    slack = cp.Variable(nonneg=True)
    for one in constraints:
        limits += _loosened(problem, one, allocation, slack)
    return _least(slack, limits)


def _feasible_set(problem: Problem) -> tuple[cp.Expression, list[cp.Constraint]]:
    """The allocation expression (e,) and the problem's own limits on it."""
    fraction = cp.Variable(problem.max_reduction.size)
    allocation = sp.diags_array(problem.max_reduction) @ fraction
    sale = market_sale(problem)
    limits = [fraction >= 0, fraction <= 1, *sums(problem, allocation, sale=sale)]
    return allocation, limits + ([] if sale is None else sale.limits)


def _loosened(
    problem: Problem, constraint: Constraints, allocation: cp.Expression, slack: cp.Variable
) -> list[cp.Constraint]:
    """The constraint with `slack` of its size added to its right-hand side."""
    made: list[cp.Constraint] = []
    scale = _scale(problem, constraint)
    for one, size in zip(read_constraints((constraint,), allocation), scale, strict=True):
        if isinstance(one, cp.constraints.Equality):
            made.append(cp.abs(one.args[0] - one.args[1]) <= slack * size)
        elif isinstance(one, cp.constraints.Inequality):
            made.append(one.args[0] - one.args[1] <= slack * size)
        else:  # a cone has no right-hand side: it is kept
            made.append(one)
    return made


def _scale(problem: Problem, constraint: Constraints) -> list[float]:
    """Sizes of the sides of a user's constraints at points within the boxes."""
    variable = cp.Variable(problem.max_reduction.size)
    made = read_constraints((constraint,), variable)
    sizes = np.zeros(len(made))
    for part in (1.0, np.random.default_rng(0).random(problem.max_reduction.size)):
        variable.value = part * problem.max_reduction
        for i, one in enumerate(made):
            for side in one.args:
                largest = np.abs(np.asarray(side.value, dtype=float)).max(initial=0.0)
                sizes[i] = max(sizes[i], float(largest))
    return [size or 1.0 for size in sizes.tolist()]


def _least(slack: cp.Variable, limits: list[cp.Constraint]) -> float | None:
    """The least slack, or None if no slack makes the limits feasible."""
    model = cp.Problem(cp.Minimize(slack), limits)
    try:
        solve_model(model, None, {})
    except SolverFailed:
        return None
    return max(float(slack.value), 0.0)
