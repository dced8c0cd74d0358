"""Running a method and putting what it found, certified, into the public form."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError, SolverFailed
from adlopt.methods import choice, elliptical_solver, repair
from adlopt.methods.choice import Choice
from adlopt.methods.result import Result, Settings
from adlopt.model.allocation import as_table
from adlopt.model.constraints import Constraints
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.prices import OneFactor
from adlopt.proof.certificate import GAP_CLOSED, Certificate, certify_array
from adlopt.solving.solution import Solution, Status

VIOLATION = 1e-12  # relative: rounding in the user's constraints


def solve_once(problem: Problem, method: str, settings: Settings) -> Solution:
    """Solve on the problem's own scenarios."""
    started = time.perf_counter()
    chosen = choice.choose(problem, method, constrained=bool(settings.constraints))
    if chosen.method != "conic" and (settings.solver is not None or settings.options):
        raise InputError(f"solve: {chosen.method} takes no solver options; use method='conic'")
    try:
        result = _run(problem, chosen, settings)
    except SolverFailed:
        explain_infeasibility(problem, settings.constraints)
        raise
    passed_over = chosen.passed_over.get("factor_leverage")
    if passed_over and isinstance(problem.prices, OneFactor) and problem.reduced_assets.size > 1:
        details = {"passed_over": f"factor_leverage does not apply: {passed_over}"}
        result = result._replace(details={**details, **result.details})
    return build_solution(problem, result, chosen.method, settings=settings, started=started)


def explain_infeasibility(problem: Problem, constraints: tuple[Constraints, ...]) -> None:
    """Raise InfeasibleConstraints, with the least relaxations, if no allocation meets the user's
    constraints.
    """
    if constraints:
        from adlopt.methods import relaxation

        relaxation.require_feasible(problem, constraints)


def choose_method(problem: Problem, method: str = "auto", *, constrained: bool = False) -> str:
    """The method that will run: `method` itself, or what "auto" picks."""
    return choice.choose(problem, method, constrained=constrained).method


def run_method(problem: Problem, method: str = "auto", **settings: Any) -> Result:
    """Run a method, without certifying its result; the keywords are those of `Settings`."""
    asked = Settings(**settings)
    chosen = choice.choose(problem, method, constrained=bool(asked.constraints))
    try:
        return _run(problem, chosen, asked)
    except SolverFailed:
        explain_infeasibility(problem, asked.constraints)
        raise


def _run(problem: Problem, chosen: Choice, settings: Settings) -> Result:
    oracle = linear_minimum(problem, settings.constraints)

    def gap(result: Result) -> float:
        return certify_array(problem, result.allocation, result.multipliers, oracle).gap

    return chosen.plan.solve(replace(settings, gap=gap))


def build_solution(
    problem: Problem, result: Result, method: str, *, settings: Settings, started: float
) -> Solution:
    """Certify a method's result and put it into the public form."""
    proof: Certificate | None = None
    allocation = result.allocation
    if problem.prices is not None:
        oracle = linear_minimum(problem, settings.constraints)
        proof = certify_array(problem, allocation, result.multipliers, oracle)
        if result.multipliers is not None or method == "shadow_price":
            allocation, proof = _snap_if_no_worse(problem, allocation, proof, settings.constraints)
    proven = proof is None or proof.gap <= settings.tolerance
    status: Status = "optimal" if proven else "time_limit" if result.out_of_time else "unproven"
    return Solution(
        allocation=as_table(problem, allocation),
        value=None if proof is None else proof.value,
        lower_bound=None if proof is None else proof.lower_bound,
        gap=None if proof is None else proof.gap,
        shadow_prices=None if proof is None else proof.shadow_prices,
        water_level=_water_level(problem, result.water_level),
        method=method,
        status=status,
        seconds=time.perf_counter() - started,
        details=dict(result.details),
        tolerance=settings.tolerance,
        _problem=problem,
        _multipliers=result.multipliers,
        _warm_start=result.warm_start,
    )


def _snap_if_no_worse(
    problem: Problem,
    allocation: FloatArray,
    proof: Certificate,
    constraints: tuple[Constraints, ...] = (),
) -> tuple[FloatArray, Certificate]:
    """Round fractions near 0 and 1 if the value does not rise by more than a tenth of the open gap,
    and the user's constraints hold as before.
    """
    violation = _violation(problem, constraints)
    tolerated = max(violation(allocation), VIOLATION)
    allowed = proof.value + max(proof.excess, GAP_CLOSED * abs(proof.value)) / 10.0
    certain = problem.closed_form is not None
    for tidy in repair.snapped_to_bounds(problem, allocation):
        if violation(tidy) > tolerated:
            continue
        value = objective_value(problem, tidy)
        # A smooth loss's allocation is its own proof: `certify` must find it from the table alone.
        if value <= allowed and not (
            certain
            and certify_array(problem, tidy).gap
            > max(proof.gap, elliptical_solver.SETTINGS.max_tolerance)
        ):
            return tidy, replace(proof, value=value, lower_bound=min(proof.lower_bound, value))
    return allocation, proof


def _violation(
    problem: Problem, constraints: tuple[Constraints, ...]
) -> Callable[[FloatArray], float]:
    """How far an allocation is outside the user's constraints, relative to their size."""
    if not constraints:
        return lambda _: 0.0
    from adlopt.methods import user_constraints

    return lambda allocation: user_constraints.violation(problem, allocation, constraints)


def linear_minimum(
    problem: Problem, constraints: tuple[Constraints, ...]
) -> Callable[[FloatArray], tuple[float, FloatArray]] | None:
    """The linear minimisation oracle over allocations that keep the user's constraints too."""
    if not constraints:
        return None
    from adlopt.methods import user_constraints

    return lambda slope: user_constraints.linear_minimum(problem, slope, constraints)


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
