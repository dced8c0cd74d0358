"""Loops of the shadow-price method: every block's barrier problem at given prices, solved within the processor's cache.

A block is a pool with pool-scenario pairs left (or, with one variable and no pair, all pools without). Its variables are
fractions y of what may be taken from each position; its problem at prices lambda, stresses q and barrier weight mu is

    min  sum_j lambda_k(j) A_j y_j  +  sum_p q_s(p) (a_p + D_p.y)^+     over 0 <= y <= 1,

the positive part of a `linear` pair being its argument itself. Interior variables: y and 1 - y = `yc` with multipliers
`low`, `high`; for a hinge u = (z)^+ and s = u - z with multipliers v and w, v + w = q. On the central path all four
products are mu. Newton's method here eliminates all but y: the hinge enters with weight h = v w / (u w + s v).
"""

from __future__ import annotations

import numpy as np

from adlopt._jit import jit, jit_parallel
from adlopt._tables import FloatArray, IntArray

BOUNDARY = 0.995  # share of the way to the nearest bound that a step may go
BINS = 100  # of step lengths, from 0 to 1
NEGLIGIBLE = 1e-9  # answer of a hinge to its scenario's stress
ROUNDING = 1e-13
PIVOT = 1e-14  # relative to the diagonal: smaller pivots are rounding


@jit
def common_step(lag: FloatArray, most: float) -> float:
    """Longest common step, in bins, with which those who cannot follow miss at most `most` of the movement (BINS,)."""
    total = lag.sum()
    stopped = 0.0  # movement of those whose way has ended
    missed = 0.0
    longest = 1
    for step in range(2, lag.size + 1):
        stopped += lag[step - 2]
        missed += stopped
        if missed <= most * step * total:
            longest = step
    return longest / lag.size


@jit_parallel
def _unsettled(q: float, w: float, v: float) -> float:
    """What w + v lacks of q, rounding aside: that would be large against a multiplier near zero."""
    rest = q - w - v
    return rest if abs(rest) > ROUNDING * q else 0.0


