"""Sobol points of correlated geometric Brownian motion: moments, seeds, order of assets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl

ASSETS, MARKS = pd.Index(["A", "B", "C"]), np.array([100.0, 2.0, 30.0])
VOLATILITY = {"A": 0.6, "B": 0.9, "C": 0.3}
CORRELATION = pd.DataFrame(
    [[1, 0.8, -0.2], [0.8, 1, 0.1], [-0.2, 0.1, 1]], index=ASSETS, columns=ASSETS
)


def log_returns(model: adl.LogNormal) -> np.ndarray:
    return np.asarray(np.log1p(model.scenarios(ASSETS, MARKS).moves / MARKS))


def test_moments() -> None:
    T = 0.1
    model = adl.LogNormal(VOLATILITY, CORRELATION, horizon=T)
    moves, weights = model.scenarios(ASSETS, MARKS)
    assert weights.size == 2**14
    np.testing.assert_allclose(weights @ moves / MARKS, 0.0, atol=1e-4)  # driftless in price
    sigma = np.array(list(VOLATILITY.values()))
    np.testing.assert_allclose(
        np.cov(log_returns(model).T), T * np.outer(sigma, sigma) * CORRELATION, rtol=5e-3, atol=2e-5
    )


def test_order_of_assets_does_not_matter() -> None:
    shuffled = adl.LogNormal(
        {name: VOLATILITY[name] for name in "CAB"},
        CORRELATION.loc[list("BCA"), list("BCA")],
        horizon=0.1,
    )
    np.testing.assert_allclose(
        log_returns(shuffled),
        log_returns(adl.LogNormal(VOLATILITY, CORRELATION, horizon=0.1)),
        atol=1e-13,
    )


def test_seed() -> None:
    one, same, other = (
        log_returns(adl.LogNormal(VOLATILITY, 0.5, horizon=0.1, points=64, seed=seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (2, 2), (100, 128), (1024, 1024)])
def test_points_round_up_to_a_power_of_two(asked: int, given: int) -> None:
    assert len(log_returns(adl.LogNormal(VOLATILITY, points=asked))) == given


def test_singular_correlation() -> None:
    returns = log_returns(adl.LogNormal([0.5, 0.5, 0.5], 1.0, horizon=0.1, points=256))
    np.testing.assert_allclose(returns[:, 0], returns[:, 1], atol=1e-7)
    np.testing.assert_allclose(returns[:, 0], returns[:, 2], atol=1e-7)


def test_no_volatility_no_move() -> None:
    assert not adl.LogNormal([0.0, 0.0, 0.0], points=16).scenarios(ASSETS, MARKS).moves.any()
