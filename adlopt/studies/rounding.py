"""From contracts to whole lots: nobody moves further than must be, sums are kept exactly, and the
price is proven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import InfeasibleReduction, InputError, SolverFailed
from adlopt.model.allocation import as_table, read_allocation
from adlopt.model.problem import Problem
from adlopt.proof.certificate import Certificate
from adlopt.solving.certification import certify

# a number of lots this near to an integer is that integer; relative above one lot, as tables round
WHOLE = 1e-9


@dataclass(frozen=True, eq=False)
class Rounding:
    """An allocation in whole lots, and what that costs; the money is None without a price model."""

    allocation: pd.DataFrame
    """As in a solution, with a column `lots`: whole lots taken, unsigned."""
    certificate: Certificate | None
    """How far the rounded allocation is from the best of all, lots or not."""
    price: float | None
    """Most money that lots can cost against the best allocation without them: proven, never
    negative.
    """
    difference: float | None
    """Objective after rounding minus before; negative where the given allocation was not optimal
    and rounding helped.
    """
    largest_move: float
    """Most lots by which a position's reduction changed."""

    def __str__(self) -> str:
        money = (
            ""
            if self.price is None
            else f"; it costs at most {self.price:,.6g} (measured: {self.difference:,.6g})"
        )
        return (
            f"rounded to lots, no position moved by more than {self.largest_move:.3g} lots{money}"
        )


class Choices(NamedTuple):
    """Lots that may be taken from each position: 0 to `most`, or `whole` where that closes it (-1
    where it cannot be).
    """

    most: IntArray
    whole: IntArray

    @property
    def gapped(self) -> BoolArray:
        """Positions that can be closed, or left a minimum, and nothing in between."""
        return self.whole > self.most + 1

    @property
    def ceiling(self) -> IntArray:
        return np.maximum(self.most, self.whole)


def round_to_lots(
    problem: Problem,
    allocation: pd.DataFrame,
    lots: Mapping[str, float],
    minimum: Mapping[str, float] | None = None,
) -> Rounding:
    """Round an allocation to whole lots; required reductions must be whole lots, and are met
    exactly.

    Only whole lots are taken: a position that is no multiple of the lot keeps its odd remainder,
    and cannot be closed. No
    position moves by a full lot beyond its distance from what it may give, unless the sum cannot be
    met otherwise: then the
    largest such excess is the least possible.

    Parameters
    ----------
    allocation : a table as `certify` takes it, feasible.
    lots : contracts per lot of every reduced asset.
    minimum : least contracts that a reduced position may be left with, by asset, unless it is
        closed. Positions below it
        already stay as they are or are closed.

    Raises
    ------
    InfeasibleReduction : lots, odd remainders and minima allow no such sum; `shortfalls` names the
        nearest possible.
    """
    reductions = read_allocation(problem, allocation)
    assets, d = problem.book.assets, len(problem.book.assets)
    lot = validation.vector_by_asset("lots", lots, assets, partial=True)
    least = (
        np.zeros(d)
        if minimum is None
        else np.nan_to_num(validation.vector_by_asset("minimum", minimum, assets, partial=True))
    )
    for k in problem.reduced_assets:
        if not lot[k] > 0:
            given = "no lot is given" if np.isnan(lot[k]) else f"the lot is {lot[k]:g}"
            raise InputError(
                f"lots, asset {assets[k]!r}: {given}; a number of contracts > 0 is needed"
            )
        if least[k] < 0:
            raise InputError(
                f"minimum, asset {assets[k]!r}: {least[k]:g} contracts; a remaining position is >= 0"
            )
    taken = np.zeros(reductions.size, dtype=np.int64)
    rounded = np.zeros(reductions.size)
    wanted = np.abs(reductions) / lot[problem.asset]
    impossible: list[tuple[str, float, float]] = []
    for k in problem.reduced_assets:
        rows = problem.rows_of(k)
        size, cap = (
            np.abs(problem.book.size[problem.eligible[rows]]),
            np.abs(problem.max_reduction[rows]),
        )
        choices = _choices(size, cap, lot[k], least[k])
        required = abs(problem.required[k]) / lot[k]
        taken[rows] = nearest(choices, wanted[rows], required)
        total = int(taken[rows].sum())
        if total == 0 or abs(total - required) > WHOLE * max(required, 1.0):
            impossible.append(
                (str(assets[k]), abs(float(problem.required[k])), float(total * lot[k]))
            )
        whole = taken[rows] == choices.whole
        rounded[rows] = np.sign(problem.required[k]) * np.where(
            whole, size, np.minimum(taken[rows] * lot[k], cap)
        )
    if impossible:
        raise InfeasibleReduction(impossible, lots=True)
    table = as_table(problem, rounded).assign(lots=taken)
    largest = float(np.abs(taken - wanted).max())
    if problem.prices is None:
        return Rounding(table, None, None, None, largest)
    before, after = certify(problem, as_table(problem, reductions)), certify(problem, table)
    price = after.value - max(before.lower_bound, after.lower_bound)
    return Rounding(table, after, max(price, 0.0), after.value - before.value, largest)