@jit_parallel
def assemble(
    blocks: IntArray,  # which ones
    variable: IntArray,  # (blocks + 1,) first variable of each block
    pair: IntArray,  # (blocks + 1,) first pair of each block: linear ones, then hinges
    hinge: IntArray,  # (blocks,) first hinge of each block
    entry: IntArray,  # (blocks,) where the block's rows of `slope` begin
    asset: IntArray,  # (variables,) coupling row
    share: FloatArray,  # (variables,) A: what the whole variable adds to its coupling row
    scenario: IntArray,  # (pairs,)
    level: FloatArray,  # (pairs,) a
    slope: FloatArray,  # D, pair by pair
    prices: FloatArray,  # (d,)
    stress: FloatArray,  # (S,)
    y: FloatArray,
    yc: FloatArray,
    low: FloatArray,
    high: FloatArray,
    u: FloatArray,
    s: FloatArray,
    w: FloatArray,
    v: FloatArray,
    corner: IntArray,  # (blocks,) where the block's Cholesky factor begins
    factor: FloatArray,  # out: H = L L', lower triangles row by row
    base: FloatArray,  # out: (2, variables) Newton's dy to barrier weight m at these prices: row 0 + m row 1
    schur: FloatArray,  # out: (d, d) sum of A H^-1 A'
    ahead: FloatArray,  # out: (2, d) sum of A (y + dy), row 0 + m row 1
) -> None:
    """Newton's equations of the blocks first..last, solved but for the change of prices."""
    widest = 1
    for b in blocks:
        widest = max(widest, variable[b + 1] - variable[b])
    H = np.empty((widest, widest))
    g0 = np.empty(widest)
    g1 = np.empty(widest)
    column = np.empty(widest)
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        row = entry[b]
        for j in range(m):
            i = v0 + j
            for k in range(j):
                H[j, k] = 0.0
            H[j, j] = low[i] / y[i] + high[i] / yc[i]
            g0[j] = prices[asset[i]] * share[i]
            g1[j] = 1.0 / yc[i] - 1.0 / y[i]
        for p in range(pair[b], hinge[b]):
            q = stress[scenario[p]]
            for j in range(m):
                g0[j] += q * slope[row + j]
            row += m
        for p in range(hinge[b], pair[b + 1]):
            z = level[p]
            for j in range(m):
                z += slope[row + j] * y[v0 + j]
            h = v[p] * w[p] / (u[p] * w[p] + s[p] * v[p])
            f0 = w[p] + h * (z + u[p] / v[p] * _unsettled(stress[scenario[p]], w[p], v[p]))
            f1 = h * (v[p] - w[p]) / (w[p] * v[p])
            for j in range(m):
                D = slope[row + j]
                g0[j] += D * f0
                g1[j] += D * f1
                hD = h * D
                for k in range(j + 1):
                    H[j, k] += hD * slope[row + k]
            row += m
        # A pivot lost to rounding stands for a direction that the data do not fix.
        for j in range(m):
            pivot = H[j, j]
            for k in range(j):
                total = H[j, k]
                for i in range(k):
                    total -= H[j, i] * H[k, i]
                H[j, k] = total / H[k, k]
                pivot -= H[j, k] * H[j, k]
            H[j, j] = np.sqrt(max(pivot, PIVOT * H[j, j]))
        at = corner[b]
        for j in range(m):
            a, c = -g0[j], -g1[j]
            for k in range(j):
                a -= H[j, k] * g0[k]
                c -= H[j, k] * g1[k]
                factor[at] = H[j, k]
                at += 1
            factor[at] = H[j, j]
            at += 1
            g0[j] = a / H[j, j]
            g1[j] = c / H[j, j]
        for j in range(m - 1, -1, -1):
            a, c = g0[j], g1[j]
            for k in range(j + 1, m):
                a -= H[k, j] * g0[k]
                c -= H[k, j] * g1[k]
            g0[j] = a / H[j, j]
            g1[j] = c / H[j, j]
        for j in range(m):
            i = v0 + j
            base[0, i] = g0[j]
            base[1, i] = g1[j]
            ahead[0, asset[i]] += share[i] * (y[i] + g0[j])
            ahead[1, asset[i]] += share[i] * g1[j]
        for j in range(m):
            for k in range(j, m):
                a = share[v0 + j] if k == j else 0.0
                for i in range(j, k):
                    a -= H[k, i] * column[i]
                column[k] = a / H[k, k]
            for k in range(m - 1, j - 1, -1):
                a = column[k]
                for i in range(k + 1, m):
                    a -= H[i, k] * column[i]
                column[k] = a / H[k, k]
            # Only the lower half was computed; the matrix is symmetric.
            for k in range(j, m):
                a = share[v0 + k] * column[k]
                schur[asset[v0 + j], asset[v0 + k]] += a
                if k > j:
                    schur[asset[v0 + k], asset[v0 + j]] += a


