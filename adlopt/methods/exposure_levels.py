"""Level the exposures of pools over what several assets can take from them, exactly.

What one asset takes from the pools lies in a box cut by one sum: the bases of a polymatroid. What
several assets take together is a sum of such sets, and again the bases of one. Of all bases t the
one that minimises sum_i (h_i - t_i)^2 / E_i minimises sum_i E_i phi((h_i - t_i) / E_i) for every
convex phi at once (docs/theory/one_factor.md, theorem 2). It is found by decomposition (equations 9
to 11): drain all assets to one level as if contracts were interchangeable; if no flow from assets
to pools delivers that, a minimum cut separates assets and pools into two problems of the same kind,
one to end at a higher level and one at a lower.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import SolverFailed
from adlopt.methods.repair import restore_feasibility
from adlopt.model.problem import Problem

# of the exposure to be taken: what a flow may miss; the sums are restored exactly afterwards
FLOW_TOLERANCE = 1e-13
MAX_AUGMENTATIONS = 20_000  # far above what was ever seen (60, with 30 assets)


class Levels(NamedTuple):
    """What is taken, and the level of each asset."""

    taken: FloatArray  # (e,) exposure taken from each position, between zero and its capacity
    level: FloatArray  # (d,) exposure over width that an asset drains to; NaN without requirement


class Part(NamedTuple):
    """A subproblem: some assets, and the positions in them of some pools."""

    rows: IntArray
    height: FloatArray  # (n,) exposure over all pools, after what lower parts take
    total: FloatArray  # (d,) still to be taken; zero for assets of other parts


def level_problem(
    problem: Problem, exposure: FloatArray, unit: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Reductions that make exposure over equity of the pools most even, and the levels.

    Parameters
    ----------
    problem : Problem
    exposure : (n,) float array
        Money by pool before any reduction.
    unit : (d,) float array
        Exposure that one contract taken of an asset removes, of either sign; zero for assets that
        do not matter, which are reduced pro rata.

    Returns
    -------
    reductions : (e,) float array
        In contracts, signed like the positions; sums are met to rounding.
    level : (d,) float array
        Exposure over equity to which an asset brings down the pools, counted on the side where its
        reductions lower it; NaN for assets that are not reduced or do not matter.
    """
    amount = np.abs(problem.pro_rata())
    rows = np.flatnonzero((unit[problem.asset] != 0) & (problem.max_reduction != 0))
    level = np.full(unit.size, np.nan)
    if not rows.size:
        return np.sign(problem.max_reduction) * amount, level
    asset, pool = problem.asset[rows], problem.pool[rows]
    size = np.abs(unit)[asset]
    capacity = np.abs(problem.max_reduction[rows]) * size
    total = np.minimum(np.abs(problem.required), problem.available) * np.abs(unit)
    # The sign of exposures is chosen such that most assets lower them. What an asset that raises
    # them takes is replaced by what it leaves: y = capacity - taken lowers them like all others.
    upward = unit < 0
    orientation = -1.0 if capacity[upward[asset]].sum() > capacity[~upward[asset]].sum() else 1.0
    complement = upward if orientation > 0 else (unit > 0)
    n = exposure.size
    left = complement[asset]
    height = orientation * exposure
    height = height + np.bincount(pool[left], capacity[left], minlength=n)
    most = np.bincount(asset, capacity, minlength=unit.size)
    total = np.where(complement, np.maximum(most - total, 0.0), np.minimum(total, most))
    found = level_exposures(pool, asset, capacity, height, problem.book.equity, total)
    amount[rows] = np.where(left, capacity - found.taken, found.taken) / size
    side = np.where(complement, -1.0, 1.0)
    # Exact bounds and sums: capacities in exposure are rounded products.
    reductions = restore_feasibility(problem, np.sign(problem.max_reduction) * amount)
    return reductions, side * found.level


def level_exposures(
    pool: IntArray,
    asset: IntArray,
    capacity: FloatArray,
    height: FloatArray,
    width: FloatArray,
    total: FloatArray,
) -> Levels:
    """Take `total` (d,) from positions (pool, asset) within `capacity` (e,) such that (height -
    taken) / width of the pools is most even.

    `height`, `width` (n,); all in one unit, widths > 0 for pools with positions, totals at most
    the capacities. Pools are in nondecreasing order, and a pool holds an asset once.
    """
    from adlopt.methods.water_level import drain  # compiled loops: loads numba

    taken, level = np.zeros(capacity.size), np.full(total.size, np.nan)
    parts = [Part(np.flatnonzero(total[asset] > 0), height, total)]
    while parts:
        part = parts.pop()
        rows = part.rows
        if not rows.size:
            continue
        assets = np.flatnonzero(np.bincount(asset[rows], minlength=total.size))
        first = np.diff(pool[rows], prepend=-1) != 0
        pools, place = pool[rows][first], np.cumsum(first) - 1
        if pools.size == rows.size:  # no pool links two assets: one level each
            for k in assets:
                own = rows[asset[rows] == k]
                held = pool[own]
                taken[own], level[k] = drain(
                    part.height[held], width[held], capacity[own], part.total[k]
                )
            continue
        cap = np.bincount(place, capacity[rows]).astype(np.float64)
        share, eta = drain(part.height[pools], width[pools], cap, float(part.total[assets].sum()))
        network = Network(place, np.searchsorted(assets, asset[rows]), capacity[rows])
        flow, high = network.route(share, part.total[assets])
        if high is None:
            taken[rows], level[assets] = flow, eta
        else:
            parts += _split(part, flow, capacity, pool, asset, assets[high], taken)
    return Levels(taken, level)


