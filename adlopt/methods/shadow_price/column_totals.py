"""Totals by group of answers that are no vertices, such as combinations of earlier ones."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.parallel import jit_sums, on_all
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.pools import Pools
from adlopt.methods.shadow_price.sweep import Totals, add_totals
from adlopt.methods.shadow_price.vertex import Workspace, load, workspace


def totals_at(groups: Groups, y: FloatArray) -> FloatArray:
    """(G, R + 1 + L) totals of any fractions (v,), laid out as `groups.totals.table`."""
    totals = Totals(
        groups.base,
        groups.column,
        np.zeros(groups.totals.table.shape),
        np.zeros((groups.count, 3), dtype=np.intp),
    )
    price, stress = np.zeros(groups.price_scale.size), np.zeros(groups.base.size)

    def kernel(chosen: IntArray) -> None:
        work = workspace(*groups.room)
        _add_all(chosen, groups.program.pools, y, groups.state.group, price, stress, totals, work)

    on_all(kernel, groups.runs, ())
    return totals.table


@jit_sums
def _add_all(
    chosen: IntArray,
    pools: Pools,
    y: FloatArray,
    group: IntArray,
    price: FloatArray,
    stress: FloatArray,
    totals: Totals,
    work: Workspace,
) -> None:
    """Add the totals of `chosen` pools at y to those of their groups."""
    for i in chosen:
        first = pools.variable[i]
        m = pools.variable[i + 1] - first
        h = pools.hinge[i + 1] - pools.hinge[i]
        load(pools, i, price, stress, 0.0, work)
        for j in range(m):
            work.y[j] = y[first + j]
        add_totals(pools, i, m, h, 1.0, work, totals, group[i])
