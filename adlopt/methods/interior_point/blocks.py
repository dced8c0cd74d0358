"""The presolved program sorted into blocks: a pool with pairs left each, and all pools without any
together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.interior_point._shadow_kernels import Program
from adlopt.model.problem import Problem
from adlopt.presolve.pairs import Presolved

FULL = 1e-13  # relative to capacity: a reduction this close to it takes all there is


@dataclass(frozen=True, eq=False)
class Blocks:
    """The program, and where its parts come from."""

    program: Program
    pool: IntArray  # (pairs,)
    column: IntArray  # (e,) variable of each eligible position, -1 if it is taken whole
    constant: (
        FloatArray  # (S,) loss that nothing can change, in units; zero where there is no stress
    )


def build(problem: Problem, presolved: Presolved, stress: FloatArray, unit: float) -> Blocks:
    """Sort what the presolve left into blocks; scenarios without stress drop out."""
    d = problem.required.size
    cap = np.abs(problem.max_reduction)
    full = problem.exhausted_assets
    row = np.full(d, -1)
    row[problem.reduced_assets] = np.where(full[problem.reduced_assets], -1, 0)
    row[row == 0] = np.arange((row == 0).sum())
    free_asset = row[problem.asset] >= 0
    choice = free_asset & (cap > 0)

    linear, hinges = presolved.linear, presolved.hinges
    keep_l, keep_h = stress[linear.scenario] > 0, stress[hinges.scenario] > 0
    pool = np.concatenate([linear.pool[keep_l], hinges.pool[keep_h]])
    order = np.argsort(pool, kind="stable")
    pool = pool[order]
    scenario = np.concatenate([linear.scenario[keep_l], hinges.scenario[keep_h]])[order]
    level = np.concatenate([linear.shortfall[keep_l], hinges.shortfall[keep_h]])[order] / unit
    is_linear = order < keep_l.sum()

    pair = np.append(np.flatnonzero(np.diff(pool, prepend=-1)), pool.size)
    block_pool = pool[pair[:-1]]
    block_of_pair = np.repeat(np.arange(block_pool.size), np.diff(pair))
    hinge = pair[:-1] + np.bincount(block_of_pair[is_linear], minlength=block_pool.size)

    block = np.full(problem.book.equity.size, -1)
    block[block_pool] = np.arange(block_pool.size)
    own = choice & (block[problem.pool] >= 0)
    rows = np.flatnonzero(own)
    column = np.full(problem.eligible.size, -1)
    column[rows] = np.arange(rows.size)
    variable = np.searchsorted(problem.pool[rows], block_pool)
    share = cap[rows] / np.abs(problem.required[problem.asset[rows]])
    asset = row[problem.asset[rows]]
    slope, _ = _slopes(problem, rows, np.append(variable, rows.size), block_of_pair, scenario)
    taken = np.flatnonzero(~free_asset & (block[problem.pool] >= 0) & (cap > 0))
    if taken.size:
        start = np.searchsorted(
            problem.pool[taken], np.append(block_pool, problem.book.equity.size)
        )
        shift, of_pair = _slopes(problem, taken, start, block_of_pair, scenario)
        level += np.bincount(of_pair, shift, minlength=level.size) / unit

    # Pools without pairs: all their positions in an asset are one variable, a block of its own.
    merged = np.flatnonzero(choice & ~own)
    weight = np.bincount(
        row[problem.asset[merged]],
        cap[merged] / np.abs(problem.required[problem.asset[merged]]),
        minlength=max(int(row.max()) + 1, 0),
    )
    lone = np.flatnonzero(weight)
    number = np.full(weight.size, -1)
    number[lone] = rows.size + np.arange(lone.size)
    column[merged] = number[row[problem.asset[merged]]]
    width = np.append(np.diff(np.append(variable, rows.size)), np.ones(lone.size, dtype=np.int64))
    program = Program(
        variable=np.concatenate([variable, rows.size + np.arange(lone.size + 1)]),
        pair=np.append(pair, np.full(lone.size, pool.size)),
        hinge=np.append(hinge, np.full(lone.size, pool.size)),
        entry=np.append(
            np.concatenate([[0], np.cumsum(np.diff(pair) * width[: block_pool.size])]),
            np.zeros(lone.size, np.int64),
        ),
        asset=np.append(asset, lone),
        share=np.append(share, weight[lone]),
        scenario=scenario,
        level=level,
        slope=slope / unit,
    )
    return Blocks(program, pool, column, np.where(stress > 0, presolved.constant, 0.0) / unit)


def _slopes(
    problem: Problem, rows: IntArray, start: IntArray, block_of_pair: IntArray, scenario: IntArray
) -> tuple[FloatArray, IntArray]:
    """Change of each pair's shortfall if the whole of each eligible position in `rows` of its block
    is taken; its pair.
    """
    count = np.diff(start)[block_of_pair]
    of_pair = np.repeat(np.arange(count.size), count)
    first = np.cumsum(count) - count
    position = rows[start[block_of_pair][of_pair] + np.arange(of_pair.size) - first[of_pair]]
    asset = problem.asset[position]
    change = problem.moves[asset, scenario[of_pair]] - problem.settlement_offset[asset]
    return change * problem.max_reduction[position], of_pair