@jit_parallel
def predict(
    blocks: IntArray,  # which ones
    variable: IntArray,
    pair: IntArray,
    hinge: IntArray,
    entry: IntArray,
    asset: IntArray,
    share: FloatArray,
    scenario: IntArray,
    level: FloatArray,
    slope: FloatArray,
    change: FloatArray,  # (d,) of prices
    stress: FloatArray,
    mu: float,
    y: FloatArray,
    yc: FloatArray,
    low: FloatArray,
    high: FloatArray,
    u: FloatArray,
    s: FloatArray,
    w: FloatArray,
    v: FloatArray,
    corner: IntArray,
    factor: FloatArray,
    base: FloatArray,
    dy: FloatArray,  # scratch
    dw: FloatArray,  # scratch
    twist: FloatArray,  # out: (2, variables) second-order terms of y low and yc high
    bend: FloatArray,  # out: (2, pairs) second-order terms of s w and u v
    ahead: FloatArray,  # out: (d,) what the correction adds to sum A (y + dy)
    lag: FloatArray,  # out: (2, BINS) movement of sum A y by length of the block's longest step
) -> None:
    """Second-order terms of a step to barrier weight mu, and what correcting for them does (Mehrotra)."""
    widest = 1
    for b in blocks:
        widest = max(widest, variable[b + 1] - variable[b])
    g = np.empty(widest)
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        for j in range(m):
            dy[v0 + j] = change[asset[v0 + j]] * share[v0 + j]
        at = corner[b]
        for j in range(m):
            a = dy[v0 + j]
            for k in range(j):
                a -= factor[at + k] * dy[v0 + k]
            dy[v0 + j] = a / factor[at + j]
            at += j + 1
        for j in range(m - 1, -1, -1):
            at -= j + 1
            a = dy[v0 + j] / factor[at + j]
            dy[v0 + j] = a
            for k in range(j):
                dy[v0 + k] -= factor[at + k] * a
        fall_p = BOUNDARY
        fall_d = BOUNDARY
        movement = 0.0
        for j in range(m):
            i = v0 + j
            dy[i] = base[0, i] + mu * base[1, i] - dy[i]
            r = dy[i] / y[i]
            rc = dy[i] / yc[i]
            fall_p = max(fall_p, -r, rc)
            fall_d = max(fall_d, r + 1.0 - mu / (y[i] * low[i]), 1.0 - rc - mu / (yc[i] * high[i]))
            movement += abs(share[i] * dy[i])
        row = entry[b] + m * (hinge[b] - pair[b])
        for p in range(hinge[b], pair[b + 1]):
            z = level[p]
            for j in range(m):
                z += slope[row + j] * (y[v0 + j] + dy[v0 + j])
            row += m
            rest = _unsettled(stress[scenario[p]], w[p], v[p])
            h = v[p] * w[p] / (u[p] * w[p] + s[p] * v[p])
            dwp = h * (z + u[p] / v[p] * rest + mu * (v[p] - w[p]) / (w[p] * v[p]))
            dw[p] = dwp
            rw = dwp / w[p]
            rv = (rest - dwp) / v[p]
            fall_d = max(fall_d, -rw, -rv)
            fall_p = max(fall_p, 1.0 + rw - mu / (w[p] * s[p]), 1.0 + rv - mu / (v[p] * u[p]))
        far = BOUNDARY / fall_p
        far_dual = BOUNDARY / fall_d
        for kind in range(2):
            lag[kind, min(int((far if kind == 0 else far_dual) * BINS), BINS - 1)] += movement
        part = far * far_dual
        for j in range(m):
            i = v0 + j
            r = dy[i] / y[i]
            rc = dy[i] / yc[i]
            twist[0, i] = part * dy[i] * low[i] * (mu / (y[i] * low[i]) - 1.0 - r)
            twist[1, i] = -part * dy[i] * high[i] * (mu / (yc[i] * high[i]) - 1.0 + rc)
            g[j] = twist[0, i] / y[i] - twist[1, i] / yc[i]
        row = entry[b] + m * (hinge[b] - pair[b])
        for p in range(hinge[b], pair[b + 1]):
            dv = _unsettled(stress[scenario[p]], w[p], v[p]) - dw[p]
            bend[0, p] = part * dw[p] * s[p] * (mu / (w[p] * s[p]) - 1.0 - dw[p] / w[p])
            bend[1, p] = part * dv * u[p] * (mu / (v[p] * u[p]) - 1.0 - dv / v[p])
            f = (bend[1, p] * w[p] - bend[0, p] * v[p]) / (u[p] * w[p] + s[p] * v[p])
            for j in range(m):
                g[j] += slope[row + j] * f
            row += m
        at = corner[b]
        for j in range(m):
            a = g[j]
            for k in range(j):
                a -= factor[at + k] * g[k]
            g[j] = a / factor[at + j]
            at += j + 1
        for j in range(m - 1, -1, -1):
            at -= j + 1
            a = g[j] / factor[at + j]
            g[j] = a
            for k in range(j):
                g[k] -= factor[at + k] * a
            base[0, v0 + j] -= a
            ahead[asset[v0 + j]] -= share[v0 + j] * a