def _choices(size: FloatArray, cap: FloatArray, lot: float, minimum: float) -> Choices:
    held, most = size / lot, _floor(cap / lot)
    whole = np.where(np.abs(held - np.rint(held)) <= _slack(held), np.rint(held), -1).astype(
        np.int64
    )
    whole[(whole > most) | (whole == 0)] = -1  # less than rounding of a lot is no lot
    if minimum > 0:
        # Above the minimum by whole lots; one who is below it already gives nothing, or all.
        most = np.minimum(most, np.maximum(_floor((size - minimum) / lot), 0))
    return Choices(most, whole)


def _floor(count: FloatArray) -> IntArray:
    return np.floor(count + _slack(count)).astype(np.int64)


def _slack(count: FloatArray) -> FloatArray:
    return np.asarray(WHOLE + 4 * np.finfo(float).eps * np.abs(count))


def nearest(choices: Choices, wanted: FloatArray, required: float) -> IntArray:
    """Lots (r,) allowed by `choices` whose sum is as near to `required` as can be, and that then
    differ least from `wanted`.
    """
    gapped = choices.gapped
    open_most = np.where(gapped, choices.most, choices.ceiling)
    stay = np.maximum(wanted - open_most, 0.0)
    close = np.where(gapped, np.abs(wanted - choices.whole), np.inf)
    # Close where that is nearer. What is left are intervals of integers.
    taken = _greedy(choices, close < stay, wanted, required)
    met = taken.sum() == round(required)
    if not gapped.any() or (met and (np.abs(taken - wanted) - np.minimum(stay, close) < 1).all()):
        return taken
    closed = _closed_by_program(choices, wanted, np.minimum(stay, close), required, met)
    return _greedy(choices, closed, wanted, required)


def _greedy(choices: Choices, closed: BoolArray, wanted: FloatArray, required: float) -> IntArray:
    """Given who is closed, integers with this sum, or the nearest possible: least in their largest
    move.

    The same steps are best for any convex measure of the moves: each goes where a position is
    furthest behind.
    """
    highest = np.where(choices.gapped & ~closed, choices.most, choices.ceiling)
    lowest = np.where(closed, highest, 0)
    reachable = np.clip(wanted, lowest, highest)  # moves up to here are given
    total = min(max(round(required), 1, int(lowest.sum())), int(highest.sum()))
    taken = np.floor(reachable).astype(np.int64)
    while (missing := total - int(taken.sum())) != 0:
        step = int(np.sign(missing))
        movable = np.flatnonzero(taken < highest if step > 0 else taken > lowest)
        order = np.argsort(step * (taken[movable] - reachable[movable]), kind="stable")
        taken[movable[order[: abs(missing)]]] += step
    return taken


def _closed_by_program(
    choices: Choices, wanted: FloatArray, unavoidable: FloatArray, required: float, met: bool
) -> BoolArray:
    """Whom to close, by mixed-integer programs: for the nearest sum, unless it can be met; then for
    the least excess moves.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    gapped, n = choices.gapped, wanted.size
    most = np.where(gapped, choices.most, choices.ceiling)
    whole = np.where(gapped, choices.whole, 0)
    # Columns: lots of positions left open, whether closed, largest excess, distance of the sum from
    # the requirement.
    eye, lots, one = (
        sp.eye_array(n),
        sp.diags_array(whole.astype(float)),
        sp.csr_array(np.ones((n, 1))),
    )
    every, none = [np.ones((1, n)), whole[None, :].astype(float), [[0.0]]], sp.csr_array((n, 1))
    blocks = [
        [eye, sp.diags_array(most.astype(float)), none, none],  # who is closed gives nothing else
        [eye, lots, -one, none],
        [eye, lots, one, none],
        [*map(sp.csr_array, every), sp.csr_array([[-1.0]])],
        [*map(sp.csr_array, every), sp.csr_array([[1.0]])],
        [*map(sp.csr_array, every), sp.csr_array([[0.0]])],
    ]
    unlimited = np.full(n, np.inf)
    matrix = sp.csr_array(sp.block_array(blocks))
    lower = np.concatenate([-unlimited, -unlimited, wanted - unavoidable, [-np.inf, required, 1.0]])
    upper = np.concatenate([most, wanted + unavoidable, unlimited, [required, np.inf, np.inf]])
    bounds = Bounds(
        np.append(np.zeros(2 * n), [-np.inf, 0.0]), np.concatenate([most, gapped, [np.inf, np.inf]])
    )
    integer = np.append(np.ones(2 * n), [0.0, 0.0])
    if met:
        lower[-1] = upper[-1] = round(required)
    for goal in (2 * n,) if met else (2 * n + 1, 2 * n):
        cost = np.zeros(2 * n + 2)
        cost[goal] = 1.0
        rules = LinearConstraint(matrix, lower, upper)
        found = milp(
            cost,
            integrality=integer,
            bounds=bounds,
            constraints=rules,
            options={"mip_rel_gap": 0.0},
        )
        if found.x is None:
            raise SolverFailed(f"round_to_lots: HiGHS says {found.message}")
        closed = gapped & (found.x[n : 2 * n] > 0.5)
        total = float(np.rint(found.x[:n])[~closed].sum() + whole[closed].sum())
        lower[-1] = upper[-1] = total
    return np.asarray(closed)
