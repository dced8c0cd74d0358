"""Exact presolve: which pool-scenario pairs can cost something, and which only sometimes, by interval arithmetic.

Over the box of its reductions the shortfall -V of a pool in a scenario is affine, so its range is known. Never positive:
the pair costs nothing under any allocation. Never negative: it is linear. Only the rest needs a hinge (.)^+. This holds
for every monotone objective, since each pair's shortfall is replaced by an equal one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adlopt._jit import jit
from adlopt._kernels import pool_equity
from adlopt._tables import BoolArray, FloatArray, IntArray
from adlopt.problem import Problem

NEAR = 1e-4  # of equity and notional: a pool this close to bankruptcy in a scenario stands at the kink


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pool-scenario pairs with their shortfall before any reduction; sorted by pool, then scenario."""

    pool: IntArray
    scenario: IntArray
    shortfall: FloatArray  # -V at no reduction, money


@dataclass(frozen=True, eq=False)
class Presolved:
    """What is left of a scenario program."""

    constant: FloatArray  # (S,) loss of pools that no allocation can change
    linear: Pairs  # cost in full whatever is reduced
    hinges: Pairs  # cost (.)^+
    dropped: int  # pairs that never cost

    def __str__(self) -> str:
        pairs = self.dropped + self.linear.pool.size + self.hinges.pool.size
        share = 100 * self.hinges.pool.size / max(pairs, 1)
        return (
            f"{pairs:,} pool-scenario pairs: {self.dropped:,} never cost, {self.linear.pool.size:,} are linear, "
            f"{self.hinges.pool.size:,} ({share:.2g} %) need a hinge"
        )


def presolve(problem: Problem, *, enabled: bool = True) -> Presolved:
    """Classify all pairs of solvent pools; with `enabled` False every pair of a reducible pool stays a hinge.

    Memory: what is kept, and a few rows of S numbers; never a (pools x scenarios) array.
    """
    slack = np.zeros(problem.book.equity.size) if enabled else np.full(problem.book.equity.size, np.inf)
    return _pairs(problem, np.zeros(problem.capacity.size), problem.capacity, slack)


def around(problem: Problem, allocation: FloatArray) -> Presolved:
    """Pairs by their sign at one allocation (e,): only those with equity near zero there stay hinges.

    Dropping (.)^+ where the sign is clear leaves a convex function below the loss: its minimum is a lower bound, and a
    tight one if the allocation is optimal.
    """
    book = problem.book
    gross = np.bincount(book.pool, np.abs(book.size) * book.marks[book.asset], minlength=book.equity.size)
    return _pairs(problem, allocation, allocation, NEAR * (book.equity + gross))


def _pairs(problem: Problem, first: FloatArray, last: FloatArray, slack: FloatArray) -> Presolved:
    """Classify pairs by their range over reductions from `first` to `last` (e,), widened by `slack` (n,) money."""
    book = problem.book
    start = np.searchsorted(problem.pool, np.arange(book.equity.size + 1))
    rows = (
        book.solvent, book.equity, book.start, book.asset, book.size, problem.moves,
        start, problem.asset, first, last, problem.settlement_offset, slack,
    )  # fmt: skip
    linear_count, hinge_count, constant = _count(*rows)
    linear, hinges = _empty(linear_count.sum()), _empty(hinge_count.sum())
    _fill(
        *rows, linear_count + hinge_count,
        linear.pool, linear.scenario, linear.shortfall, hinges.pool, hinges.scenario, hinges.shortfall,
    )  # fmt: skip
    reducible = int(np.count_nonzero(book.solvent & (np.diff(start) > 0)))
    dropped = reducible * problem.moves.shape[1] - linear.pool.size - hinges.pool.size
    return Presolved(constant, linear, hinges, dropped)


def _empty(count: int) -> Pairs:
    return Pairs(np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64), np.empty(count))


@jit
def _range(
    i: int,
    moves: FloatArray,
    start: IntArray,
    asset: IntArray,
    first: FloatArray,
    last: FloatArray,
    offset: FloatArray,
    slack: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> None:
    """Least and most that the reductions of pool i add to its shortfall, by scenario, into `low` and `high` (S,)."""
    low[:] = -slack[i]
    high[:] = slack[i]
    for j in range(start[i], start[i + 1]):
        row = moves[asset[j]]
        shift = offset[asset[j]]
        for s in range(low.size):
            one = (row[s] - shift) * first[j]
            other = (row[s] - shift) * last[j]
            low[s] += one if one < other else other
            high[s] += other if one < other else one


@jit
def _count(
    solvent: BoolArray,
    equity: FloatArray,
    start: IntArray,
    asset: IntArray,
    size: FloatArray,
    moves: FloatArray,
    eligible_start: IntArray,
    eligible_asset: IntArray,
    first: FloatArray,
    last: FloatArray,
    offset: FloatArray,
    slack: FloatArray,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Linear and hinge pairs by pool (n,), and the loss (S,) of pools that cannot be reduced. No branch on a pair."""
    S = moves.shape[1]
    linear = np.zeros(equity.size, dtype=np.int64)
    hinges = np.zeros(equity.size, dtype=np.int64)
    constant = np.zeros(S)
    V = np.empty(S)
    low = np.empty(S)
    high = np.empty(S)
    for i in range(equity.size):
        if not solvent[i]:
            continue
        pool_equity(i, equity, start, asset, size, moves, V)
        if eligible_start[i] == eligible_start[i + 1]:
            for s in range(S):
                constant[s] += max(-V[s], 0.0)
            continue
        _range(i, moves, eligible_start, eligible_asset, first, last, offset, slack, low, high)
        always = 0
        ever = 0
        for s in range(S):
            always += (high[s] > V[s]) & (low[s] >= V[s])
            ever += high[s] > V[s]
        linear[i] = always
        hinges[i] = ever - always
    return linear, hinges, constant


@jit
def _fill(
    solvent: BoolArray,
    equity: FloatArray,
    start: IntArray,
    asset: IntArray,
    size: FloatArray,
    moves: FloatArray,
    eligible_start: IntArray,
    eligible_asset: IntArray,
    first: FloatArray,
    last: FloatArray,
    offset: FloatArray,
    slack: FloatArray,
    kept: IntArray,
    linear_pool: IntArray,
    linear_scenario: IntArray,
    linear_shortfall: FloatArray,
    hinge_pool: IntArray,
    hinge_scenario: IntArray,
    hinge_shortfall: FloatArray,
) -> None:
    """Write the pairs of the pools that have any."""
    S = moves.shape[1]
    V = np.empty(S)
    low = np.empty(S)
    high = np.empty(S)
    linear = 0
    hinges = 0
    for i in range(equity.size):
        if kept[i] == 0:
            continue
        pool_equity(i, equity, start, asset, size, moves, V)
        _range(i, moves, eligible_start, eligible_asset, first, last, offset, slack, low, high)
        for s in range(S):
            if high[s] <= V[s]:
                continue
            if low[s] >= V[s]:
                linear_pool[linear] = i
                linear_scenario[linear] = s
                linear_shortfall[linear] = -V[s]
                linear += 1
            else:
                hinge_pool[hinges] = i
                hinge_scenario[hinges] = s
                hinge_shortfall[hinges] = -V[s]
                hinges += 1