@jit_parallel
def couple(
    blocks: IntArray,
    variable: IntArray,
    pair: IntArray,
    hinge: IntArray,
    entry: IntArray,
    asset: IntArray,
    share: FloatArray,
    scenario: IntArray,
    level: FloatArray,
    slope: FloatArray,
    stress: FloatArray,
    y: FloatArray,
    u: FloatArray,
    s: FloatArray,
    w: FloatArray,
    v: FloatArray,
    corner: IntArray,
    factor: FloatArray,
    base: FloatArray,
    response: FloatArray,  # out: (d + S, d + S) lower half: minus the change of (sum A y, loss) by (prices, stress)
    loss: FloatArray,  # out: (2, S) loss after Newton's step to barrier weight m: row 0 + m row 1
) -> None:
    """How the blocks' losses in every scenario answer prices and stresses: for objectives that choose the stresses."""
    d = response.shape[0] - loss.shape[1]
    widest, most = 1, 1
    for b in blocks:
        widest = max(widest, variable[b + 1] - variable[b])
        most = max(most, pair[b + 1] - pair[b])
    B = np.empty((most + widest, widest))
    index = np.empty(most + widest, dtype=np.int64)
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        row = entry[b]
        count = m
        for j in range(m):
            for k in range(m):
                B[j, k] = 0.0
            B[j, j] = share[v0 + j]
            index[j] = asset[v0 + j]
        for p in range(pair[b], pair[b + 1]):
            z = level[p]
            turn = 0.0
            for j in range(m):
                z += slope[row + j] * (y[v0 + j] + base[0, v0 + j])
                turn += slope[row + j] * base[1, v0 + j]
            at = scenario[p]
            theta = 1.0
            if p < hinge[b]:
                loss[0, at] += z
                loss[1, at] += turn
            else:
                scale = u[p] * w[p] + s[p] * v[p]
                theta = w[p] * u[p] / scale
                response[d + at, d + at] += u[p] * s[p] / scale
                rest = _unsettled(stress[at], w[p], v[p])
                h = v[p] * w[p] / scale
                ratio = u[p] / v[p]
                loss[0, at] += ratio * (h * (z + ratio * rest) - rest)
                loss[1, at] += 1.0 / v[p] + ratio * h * (turn + (v[p] - w[p]) / (w[p] * v[p]))
            for j in range(m):
                B[count, j] = theta * slope[row + j]
            row += m
            if theta > NEGLIGIBLE:
                index[count] = d + at
                count += 1
        for c in range(count):
            at = corner[b]
            for j in range(m):
                a = B[c, j]
                for k in range(j):
                    a -= factor[at + k] * B[c, k]
                B[c, j] = a / factor[at + j]
                at += j + 1
        for c in range(m, count):
            for e in range(c + 1):
                a = 0.0
                for j in range(m):
                    a += B[c, j] * B[e, j]
                response[max(index[c], index[e]), min(index[c], index[e])] += a


@jit_parallel
def direct(
    blocks: IntArray,  # which ones
    variable: IntArray,
    pair: IntArray,
    hinge: IntArray,
    entry: IntArray,
    asset: IntArray,
    share: FloatArray,
    scenario: IntArray,
    level: FloatArray,
    slope: FloatArray,
    change: FloatArray,  # (d,) of prices
    stress: FloatArray,
    goal: FloatArray,  # (S,) stress that the direction leads to
    coupled: bool,  # whether it differs from `stress`
    mu: float,
    y: FloatArray,
    yc: FloatArray,
    low: FloatArray,
    high: FloatArray,
    u: FloatArray,
    s: FloatArray,
    w: FloatArray,
    v: FloatArray,
    corner: IntArray,
    factor: FloatArray,
    base: FloatArray,
    twist: FloatArray,
    bend: FloatArray,
    dy: FloatArray,  # out
    dw: FloatArray,  # out
    reach: FloatArray,  # out: (2, blocks) longest step of the interior variables, and of their multipliers
    lag: FloatArray,  # out: (2, BINS) movement of sum A y by length of the block's longest step
) -> None:
    """Newton's direction to barrier weight mu with prices changed, and how far each block can follow it."""
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        for j in range(m):
            dy[v0 + j] = change[asset[v0 + j]] * share[v0 + j]
        if coupled:
            row = entry[b]
            for p in range(pair[b], pair[b + 1]):
                f = goal[scenario[p]] - stress[scenario[p]]
                if p >= hinge[b]:
                    f *= w[p] * u[p] / (u[p] * w[p] + s[p] * v[p])
                for j in range(m):
                    dy[v0 + j] += f * slope[row + j]
                row += m
        at = corner[b]
        for j in range(m):
            a = dy[v0 + j]
            for k in range(j):
                a -= factor[at + k] * dy[v0 + k]
            dy[v0 + j] = a / factor[at + j]
            at += j + 1
        for j in range(m - 1, -1, -1):
            at -= j + 1
            a = dy[v0 + j] / factor[at + j]
            dy[v0 + j] = a
            for k in range(j):
                dy[v0 + k] -= factor[at + k] * a
        fall_p = BOUNDARY
        fall_d = BOUNDARY
        movement = 0.0
        for j in range(m):
            i = v0 + j
            dy[i] = base[0, i] + mu * base[1, i] - dy[i]
            r = dy[i] / y[i]
            rc = dy[i] / yc[i]
            fall_p = max(fall_p, -r, rc)
            fall_d = max(
                fall_d, r + 1.0 - (mu - twist[0, i]) / (y[i] * low[i]), 1.0 - rc - (mu - twist[1, i]) / (yc[i] * high[i])
            )
            movement += abs(share[i] * dy[i])
        row = entry[b] + m * (hinge[b] - pair[b])
        for p in range(hinge[b], pair[b + 1]):
            z = level[p]
            for j in range(m):
                z += slope[row + j] * (y[v0 + j] + dy[v0 + j])
            row += m
            rest = _unsettled(goal[scenario[p]], w[p], v[p])
            h = v[p] * w[p] / (u[p] * w[p] + s[p] * v[p])
            dwp = h * (z + u[p] / v[p] * rest + (mu - bend[0, p]) / w[p] - (mu - bend[1, p]) / v[p])
            dw[p] = dwp
            rw = dwp / w[p]
            rv = (rest - dwp) / v[p]
            fall_d = max(fall_d, -rw, -rv)
            fall_p = max(fall_p, 1.0 + rw - (mu - bend[0, p]) / (w[p] * s[p]), 1.0 + rv - (mu - bend[1, p]) / (v[p] * u[p]))
        reach[0, b] = BOUNDARY / fall_p
        reach[1, b] = BOUNDARY / fall_d
        for kind in range(2):
            lag[kind, min(int(reach[kind, b] * BINS), BINS - 1)] += movement


