"""The presolved program pool by pool, scaled: fractions of positions, shares of requirements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from adlopt._internal.arrays import AnyIntArray, BoolArray, FloatArray, IntArray
from adlopt.methods.shadow_price.tuning import Tuning
from adlopt.model.problem import Problem
from adlopt.presolve.pairs import Pairs, Presolved


class Pools(NamedTuple):
    """Arrays of n pools with v variables, the fractions y in [0, 1] of their positions (eq. 1)."""

    variable: IntArray  # (n + 1,) first variable of each pool
    linear: IntArray  # (n + 1,) first linear pair
    hinge: IntArray  # (n + 1,) first hinge
    asset: AnyIntArray  # (v,) int32, row of the coupling constraint
    used: FloatArray  # (v,) A: share of the asset's requirement that y = 1 supplies
    contracts: FloatArray  # (v,) signed, per unit of money: times a price move, a pair's slope D
    linear_scenario: AnyIntArray  # (linear pairs,) int32
    scenario: AnyIntArray  # (hinges,) int32
    level: FloatArray  # (hinges,) a: shortfall at y = 0
    moves: FloatArray  # (S, R) price moves less settlement offsets of the reduced assets


@dataclass(frozen=True, eq=False)
class PoolProgram:
    """Pools of one problem and how their variables map to its positions."""

    pools: Pools
    unit: float  # money per unit
    needed: FloatArray  # (R,) contracts required of each reduced asset, unsigned
    constant: FloatArray  # (S,) loss that no variable changes
    rows: IntArray  # eligible positions with a variable of their own
    merged: IntArray  # eligible positions of pools without pairs: one variable per asset
    merged_asset: IntArray  # (merged,) row of the coupling
    merged_share: FloatArray  # (R,) share of these positions that y = 1 takes
    most: FloatArray  # (e,) largest reductions: no position gives more than what is required
    with_merged: IntArray  # coupling rows that have such a variable
    exhausted: BoolArray  # (R,) assets of which everything must go
    presolved: Presolved  # the pairs that are in the program, other scenarios' left out

    @property
    def owner(self) -> IntArray:
        """(v,) pool of each variable."""
        return np.repeat(np.arange(self.size), np.diff(self.pools.variable))

    @property
    def size(self) -> int:
        return self.pools.variable.size - 1

    def reductions(self, problem: Problem, y: FloatArray) -> FloatArray:
        """(e,) reductions from the variables (v,)."""
        fraction = np.ones(problem.eligible.size)
        fraction[self.rows] = y[: self.rows.size]
        shared = np.ones(self.exhausted.size)
        shared[self.with_merged] = y[self.rows.size :]
        fraction[self.merged] = (shared * self.merged_share)[self.merged_asset]
        return fraction * self.most


def build(
    problem: Problem, presolved: Presolved, tuning: Tuning, scenarios: BoolArray | None = None
) -> PoolProgram:
    """The program with pairs in the marked `scenarios` (S,) alone, or in all."""
    n, required = problem.book.equity.size, problem.required
    if scenarios is not None and not scenarios.all():
        presolved = _restricted(presolved, scenarios)
    unit = _unit(problem, presolved, tuning)
    assets = problem.reduced_assets
    cap = np.sign(problem.max_reduction) * largest_reductions(problem)
    number = np.full(required.size, -1)
    number[assets] = np.arange(assets.size)
    row, needed = number[problem.asset], np.abs(required[assets])
    linear, hinges = presolved.linear, presolved.hinges

    member = linear.count + hinges.count > 0  # such pools have positions: the presolve saw to it
    own = member[problem.pool]
    rows, merged = np.flatnonzero(own), np.flatnonzero(~own)
    width = np.bincount(problem.pool[rows], minlength=n)
    total = np.bincount(row[merged], np.abs(cap[merged]), minlength=assets.size)
    shared = np.minimum(total / needed, 1.0)
    with_merged = np.flatnonzero(shared)
    none = np.zeros(with_merged.size, dtype=np.intp)
    constant = presolved.constant + np.bincount(
        linear.scenario, linear.shortfall, presolved.constant.size
    )
    moves = problem.moves[assets] - problem.settlement_offset[assets, None]
    pools = Pools(
        variable=_starts(width[member], none + 1),
        linear=_starts(linear.count[member], none),
        hinge=_starts(hinges.count[member], none),
        asset=np.append(row[rows], with_merged).astype(np.int32),
        used=np.append(np.abs(cap[rows]) / needed[row[rows]], shared[with_merged]),
        contracts=np.append(cap[rows] / unit, np.zeros(with_merged.size)),
        linear_scenario=linear.scenario,
        scenario=hinges.scenario,
        level=hinges.shortfall / unit,
        moves=np.ascontiguousarray(moves.T),
    )
    return PoolProgram(
        pools,
        unit,
        needed,
        constant / unit,
        rows,
        merged,
        row[merged],
        shared * needed / np.where(total > 0, total, 1.0),
        cap,
        with_merged,
        problem.exhausted_assets[assets],
        presolved,
    )


def largest_reductions(problem: Problem) -> FloatArray:
    """(e,) contracts, unsigned: no position gives more than is required of its asset."""
    needed = np.abs(problem.required)[problem.asset]
    return np.minimum(np.abs(problem.max_reduction), needed)


def price_bounds(
    problem: Problem, program: PoolProgram, stress: FloatArray | None = None
) -> FloatArray:
    """(R,) bounds of |price| beyond which every pool's answer is 0 or 1 (eq. 5).

    Per contract that is the largest mean |move| under any stresses of the objective: the objective
    of |move|, if it is homogeneous, or the mean under `stress` (S,) if that is fixed. The mean over
    the tail's scenarios would be too small: it is no upper bound.
    """
    weights, moves = problem.scenarios.weights, np.abs(program.pools.moves)
    if stress is None:
        steepest = [problem.objective.value(move, weights) for move in moves.T]
    else:
        steepest = list(stress @ moves)
    return np.asarray(program.needed * np.array(steepest) / program.unit)


def _unit(problem: Problem, presolved: Presolved, tuning: Tuning) -> float:
    """Money per unit of the program: a share of the reduction's notional, or of the loss before any
    reduction.
    """
    hinges, linear = presolved.hinges, presolved.linear
    loss = presolved.constant.copy()
    for pairs in (hinges, linear):
        loss += np.bincount(pairs.scenario, np.maximum(pairs.shortfall, 0.0), loss.size)
    before = problem.objective.value(
        np.maximum(loss - problem.insurance_fund, 0.0), problem.scenarios.weights
    )
    notional = float(np.abs(problem.required * problem.book.marks).sum())
    return max(tuning.money * notional, tuning.least_money * before)


def _starts(counts: IntArray, more: IntArray) -> IntArray:
    return np.append(0, np.cumsum(np.append(counts, more)))


def _restricted(presolved: Presolved, scenarios: BoolArray) -> Presolved:
    """The pairs of marked scenarios."""

    def part(pairs: Pairs) -> Pairs:
        kept = scenarios[pairs.scenario]
        before = np.append(0, np.cumsum(kept))[np.append(0, np.cumsum(pairs.count))]
        return Pairs(np.diff(before), pairs.scenario[kept], pairs.shortfall[kept])

    return Presolved(
        np.where(scenarios, presolved.constant, 0.0),
        part(presolved.linear),
        part(presolved.hinges),
        presolved.dropped,
    )
