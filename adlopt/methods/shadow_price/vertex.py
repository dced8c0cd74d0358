"""One pool's problem at given prices and stresses, solved to a vertex by a bounded simplex method.

    minimise  c.y + sum_p q_p [a_p + D_p.y]^+   over  0 <= y <= 1                          (eq. 6)

A vertex is the intersection of m active constraints: faces y_j = 0 or 1, and hinges at their kink.
Codes of constraints: hinge number >= 0; -1 - 2j the lower face of y_j; -2 - 2j its upper face.
Slot b of the basis holds one constraint and the edge E_b along which it alone moves, at unit rate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adlopt._internal.arrays import AnyIntArray, FloatArray, IntArray
from adlopt._internal.parallel import jit_inner
from adlopt.methods.shadow_price.pools import Pools


class Workspace(NamedTuple):
    """One pool's numbers while it is solved: m variables, h hinges (room for the largest pool)."""

    cost: FloatArray  # (m,) c
    slope: FloatArray  # (m, h) D, transposed
    level: FloatArray  # (h,) a
    stress: FloatArray  # (h,) q
    magnitude: FloatArray  # (m,) sum of absolute terms of the gradient, for rounding
    code: IntArray  # (m,) constraint in each slot
    edge: FloatArray  # (m, m) E
    face: IntArray  # (m,) -1 or 1 where y_j is held at its lower or upper face, else 0
    y: FloatArray  # (m,)
    shortfall: FloatArray  # (h,) z at y
    side: IntArray  # (h,) -1, 0 (active) or 1: below, at, above the kink
    gradient: FloatArray  # (m,) c + sum of q D over hinges above the kink
    multiplier: FloatArray  # (m,) w of the slots' constraints
    direction: FloatArray  # (m,) of the step
    rate: FloatArray  # (h,) of shortfalls along the step
    row: FloatArray  # (m,) rates of the entering constraint along the edges
    when: FloatArray  # (h,) step lengths at which kinks are reached
    which: IntArray  # (h,) and their hinges


def workspace(m: int, h: int) -> Workspace:
    def ints(size: int) -> IntArray:
        return np.empty(size, dtype=np.intp)

    return Workspace(
        np.empty(m),
        np.empty((m, h)),
        np.empty(h),
        np.empty(h),
        np.empty(m),
        ints(m),
        np.empty((m, m)),
        ints(m),
        np.empty(m),
        np.empty(h),
        ints(h),
        np.empty(m),
        np.empty(m),
        np.empty(m),
        np.empty(h),
        np.empty(m),
        np.empty(h),
        ints(h),
    )


@jit_inner
def load(
    pools: Pools, i: int, price: FloatArray, stress: FloatArray, shift: float, work: Workspace
) -> None:
    """Costs, slopes, levels and stresses of pool i (eq. 6); levels raised by `shift` against
    cycling.
    """
    first = pools.variable[i]
    begin = pools.hinge[i]
    count = pools.hinge[i + 1] - begin
    for p in range(count):
        work.level[p] = pools.level[begin + p]
        work.stress[p] = stress[pools.scenario[begin + p]]
    for j in range(pools.variable[i + 1] - first):
        k = pools.asset[first + j]
        contracts = pools.contracts[first + j]
        cost = price[k] * pools.used[first + j]
        linear = 0.0
        for p in range(pools.linear[i], pools.linear[i + 1]):
            s = pools.linear_scenario[p]
            linear += stress[s] * pools.moves[s, k]
        magnitude = abs(cost) + abs(linear * contracts)
        work.cost[j] = cost + linear * contracts
        for p in range(count):
            D = pools.moves[pools.scenario[begin + p], k] * contracts
            work.slope[j, p] = D
            magnitude += work.stress[p] * abs(D)
        work.magnitude[j] = magnitude
        if shift > 0.0:
            for p in range(count):
                work.level[p] += (
                    shift * (0.5 + (p * 7919 % 10007) / 10007.0) * abs(work.slope[j, p])
                )


@jit_inner
def set_shortfalls(
    m: int, h: int, level: FloatArray, slope: FloatArray, y: FloatArray, out: FloatArray
) -> None:
    """z_p = a_p + D_p.y (eq. 1)."""
    for p in range(h):
        out[p] = level[p]
    for j in range(m):
        if y[j] != 0.0:
            for p in range(h):
                out[p] += slope[j, p] * y[j]


@jit_inner
def pivot(m: int, edge: FloatArray, row: FloatArray, b: int) -> None:
    """The constraint with rates `row` along the edges enters slot b (eq. 9)."""
    factor = 1.0 / row[b]
    for j in range(m):
        edge[b, j] *= factor
    for a in range(m):
        factor = row[a]
        if a != b and factor != 0.0:
            for j in range(m):
                edge[a, j] -= factor * edge[b, j]


@jit_inner
def set_hinge_row(m: int, edge: FloatArray, slope: FloatArray, hinge: int, row: FloatArray) -> None:
    """Rates of a hinge along the edges."""
    for a in range(m):
        rate = 0.0
        for j in range(m):
            rate += slope[j, hinge] * edge[a, j]
        row[a] = rate


