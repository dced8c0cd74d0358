"""Exact presolve: which pool-scenario pairs can cost something, and which only sometimes, by
interval arithmetic.

Over the box of its reductions the shortfall -V of a pool in a scenario is affine, so its range is
known. Never positive:
the pair costs nothing under any allocation. Never negative: it is linear. Only the rest needs a
hinge (.)^+. This holds
for every monotone objective, since each pair's shortfall is replaced by an equal one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt._internal.parallel import jit, on_all, shares
from adlopt.model._loss_kernels import pool_equity
from adlopt.model.problem import Problem

NEAR = (
    1e-4  # of equity and notional: a pool this close to bankruptcy in a scenario stands at the kink
)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pool-scenario pairs with their shortfall before any reduction; sorted by pool, then
    scenario.
    """

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
    """Classify all pairs of solvent pools; with `enabled` False every pair of a reducible pool
    stays a hinge.

    Memory: what is kept, and a few rows of S numbers; never a (pools x scenarios) array.
    """
    slack = (
        np.zeros(problem.book.equity.size) if enabled else np.full(problem.book.equity.size, np.inf)
    )
    return _pairs(problem, np.zeros(problem.max_reduction.size), problem.max_reduction, slack)


def around(problem: Problem, allocation: FloatArray) -> Presolved:
    """Pairs by their sign at one allocation (e,): only those with equity near zero there stay
    hinges.

    Dropping (.)^+ where the sign is clear leaves a convex function below the loss: its minimum is a
    lower bound, and a
    tight one if the allocation is optimal.
    """
    book = problem.book
    return _pairs(problem, allocation, allocation, NEAR * (book.equity + book.gross))


def _pairs(problem: Problem, first: FloatArray, last: FloatArray, slack: FloatArray) -> Presolved:
    """Classify pairs by their range over reductions from `first` to `last` (e,), widened by `slack`
    (n,) money.
    """
    book = problem.book
    start = problem.first_eligible
    rows = (
        book.solvent,
        book.equity,
        book.start,
        book.asset,
        book.size,
        problem.moves,
        start,
        problem.asset,
        first,
        last,
        problem.settlement_offset,
        slack,
    )
    S = problem.moves.shape[1]
    count = np.zeros((2, book.equity.size), dtype=np.int64)
    nothing = np.zeros((2, 0), dtype=np.int64), np.zeros((2, 0))
    everyone = shares(book.equity.size, 3 * S)
    constant, _ = on_all(_classify, everyone, (*rows, count, False, count, *nothing), (S,), (3, S))
    kept = np.flatnonzero(count.sum(axis=0))
    begin = np.cumsum(count, axis=1) - count
    total = count.sum(axis=1)
    scenario, shortfall = np.empty((2, total.max()), dtype=np.int64), np.empty((2, total.max()))
    chunks = [kept[chunk] for chunk in shares(kept.size, 3 * S)]
    on_all(_classify, chunks, (*rows, count, True, begin, scenario, shortfall), (S,), (3, S))
    pools = np.arange(book.equity.size)
    linear, hinges = (
        Pairs(
            np.repeat(pools, count[kind]),
            scenario[kind, : total[kind]],
            shortfall[kind, : total[kind]],
        )
        for kind in (0, 1)
    )
    reducible = int(np.count_nonzero(book.solvent & (np.diff(start) > 0)))
    dropped = reducible * S - int(total.sum())
    return Presolved(constant, linear, hinges, dropped)


@jit
def _classify(
    pools: IntArray,
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
    count: IntArray,  # out, unless `fill`: (2, n) linear and hinge pairs of each pool
    fill: bool,
    begin: IntArray,  # (2, n) where each pool's pairs go
    scenario: IntArray,  # out, if `fill`: (2, pairs), a row for linear ones and one for hinges
    shortfall: FloatArray,  # out, if `fill`: (2, pairs)
    constant: FloatArray,  # out: (S,) loss of pools that cannot be reduced
    work: FloatArray,  # scratch: (3, S)
) -> None:
    """Count the pairs of some pools, or write them down. No branch on a pair while counting."""
    V, low, high = work[0], work[1], work[2]
    S = V.size
    for i in pools:
        if not solvent[i]:
            continue
        pool_equity(i, equity, start, asset, size, moves, V)
        if eligible_start[i] == eligible_start[i + 1]:
            for s in range(S):
                constant[s] += max(-V[s], 0.0)
            continue
        # Least and most that the reductions add to the shortfall.
        for s in range(S):
            low[s] = -slack[i]
            high[s] = slack[i]
        for j in range(eligible_start[i], eligible_start[i + 1]):
            row = moves[eligible_asset[j]]
            shift = offset[eligible_asset[j]]
            for s in range(S):
                one = (row[s] - shift) * first[j]
                other = (row[s] - shift) * last[j]
                low[s] += min(one, other)
                high[s] += max(one, other)
        if not fill:
            always = 0
            ever = 0
            for s in range(S):
                always += (high[s] > V[s]) & (low[s] >= V[s])
                ever += high[s] > V[s]
            count[0, i] = always
            count[1, i] = ever - always
            continue
        linear = begin[0, i]
        hinge = begin[1, i]
        for s in range(S):
            if high[s] > V[s]:
                if low[s] >= V[s]:
                    scenario[0, linear] = s
                    shortfall[0, linear] = -V[s]
                    linear += 1
                else:
                    scenario[1, hinge] = s
                    shortfall[1, hinge] = -V[s]
                    hinge += 1
