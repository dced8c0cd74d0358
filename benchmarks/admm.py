"""A sample-average ADMM, written plainly: the general scheme that shadow prices compare with.

minimise sum_p w_p [z_p]^+ over fractions y in [0, 1] with A y = 1 and z = a + D y. Proximal steps
update z and a copy u of y; least squares, with one factorisation of the normal equations, update y.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

import adlopt as adl
from adlopt._internal.arrays import FloatArray
from adlopt.methods.repair import restore_feasibility
from adlopt.methods.shadow_price.pools import PoolProgram, build
from adlopt.methods.shadow_price.tuning import DEFAULTS
from adlopt.model.losses import objective_value
from adlopt.presolve.pairs import presolve

CHECK = 20  # steps between two looks at the value
RELAXATION = 1.6


def seconds_to_gap(problem: adl.Problem, gap: float, limit: float) -> tuple[float, float, int]:
    """Seconds until the value is within `gap` of the optimum or the limit ends it; the gap reached
    and the steps. The optimum, by shadow prices, is found before the clock starts.
    """
    optimum = float(adl.solve(problem, "shadow_price").value or 0.0)
    started = time.perf_counter()
    program = build(problem, presolve(problem), DEFAULTS)
    pools, v = program.pools, program.pools.asset.size
    count = np.diff(pools.hinge)
    slopes, weights, shift = _slopes(program, problem)
    linear = np.zeros(v)
    D: Any = slopes
    w, a = weights[pools.scenario], pools.level
    scale = np.median(np.abs(D.data)) if D.nnz else 1.0
    D, a, w = D / scale, a / scale, w * scale
    linear += shift
    A = sp.csr_array((pools.used, (pools.asset, np.arange(v))), shape=(program.exhausted.size, v))
    rho = float(w.mean() + np.abs(linear).mean()) or 1.0
    heavy = 1e3  # weight of A y = 1
    factor = splu(sp.csc_matrix(D.T @ D + sp.eye_array(v) + heavy * (A.T @ A)))
    y, u, z = np.zeros(v), np.zeros(v), a.copy()
    price, dual_u, dual_z = np.zeros(A.shape[0]), np.zeros(v), np.zeros(count.sum())
    steps, best = 0, np.inf
    while time.perf_counter() - started < limit:
        right = D.T @ (z - a - dual_z) + u - dual_u + heavy * (A.T @ (1.0 - price)) - linear / rho
        y = factor.solve(right)
        reached = a + D @ y
        over = RELAXATION * reached + (1 - RELAXATION) * z
        over_u = RELAXATION * y + (1 - RELAXATION) * u
        v_z = over + dual_z
        z = np.where(v_z > w / rho, v_z - w / rho, np.minimum(v_z, 0.0))
        u = np.clip(over_u + dual_u, 0.0, 1.0)
        dual_z, dual_u, price = v_z - z, dual_u + over_u - u, price + A @ y - 1.0
        steps += 1
        if steps % CHECK == 0:
            allocation = restore_feasibility(problem, program.reductions(problem, u))
            best = min(best, objective_value(problem, allocation) / optimum - 1.0)
            if best <= gap:
                break
    return time.perf_counter() - started, best, steps


def _slopes(program: PoolProgram, problem: adl.Problem) -> tuple[Any, FloatArray, FloatArray]:
    """Slopes of the hinges (hinges, v), probabilities, and the linear pairs' cost by variable."""
    pools, weights = program.pools, problem.scenarios.weights
    width, count = np.diff(pools.variable), np.diff(pools.hinge)
    owner = np.repeat(np.arange(width.size), count)
    repeat = width[owner]
    row = np.repeat(np.arange(owner.size), repeat)
    first = np.cumsum(repeat) - repeat
    column = pools.variable[owner][row] + np.arange(row.size) - first[row]
    entry = pools.moves[pools.scenario[row], pools.asset[column]] * pools.contracts[column]
    slopes = sp.csr_array((entry, (row, column)), shape=(owner.size, pools.asset.size))
    owner = np.repeat(np.arange(width.size), np.diff(pools.linear))
    repeat = width[owner]
    row = np.repeat(np.arange(owner.size), repeat)
    first = np.cumsum(repeat) - repeat
    column = pools.variable[owner][row] + np.arange(row.size) - first[row]
    s = pools.linear_scenario[row]
    cost = weights[s] * pools.moves[s, pools.asset[column]] * pools.contracts[column]
    return slopes, weights, np.bincount(column, cost, minlength=pools.asset.size).astype(float)
