"""Sweeps: how risk, shadow prices and the accounts reduced change with the reduction, the CVaR
level or the insurance fund.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.executors import check_executor, collected
from adlopt.errors import InfeasibleConstraints, InputError
from adlopt.methods.result import Plan, Result, Settings, Start
from adlopt.model.constraints import Constraints, read_all
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import CVaR
from adlopt.proof.certificate import certify_array
from adlopt.solving.running import choose_method, linear_minimum, run_method
from adlopt.studies.table_result import TableResult

POINTS_TOGETHER = {"shadow_price": 25, "conic": 25}
"""Neighbouring points that one task solves, the first one from scratch; other methods solve each
point from scratch. Fixed, so that results depend on no executor. A hundred points of 200 pools take
15 % longer in fives; a conic program takes as long to compile as to solve twice.
"""


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
    executor: Executor | None = None,
) -> Frontier:
    """Solve one problem along a sweep of the reduction, the insurance fund or the CVaR level.

    Parameters
    ----------
    problem : Problem
    multiples, insurance_fund, level : floats, or one, optional
        Exactly one of: multiples > 0 of the reduction, sizes >= 0 of the fund, levels in [0, 1).
    method : str, default "auto"
        Method of `adl.solve`, the same for all points.
    tolerance : float, default 1e-6
        Relative gap up to which a point counts as optimal.
    constraints : function, str, or sequence of them
        As for `adl.solve`. Where none can be met the status is "infeasible", and `relaxation`
        states the smallest relaxation that can.
    progress : callable, optional
        Wraps the points as they are solved, as `rich.progress.track` does.
    executor : concurrent.futures.Executor, optional
        Where points are solved, such as Dask's `client.get_executor()`; it changes no number.

    Returns
    -------
    Frontier

    Raises
    ------
    InputError
        Not one sweep, no points, points out of range, or more asked for than is eligible.

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
    check_executor("frontier", executor)
    solved = _rows(points, _method(points, method, asked), asked, executor)
    rows: list[dict[str, Any]] = []  # in the order of the points, whatever `progress` asks for
    shown = []
    for i in progress(range(len(points))):
        rows += islice(solved, max(i + 1 - len(rows), 0))
        shown.append(rows[i])
    return Frontier(pd.DataFrame(shown), points[0].swept)


class _Point(NamedTuple):
    """A value of the quantity that is swept, and the problem with it."""

    swept: str
    value: float
    problem: Problem


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


def _method(points: list[_Point], method: str, asked: Settings) -> str:
    """One method for all points."""
    variants = [point.problem for point in points]
    if asked.constraints:
        return choose_method(variants[0], method, constrained=True)
    methods = {choose_method(variant, method) for variant in variants}
    chosen = "conic" if "conic" in methods else methods.pop()
    if chosen == "conic" and method in ("auto", "shadow_price"):
        from adlopt.methods.shadow_price.solve import ShadowPrice, plan

        # What a single small problem does not repay, a sweep does.
        if all(isinstance(plan(variant), ShadowPrice) for variant in variants):
            return "shadow_price"
    return chosen


def _rows(
    points: list[_Point], method: str, asked: Settings, executor: Executor | None
) -> Iterator[dict[str, Any]]:
    """Rows of the table, in the order of the points."""
    together = POINTS_TOGETHER.get(method, 1)
    tasks = [
        (points[first : first + together], method, asked)
        for first in range(0, len(points), together)
    ]
    if executor is None:
        for task in tasks:
            yield from _solved(*task)
        return
    for rows in collected(executor, _solved_at_once, tasks):
        yield from rows


def _solved_at_once(points: list[_Point], method: str, asked: Settings) -> list[dict[str, Any]]:
    return list(_solved(points, method, asked))


def _solved(points: list[_Point], method: str, asked: Settings) -> Iterator[dict[str, Any]]:
    solve = _solver(points, method, asked)
    # Largest reductions first: a program in which positions give more serves all smaller ones.
    order = list(range(len(points)))
    if method == "shadow_price" and points[0].swept == "multiple":
        order.sort(key=lambda index: -points[index].value)
    rows = {index: _row(points[index], method, solve, asked) for index in order}
    for index in range(len(points)):
        yield rows[index]


def _solver(
    points: list[_Point], method: str, asked: Settings
) -> Callable[[Problem, float], Result]:
    """A function that solves these points one after the other."""
    if method == "shadow_price" and not asked.constraints:
        from adlopt.methods.result import Refusal
        from adlopt.methods.shadow_price.solve import EllipticalPlan, plan

        plans = [plan(point.problem) for point in points]
        if not any(isinstance(one, Refusal | EllipticalPlan) for one in plans):
            return _warm_started(asked)
    if method == "conic" and not asked.constraints:
        from adlopt.methods import conic

        middle = int(np.argsort([point.value for point in points])[len(points) // 2])
        # The scale of the middle one suits all.
        return conic.compile_sweep(points[middle].problem, points[middle].swept)
    settings = {"tolerance": asked.tolerance, "constraints": asked.constraints}
    return lambda variant, _: run_method(variant, method, **settings)


def _warm_started(asked: Settings) -> Callable[[Problem, float], Result]:
    """A function that solves variants by shadow prices, each starting from the last."""
    from adlopt.methods.shadow_price.solve import plan

    last: Result | None = None

    def solve_at(variant: Problem, _: float) -> Result:
        nonlocal last
        start = None
        if last is not None:
            start = Start(last.allocation, last.multipliers, None, last.warm_start)
        chosen = cast(Plan, plan(variant))  # a refusal has been ruled out
        last = chosen.solve(replace(asked, start=start))
        return last

    return solve_at


def _row(
    point: _Point, method: str, solve: Callable[[Problem, float], Result], asked: Settings
) -> dict[str, Any]:
    """One point, solved and certified; the tables of a Solution would double the time."""
    started = time.perf_counter()
    problem = point.problem
    row: dict[str, Any] = {point.swept: point.value}
    try:
        result = solve(problem, point.value)
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
