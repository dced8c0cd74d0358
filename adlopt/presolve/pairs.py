"""Exact presolve: which pool-scenario pairs can cost something, and which only sometimes.

Over the box of its reductions the shortfall -V of a pool in a scenario is affine, so interval
arithmetic gives its range. Never positive: the pair costs nothing under any allocation. Never
negative: it is linear. Only the rest needs a hinge (.)^+. This holds for every monotone objective,
because each pair's shortfall is replaced by an equal one.

Scenarios are sorted into blocks of like price moves. One bound per pool and block discards most
blocks without a look at their scenarios; the others are classified scenario by scenario.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import AnyIntArray, FloatArray, IntArray
from adlopt._internal.parallel import on_all
from adlopt.model.problem import Problem

if TYPE_CHECKING:
    from adlopt.presolve._kernels import Blocks, Ranges


@dataclass(frozen=True)
class PresolveSettings:
    """Sizes that set the speed of the presolve; its answer does not depend on them."""

    block: int = 64
    """Scenarios per block. Fewer bound better, more cost less: 32 and 96 take 10 to 30 % longer."""
    buffer: int = 500_000
    """Pairs a thread's buffer holds: pools x scenarios classified between two copies out of it."""
    near_kink: float = 1e-4
    """Share of equity and gross notional: `presolve_at` keeps a hinge where equity is below it."""


