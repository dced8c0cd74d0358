"""Loops of the shadow-price method where the objective chooses the stresses: how losses answer
prices and stresses.
"""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.parallel import jit_sums
from adlopt.methods.interior_point._shadow_kernels import Newton, Point, Program, unsettled

NEGLIGIBLE = 1e-9  # answer of a hinge to its scenario's stress


@jit_sums
def respond(
    blocks: IntArray,
    program: Program,
    point: Point,
    newton: Newton,
    # (S,) row of `response` for each scenario whose stress is chosen; -1 for others
    place: IntArray,
    most: tuple[int, int],  # variables and pairs together, and variables, of a block
    # out: (d + L, d + L) lower half: minus the change of (sum A y, loss) by (prices, stress)
    response: FloatArray,
) -> None:
    """How sums and losses answer prices and stresses."""
    variable, pair, hinge, entry, asset, share, scenario, _, slope = program
    _, _, _, _, u, s, w, v = point
    factor = newton.factor
    rows = np.empty(most)
    index = np.empty(most[0], dtype=np.int64)
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        count = m
        for j in range(m):
            for k in range(m):
                rows[j, k] = 0.0
            rows[j, j] = share[v0 + j]
            index[j] = asset[v0 + j]
        row = entry[b] - m
        for p in range(pair[b], pair[b + 1]):
            row += m
            at = place[scenario[p]]
            if at < 0:
                continue
            theta = 1.0
            if p >= hinge[b]:
                scale = u[p] * w[p] + s[p] * v[p]
                theta = w[p] * u[p] / scale
                response[at, at] += u[p] * s[p] / scale
            if theta > NEGLIGIBLE:
                for j in range(m):
                    rows[count, j] = theta * slope[row + j]
                index[count] = at
                count += 1
        for c in range(count):
            at = newton.corner[b]
            for j in range(m):
                a = rows[c, j]
                for k in range(j):
                    a -= factor[at + k] * rows[c, k]
                rows[c, j] = a / factor[at + j]
                at += j + 1
        for c in range(m, count):
            for e in range(c + 1):
                a = 0.0
                for j in range(m):
                    a += rows[c, j] * rows[e, j]
                response[max(index[c], index[e]), min(index[c], index[e])] += a


@jit_sums
def losses_ahead(
    blocks: IntArray,
    program: Program,
    point: Point,
    newton: Newton,
    stress: FloatArray,
    # out: (2, S) loss after Newton's step to barrier weight m at these prices: row 0 + m row 1
    loss: FloatArray,
) -> None:
    """What the blocks lose in every scenario after the step, second-order terms included."""
    variable, pair, hinge, entry, _, _, scenario, level, slope = program
    y, _, _, _, u, s, w, v = point
    bend = newton.bend
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        row = entry[b]
        for p in range(pair[b], pair[b + 1]):
            z = level[p]
            turn = 0.0
            for j in range(m):
                z += slope[row + j] * (y[v0 + j] + newton.base[v0 + j])
                turn += slope[row + j] * newton.turn[v0 + j]
            row += m
            at = scenario[p]
            if p >= hinge[b]:
                rest = unsettled(stress[at], w[p], v[p])
                h = v[p] * w[p] / (u[p] * w[p] + s[p] * v[p])
                ratio = u[p] / v[p]
                z = (
                    ratio * (h * (z + ratio * rest - bend[0, p] / w[p] + bend[1, p] / v[p]) - rest)
                    - bend[1, p] / v[p]
                )
                turn = 1.0 / v[p] + ratio * h * (turn + 1.0 / w[p] - 1.0 / v[p])
            loss[0, at] += z
            loss[1, at] += turn
