"""Groups of pools: who belongs together, their vertices, and the columns they give the master."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.parallel import jit_loop, on_all
from adlopt.methods.shadow_price.pools import PoolProgram, Pools
from adlopt.methods.shadow_price.sweep import Point, State, Totals, add_totals, answer
from adlopt.methods.shadow_price.tuning import Tuning
from adlopt.methods.shadow_price.vertex import Workspace, load, workspace


class Groups:
    """Vertices of the pools of one program, and totals by group.

    `base` (S,) is the stress that never changes (an expected loss); `live` numbers the scenarios
    whose stress does. `price_scale` (R,) and `stress_scale` (L,) are the metric of the points.
    """

    def __init__(
        self,
        program: PoolProgram,
        base: FloatArray,
        live: IntArray,
        price_scale: FloatArray,
        stress_scale: FloatArray,
        tuning: Tuning,
    ) -> None:
        pools = program.pools
        self.program, self.tuning, self.live = program, tuning, live
        self.base, self.price_scale = base, np.where(price_scale > 0, price_scale, 1.0)
        self.stress_scale = np.zeros(base.size)
        self.stress_scale[live] = stress_scale
        self.column = np.full(base.size, -1)
        self.column[live] = np.arange(live.size)
        width = np.diff(pools.variable)
        lower = -1 - 2 * (np.arange(pools.asset.size) - np.repeat(pools.variable[:-1], width))
        n = program.size
        self.state = State(
            active=lower.astype(np.int32),
            y=np.zeros(pools.asset.size),
            deadline=np.full(n, -1.0),
            group=np.zeros(n, dtype=np.intp),
            weight=np.ones(n),
        )
        self.odometer, self.last = 0.0, np.zeros(price_scale.size + live.size)
        self.work = width * (np.diff(pools.hinge) + 5)
        self.largest = np.maximum.reduceat(pools.used, pools.variable[:-1])
        owner = program.owner
        top = np.flatnonzero(pools.used == self.largest[owner])
        self.main_asset = np.zeros(n, dtype=np.int32)
        self.main_asset[owner[top]] = pools.asset[top]
        self.room = int(width.max()), max(int(np.diff(pools.hinge).max()), 1)
        self.runs: list[IntArray] = []
        self.totals = self._totals(0)

    @property
    def count(self) -> int:
        return int(self.totals.table.shape[0])

    @property
    def used(self) -> FloatArray:
        """(G, R) share of each asset's requirement that each group supplies."""
        return self.totals.table[:, : self.price_scale.size]

    @property
    def cost(self) -> FloatArray:
        """(G,) cost under the base stress."""
        return self.totals.table[:, self.price_scale.size]

    @property
    def loss(self) -> FloatArray:
        """(G, L) loss in the live scenarios, without constants."""
        return self.totals.table[:, self.price_scale.size + 1 :]

    def _totals(self, groups: int) -> Totals:
        table = np.zeros((groups, self.price_scale.size + 1 + self.live.size))
        return Totals(self.base, self.column, table, np.zeros((groups, 3), dtype=np.intp))

    def assign(self, pools: IntArray, weight: FloatArray, groups: int) -> None:
        """Deal `pools`, each counted `weight` times, into groups; all vertices count as fresh.

        Those that hold the most of an asset are groups of their own; runs of the others are ordered
        by the asset of which they hold most, so that a group's answers move together.
        """
        state = self.state
        state.weight[pools] = weight
        order = pools[np.argsort(-self.largest[pools] * weight, kind="stable")]
        alone = pools.size if pools.size <= groups else int(groups * self.tuning.alone)
        rest = np.sort(order[alone:])
        rest = rest[np.argsort(self.main_asset[rest], kind="stable")]
        state.group[order[:alone]] = np.arange(alone)
        state.group[rest] = alone + np.arange(rest.size) * (groups - alone) // max(rest.size, 1)
        members = np.concatenate([order[:alone], rest])
        state.deadline[members] = -1.0
        total = np.cumsum(self.work[members])
        parts = max(1, min(64, int(total[-1]) // self.tuning.work_per_run))
        first = np.searchsorted(state.group[members], np.arange(state.group[members[-1]] + 1))
        cuts = np.searchsorted(total, total[-1] * np.arange(1, parts) / parts)
        nearest = first[np.minimum(np.searchsorted(first, cuts), first.size - 1)]
        self.runs = [run for run in np.split(members, np.unique(nearest)) if run.size]
        self.totals = self._totals(first.size)

    def sweep(self, point: FloatArray, weight: FloatArray | None = None) -> IntArray:
        """Answer prices (R,) and live stresses (L,), joined in `point`; the groups that changed.

        `weight` (hinges,) receives the multipliers; then every pool is visited.
        """
        R = self.price_scale.size
        scale = np.append(self.price_scale, self.stress_scale[self.live])
        moved = np.abs(point - self.last)[scale > 0] / scale[scale > 0]
        self.odometer += float(moved.max(initial=0.0))
        self.last = point.copy()
        price = np.where(self.program.exhausted, -2.0 * self.price_scale, point[:R])
        stress = self.base.copy()
        stress[self.live] += np.maximum(point[R:], 0.0)
        at = Point(price, stress, self.odometer, self.price_scale, self.stress_scale)
        if weight is not None:
            self.state.deadline[np.concatenate(self.runs)] = self.odometer
        before = self.totals.table.copy()

        def kernel(pools: IntArray) -> None:
            answer(
                pools,
                self.program.pools,
                self.state,
                at,
                self.totals,
                self.tuning.pivoting,
                bool(self.live.size),
                np.empty(0) if weight is None else weight,
                workspace(*self.room),
            )

        on_all(kernel, self.runs, ())
        return np.flatnonzero((self.totals.table != before).any(axis=1))

    def dual_value(self, point: FloatArray, required: FloatArray) -> float:
        """Dual function (eq. 3) at the last point, without constants of the objective.

        `required` (R,) are the right sides of the coupling: 1, less for a sample.
        """
        R = self.price_scale.size
        short = np.where(self.program.exhausted, 0.0, self.used.sum(axis=0) - required)
        return float(
            self.cost.sum() + np.maximum(point[R:], 0.0) @ self.loss.sum(axis=0) + point[:R] @ short
        )

    def totals_at(self, y: FloatArray) -> FloatArray:
        """(G, R + 1 + L) totals of any fractions (v,), laid out as `totals.table`: for answers that
        are no vertices, such as combinations of earlier ones.
        """
        totals, nothing = self._totals(self.count), np.zeros(max(self.base.size, self.last.size))

        def kernel(pools: IntArray) -> None:
            work = workspace(*self.room)
            _add_all(pools, self.program.pools, y, self.state.group, nothing, totals, work)

        on_all(kernel, self.runs, ())
        return totals.table


@jit_loop
def _add_all(
    chosen: IntArray,
    pools: Pools,
    y: FloatArray,
    group: IntArray,
    nothing: FloatArray,
    totals: Totals,
    work: Workspace,
) -> None:
    """Add the totals of `chosen` pools at y to those of their groups."""
    for i in chosen:
        first = pools.variable[i]
        m = pools.variable[i + 1] - first
        load(pools, i, nothing, nothing, 0.0, work)
        for j in range(m):
            work.y[j] = y[first + j]
        add_totals(pools, i, m, pools.hinge[i + 1] - pools.hinge[i], 1.0, work, totals, group[i])
