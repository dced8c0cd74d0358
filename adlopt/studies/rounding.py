"""Round an allocation to whole lots: sums are kept exactly, and the cost is bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import InfeasibleLots, InputError, SolverFailed
from adlopt.model.allocation import AnyAllocation, as_table, read_allocation
from adlopt.model.problem import Problem, require_problem
from adlopt.proof.certificate import Certificate
from adlopt.solving.certification import certify
from adlopt.studies.table_result import MAX_ROWS

# A number of lots this near to an integer counts as that integer; relative above one lot, because
# tables round relatively.
INTEGER_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Rounding:
    """An allocation in whole lots and what the rounding costs.

    The money is None without a price model.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> rounded = adl.round_to_lots(problem, adl.solve(problem), lots={"BTC": 1.0})
    >>> rounded.allocation["reduction"].tolist()
    [-3.0, 0.0, -7.0, 0.0]
    """

    allocation: pd.DataFrame
    """As in a `Solution`, with a column `lots`: whole lots taken, unsigned."""
    certificate: Certificate | None
    """How far the rounded allocation is from the optimum without lots."""
    _: KW_ONLY
    cost_bound: float | None
    """Proven upper bound on the objective above the optimum without lots, in money; >= 0."""
    cost: float | None
    """Objective after rounding minus before; negative if rounding improved an allocation that was
    not optimal.
    """
    largest_move: float
    """Most lots by which a position's reduction changed."""

    @property
    def table(self) -> pd.DataFrame:
        """The same as `allocation`."""
        return self.allocation

    def to_frame(self) -> pd.DataFrame:
        """A copy of `allocation`."""
        return self.allocation.copy()

    @property
    def _heading(self) -> str:
        money = (
            ""
            if self.cost_bound is None
            else f"; cost {self.cost:,.6g}, proven to be at most {self.cost_bound:,.6g} above the "
            "optimum"
        )
        return f"Whole lots; no position moved by more than {self.largest_move:.3g} lots{money}"

    def __repr__(self) -> str:
        taken = self.allocation[self.allocation["lots"] > 0]
        text = taken.to_string(index=False, float_format="{:,.6g}".format, max_rows=MAX_ROWS)
        return f"{self._heading}\n{text}"

    def _repr_html_(self) -> str:
        taken = self.allocation[self.allocation["lots"] > 0]
        table = taken.to_html(index=False, float_format="{:,.6g}".format, max_rows=MAX_ROWS)
        return f"<p>{escape(self._heading)}</p>{table}"


class LotRange(NamedTuple):
    """Lots that may be taken from each position: 0 to `max_partial`, or `full_close` lots, which
    close it (-1 where lots cannot close it).
    """

    max_partial: IntArray
    full_close: IntArray

    @property
    def has_gap(self) -> BoolArray:
        """Positions that can be closed or left a minimum, with nothing in between."""
        return self.full_close > self.max_partial + 1

    @property
    def max_lots(self) -> IntArray:
        return np.maximum(self.max_partial, self.full_close)


def round_to_lots(
    problem: Problem,
    allocation: AnyAllocation,
    *,
    lots: Mapping[str, float],
    minimum: Mapping[str, float] | None = None,
) -> Rounding:
    """Round an allocation to whole lots and bound what that costs.

    The required sums are met exactly; among such roundings, the largest change of a position is
    as small as possible.

    Parameters
    ----------
    problem : Problem
        Its required reductions must be whole lots.
    allocation : Solution, DataFrame or array
        A feasible allocation.
    lots : mapping from asset to float > 0
        Contracts per lot of each reduced asset. A position may also be closed in full if it is a
        whole number of lots.
    minimum : mapping from asset to float >= 0, optional
        Smallest position, in contracts, that may remain open; smaller ones must be closed.

    Returns
    -------
    Rounding

    Raises
    ------
    InfeasibleLots
        Lots, odd remainders and minima allow no such sum; `nearest` has the nearest possible.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> rounded = adl.round_to_lots(problem, adl.solve(problem).allocation, lots={"BTC": 1.0})
    >>> rounded.allocation["lots"].tolist()
    [3, 0, 7, 0]
    """
    require_problem("round_to_lots", problem)
    reductions = read_allocation(problem, allocation)
    lot, least = _lots_and_minimum(problem, lots, minimum)
    wanted = np.abs(reductions) / lot[problem.asset]
    taken, rounded = _rounded(problem, wanted, lot, least)
    table = as_table(problem, rounded).assign(lots=taken)
    return _rounding(problem, reductions, table, float(np.abs(taken - wanted).max()))


