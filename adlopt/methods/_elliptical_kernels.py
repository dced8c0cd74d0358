"""Loops of the elliptical solver: every pool's barrier problem at given prices, solved within the
processor's cache.

A block is a pool with positions to choose from. Its variables are the fractions y of what may be
taken from each. At prices lambda and barrier parameter mu its problem, in units of money, is

    min  L(E, c) + sum_j (lambda_k(j) A_j y_j - mu log y_j - mu log(1 - y_j)),
    L = c E[(X - E / c)^+],

with equity E = E_0 + sum_j offset_j y_j and volatility c = |T_0 + sum_j (1 - y_j) T_j|, where the
columns T are the block's `basis`. With z = E / c and g_j = T_j . u / c, u / c being the direction
of T, the gradient is -offset_j P(X > z) - g_j E[X; X > z]. The Hessian is f(z) / c (offset + z g)
(offset + z g)' + E[X; X > z] / c (T'T - g g'). See docs/theory/elliptical.md, equations 1 to 9.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.parallel import jit_inline, jit_loop
from adlopt.methods._elliptical_blocks import (
    Barrier,
    EllipticalBlocks,
    Workspace,
    tail_moments,
)

GRADIENT_ROUNDING = 1e-14  # relative: what rounding leaves of a gradient
MIN_PIVOT = 1e-14  # relative to the diagonal: smaller pivots are rounding


@jit_inline
def equity_and_volatility(
    b: int, blocks: EllipticalBlocks, trial: FloatArray, u: FloatArray
) -> tuple[float, float]:
    """Equity E and volatility c of a block at the trial point; its scaled volatility, into `u`."""
    v0 = blocks.variable[b]
    m = blocks.variable[b + 1] - v0
    cursor = blocks.entry[b]
    rows = (blocks.entry[b + 1] - cursor) // (m + 1)
    E = blocks.equity[b]
    for k in range(rows):
        u[k] = blocks.basis[cursor + k]
    for j in range(m):
        cursor += rows
        E += blocks.offset[v0 + j] * trial[0, j]
        for k in range(rows):
            u[k] += trial[1, j] * blocks.basis[cursor + k]
    c = 0.0
    for k in range(rows):
        c += u[k] * u[k]
    return E, sqrt(c)


@jit_inline
def barrier_gradient(
    b: int,
    blocks: EllipticalBlocks,
    prices: FloatArray,
    barrier: Barrier,
    work: Workspace,
    inverse_c: float,
    tail: float,
    moment: float,
) -> tuple[float, bool]:
    """Gradient of the barrier problem at the trial point, into `work.residual`; its slope along the
    last direction, and whether it is small beside the pull of the barriers.
    """
    v0 = blocks.variable[b]
    m = blocks.variable[b + 1] - v0
    cursor = blocks.entry[b]
    rows = (blocks.entry[b + 1] - cursor) // (m + 1)
    slope = 0.0
    settled = True
    for j in range(m):
        cursor += rows
        a = 0.0
        for k in range(rows):
            a += blocks.basis[cursor + k] * work.u[k]
        work.g[j] = a * inverse_c
        gradient = -blocks.offset[v0 + j] * tail - moment * work.g[j]
        price = prices[blocks.row[v0 + j]] * blocks.share[v0 + j]
        to_low = 1.0 / work.trial[0, j]
        to_high = 1.0 / work.trial[1, j]
        work.inverse_trial[0, j] = to_low
        work.inverse_trial[1, j] = to_high
        residual = gradient + price - barrier.mu * (to_low - to_high)
        work.residual[j] = residual
        slope += residual * work.dy[j]
        settled &= abs(residual) <= barrier.gradient_tolerance * barrier.mu * (
            to_low + to_high
        ) + GRADIENT_ROUNDING * (abs(gradient) + abs(price))
    return slope, settled


@jit_inline
def update_multipliers(m: int, mu: float, step: float, safeguard: float, work: Workspace) -> None:
    """The bounds' multipliers after a primal-dual step, kept near mu over the slack."""
    for j in range(m):
        to_low, to_high = work.inverse[0, j], work.inverse[1, j]
        low, high, dy = work.low[j], work.high[j], work.dy[j]
        low += step * (mu * to_low - low * (1.0 + dy * to_low))
        high += step * (mu * to_high - high * (1.0 - dy * to_high))
        centred_low = mu * work.inverse_trial[0, j]
        centred_high = mu * work.inverse_trial[1, j]
        work.low[j] = min(max(low, centred_low / safeguard), safeguard * centred_low)
        work.high[j] = min(max(high, centred_high / safeguard), safeguard * centred_high)


