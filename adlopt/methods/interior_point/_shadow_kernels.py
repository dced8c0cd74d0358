"""Loops of the shadow-price method: every block's barrier problem at given prices, solved within
the processor's cache.

A block is a pool with pool-scenario pairs left (or, with one variable and no pair, all pools
without). Its variables are
fractions y of what may be taken from each position; its problem at prices lambda, stresses q and
barrier weight mu is

    min  sum_j lambda_k(j) A_j y_j  +  sum_p q_s(p) (a_p + D_p.y)^+     over 0 <= y <= 1,

the positive part of a `linear` pair being its argument itself. Interior variables: y and 1 - y =
`yc` with multipliers
`low`, `high`; for a hinge u = (z)^+ and s = u - z with multipliers v and w, v + w = q. On the
central path all four
products are mu. Newton's method here eliminates all but y: the hinge enters with weight h = v w /
(u w + s v).

No kernel makes an array, and each says its idea once: compiling them is what a first call waits
for.
"""

from __future__ import annotations

from typing import NamedTuple

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.parallel import jit_sums

BOUNDARY = 0.995  # share of the way to the nearest bound that a step may go
BINS = 100  # of step lengths, from 0 to 1
ROUNDING = 1e-13
PIVOT = 1e-14  # relative to the diagonal: smaller pivots are rounding


class Program(NamedTuple):
    """The presolved program by blocks, in fractions of positions and units of money."""

    variable: IntArray  # (blocks + 1,) first variable of each block
    pair: IntArray  # (blocks + 1,) first pair of each block: linear ones, then hinges
    hinge: IntArray  # (blocks,) first hinge of each block
    entry: IntArray  # (blocks,) where the block's rows of `slope` begin
    asset: IntArray  # (variables,) coupling row
    share: FloatArray  # (variables,) A: what the whole variable adds to its coupling row
    scenario: IntArray  # (pairs,)
    level: FloatArray  # (pairs,) a
    slope: FloatArray  # D, pair by pair


class Point(NamedTuple):
    """Where the path stands: variables (variables,) and hinges (pairs,), each with its
    multipliers.
    """

    y: FloatArray
    yc: FloatArray
    low: FloatArray
    high: FloatArray
    u: FloatArray
    s: FloatArray
    w: FloatArray
    v: FloatArray


class Newton(NamedTuple):
    """Newton's equations at the point and what comes of them."""

    corner: IntArray  # (blocks,) where the block's Cholesky factor begins
    factor: FloatArray  # H = L L', lower triangles row by row
    base: FloatArray  # (variables,) dy to barrier weight m at these prices: base + m turn
    turn: FloatArray
    twist: FloatArray  # (2, variables) second-order terms of y low and yc high
    bend: FloatArray  # (2, pairs) second-order terms of s w and u v
    dy: FloatArray  # (variables,)
    dw: FloatArray  # (pairs,)
    reach: (
        FloatArray  # (2, blocks) longest step of the interior variables, and of their multipliers
    )


@jit_sums
def unsettled(q: float, w: float, v: float) -> float:
    """What w + v lacks of q, rounding aside: that would be large against a multiplier near zero."""
    rest = q - w - v
    return rest if abs(rest) > ROUNDING * q else 0.0


@jit_sums
def solve_block(
    factor: FloatArray, corner: int, m: int, first: int, x: FloatArray, start: int
) -> None:
    """x := (L L')^-1 x from the row `first` on, above which x is zero and is not wanted; x begins
    at `start`.
    """
    at = corner + first * (first + 1) // 2
    for j in range(first, m):
        a = x[start + j]
        for k in range(first, j):
            a -= factor[at + k] * x[start + k]
        x[start + j] = a / factor[at + j]
        at += j + 1
    for j in range(m - 1, first - 1, -1):
        at -= j + 1
        a = x[start + j] / factor[at + j]
        x[start + j] = a
        for k in range(first, j):
            x[start + k] -= factor[at + k] * a


