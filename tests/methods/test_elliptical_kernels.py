"""Each loop of the elliptical solver against the formula it computes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats

from adlopt.methods import _elliptical_blocks as setup
from adlopt.methods import _elliptical_kernels as kernels
from adlopt.methods.elliptical_solver import SETTINGS, log_tail_table
from adlopt.prices.student import student_constant

MU = 0.02


def plain(function: Any) -> Callable[..., Any]:
    """The loop as Python runs it."""
    as_written: Callable[..., Any] = getattr(function, "py_func", function)
    return as_written


def blocks_of(seed: int, df: float = np.inf) -> setup.EllipticalBlocks:
    """Three pools with 1 to 3 positions in two coupled assets, settled off the mark."""
    rng = np.random.default_rng(seed)
    sizes = np.array([1, 3, 2])
    variable = np.append(0, np.cumsum(sizes))
    columns = sizes + 1
    entry = np.append(0, np.cumsum(columns * columns))
    total = int(variable[-1])
    return setup.EllipticalBlocks(
        variable=variable,
        entry=entry,
        basis=rng.normal(size=entry[-1]),
        equity=rng.uniform(0.2, 2.0, 3),
        offset=rng.normal(0.0, 0.3, total),
        row=rng.integers(0, 2, total),
        share=rng.uniform(0.1, 0.5, total),
        df=df,
        constant=float(student_constant(df)) if np.isfinite(df) else 1 / np.sqrt(2 * np.pi),
        table=log_tail_table(df) if np.isfinite(df) else np.empty((2, 0)),
        table_range=SETTINGS.table_range,
    )


def scratch(m: int) -> setup.Workspace:
    pair, line = (2, m), m
    shapes = (m + 1, line, line, pair, pair, line, line, line, line, pair, (m, m))
    return setup.Workspace(*(np.zeros(shape) for shape in shapes))


def barrier(mu: float = MU, previous: float = MU) -> setup.Barrier:
    return setup.Barrier(mu, previous, 1e-10, 0.995, 0.5, 60, 30, 0.1, 0.9, 1e3)


def pool_loss(blocks: setup.EllipticalBlocks, b: int, y: np.ndarray) -> float:
    """c E[(X - E / c)^+] by scipy, from the columns of the block."""
    v0, m = blocks.variable[b], blocks.variable[b + 1] - blocks.variable[b]
    T = blocks.basis[blocks.entry[b] : blocks.entry[b + 1]].reshape(m + 1, -1)
    c = float(np.linalg.norm(T[0] + (1 - y) @ T[1:]))
    E = float(blocks.equity[b] + blocks.offset[v0 : v0 + m] @ y)
    z = E / c
    if np.isinf(blocks.df):
        return c * float(stats.norm.pdf(z) - z * stats.norm.sf(z))
    nu = blocks.df
    density, tail = stats.t.pdf(z, nu), stats.t.sf(z, nu)
    return c * float((nu + z * z) / (nu - 1) * density - z * tail)


def barrier_value(
    blocks: setup.EllipticalBlocks, b: int, y: np.ndarray, prices: np.ndarray, mu: float
) -> float:
    rows = slice(blocks.variable[b], blocks.variable[b + 1])
    linear = (prices[blocks.row[rows]] * blocks.share[rows]) @ y
    return pool_loss(blocks, b, y) + float(linear - mu * np.log(y * (1 - y)).sum())


def slopes(function: Callable[[np.ndarray], Any], y: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Central differences by each coordinate."""
    return np.array(
        [(function(y + step * e) - function(y - step * e)) / (2 * step) for e in np.eye(y.size)]
    )


def evaluated(
    blocks: setup.EllipticalBlocks, b: int, y: np.ndarray, prices: np.ndarray
) -> tuple[setup.Workspace, tuple[float, ...]]:
    """Gradient at y, with what the Hessian needs."""
    work = scratch(y.size)
    work.trial[:] = y, 1 - y
    E, c = plain(kernels.equity_and_volatility)(b, blocks, work.trial, work.u)
    law = (blocks.df, blocks.constant, blocks.table, blocks.table_range)
    tail, moment, density = plain(setup.tail_moments)(E, c, *law)
    plain(kernels.barrier_gradient)(b, blocks, prices, barrier(), work, 1 / c, tail, moment)
    return work, (E / c, density / c, moment / c)


@pytest.mark.parametrize("df", [np.inf, 3.0, 30.0])
@pytest.mark.parametrize("b", [0, 1, 2])
def test_gradient_and_hessian_are_those_of_the_barrier_problem(b: int, df: float) -> None:
    blocks, rng = blocks_of(3, df), np.random.default_rng(b)
    m = int(blocks.variable[b + 1] - blocks.variable[b])
    y, prices = rng.uniform(0.2, 0.8, m), rng.normal(size=2)
    work, curvature = evaluated(blocks, b, y, prices)
    wanted = slopes(lambda x: barrier_value(blocks, b, x, prices, MU), y)
    np.testing.assert_allclose(work.residual, wanted, rtol=1e-6, atol=1e-7)
    gradient = work.residual.copy()
    work.inverse[:] = work.inverse_trial
    work.low[:], work.high[:] = MU / y, MU / (1 - y)
    plain(kernels.factorise_hessian)(b, blocks, work, *curvature)
    L = np.tril(work.H, -1) + np.diag(1 / work.pivot)
    hessian = slopes(lambda x: evaluated(blocks, b, x, prices)[0].residual, y)
    np.testing.assert_allclose(L @ L.T, hessian, rtol=1e-5, atol=1e-6)
    slope, nearest = plain(kernels.newton_direction)(m, work)
    np.testing.assert_allclose(L @ L.T @ work.dy, -gradient, rtol=1e-9, atol=1e-12)
    assert slope == pytest.approx(gradient @ work.dy)
    assert nearest == pytest.approx(max(np.max(-work.dy / y), np.max(work.dy / (1 - y)), 0.0))


