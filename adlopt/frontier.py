"""Sweeps: how risk, prices and the accounts touched change with the reduction, the risk level or the insurance fund."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from adlopt import _tables as tables
from adlopt.errors import InputError
from adlopt.methods.result import Result
from adlopt.objectives import CVaR, ExpectedLoss
from adlopt.problem import Problem
from adlopt.solution import Solution
from adlopt.solve import resolve, run, solution


def frontier(
    problem: Problem,
    reduction: Iterable[float] | None = None,
    *,
    insurance_fund: Iterable[float] | None = None,
    level: Iterable[float] | None = None,
    method: str = "auto",
    tolerance: float = 1e-6,
) -> pd.DataFrame:
    """Solve one problem along a sweep; the conic program is compiled once and its parameters move.

    Parameters
    ----------
    reduction : multiples > 0 of the problem's required reduction.
    insurance_fund : money, >= 0.
    level : levels in [0, 1) of a CVaR objective.

    Returns
    -------
    A row per point: the swept quantity (`multiple`, `insurance_fund` or `level`), value, lower_bound, gap, status, method,
    accounts reduced, largest fraction, seconds; and by asset the reduction, shadow price and water level where it exists.
    """
    sweeps = {"multiple": reduction, "insurance_fund": insurance_fund, "level": level}
    given = [(name, list(points)) for name, points in sweeps.items() if points is not None]
    if len(given) != 1:
        raise InputError("frontier: sweep one of reduction (multiples), insurance_fund and level")
    name = given[0][0]
    points = [tables.number(f"frontier, {name}", point) for point in given[0][1]]
    if not points:
        raise InputError(f"frontier: {name} has no points")
    if name == "level" and not isinstance(problem.objective, CVaR):
        raise InputError(f"frontier: a sweep of the level needs the objective CVaR(level), not {problem.objective}")
    variants = [_variant(problem, name, point) for point in points]  # all are checked before any is solved
    solver = _solver(variants, points, name, method, tolerance)
    rows = []
    for point, variant in zip(points, variants, strict=True):
        started = time.perf_counter()
        chosen, result = solver(variant, point)
        rows.append({name: point, **_row(variant, solution(variant, result, chosen, tolerance, started))})
    return pd.DataFrame(rows)


def _variant(problem: Problem, name: str, point: float) -> Problem:
    if name == "multiple":
        return problem.varied(multiple=point)
    if name == "insurance_fund":
        return problem.varied(insurance_fund=point)
    return problem.varied(objective=CVaR(point))


def _solver(
    variants: list[Problem], points: list[float], name: str, method: str, tolerance: float
) -> Callable[[Problem, float], tuple[str, Result]]:
    """How each point is solved: anew by a method that compiles nothing per problem, or by one compiled conic program."""
    methods = {resolve(variant, method) for variant in variants}
    if methods == {"conic"} and method == "auto":
        from adlopt.methods import shadow_price

        # What a single small problem does not repay, a sweep does.
        if all(isinstance(v.objective, ExpectedLoss) and shadow_price.obstacle(v) is None for v in variants):
            methods = {method := "shadow_price"}
    if methods != {"conic"}:
        return lambda variant, point: (chosen := resolve(variant, method), run(variant, chosen, tolerance=tolerance))
    from adlopt.methods import conic

    # Scaled for the point in the middle; the presolve depends on the boxes alone, which no sweep changes.
    middle = variants[int(np.argsort(points)[len(points) // 2])]
    compiled = conic.compiled(middle, name)
    return lambda variant, point: ("conic", compiled(variant, point))


def _row(problem: Problem, solved: Solution) -> dict[str, Any]:
    allocation = solved.allocation
    row: dict[str, Any] = {
        "value": solved.value,
        "lower_bound": solved.lower_bound,
        "gap": solved.gap,
        "status": solved.status,
        "method": solved.method,
        "accounts_reduced": int(allocation.loc[allocation["reduction"] != 0, "account"].nunique()),
        "largest_fraction": float(allocation["fraction"].max()),
        "seconds": solved.seconds,
    }
    for at, k in enumerate(problem.reduced_assets):
        asset = problem.book.assets[k]
        row[f"reduction {asset}"] = float(problem.target[k])
        if solved.shadow_prices is not None:
            row[f"shadow_price {asset}"] = float(solved.shadow_prices.iloc[at])
        if solved.water_level is not None:
            level = solved.water_level
            row[f"water_level {asset}"] = level if isinstance(level, float) else float(level.iloc[at])
    return row
