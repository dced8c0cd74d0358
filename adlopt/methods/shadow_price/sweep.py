"""The loop over pools: answers to new prices, radii of stability, totals by group."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adlopt._internal.arrays import AnyIntArray, FloatArray, IntArray
from adlopt._internal.parallel import jit_inner, jit_loop
from adlopt.methods.shadow_price.line_search import optimise
from adlopt.methods.shadow_price.pools import Pools
from adlopt.methods.shadow_price.tuning import Pivoting
from adlopt.methods.shadow_price.vertex import Workspace, load, restore, set_shortfalls


class State(NamedTuple):
    """Last answer of each pool."""

    active: AnyIntArray  # (v,) int32 codes of the active constraints
    y: FloatArray  # (v,)
    deadline: FloatArray  # (n,) odometer up to which the vertex stays optimal; -1: not counted yet
    group: IntArray  # (n,)
    weight: FloatArray  # (n,) pools that it stands for


class Point(NamedTuple):
    """Prices and stresses, and the metric in which they move."""

    price: FloatArray  # (R,)
    stress: FloatArray  # (S,)
    odometer: float  # length of the path of points so far, in the metric
    price_scale: FloatArray  # (R,)
    stress_scale: FloatArray  # (S,) 0 where the stress never changes


class Totals(NamedTuple):
    """Sums over the pools of each group."""

    base: FloatArray  # (S,) stress that never changes: factor x probability of an expected loss
    column: IntArray  # (S,) where a scenario's loss goes in `table`, -1 if nowhere
    table: FloatArray  # (G, R + 1 + L) used shares by asset, base cost, losses of live scenarios
    counts: IntArray  # (G, 3) pools visited, pivots, pools that met the limit of pivots


@jit_inner
def radius(
    pools: Pools, i: int, m: int, h: int, work: Workspace, point: Point, stressed: bool
) -> float:
    """How far prices and stresses may move before the vertex can stop being optimal (eq. 10)."""
    least = np.inf
    first = pools.variable[i]
    begin = pools.hinge[i]
    for b in range(m):
        code = work.code[b]
        slack = work.multiplier[b]
        speed = 0.0
        for j in range(m):
            k = pools.asset[first + j]
            speed += abs(work.edge[b, j]) * pools.used[first + j] * point.price_scale[k]
        if code >= 0:
            slack = min(slack, work.stress[code] - slack)
            speed += point.stress_scale[pools.scenario[begin + code]]
        if stressed:
            speed += _speed_of_stresses(pools, i, m, h, b, work, point)
        least = min(least, max(slack, 0.0) / speed if speed > 0.0 else np.inf)
    return least


@jit_inner
def _speed_of_stresses(
    pools: Pools, i: int, m: int, h: int, b: int, work: Workspace, point: Point
) -> float:
    """Most that unit moves of the stresses change the multiplier in slot b."""
    first = pools.variable[i]
    begin = pools.hinge[i]
    speed = 0.0
    for p in range(h):
        scale = point.stress_scale[pools.scenario[begin + p]]
        if work.side[p] > 0 and scale > 0.0:
            rate = 0.0
            for j in range(m):
                rate += work.edge[b, j] * work.slope[j, p]
            speed += abs(rate) * scale
    for p in range(pools.linear[i], pools.linear[i + 1]):
        s = pools.linear_scenario[p]
        if point.stress_scale[s] > 0.0:
            rate = 0.0
            for j in range(m):
                move = pools.moves[s, pools.asset[first + j]]
                rate += work.edge[b, j] * move * pools.contracts[first + j]
            speed += abs(rate) * point.stress_scale[s]
    return speed


@jit_inner
def add_totals(
    pools: Pools, i: int, m: int, h: int, weight: float, work: Workspace, totals: Totals, group: int
) -> None:
    """Add pool i's totals at `work.y`, `weight` times, to those of its group."""
    R = pools.moves.shape[1]
    table = totals.table[group]
    first = pools.variable[i]
    begin = pools.hinge[i]
    base = 0.0
    for j in range(m):
        table[pools.asset[first + j]] += weight * pools.used[first + j] * work.y[j]
    set_shortfalls(m, h, work.level, work.slope, work.y, work.rate)
    for p in range(h):
        s = pools.scenario[begin + p]
        loss = max(work.rate[p], 0.0)
        base += totals.base[s] * loss
        if totals.column[s] >= 0:
            table[R + 1 + totals.column[s]] += weight * loss
    for p in range(pools.linear[i], pools.linear[i + 1]):
        s = pools.linear_scenario[p]
        loss = 0.0
        for j in range(m):
            move = pools.moves[s, pools.asset[first + j]]
            loss += move * pools.contracts[first + j] * work.y[j]
        base += totals.base[s] * loss
        if totals.column[s] >= 0:
            table[R + 1 + totals.column[s]] += weight * loss
    table[R] += weight * base


