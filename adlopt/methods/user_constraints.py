"""Constraints of the user's own: read, checked at an answer, and taken into the certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.methods.cvxpy_solver import solve_model
from adlopt.methods.result import Result
from adlopt.methods.scenario_program import market_sale, sums
from adlopt.model.problem import Problem
from adlopt.proof.certificate import certify_array

if TYPE_CHECKING:
    from adlopt.model.constraints import Constraints

SOLVER_TOLERANCE = 1e-8  # relative: Clarabel's own default


def read_constraints(
    constraints: Constraints | Iterable[Constraints], allocation: cp.Expression
) -> list[cp.Constraint]:
    """The constraints that the user's functions make of the allocation expression (e,), checked."""
    made: list[cp.Constraint] = []
    for function in constraints if isinstance(constraints, Iterable) else [constraints]:
        if not callable(function):
            raise InputError(
                f"constraints: {function!r} is not a function of the allocation; see "
                "adlopt.constraints"
            )
        given = function(allocation)
        for constraint in given if isinstance(given, Iterable) else [given]:
            if not isinstance(constraint, cp.Constraint):
                raise InputError(
                    f"constraints: {constraint!r} is not a cvxpy constraint; return one, or a list "
                    "of them"
                )
            if not constraint.is_dcp():
                raise InputError(
                    f"constraints: {constraint} is not convex by cvxpy's rules (DCP): convex <= "
                    "concave, affine == affine"
                )
            made.append(constraint)
    return made


def violation(
    problem: Problem,
    allocation: FloatArray,
    constraints: Constraints | Sequence[Constraints],
) -> float:
    """Largest violation of the user's constraints at an allocation (e,), relative to their size.

    The size of a constraint is the largest that its two sides have at the allocation, with
    everything taken, and at a random point of the box.
    """
    if not constraints:
        return 0.0
    variable = cp.Variable(allocation.size)
    inside = np.random.default_rng(0).random(allocation.size) * problem.max_reduction
    largest = 0.0
    for constraint in read_constraints(constraints, variable):
        sides = []
        for point in (problem.max_reduction, inside, allocation):
            variable.value = point
            sides += [
                np.abs(np.asarray(side.value, dtype=float)).max(initial=0.0)
                for side in constraint.args
            ]
        excess = float(np.max(constraint.violation(), initial=0.0))
        largest = max(largest, excess / (max(sides) or 1.0))
    return largest


def linear_minimum(
    problem: Problem, slope: FloatArray, constraints: Constraints | Sequence[Constraints]
) -> tuple[float, FloatArray]:
    """Smallest slope.x over allocations x that keep the user's constraints too, and money saved per
    further contract. With a market its cost is added, and what x does not give is sold.

    The linear minimisation oracle of the certificate where the user's constraints couple positions:
    a small program without scenarios, less the solver's tolerance, so it cannot make the bound
    optimistic.
    """
    fraction = cp.Variable(problem.max_reduction.size)
    allocation = sp.diags_array(problem.max_reduction) @ fraction
    sale = market_sale(problem)
    totals = sums(problem, allocation, sale=sale)
    unit = float(np.abs(slope * problem.max_reduction).max()) or 1.0
    cost = (slope * problem.max_reduction / unit) @ fraction
    limits = [fraction >= 0, fraction <= 1]
    if sale is not None:
        cost += sale.cost / unit
        limits += sale.limits
    model = cp.Problem(
        cp.Minimize(cost), [*limits, *totals, *read_constraints(constraints, allocation)]
    )
    solve_model(model, None, {})
    saved = (
        unit
        * np.atleast_1d(totals[0].dual_value)
        / np.abs(problem.required[problem.reduced_assets])
    )
    value = float(model.value)
    return unit * (value - SOLVER_TOLERANCE * (1.0 + abs(value))), saved


def certified_gap(
    problem: Problem, constraints: Constraints | Sequence[Constraints]
) -> Callable[[Result], float]:
    """The relative gap that a result's certificate proves."""

    def oracle(slope: FloatArray) -> tuple[float, FloatArray]:
        return linear_minimum(problem, slope, constraints)

    def gap(result: Result) -> float:
        proof = certify_array(
            problem, result.allocation, result.multipliers, oracle if constraints else None
        )
        return proof.gap

    return gap
