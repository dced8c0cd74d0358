"""What would have spared a reduced pool: more equity or smaller positions, found by re-solving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InfeasibleReduction
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.solving.dispatch import run_method
from adlopt.solving.solution import Solution

# Methods without sampling or iteration place the threshold exactly; iterative ones leave dust.
EXACT_METHODS = ("water_filling", "factor_leverage")
EXACT_DUST, ITERATIVE_DUST = 1e-9, 1e-4  # of the original reduction: counts as nothing
RELATIVE_WIDTH = 1e-3  # of the threshold: how closely it is bracketed
MAX_MULTIPLE = 1e4  # of the pool's equity: more would not be useful advice
TOLERANCE = 1e-8  # relative gap of the re-solves
SAME_VALUE = 1e-7  # relative: allocations whose values differ by less are equally good
SAME_REDUCTION = 1e-3  # relative: the re-solve must reproduce the solution it explains


def none_found(problem: Problem, pools: IntArray) -> pd.DataFrame:
    """The table of remedies for these pools, with nothing in it yet."""
    book = problem.book
    asset = [
        book.assets[int(book.asset[book.first_position[pool]])] if book.isolated[pool] else None
        for pool in pools
    ]
    return pd.DataFrame(
        {
            "margin_mode": ["isolated" if book.isolated[pool] else "cross" for pool in pools],
            "asset": pd.Series(asset, dtype=object),
            "equity": book.equity[pools],
            "extra_equity": np.full(pools.size, np.nan),
            "size_reduction": np.full(pools.size, np.nan),
        }
    )


def find(problem: Problem, solution: Solution, pools: IntArray) -> pd.DataFrame:
    """For each reduced pool, the extra equity or the smaller size that would have spared it."""
    table = none_found(problem, pools)
    for i, pool in enumerate(pools):
        table.loc[i, "extra_equity"] = extra_equity(problem, solution, int(pool))
        table.loc[i, "size_reduction"] = size_reduction(problem, solution, int(pool))
    return table


def extra_equity(problem: Problem, solution: Solution, pool: int) -> float:
    """Least extra equity, to `RELATIVE_WIDTH` above, with which nothing is taken from the pool."""
    spares = _test(problem, solution, pool)
    if spares is None:
        return np.nan
    equity = float(problem.book.equity[pool])
    low, high = 0.0, 0.01 * equity
    while not spares(with_extra_equity(problem, pool, high)):
        low, high = high, 2 * high
        if high > MAX_MULTIPLE * equity:
            return np.nan
    return _bisect(lambda extra: spares(with_extra_equity(problem, pool, extra)), low, high)


def size_reduction(problem: Problem, solution: Solution, pool: int) -> float:
    """Least fraction, to `RELATIVE_WIDTH` above, by which the pool's positions must be smaller so
    that nothing is taken from it.
    """
    spares = _test(problem, solution, pool)
    if spares is None:
        return np.nan
    low, high = 0.0, 0.01
    while not spares(with_smaller_positions(problem, pool, high)):
        low, high = high, (2 * high if high < 0.5 else (1 + high) / 2)
        if high > 1 - RELATIVE_WIDTH:
            return np.nan
    return _bisect(lambda f: spares(with_smaller_positions(problem, pool, f)), low, high)


def with_extra_equity(problem: Problem, pool: int, extra: float) -> Problem:
    """The problem in which the pool has so much more equity."""
    equity = problem.book.equity.copy()
    equity[pool] += extra
    return replace(problem, book=replace(problem.book, equity=equity))


def with_smaller_positions(problem: Problem, pool: int, fraction: float) -> Problem:
    """The problem in which all positions of the pool are smaller by this fraction."""
    size = problem.book.size.copy()
    size[problem.book.pool == pool] *= 1 - fraction
    return replace(problem, book=replace(problem.book, size=size))


def without_reductions(problem: Problem, pool: int) -> Problem:
    """The problem in which nothing may be taken from the pool."""
    own = problem.positions[problem.pool == pool][["account", "asset", "margin_mode"]]
    capped = own.astype({"margin_mode": str}).assign(cap=0.0)
    if problem.caps is not None:
        key = ["account", "asset"] if "asset" in problem.caps else ["account"]
        same = pd.MultiIndex.from_frame(problem.caps[key]).isin(pd.MultiIndex.from_frame(own[key]))
        capped = pd.concat([problem.caps[~same], capped])
    return replace(problem, caps=capped)


def is_spared(problem: Problem, solution: Solution, pool: int, dust: float) -> bool:
    """Whether an optimal allocation takes nothing from the pool: the one that the solution's method
    finds takes at most `dust` (notional), or one that may take nothing is as good.
    """
    tolerance = min(solution.tolerance, TOLERANCE)
    try:
        free = run_method(problem, solution.method, tolerance=tolerance).allocation
        if notional_taken(problem, free, pool) <= dust:
            return True
        if problem.prices is None or solution.method in EXACT_METHODS:
            return False
        without = without_reductions(problem, pool)
        spared = run_method(without, solution.method, tolerance=tolerance).allocation
    except InfeasibleReduction:  # smaller positions may leave too little to take
        return False
    best = objective_value(problem, free)
    return objective_value(problem, spared) <= best + SAME_VALUE * abs(best)


def notional_taken(problem: Problem, allocation: FloatArray, pool: int) -> float:
    """Notional that reductions (e,) take from the pool."""
    notional = np.abs(allocation) * problem.book.marks[problem.asset]
    return float(notional[problem.pool == pool].sum())


def _test(problem: Problem, solution: Solution, pool: int) -> Callable[[Problem], bool] | None:
    """Whether a changed problem spares the pool; None if the others could not give enough, or a
    re-solve does not reproduce the solution (as with further constraints).
    """
    own = problem.pool == pool
    elsewhere = problem.available - np.bincount(
        problem.asset[own], np.abs(problem.max_reduction[own]), minlength=problem.available.size
    )
    if (np.abs(problem.required) > elsewhere).any():
        return None
    again = run_method(problem, solution.method, tolerance=solution.tolerance).allocation
    original = notional_taken(problem, solution.allocation["reduction"].to_numpy(), pool)
    if abs(notional_taken(problem, again, pool) - original) > SAME_REDUCTION * original:
        return None
    dust = original * (EXACT_DUST if solution.method in EXACT_METHODS else ITERATIVE_DUST)
    return lambda changed: is_spared(changed, solution, pool, dust)


def _bisect(spares: Callable[[float], bool], low: float, high: float) -> float:
    """The upper end of the bracket [low, high] of the threshold, narrowed to `RELATIVE_WIDTH`."""
    while high - low > RELATIVE_WIDTH * high:
        middle = (low + high) / 2
        if spares(middle):
            high = middle
        else:
            low = middle
    return high