@jit_inline
def factorise_hessian(
    b: int,
    blocks: EllipticalBlocks,
    work: Workspace,
    z: float,
    equity_curvature: float,  # f(z) / c
    volatility_curvature: float,  # E[X; X > z] / c
) -> None:
    """Cholesky factor of the Hessian with the barriers', into `work.H` and `work.pivot`."""
    v0 = blocks.variable[b]
    m = blocks.variable[b + 1] - v0
    start = blocks.entry[b]
    rows = (blocks.entry[b + 1] - start) // (m + 1)
    basis, H, g, pivot = blocks.basis, work.H, work.g, work.pivot
    cursor = start
    for j in range(m):
        cursor += rows
        other = start
        slope_j = blocks.offset[v0 + j] + z * g[j]
        for k in range(j + 1):
            other += rows
            a = 0.0
            for i in range(rows):
                a += basis[cursor + i] * basis[other + i]
            slope_k = blocks.offset[v0 + k] + z * g[k]
            H[j, k] = equity_curvature * slope_j * slope_k + volatility_curvature * (
                a - g[j] * g[k]
            )
        pivot[j] = work.low[j] * work.inverse[0, j] + work.high[j] * work.inverse[1, j]
        H[j, j] = max(H[j, j], 0.0) + pivot[j]
    for j in range(m):
        value = H[j, j]
        for k in range(j):
            a = H[j, k]
            for i in range(k):
                a -= H[j, i] * H[k, i]
            H[j, k] = a * pivot[k]
            value -= H[j, k] * H[j, k]
        # Pivots are bounded below by the barrier's own diagonal: a pivot lost to rounding stands
        # for a direction without curvature.
        pivot[j] = 1.0 / sqrt(max(value, MIN_PIVOT * H[j, j], pivot[j]))


@jit_inline
def newton_direction(m: int, work: Workspace) -> tuple[float, float]:
    """Newton's direction, into `work.dy`; the slope along it, and how much of the slack to a bound
    it uses up at most.
    """
    H, pivot, dy = work.H, work.pivot, work.dy
    for j in range(m):
        a = -work.residual[j]
        for k in range(j):
            a -= H[j, k] * dy[k]
        dy[j] = a * pivot[j]
    for j in range(m - 1, -1, -1):
        a = dy[j]
        for k in range(j + 1, m):
            a -= H[k, j] * dy[k]
        dy[j] = a * pivot[j]
    nearest = 0.0
    slope = 0.0
    for j in range(m):
        nearest = max(nearest, -dy[j] * work.inverse[0, j], dy[j] * work.inverse[1, j])
        slope += work.residual[j] * dy[j]
    return slope, nearest


