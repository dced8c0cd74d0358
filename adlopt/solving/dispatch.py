"""`solve`: from a problem to a proven solution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.methods.choice import METHODS
from adlopt.methods.result import Settings, Start
from adlopt.model.constraints import Constraints, read_all
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import Objective
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
        Functions of the allocation, a cvxpy expression (e,) in contracts, or names such as
        "at-most-fraction:0.3" (see `adlopt.constraints`). Only the conic method takes them.
    tolerance : float
        Relative gap up to which the status is "optimal"; closed forms are solved to 1e-8 at least.
    time_limit : float, optional
        Seconds after which the best allocation so far is returned, with status "time_limit".
    sampling_tolerance : float, optional
        Largest relative sampling error of the value: more scenarios are drawn until it is met.
    then : Objective, str, or sequence of them
        Further objectives, "fewest_accounts" or "smallest_fraction", in order of priority: each is
        optimised among the optima of those before it. `Solution.stages` states slacks and proofs.
    warm_start : Solution, optional
        An answer of the same or a similar problem to start from.
    solver, presolve : str and bool, optional
        Of the conic method: cvxpy's name of the solver, and whether to presolve (much faster).
    **options
        Passed to this solver.

    Returns
    -------
    Solution

    Raises
    ------
    NotApplicable, InfeasibleConstraints, SolverFailed
        The method does not apply; no allocation meets the constraints; the solver gave no answer.

    Examples
    --------
    >>> import adlopt as adl
    >>> solution = adl.solve(adl.examples.paper_problem())
    >>> solution.status, solution.method
    ('optimal', 'factor_leverage')
    """
    require_problem("solve", problem)
    start, limits = _start(problem, warm_start), read_all(problem, constraints)
    settings = Settings(tolerance, time_limit, start, limits, solver, presolve, options)
    return _solve(problem, method, settings, sampling_tolerance, read_criteria(then))


def _solve(
    problem: Problem,
    method: str,
    settings: Settings,
    sampling_tolerance: float | None,
    criteria: tuple[Objective | str, ...],
) -> Solution:
    """Solve with the scenarios that the sampling tolerance needs, then by the further criteria."""
    once = partial(solve_once, method=method, settings=settings)
    if sampling_tolerance is not None:
        solution = solve_with_enough_points(problem, once, sampling_tolerance)
    else:
        solution = with_standard_error(problem, once(problem))
    return solve_stages(solution, criteria, settings) if criteria else solution


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
