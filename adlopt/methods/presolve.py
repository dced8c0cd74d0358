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


def _pairs(problem: Problem, low: FloatArray, high: FloatArray, slack: FloatArray) -> Presolved:
    """Classify pairs by their range over reductions between `low` and `high` (e,), widened by `slack` (n,) money."""
    book = problem.book
    start = np.searchsorted(problem.pool, np.arange(book.equity.size + 1))
    arguments = (
        book.solvent, book.equity, book.start, book.asset, book.size, problem.moves,
        start, problem.asset, low, high, problem.settlement_offset, slack,
    )  # fmt: skip
    nothing_int, nothing = np.empty(0, dtype=np.int64), np.empty(0)
    counts, _ = _classify(*arguments, False, nothing_int, nothing_int, nothing, nothing_int, nothing_int, nothing)
    linear = Pairs(np.empty(counts[1], dtype=np.int64), np.empty(counts[1], dtype=np.int64), np.empty(counts[1]))
    hinges = Pairs(np.empty(counts[2], dtype=np.int64), np.empty(counts[2], dtype=np.int64), np.empty(counts[2]))
    _, constant = _classify(
        *arguments, True, linear.pool, linear.scenario, linear.shortfall, hinges.pool, hinges.scenario, hinges.shortfall
    )
    return Presolved(constant, linear, hinges, int(counts[0]))


@jit
def _classify(
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
    fill: bool,
    linear_pool: IntArray,
    linear_scenario: IntArray,
    linear_shortfall: FloatArray,
    hinge_pool: IntArray,
    hinge_scenario: IntArray,
    hinge_shortfall: FloatArray,
) -> tuple[IntArray, FloatArray]:
    """Counts of (dropped, linear, hinge) pairs and the constant loss (S,); with `fill`, the pairs too."""
    S = moves.shape[1]
    counts = np.zeros(3, dtype=np.int64)
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
        low[:] = -slack[i]
        high[:] = slack[i]
        for j in range(eligible_start[i], eligible_start[i + 1]):
            row = moves[eligible_asset[j]]
            for s in range(S):
                slope = row[s] - offset[eligible_asset[j]]
                low[s] += min(slope * first[j], slope * last[j])
                high[s] += max(slope * first[j], slope * last[j])
        for s in range(S):
            if high[s] <= V[s]:
                counts[0] += 1
            elif low[s] >= V[s]:
                if fill:
                    linear_pool[counts[1]] = i
                    linear_scenario[counts[1]] = s
                    linear_shortfall[counts[1]] = -V[s]
                counts[1] += 1
            else:
                if fill:
                    hinge_pool[counts[2]] = i
                    hinge_scenario[counts[2]] = s
                    hinge_shortfall[counts[2]] = -V[s]
                counts[2] += 1
    return counts, constant