def _rounded(
    problem: Problem, wanted: FloatArray, lot: FloatArray, least: FloatArray
) -> tuple[IntArray, FloatArray]:
    """(e,) whole lots nearest to those wanted, unsigned, and (e,) the contracts they come to."""
    taken = np.zeros(wanted.size, dtype=np.intp)
    rounded = np.zeros(wanted.size)
    impossible: list[tuple[str, float, float]] = []
    for k in problem.reduced_assets:
        rows = problem.rows_of(k)
        size = np.abs(problem.book.size[problem.eligible[rows]])
        cap = np.abs(problem.max_reduction[rows])
        lot_range = _lot_range(size, cap, lot[k], least[k])
        contracts = abs(float(problem.required[k]))
        required = contracts / lot[k]
        taken[rows] = nearest(lot_range, wanted[rows], required)
        total = int(taken[rows].sum())
        if total == 0 or abs(total - required) > INTEGER_TOLERANCE * max(required, 1.0):
            impossible.append((str(problem.book.assets[k]), contracts, float(total * lot[k])))
        closes = taken[rows] == lot_range.full_close
        amount = np.where(closes, size, np.minimum(taken[rows] * lot[k], cap))
        rounded[rows] = np.sign(problem.required[k]) * amount
    if impossible:
        raise InfeasibleLots(impossible)
    return taken, rounded


def _rounding(
    problem: Problem, reductions: FloatArray, table: pd.DataFrame, largest_move: float
) -> Rounding:
    """The result, with its cost where there is a price model."""
    if problem.prices is None:
        return Rounding(table, None, cost_bound=None, cost=None, largest_move=largest_move)
    before, after = certify(problem, as_table(problem, reductions)), certify(problem, table)
    # Both bounds are valid for the same optimum.
    bound = max(after.value - max(before.lower_bound, after.lower_bound), 0.0)
    cost = after.value - before.value
    return Rounding(table, after, cost_bound=bound, cost=cost, largest_move=largest_move)


def _lots_and_minimum(
    problem: Problem, lots: Mapping[str, float], minimum: Mapping[str, float] | None
) -> tuple[FloatArray, FloatArray]:
    """(d,) contracts per lot and (d,) smallest remaining position, or an InputError."""
    assets, d = problem.book.assets, len(problem.book.assets)
    lot = validation.vector_by_asset("lots", lots, assets, allow_missing=True)
    least = (
        np.zeros(d)
        if minimum is None
        else np.nan_to_num(
            validation.vector_by_asset("minimum", minimum, assets, allow_missing=True)
        )
    )
    for k in problem.reduced_assets:
        if not lot[k] > 0:
            given = "no lot is given" if np.isnan(lot[k]) else f"the lot is {lot[k]:g}"
            raise InputError(f"lots, asset {assets[k]!r}: {given}; give a number of contracts > 0")
        if least[k] < 0:
            raise InputError(
                f"minimum, asset {assets[k]!r}: {least[k]:g} contracts; give a number >= 0"
            )
    return lot, least


def _lot_range(size: FloatArray, cap: FloatArray, lot: float, minimum: float) -> LotRange:
    """What lots allow for each position of one asset."""
    held, max_partial = size / lot, _floor(cap / lot)
    is_integer = np.abs(held - np.rint(held)) <= _slack(held)
    full_close = np.where(is_integer, np.rint(held), -1).astype(np.intp)
    # Amounts below one lot's rounding count as zero.
    full_close[(full_close > max_partial) | (full_close == 0)] = -1
    if minimum > 0:
        # Whole lots down to the minimum; a position below it gives nothing, or all.
        above = np.maximum(_floor((size - minimum) / lot), 0)
        max_partial = np.minimum(max_partial, above)
    return LotRange(max_partial, full_close)


def _floor(count: FloatArray) -> IntArray:
    return np.floor(count + _slack(count)).astype(np.intp)


def _slack(count: FloatArray) -> FloatArray:
    return np.asarray(INTEGER_TOLERANCE + 4 * np.finfo(float).eps * np.abs(count))


def nearest(lot_range: LotRange, wanted: FloatArray, required: float) -> IntArray:
    """Lots (r,) allowed by `lot_range` whose sum is nearest to `required`, and among those the
    ones whose largest difference from `wanted` is least.
    """
    gap = lot_range.has_gap
    stay_open = np.maximum(wanted - np.where(gap, lot_range.max_partial, lot_range.max_lots), 0.0)
    close = np.where(gap, np.abs(wanted - lot_range.full_close), np.inf)
    # Close where that is the smaller move; what remains are intervals of integers.
    taken = _greedy(lot_range, close < stay_open, wanted, required)
    unavoidable = np.minimum(stay_open, close)
    met = taken.sum() == round(required)
    if not gap.any() or (met and (np.abs(taken - wanted) - unavoidable < 1).all()):
        return taken
    closed = _closed_by_program(lot_range, wanted, unavoidable, required, met)
    return _greedy(lot_range, closed, wanted, required)


