"""`solve`: from a problem to a proven solution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.methods.choice import METHODS
from adlopt.methods.result import Settings, Start
from adlopt.model.constraints import Constraints, read_all
from adlopt.model.problem import Problem, require_problem
from adlopt.solving.running import build_solution, choose_method, run_method, solve_once
from adlopt.solving.sampling_error import solve_with_enough_points, with_standard_error
from adlopt.solving.solution import Solution
from adlopt.solving.stages import read_criteria, solve_stages

__all__ = ["METHODS", "build_solution", "choose_method", "run_method", "solve"]


def solve(
    problem: Problem,
    method: str = "auto",
    *,
    constraints: Constraints | str | Sequence[Constraints | str] = (),
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
    constraints : function, str, or sequence of them
        Each function maps the allocation as a cvxpy expression (e,), in contracts, to convex
        constraints; common ones are in `adlopt.constraints`, and text names them, as in
        "at-most-fraction:0.3". Only the conic method takes them.
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
    then : Objective, str, or sequence of them
        Further criteria in order of priority: objectives, "fewest_accounts" or
        "smallest_fraction". Each is optimised among the allocations as good as the best by all
        criteria before it, within the slack stated in `Solution.stages`, which also says what was
        proven of each. Solved as conic programs on the problem's scenarios.
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
    InfeasibleConstraints
        No allocation meets the constraints; the message says what is the least that would do.
    SolverFailed
        The conic solver gave no answer.
    """
    require_problem("solve", problem)
    settings = Settings(
        tolerance=validation.as_positive("solve: tolerance", tolerance),
        time_limit=_optional_positive("solve: time_limit", time_limit),
        start=_start(problem, warm_start),
        constraints=read_all(problem, constraints),
        solver=solver,
        presolve=presolve,
        options=options,
    )
    accuracy = _optional_positive("solve: sampling_tolerance", sampling_tolerance)
    criteria = read_criteria(then)
    once = partial(solve_once, method=method, settings=settings)
    if accuracy is not None:
        solution = solve_with_enough_points(problem, once, accuracy)
    else:
        solution = with_standard_error(problem, once(problem))
    return solve_stages(solution, criteria, settings) if criteria else solution


def _optional_positive(what: str, value: float | None) -> float | None:
    return None if value is None else validation.as_positive(what, value)


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
    by_asset: FloatArray | None = None
    if prices is not None:
        by_asset = np.asarray(prices.reindex(problem.book.assets).fillna(0.0), dtype=np.float64)
    if same:
        allocation = warm_start.allocation["reduction"].to_numpy(dtype=np.float64)
        return Start(allocation, warm_start._multipliers, by_asset, warm_start._warm_start)
    keys = ["account", "asset", "margin_mode"]
    found = problem.positions[keys].merge(
        warm_start.allocation[[*keys, "reduction"]].drop_duplicates(keys), "left", on=keys
    )
    reduction = found["reduction"].fillna(0.0).to_numpy(dtype=np.float64)
    return Start(reduction, None, by_asset, warm_start._warm_start)
