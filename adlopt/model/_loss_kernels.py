"""Loops over pools and scenarios that never hold a (pools x scenarios) array.

Shared layout: `start` (n + 1,) delimits each pool's positions; `asset`, `size` (m,); `moves` (d,
S), a row per asset. One pool's equity over all scenarios is a row of S numbers that stays in the
processor's cache. Threads take runs of pools.
"""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt._internal.parallel import jit_inner, jit_loop, jit_sums, on_all, shares


@jit_inner
def pool_equity(
    i: int,
    equity: FloatArray,
    start: IntArray,
    asset: IntArray,
    size: FloatArray,
    moves: FloatArray,
    out: FloatArray,
) -> None:
    """Equity of pool i in every scenario, into `out` (S,)."""
    own = equity[i]
    for s in range(out.size):
        out[s] = own
    for j in range(start[i], start[i + 1]):
        q = size[j]
        if q != 0.0:
            row = moves[asset[j]]
            for s in range(out.size):
                out[s] += q * row[s]


def scenario_losses(
    solvent: BoolArray,
    equity: FloatArray,
    start: IntArray,
    asset: IntArray,
    size: FloatArray,
    moves: FloatArray,
) -> FloatArray:
    """(S,) total shortfall of the pools marked solvent."""
    S = moves.shape[1]
    chunks = shares(equity.size, S)
    return on_all(_add_losses, chunks, (solvent, equity, start, asset, size, moves), (S,), (S,))[0]


@jit_loop
def _add_losses(
    pools: IntArray,
    solvent: BoolArray,
    equity: FloatArray,
    start: IntArray,
    asset: IntArray,
    size: FloatArray,
    moves: FloatArray,
    loss: FloatArray,  # out: (S,)
    V: FloatArray,  # scratch: (S,)
) -> None:
    for i in pools:
        if solvent[i]:
            pool_equity(i, equity, start, asset, size, moves, V)
            for s in range(V.size):
                loss[s] += max(-V[s], 0.0)


def stressed_shortfall(
    solvent: BoolArray,
    equity: FloatArray,
    start: IntArray,
    asset: IntArray,
    size: FloatArray,
    moves: FloatArray,
    stress: FloatArray,
    given: BoolArray,
    pair_start: IntArray,
    pair_scenario: IntArray,
    pair_weight: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Per solvent pool sum_s u (-V) and sum_s u; per position sum_s u move, with u = stress where V
    < 0.

    Pools marked `given` take u from `pair_weight` at their (pool, scenario) pairs and zero
    elsewhere: any u in [0, stress] gives a valid bound, and at kinks (V = 0) a solver's choice
    gives the tight one.
    """
    S = moves.shape[1]
    value, mass, by_size = np.zeros(equity.size), np.zeros(equity.size), np.zeros(size.size)
    arguments = (
        solvent,
        equity,
        start,
        asset,
        size,
        moves,
        stress,
        given,
        pair_start,
        pair_scenario,
        pair_weight,
        value,
        mass,
        by_size,
    )
    on_all(_stressed_shortfall, shares(equity.size, S), arguments, (S,), (S,))
    return value, mass, by_size


@jit_sums
def _stressed_shortfall(
    pools: IntArray,
    solvent: BoolArray,
    equity: FloatArray,
    start: IntArray,
    asset: IntArray,
    size: FloatArray,
    moves: FloatArray,
    stress: FloatArray,
    given: BoolArray,
    pair_start: IntArray,
    pair_scenario: IntArray,
    pair_weight: FloatArray,
    value: FloatArray,  # out: (n,)
    mass: FloatArray,  # out: (n,)
    by_size: FloatArray,  # out: (m,)
    V: FloatArray,  # scratch: (S,)
    u: FloatArray,  # scratch: (S,)
) -> None:
    for i in pools:
        if not solvent[i]:
            continue
        pool_equity(i, equity, start, asset, size, moves, V)
        chosen = given[i]
        for s in range(V.size):
            u[s] = stress[s] if (V[s] < 0.0) & (not chosen) else 0.0
        if chosen:
            for pair in range(pair_start[i], pair_start[i + 1]):
                u[pair_scenario[pair]] = pair_weight[pair]
        total = 0.0
        weight = 0.0
        for s in range(V.size):
            total -= u[s] * V[s]
            weight += u[s]
        value[i] = total
        mass[i] = weight
        if weight > 0.0:
            for j in range(start[i], start[i + 1]):
                row = moves[asset[j]]
                moment = 0.0
                for s in range(V.size):
                    moment += u[s] * row[s]
                by_size[j] = moment
