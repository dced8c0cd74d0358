"""Changed price models against models stated anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.prices.changes import move_correlation, scale_horizon, scale_volatility
from adlopt.prices.horizon import horizon_in_years

ASSETS, MARKS = pd.Index(["BTC", "ETH"]), np.array([67_000.0, 1_900.0])
FACTORS = np.array([1.5, 0.5])
COVARIANCE = np.array([[4.0e7, 6.0e5], [6.0e5, 4.0e4]])


def moves(model: adl.PriceModel) -> np.ndarray:
    return model.scenarios(ASSETS, MARKS).moves


def lognormal(**changes: Any) -> adl.LogNormal:
    stated: dict[str, Any] = {
        "volatility": {"ETH": 0.75, "BTC": 0.6},
        "correlation": 0.5,
        "horizon": "10D",
    }
    return adl.LogNormal(**{**stated, "points": 64, **changes})


def test_lognormal() -> None:
    np.testing.assert_allclose(
        moves(scale_volatility(lognormal(), ASSETS, FACTORS)),
        moves(lognormal(volatility={"BTC": 0.9, "ETH": 0.375})),
    )
    np.testing.assert_allclose(
        moves(scale_horizon(lognormal(), ASSETS, 2.0)), moves(lognormal(horizon="20D"))
    )
    moved = move_correlation(lognormal(), ASSETS, 0.2)
    assert moved is not None
    np.testing.assert_allclose(moves(moved), moves(lognormal(correlation=0.6)))
    back = move_correlation(lognormal(), ASSETS, -0.2)
    assert back is not None
    np.testing.assert_allclose(moves(back), moves(lognormal(correlation=0.4)))
    assert move_correlation(lognormal(correlation=-1.0), ASSETS, -0.1) is None


def test_elliptical() -> None:
    model = adl.StudentT(COVARIANCE, 3.0, points=64)
    scaled = adl.StudentT(COVARIANCE * np.outer(FACTORS, FACTORS), 3.0, points=64)
    np.testing.assert_allclose(moves(scale_volatility(model, ASSETS, FACTORS)), moves(scaled))
    longer = adl.StudentT(COVARIANCE * 2.0, 3.0, points=64)
    np.testing.assert_allclose(moves(scale_horizon(model, ASSETS, 2.0)), moves(longer))
    rho = 6.0e5 / np.sqrt(4.0e7 * 4.0e4)
    moved = move_correlation(model, ASSETS, 0.1)
    assert isinstance(moved, adl.StudentT)
    matrix = moved.covariance_of(ASSETS)
    assert matrix[0, 1] / np.sqrt(matrix[0, 0] * matrix[1, 1]) == pytest.approx(
        rho + 0.1 * (1 - rho)
    )
    np.testing.assert_allclose(np.diag(matrix), np.diag(COVARIANCE))


def test_one_factor_scenarios_and_mixture() -> None:
    factor = adl.OneFactor({"BTC": 6_000.0, "ETH": 200.0}, points=16)
    given = adl.Scenarios(returns=[[0.2, -0.9], [-0.9, 0.1]])
    wanted = moves(adl.OneFactor({"BTC": 9_000.0, "ETH": 100.0}, points=16))
    np.testing.assert_allclose(moves(scale_volatility(factor, ASSETS, FACTORS)), wanted)
    scaled = moves(scale_volatility(given, ASSETS, FACTORS))
    # -0.9 times 1.5 would be a negative price: it stops at zero.
    np.testing.assert_allclose(scaled / MARKS, [[0.3, -0.45], [-1.0, 0.05]])
    both = adl.Mixture([(factor, 0.5), (given, 0.5)])
    np.testing.assert_allclose(
        moves(scale_volatility(both, ASSETS, FACTORS)), np.vstack([wanted, scaled])
    )
    assert move_correlation(both, ASSETS, 0.1) is None
    assert move_correlation(adl.Mixture([(lognormal(), 1.0)]), ASSETS, 0.1) is not None


@pytest.mark.parametrize(
    ("given", "years"),
    [
        ("10D", 10 / 365),
        ("8h", 8 / 24 / 365),
        (pd.Timedelta(days=73), 0.2),
        (0.25, 0.25),
        ("0.25", 0.25),
        (1, 1.0),
        (np.float64(0.5), 0.5),
    ],
)
def test_horizons(given: object, years: float) -> None:
    assert horizon_in_years("horizon", given) == pytest.approx(years, rel=1e-14)
    assert lognormal(horizon=given).years == pytest.approx(years, rel=1e-14)


@pytest.mark.parametrize("given", [0, -1.0, "-3D", "soon", None, True, np.nan, np.inf, "", [1]])
def test_bad_horizons(given: object) -> None:
    with pytest.raises(adl.InputError, match="horizon"):
        lognormal(horizon=given)


def test_history_reads_the_same_horizons() -> None:
    days = pd.date_range("2024-01-01", periods=30, freq="D")
    prices = pd.DataFrame({"BTC": np.linspace(100.0, 130.0, 30)}, index=days)
    rows = adl.History(prices, 10)
    for horizon in ("10D", 10 / 365, pd.Timedelta(days=10), "240h"):
        np.testing.assert_array_equal(adl.History(prices, horizon).returns, rows.returns)