@jit_parallel
def advance(
    blocks: IntArray,  # which ones
    variable: IntArray,
    pair: IntArray,
    hinge: IntArray,
    scenario: IntArray,
    goal: FloatArray,
    mu: float,
    step: float,
    step_dual: float,
    y: FloatArray,
    yc: FloatArray,
    low: FloatArray,
    high: FloatArray,
    u: FloatArray,
    s: FloatArray,
    w: FloatArray,
    v: FloatArray,
    twist: FloatArray,
    bend: FloatArray,
    dy: FloatArray,
    dw: FloatArray,
    reach: FloatArray,
) -> None:
    """Go along the direction: as far as asked, or where a block cannot, as far as it can."""
    for b in blocks:
        far = min(step, reach[0, b])
        far_dual = min(step_dual, reach[1, b])
        for i in range(variable[b], variable[b + 1]):
            low[i] += far_dual * ((mu - twist[0, i]) / y[i] - low[i] - low[i] * dy[i] / y[i])
            high[i] += far_dual * ((mu - twist[1, i]) / yc[i] - high[i] + high[i] * dy[i] / yc[i])
            y[i] += far * dy[i]
            yc[i] -= far * dy[i]
        for p in range(hinge[b], pair[b + 1]):
            dv = _unsettled(goal[scenario[p]], w[p], v[p]) - dw[p]
            u[p] += far * ((mu - bend[1, p]) / v[p] - u[p] - u[p] * dv / v[p])
            s[p] += far * ((mu - bend[0, p]) / w[p] - s[p] - s[p] * dw[p] / w[p])
            w[p] += far_dual * dw[p]
            v[p] += far_dual * dv


@jit_parallel
def bounds(
    blocks: IntArray,  # which ones
    variable: IntArray,
    pair: IntArray,
    hinge: IntArray,
    entry: IntArray,
    asset: IntArray,
    share: FloatArray,
    scenario: IntArray,
    level: FloatArray,
    slope: FloatArray,
    prices: FloatArray,
    stress: FloatArray,
    y: FloatArray,
    w: FloatArray,
    out: FloatArray,
    loss: FloatArray,
) -> None:
    """Add the blocks' loss (S,) at y to `loss`; to `out` the least value of their Lagrangian at multipliers w and prices."""
    widest = 1
    for b in blocks:
        widest = max(widest, variable[b + 1] - variable[b])
    reduced = np.empty(widest)
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        row = entry[b]
        for j in range(m):
            reduced[j] = prices[asset[v0 + j]] * share[v0 + j]
        for p in range(pair[b], pair[b + 1]):
            q = stress[scenario[p]]
            linear = p < hinge[b]
            weight = q if linear else min(max(w[p], 0.0), q)
            z = level[p]
            for j in range(m):
                z += slope[row + j] * y[v0 + j]
                reduced[j] += weight * slope[row + j]
            row += m
            loss[scenario[p]] += z if linear or z > 0.0 else 0.0
            out[0] += weight * level[p]
        for j in range(m):
            out[0] += min(reduced[j], 0.0)
