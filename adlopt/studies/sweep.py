"""Sweeps: how risk, shadow prices and the accounts reduced change with the reduction, the CVaR
level or the insurance fund.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt.errors import InfeasibleConstraints, InputError
from adlopt.methods.result import Result
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

    A conic program is compiled once; only its parameters change from point to point.

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
        As for `adl.solve`. A point that no allocation can meet has the status "infeasible", and
        the column `relaxation` says what is the least that would do.
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
    swept, points = _points(
        {"multiple": multiples, "insurance_fund": insurance_fund, "level": level}
    )
    if swept == "level" and not isinstance(problem.objective, CVaR):
        raise InputError(
            "frontier: a sweep of the level needs the objective CVaR(level), not "
            f"{problem.objective}"
        )
    # All points are validated before any is solved.
    variants = [_variant(problem, swept, point) for point in points]
    limits = read_all(problem, constraints)
    if limits:
        chosen, solver = _constrained(variants, limits, method, tolerance)
    else:
        chosen, solver = _solver(variants, points, swept, method, tolerance)
    rows = [
        {swept: points[i], **_row(variants[i], chosen, solver, points[i], tolerance, limits)}
        for i in progress(range(len(points)))
    ]
    return Frontier(pd.DataFrame(rows), swept)


def _points(sweeps: Mapping[str, Iterable[float] | float | None]) -> tuple[str, list[float]]:
    """The one quantity that is swept, and its values."""
    given = {name: points for name, points in sweeps.items() if points is not None}
    if len(given) != 1:
        raise InputError("frontier: sweep one of multiples, insurance_fund and level")
    ((name, points),) = given.items()
    listed = list(points) if isinstance(points, Iterable) else [points]
    if not listed:
        raise InputError(f"frontier: {name} has no points")
    return name, [validation.as_finite(f"frontier, {name}", point) for point in listed]


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
    if chosen in ("conic", "shadow_price") and method in ("auto", "shadow_price"):
        from adlopt.methods.shadow_price.solve import ShadowPrice, plan

        # What a single small problem does not repay, a sweep does.
        if all(isinstance(plan(variant), ShadowPrice) for variant in variants):
            return "shadow_price", _warm_started(tolerance)
    if chosen != "conic":
        return chosen, lambda variant, point: run_method(variant, chosen, tolerance=tolerance)
    from adlopt.methods import conic

    middle = variants[int(np.argsort(points)[len(points) // 2])]  # whose scale suits all
    return chosen, conic.compile_sweep(middle, name)


def _constrained(
    variants: list[Problem],
    constraints: tuple[Constraints, ...],
    method: str,
    tolerance: float,
) -> tuple[str, Callable[[Problem, float], Result]]:
    """The conic method, point by point, under the user's constraints."""
    chosen = choose_method(variants[0], method, constrained=True)
    return chosen, lambda variant, point: run_method(
        variant, chosen, tolerance=tolerance, constraints=constraints
    )


def _warm_started(tolerance: float) -> Callable[[Problem, float], Result]:
    """A function that solves variants by shadow prices, each starting from the last."""
    from adlopt.methods.result import Settings, Start
    from adlopt.methods.shadow_price.solve import ShadowPrice

    last: Result | None = None

    def solve_at(variant: Problem, point: float) -> Result:
        nonlocal last
        start = None
        if last is not None:
            start = Start(last.allocation, last.multipliers, None, last.warm_start)
        last = ShadowPrice(variant).solve(Settings(tolerance=tolerance, start=start))
        return last

    return solve_at


def _row(
    problem: Problem,
    method: str,
    solver: Callable[[Problem, float], Result],
    point: float,
    tolerance: float,
    constraints: tuple[Constraints, ...] = (),
) -> dict[str, Any]:
    """One point, solved and certified; the tables of a Solution would double the time."""
    started = time.perf_counter()
    try:
        result = solver(problem, point)
    except InfeasibleConstraints as error:
        return {"status": "infeasible", "method": method, "relaxation": str(error)}
    proof = None
    if problem.prices is not None:
        oracle = linear_minimum(problem, constraints)
        proof = certify_array(problem, result.allocation, result.multipliers, oracle)
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