@jit_inner
def write_weights(
    pools: Pools, i: int, m: int, h: int, work: Workspace, weight: FloatArray
) -> None:
    """Share of its scenario's stress that each hinge carries (eq. 16)."""
    begin = pools.hinge[i]
    for p in range(h):
        weight[begin + p] = 1.0 if work.side[p] > 0 else 0.0
    for b in range(m):
        hinge = work.code[b]
        if hinge >= 0:
            q = work.stress[hinge]
            weight[begin + hinge] = min(max(work.multiplier[b] / q, 0.0), 1.0) if q > 0.0 else 0.0


@jit_loop
def answer(
    chosen: IntArray,  # pools of whole groups
    pools: Pools,
    state: State,
    point: Point,
    totals: Totals,
    numbers: Pivoting,
    stressed: bool,
    weight: FloatArray,  # out, if not empty: (hinges,) multipliers as shares of stress
    work: Workspace,
) -> None:
    """Bring the vertices of `chosen` pools up to date, and their groups' totals with them."""
    for i in chosen:
        if state.deadline[i] > point.odometer:
            continue
        first = pools.variable[i]
        m = pools.variable[i + 1] - first
        h = pools.hinge[i + 1] - pools.hinge[i]
        group = state.group[i]
        load(pools, i, point.price, point.stress, 0.0, work)
        restore(work, m, h, state.active[first : first + m])
        pivots = optimise(work, m, h, numbers)
        finished = True
        shifted = pivots < 0
        if shifted:
            load(pools, i, point.price, point.stress, numbers.perturbation, work)
            restore(work, m, h, state.active[first : first + m])
            pivots = optimise(work, m, h, numbers)
            totals.counts[group, 2] += 1
            finished = pivots >= 0
            pivots = max(pivots, 1)
        totals.counts[group, 0] += 1
        totals.counts[group, 1] += pivots
        # Multipliers of an unfinished vertex say nothing: such a pool is visited every time.
        step = radius(pools, i, m, h, work, point, stressed) if finished else 0.0
        fresh = state.deadline[i] < 0.0
        state.deadline[i] = point.odometer + step
        if weight.size:
            write_weights(pools, i, m, h, work, weight)
        if pivots == 0 and not fresh:
            continue
        if shifted:  # totals are those of the true levels
            load(pools, i, point.price, point.stress, 0.0, work)
        if pivots > 0:
            for j in range(m):
                work.direction[j] = work.y[j]
                work.y[j] = state.y[first + j]
                state.y[first + j] = work.direction[j]
                state.active[first + j] = work.code[j]
            if not fresh:
                add_totals(pools, i, m, h, -state.weight[i], work, totals, group)
            for j in range(m):
                work.y[j] = state.y[first + j]
        else:
            for j in range(m):
                state.y[first + j] = work.y[j]
        add_totals(pools, i, m, h, state.weight[i], work, totals, group)