def _greedy(
    lot_range: LotRange, closed: BoolArray, wanted: FloatArray, required: float
) -> IntArray:
    """Given which positions are closed, integers with the required sum or the nearest possible,
    of least largest move.

    Each step goes where a position is furthest behind: that is optimal for every symmetric
    convex measure of the moves.
    """
    highest = np.where(lot_range.has_gap & ~closed, lot_range.max_partial, lot_range.max_lots)
    lowest = np.where(closed, highest, 0)
    reachable = np.clip(wanted, lowest, highest)  # moves up to here are unavoidable
    total = min(max(round(required), 1, int(lowest.sum())), int(highest.sum()))
    taken = np.floor(reachable).astype(np.intp)
    while (missing := total - int(taken.sum())) != 0:
        step = int(np.sign(missing))
        movable = np.flatnonzero(taken < highest if step > 0 else taken > lowest)
        order = np.argsort(step * (taken[movable] - reachable[movable]), kind="stable")
        taken[movable[order[: abs(missing)]]] += step
    return taken


def _closed_by_program(
    lot_range: LotRange,
    wanted: FloatArray,
    unavoidable: FloatArray,
    required: float,
    met: bool,
) -> BoolArray:
    """Which positions to close, by mixed-integer programs: first for the nearest sum, unless the
    required one can be met; then for the least excess moves.

    Columns: lots of positions left open (n), whether closed (n), largest excess move, distance of
    the sum from the requirement.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    gap, n = lot_range.has_gap, wanted.size
    full = np.where(gap, lot_range.full_close, 0)
    most = np.where(gap, lot_range.max_partial, lot_range.max_lots)
    rows, lower, upper = _lot_constraints(most, full, wanted, unavoidable, required)
    bounds = Bounds(
        np.append(np.zeros(2 * n), [-np.inf, 0.0]), np.concatenate([most, gap, [np.inf, np.inf]])
    )
    integrality = np.append(np.ones(2 * n), [0.0, 0.0])
    if met:
        lower[-1] = upper[-1] = round(required)
    for goal in (2 * n,) if met else (2 * n + 1, 2 * n):
        solution = milp(
            np.eye(1, 2 * n + 2, goal)[0],
            integrality=integrality,
            bounds=bounds,
            constraints=LinearConstraint(rows, lower, upper),
            options={"mip_rel_gap": 0.0},
        )
        if solution.x is None:
            raise SolverFailed(f"round_to_lots: HiGHS says {solution.message}")
        closed = gap & (solution.x[n : 2 * n] > 0.5)
        total = float(np.rint(solution.x[:n])[~closed].sum() + full[closed].sum())
        lower[-1] = upper[-1] = total
    return np.asarray(closed)


def _lot_constraints(
    most: IntArray, full: IntArray, wanted: FloatArray, unavoidable: FloatArray, required: float
) -> tuple[sp.csr_array, FloatArray, FloatArray]:
    """Matrix, lower and upper bounds of the program in `_closed_by_program`."""
    n = wanted.size
    eye, one, none = sp.eye_array(n), sp.csr_array(np.ones((n, 1))), sp.csr_array((n, 1))
    partial, lots = sp.diags_array(most.astype(float)), sp.diags_array(full.astype(float))
    total = [sp.csr_array(part) for part in (np.ones((1, n)), full[None, :].astype(float))]
    total.append(sp.csr_array([[0.0]]))
    blocks: list[list[Any]] = [
        [eye, partial, none, none],  # a closed position gives nothing else
        [eye, lots, -one, none],  # moves are at most the unavoidable ones and the largest excess
        [eye, lots, one, none],
        [*total, sp.csr_array([[-1.0]])],  # distance from the requirement
        [*total, sp.csr_array([[1.0]])],
        [*total, sp.csr_array([[0.0]])],  # the sum itself
    ]
    unlimited = np.full(n, np.inf)
    lower = np.concatenate([-unlimited, -unlimited, wanted - unavoidable, [-np.inf, required, 1.0]])
    upper = np.concatenate([most, wanted + unavoidable, unlimited, [required, np.inf, np.inf]])
    return sp.csr_array(sp.block_array(blocks)), lower, upper
