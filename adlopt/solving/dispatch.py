"""From a problem to a proven solution: pick a method, run it, certify what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError, NotApplicable
from adlopt.methods import choice, elliptical_solver, factor_leverage, repair, water_filling
from adlopt.methods.result import Result
from adlopt.model.constraints import Constraints
from adlopt.model.losses import closed_form, objective_value
from adlopt.model.problem import Problem, as_table, require_problem
from adlopt.prices import LogNormal, OneFactor
from adlopt.proof.certificate import CLOSED, Certificate, certify_array
from adlopt.solving.sampling_error import sampled_enough
from adlopt.solving.solution import Solution

METHODS = ("auto", "water_filling", "factor_leverage", "shadow_price", "conic")


def solve(
    problem: Problem,
    method: str = "auto",
    *,
    constraints: Constraints | Sequence[Constraints] = (),
    tolerance: float = 1e-6,
    solver: str | None = None,
    presolve: bool = True,
    **options: Any,
) -> Solution:
    """Solve an ADL problem and prove how good the answer is.

    Parameters
    ----------
    method : "auto", "water_filling", "factor_leverage", "shadow_price" or "conic".
    constraints : function, or list of functions, from the allocation as a cvxpy expression (e,), in
        contracts, to convex
        constraints; common ones are in `adlopt.constraints`. The conic method alone knows them.
    tolerance : relative gap up to which the solution's status is "optimal"; beyond, it is
        "unproven". The shadow-price
        method works until it is reached.
    solver : cvxpy's name of the solver of the conic method; Clarabel by default, "HIGHS" for linear
        programs.
    presolve : of the conic method: exact, and much faster; False solves the program as it is
        written down.
    options : passed to the conic solver.

    Raises
    ------
    NotApplicable : the method cannot solve this problem. SolverFailed : the conic solver gave no
        answer.
    """
    require_problem("solve", problem)
    validation.as_positive("solve: tolerance", tolerance)
    if isinstance(problem.prices, LogNormal) and problem.prices.tolerance is not None:
        coarse = replace(problem, prices=replace(problem.prices, tolerance=None))
        again = partial(
            solve,
            method=method,
            constraints=constraints,
            tolerance=tolerance,
            solver=solver,
            presolve=presolve,
            **options,
        )
        return sampled_enough(coarse, again, problem.prices.tolerance)
    started = time.perf_counter()
    chosen, passed_over = _choice(problem, method, constrained=bool(constraints))
    if chosen != "conic" and constraints:
        raise NotApplicable(f"{chosen}: it knows no further constraints; use method='conic'")
    if chosen != "conic" and (solver is not None or options):
        raise InputError(f"solve: {chosen} takes no solver options; use method='conic'")
    result = run(
        problem,
        chosen,
        constraints=constraints,
        tolerance=tolerance,
        solver=solver,
        presolve=presolve,
        **options,
    )
    if (
        isinstance(problem.prices, OneFactor)
        and problem.reduced_assets.size > 1
        and "factor_leverage" in passed_over
    ):
        result = result._replace(
            note=f"factor_leverage does not apply: {passed_over['factor_leverage']}; {result.note}"
        )
    return solution(problem, result, chosen, tolerance, started, constraints)


def resolve(problem: Problem, method: str) -> str:
    """The method that will run: `method` itself, or what `auto` picks."""
    return _choice(problem, method).method


def _choice(problem: Problem, method: str, *, constrained: bool = False) -> choice.Choice:
    if method not in METHODS:
        raise InputError(f"method {method!r} is unknown; use one of {', '.join(METHODS)}")
    return (
        choice.choose(problem, constrained=constrained)
        if method == "auto"
        else choice.Choice(method, {})
    )


def run(
    problem: Problem,
    method: str,
    *,
    constraints: Constraints | Sequence[Constraints] = (),
    tolerance: float = 1e-6,
    solver: str | None = None,
    presolve: bool = True,
    **options: Any,
) -> Result:
    """Run a named method, without certifying its result."""
    if method == "water_filling":
        return water_filling.solve(problem)
    if method == "factor_leverage":
        return factor_leverage.solve(problem)
    problem.price_model  # noqa: B018  (refuses a problem without one before anything heavy is loaded)
    if method == "shadow_price":
        from adlopt.methods.interior_point import shadow_price

        return shadow_price.solve(problem, tolerance=tolerance)
    from adlopt.methods import conic

    return conic.solve(
        problem,
        constraints=constraints,
        solver=solver,
        presolve=presolve,
        options=options,
        gap=lambda result: certify_array(problem, result.allocation, result.multipliers).gap,
    )


def solution(
    problem: Problem,
    result: Result,
    method: str,
    tolerance: float,
    started: float,
    constraints: Constraints | Sequence[Constraints] = (),
) -> Solution:
    """Certify a method's result and put it into the public form."""
    value = lower_bound = gap = prices = None
    allocation = result.allocation
    if problem.prices is not None:
        proof = certify_array(
            problem, allocation, result.multipliers, _least_cost(problem, constraints)
        )
        if (result.multipliers is not None or method == "shadow_price") and not constraints:
            allocation, proof = _tidied(problem, allocation, proof)
        value, lower_bound, gap, prices = (
            proof.value,
            proof.lower_bound,
            proof.gap,
            proof.shadow_prices,
        )
    return Solution(
        allocation=as_table(problem, allocation),
        value=value,
        lower_bound=lower_bound,
        gap=gap,
        shadow_prices=prices,
        water_level=_water_level(problem, result.water_level),
        method=method,
        status="optimal" if gap is None or gap <= tolerance else "unproven",
        seconds=time.perf_counter() - started,
        note=result.note,
        tolerance=tolerance,
    )


def _tidied(
    problem: Problem, allocation: FloatArray, proof: Certificate
) -> tuple[FloatArray, Certificate]:
    """The tidiest allocation that is worth about as much, and what is proven of it: the bound
    stands.
    """
    allowed = proof.value + max(proof.excess, CLOSED * abs(proof.value)) / 10.0
    certain = closed_form(problem) is not None
    for tidy in repair.snapped_to_bounds(problem, allocation):
        value = objective_value(problem, tidy)
        # A smooth loss's allocation is its own proof: `certify` must find it from the table alone.
        if value <= allowed and not (
            certain and certify_array(problem, tidy).gap > max(proof.gap, elliptical_solver.CLOSE)
        ):
            return tidy, replace(proof, value=value, lower_bound=min(proof.lower_bound, value))
    return allocation, proof


def _least_cost(
    problem: Problem, constraints: Constraints | Sequence[Constraints]
) -> Callable[[FloatArray], tuple[float, FloatArray]] | None:
    if not constraints:
        return None
    from adlopt.methods import conic

    return lambda slope: conic.linear_minimum(problem, slope, constraints)


def _water_level(
    problem: Problem, level: np.ndarray[Any, Any] | None
) -> float | pd.Series[float] | None:
    if level is None:
        return None
    if level.size == 1:
        return float(level[0])
    assets = problem.reduced_assets
    if assets.size == 1:
        return float(level[assets[0]])
    return pd.Series(
        level[assets], index=problem.book.assets[assets], name="water_level"
    ).rename_axis("asset")
