"""Loops of the smooth shadow-price method: every pool's barrier problem at given prices, solved
within the processor's cache.

A block is a pool with positions to choose from. Its variables are fractions y of what may be taken
from each; its problem
at prices lambda and barrier weight mu, in units of money, is

    min  L(E, c) + sum_j (lambda_k(j) A_j y_j - mu log y_j - mu log(1 - y_j)),   L = c E[(X - E /
    c)^+],

with equity E = E_0 + sum_j offset_j y_j and volatility c = |T_0 + sum_j (1 - y_j) T_j|, the columns
T being the block's
`basis`. With z = E / c the gradient is offset_j P(X < -z) down and (T_j . u / c) E[X; X > z] down,
u / c being the direction
of T; the Hessian is f(z) / c (offset + z g)(offset + z g)' + E[X; X > z] / c (T'T - g g') with g_j
= T_j . u / c.
"""

from __future__ import annotations

from math import asinh, erfc, exp, log1p, sqrt

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.parallel import jit, jit_sums

BOUNDARY = 0.995  # share of the way to the nearest bound that a step may go
OVERSHOOT = 0.5  # slope up after a step, relative to the slope down before it
MOST = 60  # Newton steps of a block
SHORTENINGS = 30
ROUNDING = 1e-14  # of a gradient
FLOOR = 1e-14  # relative to the diagonal: smaller pivots are rounding
INVERSE_ROOT_2 = sqrt(0.5)
INVERSE_ROOT_2_PI = 0.3989422804014327


@jit
def compress(
    variable: IntArray,  # (blocks + 1,) first variable of each block
    entry: IntArray,  # (blocks + 1,) where the block's basis begins
    fixed: FloatArray,  # (blocks, r) root' sizes once all that may be taken is
    asset: IntArray,  # (variables,) rows of root
    root: FloatArray,  # (d, r)
    capacity: FloatArray,  # (variables,) signed
    basis: FloatArray,  # out: columns of each block, T_0 first
) -> None:
    """Columns of every block in as few coordinates as span them: lengths and angles are what
    counts.
    """
    r = root.shape[1]
    widest = (variable[1:] - variable[:-1]).max() + 1
    whole = np.empty((widest, r))
    for b in range(variable.size - 1):
        v0 = variable[b]
        columns = variable[b + 1] - v0 + 1
        W = whole[:columns]
        W[columns - 1] = fixed[b]
        for j in range(columns - 1):
            W[j] = capacity[v0 + j] * root[asset[v0 + j]]
        rows = min(r, columns)
        if r > columns:
            _triangle(W)
        at = entry[b]
        for k in range(rows):
            basis[at + k] = W[columns - 1, k]
        for j in range(columns - 1):
            at += rows
            for k in range(rows):
                basis[at + k] = W[j, k]


@jit
def _triangle(W: FloatArray) -> None:
    """Rows of W turned together (Householder) so that row j has j + 1 coordinates."""
    r = W.shape[1]
    for j in range(W.shape[0]):
        norm = sqrt((W[j, j:] ** 2).sum())
        if norm == 0.0:
            continue
        v = W[j, j:].copy()
        v[0] += norm if v[0] > 0.0 else -norm
        square = (v**2).sum()
        for i in range(j, W.shape[0]):
            factor = 2.0 * (v * W[i, j:]).sum() / square
            for k in range(r - j):
                W[i, j + k] -= factor * v[k]


@jit_sums
def _law(
    E: float, c: float, df: float, constant: float, table: FloatArray, reach: float
) -> tuple[float, float, float]:
    """P(X > z), E[X; X > z] and the density at z = E / c. The probability is looked up where a
    table is given.
    """
    if c == 0.0:
        return (0.0 if E > 0.0 else (1.0 if E < 0.0 else 0.5)), 0.0, 0.0
    z = E / c
    if df == np.inf:
        density = INVERSE_ROOT_2_PI * exp(-0.5 * z * z)
        return 0.5 * erfc(z * INVERSE_ROOT_2), density, density
    square = z * z / df
    moment = constant * df / (df - 1.0) * exp(-0.5 * (df - 1.0) * log1p(square))
    density = moment * (df - 1.0) / df / (1.0 + square)
    tail = 0.0
    if table.size:
        # Cubic through values and slopes of the logarithm, on equal steps of asinh z.
        steps = table.shape[1] - 1
        x = (min(max(asinh(z) / reach, -1.0), 1.0) + 1.0) * 0.5 * steps
        k = min(int(x), steps - 1)
        t = x - k
        a, b = table[0, k], table[0, k + 1]
        p, q = table[1, k], table[1, k + 1]
        tail = exp(a + t * (p + t * ((3.0 * (b - a) - 2.0 * p - q) + t * (p + q - 2.0 * (b - a)))))
    return tail, moment, density