def _split(
    part: Part,
    flow: FloatArray,
    capacity: FloatArray,
    pool: IntArray,
    asset: IntArray,
    high: IntArray,
    taken: FloatArray,
) -> list[Part]:
    """The two subproblems of a cut: assets `high` are asked for more than they have by the pools on
    their side, which the other assets already fill up; across the cut the other way nothing flows.
    """
    rows, n = part.rows, part.height.size
    is_high = np.isin(asset[rows], high)
    room = capacity[rows] - flow
    given = np.bincount(pool[rows[is_high]], flow[is_high], minlength=n)
    lacking = np.bincount(pool[rows[~is_high]], room[~is_high], minlength=n)
    inside = (given > lacking)[pool[rows]]
    filled = rows[inside & ~is_high]
    taken[filled] = capacity[filled]
    height, total = part.height.copy(), part.total.copy()
    np.subtract.at(height, pool[filled], capacity[filled])
    np.subtract.at(total, asset[filled], capacity[filled])
    np.maximum(total, 0.0, out=total)
    upper = Part(rows[inside & is_high], height, _only(part.total, high, keep=True))
    lower = Part(rows[~inside & ~is_high], part.height, _only(total, high, keep=False))
    return [Part(_still_open(p, asset), p.height, p.total) for p in (upper, lower)]


def _only(total: FloatArray, assets: IntArray, *, keep: bool) -> FloatArray:
    mask = np.isin(np.arange(total.size), assets)
    return np.where(mask == keep, total, 0.0)


def _still_open(part: Part, asset: IntArray) -> IntArray:
    """Rows of assets of which something is still to be taken."""
    return part.rows[part.total[asset[part.rows]] > 0]


class Network:
    """Flow from assets to pools, along positions of given capacities."""

    def __init__(self, pool: IntArray, asset: IntArray, capacity: FloatArray) -> None:
        self.pool, self.asset, self.capacity = pool, asset, capacity
        self.assets = int(asset.max()) + 1
        self.rows = [np.flatnonzero(asset == k) for k in range(self.assets)]
        self._pairs: dict[tuple[int, int], tuple[IntArray, IntArray]] = {}

    def route(self, demand: FloatArray, supply: FloatArray) -> tuple[FloatArray, IntArray | None]:
        """A flow (e,) that gives every pool its `demand` (n,), and takes from every asset its
        `supply` (d,) if that is possible: then None beside it. Otherwise the assets on the side of
        a minimum cut where more is asked for than they have.

        Shortest augmenting paths among the assets: on each arc a -> b pools take less of a and as
        much more of b.
        """
        total = np.bincount(self.pool, self.capacity)
        share = np.divide(demand, total, out=np.zeros(total.size), where=total > 0)
        flow = self.capacity * np.minimum(share, 1.0)[self.pool]
        tolerance = FLOW_TOLERANCE * float(supply.sum())
        excess = np.bincount(self.asset, flow, minlength=self.assets) - supply
        for _ in range(MAX_AUGMENTATIONS):
            if not (excess > tolerance).any():
                return flow, None
            reached, path = self._search(flow, excess, tolerance)
            if path is None:
                return flow, np.flatnonzero(reached)
            amount = min(
                excess[path[0]],
                -excess[path[-1]],
                *(self._room(flow, a, b).sum() for a, b in pairwise(path)),
            )
            for a, b in pairwise(path):
                self._push(flow, a, b, amount)
            excess[path[0]] -= amount
            excess[path[-1]] += amount
        raise SolverFailed(
            f"factor leverage: the flow between {self.assets} assets and {demand.size:,} pools did "
            f"not settle in {MAX_AUGMENTATIONS:,} augmentations; use method='shadow_price'"
        )

    def _search(
        self, flow: FloatArray, excess: FloatArray, tolerance: float
    ) -> tuple[BoolArray, list[int] | None]:
        """Assets that those with an excess can pass contracts on to, and a shortest path to one
        that lacks some.
        """
        reached = excess > tolerance
        before = {int(a): -1 for a in np.flatnonzero(reached)}
        queue = deque(before)
        while queue:
            a = queue.popleft()
            for b in range(self.assets):
                if reached[b] or self._room(flow, a, b).sum() <= tolerance:
                    continue
                reached[b], before[b] = True, a
                if excess[b] < -tolerance:
                    path = [b]
                    while before[path[-1]] >= 0:
                        path.append(before[path[-1]])
                    return reached, path[::-1]
                queue.append(b)
        return reached, None

    def _pair(self, a: int, b: int) -> tuple[IntArray, IntArray]:
        """Positions in a and in b of the pools that hold both."""
        if (a, b) not in self._pairs:
            row = np.full(int(self.pool.max()) + 1, -1)
            row[self.pool[self.rows[b]]] = self.rows[b]
            other = row[self.pool[self.rows[a]]]
            self._pairs[a, b] = self.rows[a][other >= 0], other[other >= 0]
        return self._pairs[a, b]

    def _room(self, flow: FloatArray, a: int, b: int) -> FloatArray:
        """By pool that holds both: how much less of a and more of b it can take."""
        first, second = self._pair(a, b)
        return np.minimum(flow[first], self.capacity[second] - flow[second])

    def _push(self, flow: FloatArray, a: int, b: int, amount: float) -> None:
        """Take `amount` less of a and more of b, from each pool in proportion to its room."""
        first, second = self._pair(a, b)
        room = self._room(flow, a, b)
        moved = np.minimum(room * (amount / room.sum()), room)
        flow[first] -= moved
        flow[second] += moved
