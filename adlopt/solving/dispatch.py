"""From a problem to a proven solution: pick a method, run it, certify what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.methods import choice, elliptical_solver, repair
from adlopt.methods.choice import METHODS, Choice
from adlopt.methods.result import Result, Settings, Start
from adlopt.model.allocation import as_table
from adlopt.model.constraints import Constraints
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem, require_problem
from adlopt.prices import OneFactor
from adlopt.proof.certificate import GAP_CLOSED, Certificate, certify_array
from adlopt.solving.sampling_error import solve_with_enough_points, with_standard_error
from adlopt.solving.solution import Solution, Status

VIOLATION = 1e-12  # relative: rounding in the user's constraints

__all__ = ["METHODS", "build_solution", "choose_method", "run_method", "solve"]


def solve(
    problem: Problem,
    method: str = "auto",
    *,
    constraints: Constraints | Sequence[Constraints] = (),
    tolerance: float = 1e-6,
    time_limit: float | None = None,
    sampling_tolerance: float | None = None,
    then: Any = (),
    warm_start: Solution | None = None,
    solver: str | None = None,
    presolve: bool = True,
    **options: Any,
) -> Solution:
    """Solve an ADL problem and prove how good the answer is.

    Parameters
    ----------
    problem : Problem
    method : str
        "auto", "water_filling", "factor_leverage", "shadow_price" or "conic".
    constraints : function or sequence of functions
        Each maps the allocation as a cvxpy expression (e,), in contracts, to convex constraints;
        common ones are in `adlopt.constraints`. Only the conic method takes them.
    tolerance : float
        Relative gap up to which the status is "optimal". The shadow-price method works until it is
        reached. Pool losses in closed form are always solved to 1e-8: there a tighter gap costs
        little and has no sampling error beside it.
    time_limit : float, optional
        Seconds after which the best allocation found so far is returned with its proven gap and
        the status "time_limit".
    sampling_tolerance : float, optional
        Largest sampling error of the value, as a share of it. Price models that draw scenarios are
        drawn with more and more points until it is reached, and the status is "unproven" if it is
        not. Left out, the model's own number of points is used.
    then : sequence of Objective and str
        Further criteria, in order of priority.
    warm_start : Solution, optional
        An answer of the same or a similar problem to start from.
    solver : str, optional
        cvxpy's name of the solver of the conic method; Clarabel by default, "HIGHS" for linear
        programs.
    presolve : bool
        Of the conic method: exact, and much faster; False solves the program as it is written down.
    **options
        Passed to the conic solver.

    Returns
    -------
    Solution

    Raises
    ------
    NotApplicable
        The method cannot solve this problem.
    SolverFailed
        The conic solver gave no answer.
    """
    require_problem("solve", problem)
    settings = Settings(
        tolerance=validation.as_positive("solve: tolerance", tolerance),
        time_limit=_optional_positive("solve: time_limit", time_limit),
        start=_start(problem, warm_start),
        constraints=_as_tuple(constraints),
        solver=solver,
        presolve=presolve,
        options=options,
    )
    accuracy = _optional_positive("solve: sampling_tolerance", sampling_tolerance)
    if then:
        raise InputError("solve: then: not available yet")
    once = partial(_solve_once, method=method, settings=settings)
    if accuracy is not None:
        return solve_with_enough_points(problem, once, accuracy)
    return with_standard_error(problem, once(problem))


def _solve_once(problem: Problem, method: str, settings: Settings) -> Solution:
    """Solve on the problem's own scenarios."""
    started = time.perf_counter()
    chosen = choice.choose(problem, method, constrained=bool(settings.constraints))
    if chosen.method != "conic" and (settings.solver is not None or settings.options):
        raise InputError(f"solve: {chosen.method} takes no solver options; use method='conic'")
    result = _run(problem, chosen, settings)
    passed_over = chosen.passed_over.get("factor_leverage")
    if passed_over and isinstance(problem.prices, OneFactor) and problem.reduced_assets.size > 1:
        details = {"passed_over": f"factor_leverage does not apply: {passed_over}"}
        result = result._replace(details={**details, **result.details})
    return build_solution(problem, result, chosen.method, settings=settings, started=started)


def choose_method(problem: Problem, method: str = "auto") -> str:
    """The method that will run: `method` itself, or what "auto" picks."""
    return choice.choose(problem, method).method


def run_method(problem: Problem, method: str = "auto", **settings: Any) -> Result:
    """Run a method, without certifying its result; the keywords are those of `Settings`."""
    return _run(problem, choice.choose(problem, method), Settings(**settings))


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
            certain and certify_array(problem, tidy).gap > max(proof.gap, elliptical_solver.CLOSE)
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


def _optional_positive(what: str, value: float | None) -> float | None:
    return None if value is None else validation.as_positive(what, value)


def _as_tuple(constraints: Any) -> tuple[Constraints, ...]:
    given = constraints if isinstance(constraints, Iterable) else (constraints,)
    for function in (functions := tuple(given)):
        if not callable(function):
            raise InputError(
                f"constraints: {function!r} is not a function of the allocation; see "
                "adlopt.constraints"
            )
    return functions


def _start(problem: Problem, warm_start: Solution | None) -> Start | None:
    """What an earlier solution knows about this problem's positions, matched by name."""
    if warm_start is None:
        return None
    if not isinstance(warm_start, Solution):
        raise InputError(
            f"solve: warm_start: expected a Solution, got a {type(warm_start).__name__}"
        )
    known = warm_start._problem
    same = known is not None and (
        known.book is problem.book and np.array_equal(known.eligible, problem.eligible)
    )
    prices = warm_start.shadow_prices
    by_asset = None
    if prices is not None:
        by_asset = prices.reindex(problem.book.assets).fillna(0.0).to_numpy(dtype=np.float64)
    if same:
        allocation = warm_start.allocation["reduction"].to_numpy(dtype=np.float64)
        return Start(allocation, warm_start._multipliers, by_asset, warm_start._warm_start)
    keys = ["account", "asset", "margin_mode"]
    found = problem.positions[keys].merge(
        warm_start.allocation[[*keys, "reduction"]].drop_duplicates(keys), "left", on=keys
    )
    reduction = found["reduction"].fillna(0.0).to_numpy(dtype=np.float64)
    return Start(reduction, None, by_asset, warm_start._warm_start)


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