@jit_inner
def restore(work: Workspace, m: int, h: int, active: AnyIntArray) -> None:
    """Rebuild edges, y, shortfalls, sides and gradient from the codes of the active constraints.

    Faces have unit edges; each active hinge then takes, by partial pivoting, a slot no face claims.
    """
    for a in range(m):
        work.code[a] = -1 - 2 * a
        work.face[a] = 0  # until a face claims the slot
        work.y[a] = 0.0
        for j in range(m):
            work.edge[a, j] = 0.0
        work.edge[a, a] = -1.0
    for a in range(m):
        if active[a] < 0:
            j = (-active[a] - 1) // 2
            work.face[j] = -1
            if (-active[a] - 1) % 2 == 1:
                work.face[j] = 1
                work.code[j] = active[a]
                work.y[j] = 1.0
                work.edge[j, j] = 1.0
    for a in range(m):
        if active[a] >= 0:
            _restore_hinge(work, m, active[a])
    for j in range(m):
        if work.face[j] == 0:
            if work.code[j] == -1 - 2 * j:
                work.face[j] = -1  # no hinge took the slot
            work.y[j] = min(max(work.y[j], 0.0), 1.0)
        work.gradient[j] = work.cost[j]
    set_shortfalls(m, h, work.level, work.slope, work.y, work.shortfall)
    for p in range(h):
        work.side[p] = 1 if work.shortfall[p] > 0.0 else -1
    for a in range(m):
        if work.code[a] >= 0:
            work.side[work.code[a]] = 0
            work.shortfall[work.code[a]] = 0.0
    for p in range(h):
        if work.side[p] > 0:
            add_to_gradient(m, work.gradient, work.slope, p, work.stress[p])


@jit_inner
def _restore_hinge(work: Workspace, m: int, hinge: int) -> None:
    """An active hinge enters a slot whose variable no face holds, and y moves onto its kink."""
    set_hinge_row(m, work.edge, work.slope, hinge, work.row)
    shortfall = work.level[hinge]
    for j in range(m):
        shortfall += work.slope[j, hinge] * work.y[j]
    slot = -1
    largest = 0.0
    for a in range(m):
        free = work.face[a] == 0 and work.code[a] < 0
        if free and abs(work.row[a]) > largest:
            largest = abs(work.row[a])
            slot = a
    if slot < 0:
        return
    pivot(m, work.edge, work.row, slot)
    work.code[slot] = hinge
    for j in range(m):
        work.y[j] -= shortfall * work.edge[slot, j]


@jit_inner
def add_to_gradient(
    m: int, gradient: FloatArray, slope: FloatArray, hinge: int, stress: float
) -> None:
    """Add a hinge's share of the gradient."""
    for j in range(m):
        gradient[j] += stress * slope[j, hinge]


@jit_inner
def leaving_slot(work: Workspace, m: int, tolerance: float) -> int:
    """Multipliers w_b = -E_b.gradient (eq. 7), and the slot whose multiplier is furthest outside
    [0, q_b] (a face's: [0, inf)) per unit of its edge; -1 at an optimal vertex.
    """
    slot = -1
    worst = 0.0
    for b in range(m):
        w = 0.0
        largest = 0.0
        rounding = 0.0
        for j in range(m):
            w -= work.edge[b, j] * work.gradient[j]
            size = abs(work.edge[b, j])
            largest = max(largest, size)
            rounding += size * work.magnitude[j]
        work.multiplier[b] = w
        excess = -w
        if work.code[b] >= 0:
            excess = max(excess, w - work.stress[work.code[b]])
        if excess > tolerance * rounding and excess > worst * largest:
            worst = excess / largest
            slot = b
    return slot


@jit_inner
def leave(work: Workspace, m: int, slot: int) -> float:
    """Set the direction along the slot's edge; the derivative of the cost along it, below zero."""
    code = work.code[slot]
    w: float = work.multiplier[slot]
    sign = 1.0 if w > 0.0 else -1.0
    for j in range(m):
        work.direction[j] = sign * work.edge[slot, j]
    if code < 0:
        work.face[(-code - 1) // 2] = 0
        return w
    if w > 0.0:
        slope: float = work.stress[code] - w
        work.side[code] = 1
        add_to_gradient(m, work.gradient, work.slope, code, work.stress[code])
        return slope
    work.side[code] = -1
    return w


@jit_inner
def nearest_face(work: Workspace, m: int, tolerance: float) -> tuple[float, int]:
    """Step to the first face on the way, and its code."""
    largest = 0.0
    for j in range(m):
        largest = max(largest, abs(work.direction[j]))
    step = np.inf
    entering = 0
    for j in range(m):
        d = work.direction[j]
        if work.face[j] != 0 or abs(d) <= tolerance * largest:
            continue
        t = (1.0 - work.y[j]) / d if d > 0.0 else -work.y[j] / d
        if t < step:
            step = t
            entering = -2 - 2 * j if d > 0.0 else -1 - 2 * j
    return max(step, 0.0), entering
