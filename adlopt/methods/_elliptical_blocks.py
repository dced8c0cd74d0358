"""Data of the elliptical solver's loops: blocks, barrier, scratch arrays, tails of the law.

A block is a pool with positions to choose from; see `_elliptical_kernels`.
"""

from __future__ import annotations

from math import asinh, erfc, exp, log1p, sqrt
from typing import NamedTuple

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.parallel import jit_inline, jit_inner, jit_loop

INVERSE_ROOT_2 = sqrt(0.5)
INVERSE_ROOT_2_PI = 0.3989422804014327


class EllipticalBlocks(NamedTuple):
    """The pools with a choice, in fractions of positions and units of money."""

    variable: IntArray  # (blocks + 1,) first variable of each block
    entry: IntArray  # (blocks + 1,) where the block's basis begins
    basis: FloatArray  # columns of each block, T_0 first
    equity: FloatArray  # (blocks,) E_0
    offset: FloatArray  # (variables,) equity that taking the whole position adds
    row: IntArray  # (variables,) coupling row
    share: FloatArray  # (variables,) A: what the whole variable adds to its coupling row
    df: float  # degrees of freedom of X; infinite for a normal law
    constant: float  # density of X at zero
    # (2, nodes) logarithm of P(X > z) and its slope per step; empty if all settles at the mark
    table: FloatArray
    table_range: float  # asinh of the table's last z


class Barrier(NamedTuple):
    """Where the barrier problem stands, and how it is solved."""

    mu: float  # barrier parameter
    previous: float  # the one at which the variables were left
    gradient_tolerance: float  # of a block's gradient, relative to its barriers' pull
    step_to_boundary: float  # share of the way to the nearest bound that a step may go
    curvature_condition: float  # slope up after a step, relative to the slope down before it
    max_newton: int
    max_backtracks: int
    shortest_backtrack: float  # bounds of a backtrack, as a share of the step before
    longest_backtrack: float
    # A bound's multiplier stays within this factor of mu / slack (kappa_Sigma of Waechter and
    # Biegler 2006, there 1e10; here blocks are solved to the end each time).
    multiplier_safeguard: float


class Workspace(NamedTuple):
    """Scratch arrays of one block."""

    u: FloatArray  # scaled volatility: T_0 + sum_j (1 - y_j) T_j
    g: FloatArray  # volatility gradient
    residual: FloatArray  # gradient of the barrier problem
    inverse: FloatArray  # (2, m) 1 / y, 1 / (1 - y) at the point
    inverse_trial: FloatArray
    pivot: FloatArray  # inverse diagonal of the Cholesky factor
    dy: FloatArray  # Newton direction
    low: FloatArray  # multipliers of y >= 0
    high: FloatArray  # and of y <= 1
    trial: FloatArray  # (2, m) y and 1 - y at the trial point
    H: FloatArray  # Hessian, then its Cholesky factor, then the factor's inverse


@jit_loop
def rotate_to_span(
    blocks: IntArray,
    variable: IntArray,
    entry: IntArray,
    fixed: FloatArray,  # (blocks, r) root' sizes once all that may be taken is
    asset: IntArray,  # (variables,) rows of root
    root: FloatArray,  # (d, r)
    capacity: FloatArray,  # (variables,) signed
    basis: FloatArray,  # out: columns of each block, T_0 first
    W: FloatArray,  # scratch: (widest block + 1, r)
    normal: FloatArray,  # scratch: (r,)
) -> None:
    """Columns of every block in as few coordinates as span them: lengths and angles are what
    counts.
    """
    r = root.shape[1]
    for b in blocks:
        v0 = variable[b]
        columns = variable[b + 1] - v0 + 1
        for k in range(r):
            W[columns - 1, k] = fixed[b, k]
            for j in range(columns - 1):
                W[j, k] = capacity[v0 + j] * root[asset[v0 + j], k]
        if r > columns:
            householder_lower(columns, W, normal)
        rows = min(r, columns)
        cursor = entry[b]
        for k in range(rows):
            basis[cursor + k] = W[columns - 1, k]
        for j in range(columns - 1):
            cursor += rows
            for k in range(rows):
                basis[cursor + k] = W[j, k]


@jit_inner
def householder_lower(rows: int, W: FloatArray, normal: FloatArray) -> None:
    """Reduce the first rows of W to lower triangular form by Householder reflections of their
    coordinates; `normal` (r,) is scratch.
    """
    r = W.shape[1]
    for j in range(rows):
        square = 0.0
        for k in range(j, r):
            normal[k] = W[j, k]
            square += W[j, k] * W[j, k]
        if square == 0.0:
            continue
        norm = sqrt(square)
        normal[j] += norm if normal[j] > 0.0 else -norm
        square = 0.0
        for k in range(j, r):
            square += normal[k] * normal[k]
        for i in range(j, rows):
            projection = 0.0
            for k in range(j, r):
                projection += normal[k] * W[i, k]
            factor = 2.0 * projection / square
            for k in range(j, r):
                W[i, k] -= factor * normal[k]


@jit_inline
def tail_moments(
    E: float, c: float, df: float, constant: float, table: FloatArray, table_range: float
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
        x = (min(max(asinh(z) / table_range, -1.0), 1.0) + 1.0) * 0.5 * steps
        k = min(int(x), steps - 1)
        t = x - k
        a, b = table[0, k], table[0, k + 1]
        p, q = table[1, k], table[1, k + 1]
        tail = exp(a + t * (p + t * ((3.0 * (b - a) - 2.0 * p - q) + t * (p + q - 2.0 * (b - a)))))
    return tail, moment, density
