"""Sweeps: how risk, shadow prices and the accounts reduced change with the reduction, the CVaR
level or the insurance fund.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt.errors import InfeasibleConstraints, InputError
from adlopt.methods.result import Result, Settings, Start
from adlopt.model.constraints import Constraints, read_all
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import CVaR
from adlopt.proof.certificate import certify_array
from adlopt.solving.running import choose_method, linear_minimum, run_method
from adlopt.studies.table_result import TableResult


@dataclass(frozen=True, eq=False, repr=False)
class Frontier(TableResult):
    """A problem solved along a sweep of one quantity.

    Examples
    --------
    >>> import adlopt as adl
    >>> sweep = adl.frontier(adl.examples.paper_problem(), multiples=[0.5, 1.0])
    >>> sweep.table["multiple"].tolist()
    [0.5, 1.0]
    """

    table: pd.DataFrame
    """A row per point: the swept quantity, value, lower_bound, gap, status, method,
    accounts_reduced, largest_fraction, seconds; and for each reduced asset `reduction_ASSET`,
    `shadow_price_ASSET` and `water_level_ASSET`, as far as they exist.
    """
    swept: str
    """Name of the first column: "multiple", "insurance_fund" or "level"."""

    @property
    def _heading(self) -> str:
        return f"Optimal value along a sweep of {self.swept}, {len(self.table)} points"


def frontier(
    problem: Problem,
    multiples: Iterable[float] | float | None = None,
    *,
    insurance_fund: Iterable[float] | float | None = None,
    level: Iterable[float] | float | None = None,
    method: str = "auto",
    tolerance: float = 1e-6,
    constraints: Constraints | str | Sequence[Constraints | str] = (),
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Frontier:
    """Solve one problem along a sweep of the reduction, the insurance fund or the CVaR level.

    Parameters
    ----------
    problem : Problem
    multiples : floats > 0, optional
        Multiples of the required reduction.
    insurance_fund : floats >= 0, optional
        Sizes of the fund, in money.
    level : floats in [0, 1), optional
        Levels of a CVaR objective.
    method : str, default "auto"
        Method of `adl.solve`, the same for all points.
    tolerance : float, default 1e-6
        Relative gap up to which a point counts as optimal.
    constraints : function, str, or sequence of them
        As for `adl.solve`. Where none can be met the status is "infeasible", and the column
        `relaxation` states the smallest relaxation that can.
    progress : callable, optional
        Wraps the points as they are solved, for a progress bar such as `rich.progress.track`.

    Returns
    -------
    Frontier

    Raises
    ------
    InputError
        Not exactly one sweep, no points, or points out of range.
    InfeasibleReduction
        A multiple asks for more than is eligible.

    Examples
    --------
    >>> import adlopt as adl
    >>> sweep = adl.frontier(adl.examples.paper_problem(), multiples=[0.5, 1.0, 1.5])
    >>> sweep.table["shadow_price_BTC"].round(1).tolist()
    [306.0, 125.1, 33.5]
    """
    require_problem("frontier", problem)
    validation.as_positive("frontier: tolerance", tolerance)
    sweeps = {"multiple": multiples, "insurance_fund": insurance_fund, "level": level}
    points = _points(problem, sweeps)  # all are validated before any is solved
    asked = Settings(tolerance, constraints=read_all(problem, constraints))
    solver = _solver(points, method, asked)
    rows = [_row(points[i], solver, asked) for i in progress(range(len(points)))]
    return Frontier(pd.DataFrame(rows), points[0].swept)


class _Point(NamedTuple):
    """A value of the quantity that is swept, and the problem with it."""

    swept: str
    value: float
    problem: Problem


class _Solver(NamedTuple):
    """The method of all points, and the function that solves one."""

    method: str
    solve: Callable[[Problem, float], Result]


def _points(problem: Problem, sweeps: Mapping[str, Iterable[float] | float | None]) -> list[_Point]:
    """The points of the one quantity that is swept."""
    given = {name: values for name, values in sweeps.items() if values is not None}
    if len(given) != 1:
        raise InputError("frontier: sweep one of multiples, insurance_fund and level")
    ((name, values),) = given.items()
    listed = list(values) if isinstance(values, Iterable) else [values]
    if not listed:
        raise InputError(f"frontier: {name} has no points")
    finite = [validation.as_finite(f"frontier, {name}", value) for value in listed]
    if name == "level" and not isinstance(problem.objective, CVaR):
        raise InputError(
            "frontier: a sweep of the level needs the objective CVaR(level), not "
            f"{problem.objective}"
        )
    return [_Point(name, value, _variant(problem, name, value)) for value in finite]


def _variant(problem: Problem, name: str, value: float) -> Problem:
    if name == "multiple":
        return problem.with_changes(multiple=value)
    if name == "insurance_fund":
        return problem.with_changes(insurance_fund=value)
    return problem.with_changes(objective=CVaR(value))


def _solver(points: list[_Point], method: str, asked: Settings) -> _Solver:
    """One method for all points: one that compiles nothing per problem, or one conic program
    compiled for all of them.
    """
    variants = [point.problem for point in points]
    if asked.constraints:
        return _separately(choose_method(variants[0], method, constrained=True), asked)
    methods = {choose_method(variant, method) for variant in variants}
    chosen = "conic" if "conic" in methods else methods.pop()
    if chosen in ("conic", "shadow_price") and method in ("auto", "shadow_price"):
        from adlopt.methods.shadow_price.solve import ShadowPrice, plan

        # What a single small problem does not repay, a sweep does.
        if all(isinstance(plan(variant), ShadowPrice) for variant in variants):
            return _Solver("shadow_price", _warm_started(asked))
    if chosen != "conic":
        return _separately(chosen, asked)
    from adlopt.methods import conic

    middle = int(np.argsort([point.value for point in points])[len(points) // 2])
    # The scale of the middle one suits all.
    return _Solver(chosen, conic.compile_sweep(variants[middle], points[middle].swept))


def _separately(method: str, asked: Settings) -> _Solver:
    """Each point solved on its own."""
    settings = {"tolerance": asked.tolerance, "constraints": asked.constraints}
    return _Solver(method, lambda variant, _: run_method(variant, method, **settings))


def _warm_started(asked: Settings) -> Callable[[Problem, float], Result]:
    """A function that solves variants by shadow prices, each starting from the last."""
    from adlopt.methods.shadow_price.solve import ShadowPrice

    last: Result | None = None

    def solve_at(variant: Problem, _: float) -> Result:
        nonlocal last
        start = None
        if last is not None:
            start = Start(last.allocation, last.multipliers, None, last.warm_start)
        last = ShadowPrice(variant).solve(replace(asked, start=start))
        return last

    return solve_at


def _row(point: _Point, solver: _Solver, asked: Settings) -> dict[str, Any]:
    """One point, solved and certified; the tables of a Solution would double the time."""
    started = time.perf_counter()
    problem, method = point.problem, solver.method
    row: dict[str, Any] = {point.swept: point.value}
    try:
        result = solver.solve(problem, point.value)
    except InfeasibleConstraints as error:
        return row | {"status": "infeasible", "method": method, "relaxation": str(error)}
    proof = None
    if problem.prices is not None:
        oracle = linear_minimum(problem, asked.constraints)
        proof = certify_array(problem, result.allocation, result.multipliers, oracle)
    taken = result.allocation != 0
    row |= {
        "value": None if proof is None else proof.value,
        "lower_bound": None if proof is None else proof.lower_bound,
        "gap": None if proof is None else proof.gap,
        "status": "optimal" if proof is None or proof.gap <= asked.tolerance else "unproven",
        "method": method,
        "accounts_reduced": np.unique(problem.book.pool_account[problem.pool[taken]]).size,
        "largest_fraction": float((result.allocation / problem.book.size[problem.eligible]).max()),
        "seconds": time.perf_counter() - started,
    }
    for i, k in enumerate(problem.reduced_assets):
        asset = problem.book.assets[k]
        row[f"reduction_{asset}"] = float(problem.required[k])
        if proof is not None:
            row[f"shadow_price_{asset}"] = float(proof.shadow_prices.iloc[i])
        if result.water_level is not None:
            row[f"water_level_{asset}"] = float(
                result.water_level[0 if result.water_level.size == 1 else k]
            )
    return row