@jit_inline
def solve_block(
    b: int,
    blocks: EllipticalBlocks,
    prices: FloatArray,
    barrier: Barrier,
    y: FloatArray,
    yc: FloatArray,
    work: Workspace,
) -> None:
    """Newton's method for one block from where it stands; leaves the factor of the Hessian."""
    v0 = blocks.variable[b]
    m = blocks.variable[b + 1] - v0
    trial, dy, mu = work.trial, work.dy, barrier.mu
    for j in range(m):
        trial[0, j] = y[v0 + j]
        trial[1, j] = yc[v0 + j]
        work.low[j] = barrier.previous / trial[0, j]
        work.high[j] = barrier.previous / trial[1, j]
    step, slope_start, backtracks, steps = 0.0, 0.0, 0, 0
    while True:
        E, c = equity_and_volatility(b, blocks, trial, work.u)
        tail, moment, density = tail_moments(
            E, c, blocks.df, blocks.constant, blocks.table, blocks.table_range
        )
        inverse_c = 1.0 / c if c > 0.0 else 0.0
        slope, settled = barrier_gradient(b, blocks, prices, barrier, work, inverse_c, tail, moment)
        if step > 0.0:
            # The problem is convex: a step is too long only if the slope along it has turned up as
            # steeply.
            too_long = slope > -barrier.curvature_condition * slope_start
            if not settled and too_long and backtracks < barrier.max_backtracks:
                backtracks += 1
                ratio = slope_start / (slope_start - slope)
                step *= max(min(ratio, barrier.longest_backtrack), barrier.shortest_backtrack)
                for j in range(m):
                    trial[0, j] = y[v0 + j] + step * dy[j]
                    trial[1, j] = yc[v0 + j] - step * dy[j]
                continue
            update_multipliers(m, mu, step, barrier.multiplier_safeguard, work)
        # Always take one step: stopping exactly at the tolerance would make the sums a
        # discontinuous function of the prices.
        done = (settled and steps > 0) or steps == barrier.max_newton
        for j in range(m):
            y[v0 + j] = trial[0, j]
            yc[v0 + j] = trial[1, j]
            work.inverse[0, j] = work.inverse_trial[0, j]
            work.inverse[1, j] = work.inverse_trial[1, j]
            if done:
                work.low[j] = mu * work.inverse[0, j]
                work.high[j] = mu * work.inverse[1, j]
        factorise_hessian(b, blocks, work, E * inverse_c, density * inverse_c, moment * inverse_c)
        if done:
            return
        steps, backtracks = steps + 1, 0
        slope_start, nearest = newton_direction(m, work)
        step = min(1.0, barrier.step_to_boundary / nearest) if nearest > 0.0 else 1.0
        for j in range(m):
            trial[0, j] = y[v0 + j] + step * dy[j]
            trial[1, j] = yc[v0 + j] - step * dy[j]


@jit_inline
def add_response(
    b: int,
    blocks: EllipticalBlocks,
    y: FloatArray,
    work: Workspace,
    total: FloatArray,
    d_total_d_mu: FloatArray,
    schur: FloatArray,
) -> None:
    """Add a block's part to the sums of fractions, and their derivatives by mu and (minus) by the
    prices, from the inverse of its Cholesky factor.
    """
    v0 = blocks.variable[b]
    m = blocks.variable[b + 1] - v0
    H, pivot, F, row, share = work.H, work.pivot, work.residual, blocks.row, blocks.share
    for j in range(m):
        H[j, j] = pivot[j]
        for k in range(j + 1, m):
            a = 0.0
            for i in range(j, k):
                a -= H[k, i] * H[i, j]
            H[k, j] = a * pivot[k]
    for k in range(m):
        a = 0.0
        for j in range(k + 1):
            a += H[k, j] * (work.inverse[0, j] - work.inverse[1, j])
        F[k] = a
    for j in range(m):
        i = v0 + j
        total[row[i]] += share[i] * y[i]
        a = 0.0
        for k in range(j, m):
            a += H[k, j] * F[k]
        d_total_d_mu[row[i]] += share[i] * a
        for k in range(j + 1):
            a = 0.0
            for n in range(j, m):
                a += H[n, j] * H[n, k]
            a *= share[i] * share[v0 + k]
            schur[row[i], row[v0 + k]] += a
            if k < j:
                schur[row[v0 + k], row[i]] += a


@jit_loop
def solve_block_barriers(
    chunk: IntArray,  # which blocks
    blocks: EllipticalBlocks,
    prices: FloatArray,  # (d,)
    barrier: Barrier,
    y: FloatArray,  # in and out
    yc: FloatArray,  # 1 - y
    total: FloatArray,  # out: (d,) sum A y
    d_total_d_mu: FloatArray,  # out: (d,)
    schur: FloatArray,  # out: (d, d) minus its derivative by prices
) -> None:
    """Solve each block at these prices and this barrier parameter, and sum up how the fractions
    answer both.
    """
    widest = 1
    for b in chunk:
        widest = max(widest, blocks.variable[b + 1] - blocks.variable[b])
    # Arrays made here are known not to overlap: given as arguments they cost a tenth more time.
    work = Workspace(
        np.empty(widest + 1),
        np.empty(widest),
        np.empty(widest),
        np.empty((2, widest)),
        np.empty((2, widest)),
        np.empty(widest),
        np.zeros(widest),
        np.empty(widest),
        np.empty(widest),
        np.empty((2, widest)),
        np.empty((widest, widest)),
    )
    for b in chunk:
        solve_block(b, blocks, prices, barrier, y, yc, work)
        add_response(b, blocks, y, work, total, d_total_d_mu, schur)