@jit_sums
def relax(
    blocks: IntArray,  # which ones
    variable: IntArray,
    entry: IntArray,
    basis: FloatArray,
    equity: FloatArray,  # (blocks,) E_0
    offset: FloatArray,  # (variables,) equity that taking the whole position adds
    row: IntArray,  # (variables,) coupling row
    share: FloatArray,  # (variables,) A: what the whole variable adds to its coupling row
    df: float,
    constant: float,  # density of X at zero
    # (2, nodes) logarithm of P(X > z) and its slope per step; empty without settlement off the mark
    table: FloatArray,
    reach: float,  # asinh of the table's last z
    prices: FloatArray,  # (d,)
    mu: float,
    before: float,  # barrier weight at which y was left
    accuracy: float,  # of a block's gradient, relative to what its barriers pull
    y: FloatArray,  # in and out
    yc: FloatArray,  # 1 - y
    total: FloatArray,  # out: (d,) sum A y
    drift: FloatArray,  # out: (d,) its derivative by mu
    schur: FloatArray,  # out: (d, d) minus its derivative by prices
    work: FloatArray,  # out: (2,) Newton steps; blocks whose problem rounding did not let be solved
) -> None:
    """Solve each block at these prices and barrier weight, starting where it stands; how the sums
    answer both.
    """
    widest = 1
    for b in blocks:
        widest = max(widest, variable[b + 1] - variable[b])
    u = np.empty(widest + 1)
    g = np.empty(widest)
    F = np.empty(widest)
    inverse_y = np.empty((2, widest))  # at the point
    inverse_trial = np.empty((2, widest))
    diagonal = np.empty(widest)  # inverses of that of the Cholesky factor
    dy = np.empty(widest)
    low = np.empty(widest)
    high = np.empty(widest)
    trial = np.empty((2, widest))
    H = np.empty((widest, widest))
    for b in blocks:
        v0 = variable[b]
        m = variable[b + 1] - v0
        rows = (entry[b + 1] - entry[b]) // (m + 1)
        for j in range(m):
            trial[0, j] = y[v0 + j]
            trial[1, j] = yc[v0 + j]
            low[j] = before / trial[0, j]
            high[j] = before / trial[1, j]
        far = 0.0
        down = 0.0
        shortened = 0
        steps = 0
        settled = False
        while True:
            # The loss and its gradient at the trial point.
            E = equity[b]
            at = entry[b]
            for k in range(rows):
                u[k] = basis[at + k]
            for j in range(m):
                at += rows
                E += offset[v0 + j] * trial[0, j]
                for k in range(rows):
                    u[k] += trial[1, j] * basis[at + k]
            c = 0.0
            for k in range(rows):
                c += u[k] * u[k]
            c = sqrt(c)
            tail, moment, density = _law(E, c, df, constant, table, reach)
            inverse = 1.0 / c if c > 0.0 else 0.0
            at = entry[b]
            slope = 0.0
            settled = True
            for j in range(m):
                at += rows
                a = 0.0
                for k in range(rows):
                    a += basis[at + k] * u[k]
                g[j] = a * inverse
                gradient = -offset[v0 + j] * tail - moment * g[j]
                price = prices[row[v0 + j]] * share[v0 + j]
                one = 1.0 / trial[0, j]
                other = 1.0 / trial[1, j]
                inverse_trial[0, j] = one
                inverse_trial[1, j] = other
                F[j] = gradient + price - mu * (one - other)
                slope += F[j] * dy[j]
                settled &= abs(F[j]) <= accuracy * mu * (one + other) + ROUNDING * (
                    abs(gradient) + abs(price)
                )
            if far > 0.0:
                # The problem is convex: a step is too long only if the slope along it has turned up
                # as steeply.
                if not settled and slope > -OVERSHOOT * down and shortened < SHORTENINGS:
                    shortened += 1
                    shorter = far * max(min(down / (down - slope), 0.9), 0.1)
                    for j in range(m):
                        trial[0, j] = y[v0 + j] + shorter * dy[j]
                        trial[1, j] = yc[v0 + j] - shorter * dy[j]
                    far = shorter
                    continue
                for j in range(m):
                    low[j] += far * (
                        mu * inverse_y[0, j] - low[j] * (1.0 + dy[j] * inverse_y[0, j])
                    )
                    high[j] += far * (
                        mu * inverse_y[1, j] - high[j] * (1.0 - dy[j] * inverse_y[1, j])
                    )
                    low[j] = min(
                        max(low[j], 1e-3 * mu * inverse_trial[0, j]), 1e3 * mu * inverse_trial[0, j]
                    )
                    high[j] = min(
                        max(high[j], 1e-3 * mu * inverse_trial[1, j]),
                        1e3 * mu * inverse_trial[1, j],
                    )
                    y[v0 + j] = trial[0, j]
                    yc[v0 + j] = trial[1, j]
            # One step at least: what it leaves is far below `accuracy`, which would make the sums a
            # rough function of prices.
            done = (settled and steps > 0) or steps == MOST
            for j in range(m):
                inverse_y[0, j] = inverse_trial[0, j]
                inverse_y[1, j] = inverse_trial[1, j]
                if done:
                    low[j] = mu * inverse_y[0, j]
                    high[j] = mu * inverse_y[1, j]
            # Cholesky factor of the Hessian, of the barriers included.
            z = E * inverse
            steep = density * inverse
            bend = moment * inverse
            at = entry[b]
            for j in range(m):
                at += rows
                to = entry[b]
                one = offset[v0 + j] + z * g[j]
                for k in range(j + 1):
                    to += rows
                    a = 0.0
                    for i in range(rows):
                        a += basis[at + i] * basis[to + i]
                    other = offset[v0 + k] + z * g[k]
                    H[j, k] = steep * one * other + bend * (a - g[j] * g[k])
                diagonal[j] = low[j] * inverse_y[0, j] + high[j] * inverse_y[1, j]
                H[j, j] = max(H[j, j], 0.0) + diagonal[j]
            for j in range(m):
                pivot = H[j, j]
                for k in range(j):
                    a = H[j, k]
                    for i in range(k):
                        a -= H[j, i] * H[k, i]
                    H[j, k] = a * diagonal[k]
                    pivot -= H[j, k] * H[j, k]
                # What the barriers add is never lost; a pivot lost to rounding stands for a
                # direction without curvature.
                diagonal[j] = 1.0 / sqrt(max(pivot, FLOOR * H[j, j], diagonal[j]))
            if done:
                break
            steps += 1
            shortened = 0
            for j in range(m):
                a = -F[j]
                for k in range(j):
                    a -= H[j, k] * dy[k]
                dy[j] = a * diagonal[j]
            for j in range(m - 1, -1, -1):
                a = dy[j]
                for k in range(j + 1, m):
                    a -= H[k, j] * dy[k]
                dy[j] = a * diagonal[j]
            nearest = 0.0
            down = 0.0
            for j in range(m):
                nearest = max(nearest, -dy[j] * inverse_y[0, j], dy[j] * inverse_y[1, j])
                down += F[j] * dy[j]
            far = min(1.0, BOUNDARY / nearest) if nearest > 0.0 else 1.0
            for j in range(m):
                trial[0, j] = y[v0 + j] + far * dy[j]
                trial[1, j] = yc[v0 + j] - far * dy[j]
        if not settled:
            work[1] += 1.0
        work[0] += steps
        # The inverse of the factor in its place; products of its columns are the inverse Hessian.
        for j in range(m):
            H[j, j] = diagonal[j]
            for k in range(j + 1, m):
                a = 0.0
                for n in range(j, k):
                    a -= H[k, n] * H[n, j]
                H[k, j] = a * diagonal[k]
        for k in range(m):
            a = 0.0
            for j in range(k + 1):
                a += H[k, j] * (inverse_y[0, j] - inverse_y[1, j])
            F[k] = a
        for j in range(m):
            i = v0 + j
            weight = share[i]
            total[row[i]] += weight * y[i]
            a = 0.0
            for n in range(j, m):
                a += H[n, j] * F[n]
            drift[row[i]] += weight * a
            for k in range(j + 1):
                a = 0.0
                for n in range(j, m):
                    a += H[n, j] * H[n, k]
                a *= weight * share[v0 + k]
                schur[row[i], row[v0 + k]] += a
                if k < j:
                    schur[row[v0 + k], row[i]] += a