DEFAULTS = PresolveSettings()


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pool-scenario pairs with their shortfall before any reduction, pool by pool."""

    count: IntArray  # (n,) pairs of each pool
    scenario: AnyIntArray  # (pairs,) int32; in no particular order within a pool
    shortfall: FloatArray  # (pairs,) -V at no reduction, money

    @cached_property
    def pool(self) -> IntArray:
        """(pairs,) pool of each pair, nondecreasing."""
        return np.repeat(np.arange(self.count.size), self.count)

    @property
    def size(self) -> int:
        return int(self.scenario.size)


@dataclass(frozen=True, eq=False)
class Presolved:
    """What is left of a scenario program."""

    constant: FloatArray  # (S,) loss of pools that no allocation can change
    linear: Pairs  # cost in full whatever is reduced
    hinges: Pairs  # cost (.)^+
    dropped: int  # pairs that never cost

    def __str__(self) -> str:
        pairs = self.dropped + self.linear.size + self.hinges.size
        percent = 100 * self.hinges.size / max(pairs, 1)
        return (
            f"{pairs:,} pool-scenario pairs: {self.dropped:,} never cost, "
            f"{self.linear.size:,} are linear, {self.hinges.size:,} ({percent:.2g} %) need a hinge"
        )


def presolve(
    problem: Problem, *, enabled: bool = True, settings: PresolveSettings = DEFAULTS
) -> Presolved:
    """Classify all pairs of solvent pools; with `enabled` False every pair of a reducible pool
    stays a hinge.

    Memory: what is kept, and a buffer per thread; never a (pools x scenarios) array.
    """
    slack = np.full(problem.book.equity.size, 0.0 if enabled else np.inf)
    nothing = np.zeros(problem.max_reduction.size)
    return _pairs(problem, nothing, problem.max_reduction, slack, settings)


def presolve_at(
    problem: Problem, allocation: FloatArray, settings: PresolveSettings = DEFAULTS
) -> Presolved:
    """Pairs by their sign at one allocation (e,): only those with equity near zero there stay
    hinges.

    Dropping (.)^+ where the sign is clear leaves a convex function below the loss: its minimum is a
    lower bound, and a tight one if the allocation is optimal.
    """
    book = problem.book
    gross = np.bincount(
        book.pool, np.abs(book.size) * book.marks[book.asset], minlength=book.equity.size
    )
    slack = settings.near_kink * (book.equity + gross)
    return _pairs(problem, allocation, allocation, slack, settings)


def scenario_blocks(moves: FloatArray, marks: FloatArray, most: int) -> tuple[IntArray, IntArray]:
    """Scenarios sorted into blocks of at most `most` like ones, and the blocks' edges.

    Splits along the asset whose relative moves spread widest, at a multiple of `most` near the
    middle (a k-d tree).
    """
    relative = (moves / marks[:, None]).T
    waiting, blocks = [np.arange(relative.shape[0])], []
    while waiting:
        part = waiting.pop()
        if part.size <= most:
            blocks.append(part)
            continue
        widest = np.argmax(relative[part].std(axis=0))
        part = part[np.argsort(relative[part, widest], kind="stable")]
        half = most * (-(-part.size // most) // 2)
        waiting += [part[half:], part[:half]]
    return np.concatenate(blocks), np.append(0, np.cumsum([block.size for block in blocks]))


def _pairs(
    problem: Problem,
    first: FloatArray,
    last: FloatArray,
    slack: FloatArray,
    settings: PresolveSettings,
) -> Presolved:
    """Classify pairs by their range over reductions from `first` to `last` (e,), widened by `slack`
    (n,) money.
    """
    from adlopt.presolve._kernels import classify

    S, n = problem.moves.shape[1], problem.book.equity.size
    blocks = _blocks(problem, settings.block)
    ranges = _ranges(problem, first, last, slack)
    count = np.zeros((2, n), dtype=np.int32)
    found: dict[int, list[tuple[AnyIntArray, FloatArray]]] = {}

    step = max(1, settings.buffer // S)  # pools between two copies

    def classify_run(pools: IntArray, constant: FloatArray) -> None:
        room = min(step, pools.size) * S
        scenario, shortfall = np.empty((2, room), np.int32), np.empty((2, room))
        work = np.empty((3, settings.block))
        for begin in range(0, pools.size, step):
            some = pools[begin : begin + step]
            written = np.zeros(2, dtype=np.intp)
            classify(some, ranges, blocks, written, count, scenario, shortfall, constant, work)
            found[int(some[0])] = [
                (scenario[kind, : written[kind]].copy(), shortfall[kind, : written[kind]].copy())
                for kind in (0, 1)
            ]

    runs = np.array_split(np.arange(n), max(1, min(64, n // step)))
    (constant,) = on_all(classify_run, runs, (), (S,))
    linear, hinges = (
        Pairs(
            count[kind].astype(np.intp),
            np.concatenate([found[at][kind][0] for at in sorted(found)]),
            np.concatenate([found[at][kind][1] for at in sorted(found)]),
        )
        for kind in (0, 1)
    )
    reducible = int(np.count_nonzero(ranges.solvent & ranges.reducible))
    return Presolved(constant, linear, hinges, reducible * S - linear.size - hinges.size)


def _blocks(problem: Problem, size: int) -> Blocks:
    """Scenarios in blocks of similar moves, with the range of the moves in each."""
    from adlopt.presolve._kernels import Blocks

    order, edge = scenario_blocks(problem.moves, problem.book.marks, size)
    moves = np.ascontiguousarray(problem.moves[:, order])
    low = np.minimum.reduceat(moves, edge[:-1], axis=1).T.copy()
    high = np.maximum.reduceat(moves, edge[:-1], axis=1).T.copy()
    return Blocks(order=order, edge=edge, moves=moves, low=low, high=high)


def _ranges(problem: Problem, first: FloatArray, last: FloatArray, slack: FloatArray) -> Ranges:
    """The pools, and what is taken of each position (m,) at both ends of its range."""
    from adlopt.presolve._kernels import Ranges

    book = problem.book
    ends = np.zeros((2, book.size.size))
    ends[:, problem.eligible] = first, last
    return Ranges(
        solvent=book.solvent,
        reducible=np.diff(problem.first_eligible) > 0,
        equity=book.equity,
        start=book.first_position,
        asset=book.asset,
        size=book.size,
        first=ends[0],
        last=ends[1],
        offset=problem.settlement_offset,
        slack=slack,
    )
