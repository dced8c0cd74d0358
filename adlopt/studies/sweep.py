"""Sweeps: how risk, prices and the accounts touched change with the reduction, the risk level or
the insurance fund.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.methods.result import Result
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import CVaR, ExpectedLoss
from adlopt.proof.certificate import certify_array
from adlopt.solving.dispatch import choose_method, run_method


def frontier(
    problem: Problem,
    reduction: Iterable[float] | None = None,
    *,
    insurance_fund: Iterable[float] | None = None,
    level: Iterable[float] | None = None,
    method: str = "auto",
    tolerance: float = 1e-6,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> pd.DataFrame:
    """Solve one problem along a sweep; the conic program is compiled once and its parameters move.

    Parameters
    ----------
    reduction : multiples > 0 of the problem's required reduction.
    insurance_fund : money, >= 0.
    level : levels in [0, 1) of a CVaR objective.
    track : passes the points' numbers on as they are solved, for a progress bar such as
        `rich.progress.track`.

    Returns
    -------
    A row per point: the swept quantity (`multiple`, `insurance_fund` or `level`), value,
    lower_bound, gap, status, method,
    accounts reduced, largest fraction, seconds; and by asset the reduction, shadow price and water
    level where it exists.
    """
    require_problem("frontier", problem)
    validation.as_positive("frontier: tolerance", tolerance)
    sweeps = {"multiple": reduction, "insurance_fund": insurance_fund, "level": level}
    given = [
        (name, list(points) if isinstance(points, Iterable) else [points])
        for name, points in sweeps.items()
        if points is not None
    ]
    if len(given) != 1:
        raise InputError("frontier: sweep one of reduction (multiples), insurance_fund and level")
    name = given[0][0]
    points = [validation.as_finite(f"frontier, {name}", point) for point in given[0][1]]
    if not points:
        raise InputError(f"frontier: {name} has no points")
    if name == "level" and not isinstance(problem.objective, CVaR):
        raise InputError(
            f"frontier: a sweep of the level needs the objective CVaR(level), not {problem.objective}"
        )
    variants = [
        _variant(problem, name, point) for point in points
    ]  # all are checked before any is solved
    chosen, solver = _solver(variants, points, name, method, tolerance)
    rows = []
    for at in track(range(len(points))):
        rows.append({name: points[at], **_row(variants[at], chosen, solver, points[at], tolerance)})
    return pd.DataFrame(rows)


def _variant(problem: Problem, name: str, point: float) -> Problem:
    if name == "multiple":
        return problem.with_changes(multiple=point)
    if name == "insurance_fund":
        return problem.with_changes(insurance_fund=point)
    return problem.with_changes(objective=CVaR(point))


def _solver(
    variants: list[Problem], points: list[float], name: str, method: str, tolerance: float
) -> tuple[str, Callable[[Problem, float], Result]]:
    """One method for all points: one that compiles nothing per problem, or one conic program
    compiled for all of them.
    """
    methods = {choose_method(variant, method) for variant in variants}
    chosen = "conic" if "conic" in methods else methods.pop()
    if chosen == "conic" and method == "auto":
        from adlopt.methods.interior_point import shadow_price

        # What a single small problem does not repay, a sweep does.
        if all(
            isinstance(v.objective, ExpectedLoss) and shadow_price.reason_not_applicable(v) is None
            for v in variants
        ):
            chosen = "shadow_price"
    # The presolve depends on the boxes alone, which no sweep changes.
    if chosen == "shadow_price":
        from adlopt.methods import elliptical_solver
        from adlopt.methods.interior_point import shadow_price
        from adlopt.presolve.pairs import presolve

        presolved = (
            None if elliptical_solver.radial(variants[0]) is not None else presolve(variants[0])
        )
        return chosen, lambda variant, point: shadow_price.solve(
            variant, tolerance=tolerance, presolved=presolved
        )
    if chosen != "conic":
        return chosen, lambda variant, point: run_method(variant, chosen, tolerance=tolerance)
    from adlopt.methods import conic

    middle = variants[int(np.argsort(points)[len(points) // 2])]  # whose scale suits all
    return chosen, conic.compiled(middle, name)


def _row(
    problem: Problem,
    method: str,
    solver: Callable[[Problem, float], Result],
    point: float,
    tolerance: float,
) -> dict[str, Any]:
    """One point, solved and certified; without the tables of a Solution, which would cost as
    much.
    """
    started = time.perf_counter()
    result = solver(problem, point)
    proof = (
        None
        if problem.prices is None
        else certify_array(problem, result.allocation, result.multipliers)
    )
    taken = result.allocation != 0
    row: dict[str, Any] = {
        "value": None if proof is None else proof.value,
        "lower_bound": None if proof is None else proof.lower_bound,
        "gap": None if proof is None else proof.gap,
        "status": "optimal" if proof is None or proof.gap <= tolerance else "unproven",
        "method": method,
        "accounts_reduced": np.unique(problem.book.pool_account[problem.pool[taken]]).size,
        "largest_fraction": float((result.allocation / problem.book.size[problem.eligible]).max()),
        "seconds": time.perf_counter() - started,
    }
    for at, k in enumerate(problem.reduced_assets):
        asset = problem.book.assets[k]
        row[f"reduction {asset}"] = float(problem.required[k])
        if proof is not None:
            row[f"shadow_price {asset}"] = float(proof.shadow_prices.iloc[at])
        if result.water_level is not None:
            row[f"water_level {asset}"] = float(
                result.water_level[0 if result.water_level.size == 1 else k]
            )
    return row
