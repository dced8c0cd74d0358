"""Allocations: reading what users give, and the table they get."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.market import least_from_accounts
from adlopt.model.matching import match_positions
from adlopt.model.problem import Problem, require_problem

FEASIBILITY = 1e-9  # relative violation of boxes and sums that counts as feasible

AnyAllocation = Any
"""A result with the attribute `allocation` (a `Solution`), a table, or an array (e,)."""


def read_allocation(
    problem: Problem, allocation: AnyAllocation, *, table: str = "allocation"
) -> FloatArray:
    """Feasible reductions (e,) from whatever holds an allocation.

    Parameters
    ----------
    problem : Problem
    allocation : Solution, DataFrame or array
        A result whose attribute `allocation` is a table; a table with `account`, `asset`,
        `reduction` (contracts, signed like the position) and `margin_mode` where an account holds
        an asset under both; or an array (e,) of reductions in the row order of
        `problem.positions`. Positions that a table leaves out are not reduced.
    table : str
        What to call it in errors.

    Returns
    -------
    (e,) reductions in contracts, signed like the positions, within their bounds.

    Raises
    ------
    InputError
        The allocation is not feasible; the message names the rows or the asset.
    """
    require_problem(table, problem)
    given = getattr(allocation, "allocation", allocation)
    if isinstance(given, pd.DataFrame) or hasattr(given, "to_pandas"):
        given = validation.as_frame(table, given, ("account", "asset", "reduction"))
        reductions = _from_table(problem, given, table)
    else:
        reductions = _from_array(problem, given, table)
    total = np.bincount(problem.asset, reductions, minlength=problem.required.size)
    least = least_from_accounts(problem)
    for k in problem.reduced_assets:
        given, required = np.sign(problem.required[k]) * total[k], abs(problem.required[k])
        if given > required * (1 + FEASIBILITY) or given < least[k] - FEASIBILITY * required:
            sale = (
                ""
                if problem.market is None
                else f", of which {required - least[k]:.6g} can be sold"
            )
            raise InputError(
                f"{table}: reductions of {problem.book.assets[k]!r} sum to {total[k]:.12g}, "
                f"required {problem.required[k]:.12g}{sale}"
            )
    return reductions


def _from_table(problem: Problem, frame: pd.DataFrame, table: str) -> FloatArray:
    row, amount = match_positions(problem.book, table, frame, "reduction")
    eligible = problem.eligible_row[row]
    validation.raise_for_rows(
        table,
        frame,
        (eligible < 0) & (amount != 0),
        "reduction",
        "{} is taken from a position that is not eligible: another side, an asset not to be "
        "reduced, or a bankrupt account",
    )
    listed = eligible >= 0
    within, beyond = _clip(problem.max_reduction[eligible[listed]], amount[listed])
    outside = np.zeros(amount.size, dtype=bool)
    outside[listed] = beyond
    validation.raise_for_rows(table, frame, outside, "reduction", BEYOND_BOUNDS)
    reductions = np.zeros(problem.eligible.size)
    reductions[eligible[listed]] = within
    return reductions


def _from_array(problem: Problem, given: Any, table: str) -> FloatArray:
    e = problem.eligible.size
    if isinstance(given, str) or np.ndim(given) != 1:
        raise InputError(
            f"{table}: expected a Solution, a table with account, asset and reduction, or an array "
            f"of {e} reductions; got a {type(given).__name__}"
        )
    amount = validation.as_vector(table, given)
    if amount.shape != (e,):
        raise InputError(
            f"{table}: expected {e} reductions, one for each row of problem.positions; "
            f"got {amount.size}"
        )
    within, beyond = _clip(problem.max_reduction, amount)
    if beyond.any():
        validation.raise_for_rows(
            table,
            problem.positions.assign(reduction=amount),
            beyond,
            "reduction",
            BEYOND_BOUNDS,
        )
    return within


BEYOND_BOUNDS = "{} does not lie between 0 and what may be taken from the position, signed like it"


def _clip(cap: FloatArray, amount: FloatArray) -> tuple[FloatArray, np.ndarray[Any, Any]]:
    """Amounts moved into their bounds, and the mask of those that miss them by more than
    rounding.
    """
    size = np.abs(cap)
    signed = amount * np.where(cap < 0, -1.0, 1.0)
    beyond = (signed < -FEASIBILITY * size) | (signed > size * (1 + FEASIBILITY))
    return np.sign(cap) * np.clip(signed, 0.0, size), beyond


def as_table(problem: Problem, allocation: FloatArray) -> pd.DataFrame:
    """The public allocation table of reductions (e,): a row per eligible position, in the book's
    order.
    """
    size = problem.book.size[problem.eligible]
    before, after = gross_leverage(problem, None), gross_leverage(problem, allocation)
    numbers = {
        "reduction": allocation + 0.0,  # no negative zeros
        "remaining": size - allocation,
        "fraction": allocation / size + 0.0,
        "leverage_before": before[problem.pool],
        "leverage_after": after[problem.pool],
    }
    return problem.positions.assign(**numbers)


def gross_leverage(problem: Problem, allocation: FloatArray | None) -> FloatArray:
    """(n,) sum of |size| * mark / equity per pool; NaN for bankrupt pools."""
    notional = abs(problem.size_matrix(allocation)) @ problem.book.marks
    equity = problem.equity_after(allocation)
    leverage = np.full(equity.shape, np.nan)
    np.divide(notional, equity, out=leverage, where=equity > 0)
    return leverage