@jit_sums
def assemble(
    blocks: IntArray,  # which ones
    program: Program,
    point: Point,
    newton: Newton,  # out: factor, base, turn
    prices: FloatArray,  # (d,)
    stress: FloatArray,  # (S,)
    schur: FloatArray,  # out: (d, d) sum of A H^-1 A'
    ahead: FloatArray,  # out: (2, d) sum of A (y + dy), row 0 + m row 1
) -> None:
    """Newton's equations of the blocks, solved but for the change of prices."""
    variable, pair, hinge, entry, asset, share, scenario, level, slope = program
    y, yc, low, high, u, s, w, v = point
    factor, base, turn, column = newton.factor, newton.base, newton.turn, newton.dy
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        corner = newton.corner[b]
        at = corner
        for i in range(v0, v0 + m):
            for _ in range(i - v0):
                factor[at] = 0.0
                at += 1
            factor[at] = low[i] / y[i] + high[i] / yc[i]
            at += 1
            base[i] = -prices[asset[i]] * share[i]
            turn[i] = 1.0 / y[i] - 1.0 / yc[i]
        row = entry[b]
        for p in range(pair[b], pair[b + 1]):
            q = stress[scenario[p]]
            h = 0.0
            f0 = q
            f1 = 0.0
            if p >= hinge[b]:
                z = level[p]
                for j in range(m):
                    z += slope[row + j] * y[v0 + j]
                h = v[p] * w[p] / (u[p] * w[p] + s[p] * v[p])
                f0 = w[p] + h * (z + u[p] / v[p] * unsettled(q, w[p], v[p]))
                f1 = h * (1.0 / w[p] - 1.0 / v[p])
            at = corner
            for j in range(m):
                D = slope[row + j]
                base[v0 + j] -= D * f0
                turn[v0 + j] -= D * f1
                hD = h * D
                for k in range(j + 1):
                    factor[at + k] += hD * slope[row + k]
                at += j + 1
            row += m
        # A pivot lost to rounding stands for a direction that the data do not fix.
        at = corner
        for j in range(m):
            pivot = factor[at + j]
            other = corner
            for k in range(j):
                total = factor[at + k]
                for i in range(k):
                    total -= factor[at + i] * factor[other + i]
                factor[at + k] = total / factor[other + k]
                pivot -= factor[at + k] * factor[at + k]
                other += k + 1
            factor[at + j] = max(pivot, PIVOT * factor[at + j]) ** 0.5
            at += j + 1
        solve_block(factor, corner, m, 0, base, v0)
        solve_block(factor, corner, m, 0, turn, v0)
        for j in range(v0, v0 + m):
            ahead[0, asset[j]] += share[j] * (y[j] + base[j])
            ahead[1, asset[j]] += share[j] * turn[j]
            column[j] = share[j]
            for k in range(j + 1, v0 + m):
                column[k] = 0.0
            solve_block(factor, corner, m, j - v0, column, v0)
            # Only the lower half was computed; the matrix is symmetric.
            for k in range(j, v0 + m):
                a = share[k] * column[k]
                schur[asset[j], asset[k]] += a
                if k > j:
                    schur[asset[k], asset[j]] += a


@jit_sums
def direct(
    blocks: IntArray,  # which ones
    program: Program,
    point: Point,
    newton: Newton,  # out: dy, dw, reach
    change: FloatArray,  # (d,) of prices
    stress: FloatArray,
    goal: FloatArray,  # (S,) stress that the direction leads to
    coupled: bool,  # whether it differs from `stress`
    mu: float,
    lag: FloatArray,  # out: (2, BINS) movement of sum A y by length of the block's longest step
) -> None:
    """Newton's direction to barrier weight mu with prices changed, and how far each block can
    follow it.
    """
    variable, pair, hinge, entry, asset, share, scenario, level, slope = program
    y, yc, low, high, u, s, w, v = point
    base, turn, twist, bend, dy, dw = (
        newton.base,
        newton.turn,
        newton.twist,
        newton.bend,
        newton.dy,
        newton.dw,
    )
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        for i in range(v0, v0 + m):
            dy[i] = change[asset[i]] * share[i]
        if coupled:
            row = entry[b]
            for p in range(pair[b], pair[b + 1]):
                f = goal[scenario[p]] - stress[scenario[p]]
                if p >= hinge[b]:
                    f *= w[p] * u[p] / (u[p] * w[p] + s[p] * v[p])
                for j in range(m):
                    dy[v0 + j] += f * slope[row + j]
                row += m
        solve_block(newton.factor, newton.corner[b], m, 0, dy, v0)
        fall_p = BOUNDARY
        fall_d = BOUNDARY
        movement = 0.0
        for i in range(v0, v0 + m):
            d = base[i] + mu * turn[i] - dy[i]
            dy[i] = d
            r = d / y[i]
            rc = d / yc[i]
            fall_p = max(fall_p, -r, rc)
            fall_d = max(fall_d, r + 1.0 - (mu - twist[0, i]) / (y[i] * low[i]))
            fall_d = max(fall_d, 1.0 - rc - (mu - twist[1, i]) / (yc[i] * high[i]))
            movement += abs(share[i] * d)
        row = entry[b] + m * (hinge[b] - pair[b])
        for p in range(hinge[b], pair[b + 1]):
            z = level[p]
            for j in range(m):
                z += slope[row + j] * (y[v0 + j] + dy[v0 + j])
            row += m
            rest = unsettled(goal[scenario[p]], w[p], v[p])
            h = v[p] * w[p] / (u[p] * w[p] + s[p] * v[p])
            pull = (mu - bend[0, p]) / w[p]
            push = (mu - bend[1, p]) / v[p]
            d = h * (z + u[p] / v[p] * rest + pull - push)
            dw[p] = d
            fall_d = max(fall_d, -d / w[p], (d - rest) / v[p])
            fall_p = max(
                fall_p, 1.0 + d / w[p] - pull / s[p], 1.0 + (rest - d) / v[p] - push / u[p]
            )
        newton.reach[0, b] = BOUNDARY / fall_p
        newton.reach[1, b] = BOUNDARY / fall_d
        for kind in range(2):
            lag[kind, min(int(newton.reach[kind, b] * BINS), BINS - 1)] += movement