@pytest.mark.parametrize("df", [np.inf, 4.0])
def test_tails_equal_those_of_scipy(df: float) -> None:
    blocks = blocks_of(0, df)
    law = (df, blocks.constant, blocks.table, blocks.table_range)
    for z in (-8.0, -1.0, -1e-3, 0.0, 0.4, 3.0, 20.0):
        tail, moment, density = plain(setup.tail_moments)(z, 1.0, *law)
        reference = stats.norm if np.isinf(df) else stats.t(df)
        assert tail == pytest.approx(reference.sf(z), rel=1e-12, abs=1e-300)
        assert density == pytest.approx(reference.pdf(z), rel=1e-12)
        excess = reference.expect(lambda x: x, lb=z) if np.isfinite(df) else stats.norm.pdf(z)
        assert moment == pytest.approx(excess, rel=1e-6, abs=1e-9)
    assert plain(setup.tail_moments)(1.0, 0.0, *law) == (0.0, 0.0, 0.0)
    assert plain(setup.tail_moments)(-1.0, 0.0, *law) == (1.0, 0.0, 0.0)
    assert plain(setup.tail_moments)(0.0, 0.0, *law) == (0.5, 0.0, 0.0)


def test_the_table_is_accurate() -> None:
    law = (2.5, float(student_constant(2.5)), log_tail_table(2.5), SETTINGS.table_range)
    z = np.sinh(np.linspace(-12.0, 12.0, 501))
    found = np.array([plain(setup.tail_moments)(x, 1.0, *law)[0] for x in z])
    np.testing.assert_allclose(found, stats.t.sf(z, 2.5), rtol=1e-12)


def test_rotation_keeps_lengths_and_angles() -> None:
    """Columns of a pool in 5 assets, written down in 3 coordinates: their inner products stay."""
    rng = np.random.default_rng(1)
    root, capacity, asset = rng.normal(size=(5, 5)), np.array([2.0, -1.5]), np.array([1, 3])
    fixed = rng.normal(size=(1, 5))
    basis = np.empty(9)
    entry = np.array([0, 9])
    block, scratch = (np.array([0]), np.array([0, 2])), (np.empty((3, 5)), np.empty(5))
    setup.rotate_to_span(*block, entry, fixed, asset, root, capacity, basis, *scratch)
    before = np.vstack([fixed, capacity[:, None] * root[asset]])
    after = basis.reshape(3, 3)
    np.testing.assert_allclose(after @ after.T, before @ before.T, rtol=1e-12)


def test_householder_makes_lower_triangles() -> None:
    W = np.random.default_rng(2).normal(size=(3, 6))
    W[1] = 0.0  # a zero row has no direction
    before = W @ W.T
    plain(setup.householder_lower)(3, W, np.empty(6))
    np.testing.assert_allclose(np.triu(W, 1), 0.0, atol=1e-12)
    np.testing.assert_allclose(W @ W.T, before, atol=1e-12)


def solved(
    blocks: setup.EllipticalBlocks, prices: np.ndarray, mu: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Fractions at these prices and barrier parameter, and the kernel's sums."""
    y = np.full(blocks.share.size, 0.5)
    sums = [np.zeros(2), np.zeros(2), np.zeros((2, 2))]
    kernels.solve_block_barriers(np.arange(3), blocks, prices, barrier(mu, mu), y, 1 - y, *sums)
    return y, sums


@pytest.mark.parametrize("df", [np.inf, 4.0])
def test_blocks_are_solved_and_answer_prices_and_barrier(df: float) -> None:
    """Stationary, and the derivatives of the sums are those of finite differences."""
    blocks, prices = blocks_of(5, df), np.array([0.3, -0.2])
    y, (total, by_mu, schur) = solved(blocks, prices, MU)
    for b in range(3):
        own = y[blocks.variable[b] : blocks.variable[b + 1]]
        barrier_of_block = partial(barrier_value, blocks, b, prices=prices, mu=MU)
        gradient = slopes(barrier_of_block, own)
        np.testing.assert_allclose(gradient, 0.0, atol=1e-6)
    np.testing.assert_allclose(total, np.bincount(blocks.row, blocks.share * y, minlength=2))
    step = 1e-5
    up, down = (solved(blocks, prices, MU + s)[1][0] for s in (step, -step))
    np.testing.assert_allclose(by_mu, (up - down) / (2 * step), rtol=1e-4, atol=1e-6)
    numeric = slopes(lambda p: solved(blocks, p, MU)[1][0], prices)
    np.testing.assert_allclose(schur, -numeric, rtol=1e-4, atol=1e-6)


def test_multipliers_stay_near_the_centre() -> None:
    work = scratch(1)
    work.inverse[:] = work.inverse_trial[:] = 2.0
    work.low[:], work.high[:], work.dy[:] = 1e9, 0.0, 0.1
    plain(kernels.update_multipliers)(1, MU, 0.5, 1e3, work)
    assert work.low[0] == 1e3 * MU * 2.0
    assert work.high[0] == pytest.approx(0.5 * MU * 2.0)