@jit_sums
def correct(
    blocks: IntArray,  # which ones
    program: Program,
    point: Point,
    newton: Newton,  # out: twist, bend, and base with them
    goal: FloatArray,
    ahead: FloatArray,  # out: (d,) what the correction adds to sum A (y + dy)
) -> None:
    """Second-order terms of the direction to barrier weight zero, for as far as a block can follow
    it (Mehrotra).
    """
    variable, pair, hinge, entry, asset, share, scenario, _, slope = program
    y, yc, low, high, u, s, w, v = point
    twist, bend, dy, dw, reach = newton.twist, newton.bend, newton.dy, newton.dw, newton.reach
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        part = reach[0, b] * reach[1, b]
        for i in range(v0, v0 + m):
            d = dy[i]
            twist[0, i] = -part * d * low[i] * (1.0 + d / y[i])
            twist[1, i] = part * d * high[i] * (1.0 - d / yc[i])
            dy[i] = twist[0, i] / y[i] - twist[1, i] / yc[i]
        row = entry[b] + m * (hinge[b] - pair[b])
        for p in range(hinge[b], pair[b + 1]):
            dv = unsettled(goal[scenario[p]], w[p], v[p]) - dw[p]
            bend[0, p] = -part * dw[p] * s[p] * (1.0 + dw[p] / w[p])
            bend[1, p] = -part * dv * u[p] * (1.0 + dv / v[p])
            f = (bend[1, p] * w[p] - bend[0, p] * v[p]) / (u[p] * w[p] + s[p] * v[p])
            for j in range(m):
                dy[v0 + j] += slope[row + j] * f
            row += m
        solve_block(newton.factor, newton.corner[b], m, 0, dy, v0)
        for i in range(v0, v0 + m):
            newton.base[i] -= dy[i]
            ahead[asset[i]] -= share[i] * dy[i]


@jit_sums
def advance(
    blocks: IntArray,  # which ones
    program: Program,
    point: Point,
    newton: Newton,
    goal: FloatArray,
    mu: float,
    step: float,
    step_dual: float,
) -> None:
    """Go along the direction: as far as asked, or where a block cannot, as far as it can."""
    y, yc, low, high, u, s, w, v = point
    twist, bend, dy, dw = newton.twist, newton.bend, newton.dy, newton.dw
    for b in blocks:
        far = min(step, newton.reach[0, b])
        far_dual = min(step_dual, newton.reach[1, b])
        for i in range(program.variable[b], program.variable[b + 1]):
            d = dy[i]
            low[i] += far_dual * ((mu - twist[0, i] - low[i] * d) / y[i] - low[i])
            high[i] += far_dual * ((mu - twist[1, i] + high[i] * d) / yc[i] - high[i])
            y[i] += far * d
            yc[i] -= far * d
        for p in range(program.hinge[b], program.pair[b + 1]):
            d = dw[p]
            dv = unsettled(goal[program.scenario[p]], w[p], v[p]) - d
            u[p] += far * ((mu - bend[1, p] - u[p] * dv) / v[p] - u[p])
            s[p] += far * ((mu - bend[0, p] - s[p] * d) / w[p] - s[p])
            w[p] += far_dual * d
            v[p] += far_dual * dv


@jit_sums
def bounds(
    blocks: IntArray,  # which ones
    program: Program,
    y: FloatArray,
    w: FloatArray,
    prices: FloatArray,
    stress: FloatArray,
    reduced: FloatArray,  # (variables,) scratch
    # out: (1,) least value of the blocks' Lagrangian at multipliers w and prices
    least: FloatArray,
    loss: FloatArray,  # out: (S,) the blocks' loss at y
) -> None:
    """Both sides of the gap."""
    variable, pair, hinge, entry, asset, share, scenario, level, slope = program
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        row = entry[b]
        for i in range(v0, v0 + m):
            reduced[i] = prices[asset[i]] * share[i]
        for p in range(pair[b], pair[b + 1]):
            q = stress[scenario[p]]
            linear = p < hinge[b]
            weight = q if linear else min(max(w[p], 0.0), q)
            z = level[p]
            for j in range(m):
                z += slope[row + j] * y[v0 + j]
                reduced[v0 + j] += weight * slope[row + j]
            row += m
            loss[scenario[p]] += z if linear else max(z, 0.0)
            least[0] += weight * level[p]
        for i in range(v0, v0 + m):
            least[0] += min(reduced[i], 0.0)
