"""Warnings for inputs in the wrong unit, and none for sensible ones; models from a history."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import adlopt as adl

ASSETS = pd.Index(["BTC", "ETH"])
MARKS = np.array([67_000.0, 1_900.0])
RETURNS = np.array([[0.01, 0.008], [0.008, 0.015]])
MONEY = RETURNS * np.outer(MARKS, MARKS)


def pose(prices: adl.PriceModel | None = None, **options: Any) -> adl.Problem:
    return adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices, **options)


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda: pose(adl.Gaussian(RETURNS)), "covariance of returns, multiply by the marks"),
        (lambda: pose(adl.StudentT(RETURNS, 3.0)), "scale matrix of returns"),
        (lambda: pose(adl.OneFactor([0.1, 0.12])), "one of returns"),
        (lambda: pose(adl.Gaussian(MONEY * 1e4)), "many horizon prices are negative"),
        (lambda: pose(adl.LogNormal([60.0, 75.0])), "if 60 % was meant, give 0.6"),
        (lambda: pose(adl.LogNormal([0.6, 0.75], horizon=10)), "give '10D'"),
        (lambda: pose(adl.Scenarios([[-5.0, 1_900.0]])), "negative; if these are returns"),
        (lambda: pose(adl.Scenarios([[0.1, 0.2], [0.3, 0.1]])), "give returns="),
        (lambda: pose(adl.Scenarios(returns=[[10.0, 5.0]])), "divide by 100"),
        (lambda: pose(adl.Stress({"up": {"BTC": 30.0, "ETH": 1.0}})), "divide by 100"),
        (
            lambda: pose(adl.Mixture([(adl.LogNormal([60.0, 75.0]), 1.0)])),
            "if 60 % was meant",
        ),
        (lambda: pose(settlement={"BTC": 3 * 67_000.0}), "3 times the mark"),
    ],
)
def test_what_was_probably_meant(make: Any, pattern: str) -> None:
    with pytest.warns(adl.ScaleWarning, match=pattern) as caught:
        make()
    assert caught[0].filename == __file__  # the user's own line


@pytest.mark.parametrize(
    "prices",
    [
        adl.Gaussian(MONEY),
        adl.Gaussian(MONEY * 1e-8),  # a second
        adl.StudentT(MONEY, 1.5),
        adl.OneFactor(adl.examples.paper_direction(), stats.t(1.5)),
        adl.LogNormal([4.0, 5.0], horizon="30D"),
        adl.LogNormal([0.01, 0.02], horizon="1min"),
        adl.Scenarios(returns=[[4.0, 3.0], [-1.0, -0.99]]),
        adl.Scenarios([[30_000.0, 500.0], [90_000.0, 6_000.0]]),
        adl.Stress({"zero": {"BTC": -1.0, "ETH": -1.0}}),
    ],
)
def test_sensible_inputs_pass_in_silence(prices: adl.PriceModel) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pose(prices, settlement={"BTC": 80_000.0})


def past(rows: int = 3_000, df: float = 4.0) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    normal = rng.multivariate_normal([0, 0], [[4e-4, 3e-4], [3e-4, 9e-4]], rows)
    returns = normal / np.sqrt(rng.chisquare(df, rows) / df)[:, None]
    return pd.DataFrame(np.exp(np.cumsum(returns, axis=0)) * MARKS, columns=ASSETS)


def test_gaussian_and_one_factor_share_the_covariance() -> None:
    marks = dict(zip(ASSETS, MARKS, strict=True))
    history = adl.History(past(), 5)
    wanted = np.cov(history.returns.T, bias=True) * np.outer(MARKS, MARKS)
    model = adl.Gaussian.from_history(past(), 5, marks=marks)
    np.testing.assert_allclose(model.covariance_of(ASSETS), wanted, rtol=1e-10)
    factor = adl.OneFactor.from_history(past(), 5, marks=marks)
    again = adl.OneFactor.from_covariance(model.covariance, marks=marks)
    np.testing.assert_allclose(factor.vector(ASSETS), again.vector(ASSETS), rtol=1e-12)
    own = adl.Gaussian.from_history(past(), 5).covariance_of(ASSETS)
    last = past().iloc[-1].to_numpy()
    np.testing.assert_allclose(own, wanted / np.outer(MARKS, MARKS) * np.outer(last, last))
    same = adl.Gaussian.from_covariance(MONEY).covariance_of(ASSETS)
    np.testing.assert_array_equal(same, MONEY)


def test_student_is_the_maximum_of_the_likelihood() -> None:
    """Against scipy's own density: no change of the fit has a higher likelihood."""
    history = adl.History(past(), 1)
    returns = history.returns - history.returns.mean(axis=0)
    marks = dict(zip(ASSETS, MARKS, strict=True))
    model = adl.StudentT.from_history(past(), marks=marks)
    shape = model.covariance_of(ASSETS) / np.outer(MARKS, MARKS)
    assert 3.3 < model.df < 4.8

    def likelihood(matrix: np.ndarray, df: float) -> float:
        law: Any = stats.multivariate_t  # its types know whole degrees of freedom alone
        return float(law(np.zeros(2), matrix, df).logpdf(returns).sum())

    best = likelihood(shape, model.df)
    for df, factor in ((1.03, 1.0), (0.97, 1.0), (1.0, 1.01), (1.0, 0.99)):
        assert likelihood(shape * factor, model.df * df) < best
    given = adl.StudentT.from_history(past(), df=3.0, marks=marks)
    assert given.df == 3.0


def test_student_from_a_covariance() -> None:
    model = adl.StudentT.from_covariance(MONEY, 4.0)
    np.testing.assert_allclose(model.covariance_of(ASSETS) * 2.0, MONEY)
    table = pd.DataFrame(MONEY, index=ASSETS, columns=ASSETS)
    assert adl.StudentT.from_covariance(table, 4.0).assets == ["BTC", "ETH"]
    with pytest.raises(adl.InputError, match="df > 2"):
        adl.StudentT.from_covariance(MONEY, 2.0)


def test_bad_histories() -> None:
    with pytest.raises(adl.InputError, match="do not determine"):
        adl.StudentT.from_history(past(3))
    twin = past(50).assign(copy=lambda table: table["BTC"])
    with pytest.raises(adl.InputError, match="copies of others"):
        adl.StudentT.from_history(twin)
    with pytest.raises(adl.InputError, match="df is 1"):
        adl.StudentT.from_history(past(50), df=1.0)


@pytest.mark.parametrize("shock", [stats.t(4), stats.t(2), [-2.0, 2.0], stats.norm(0, 1.1)])
def test_a_shock_of_a_covariance_has_unit_variance(shock: Any) -> None:
    with pytest.raises(adl.InputError, match="variance"):
        adl.OneFactor.from_covariance(MONEY, shock=shock)
    with pytest.raises(adl.InputError, match="variance"):
        adl.OneFactor.from_history(past(), shock=shock)


def test_a_shock_of_unit_variance_passes() -> None:
    for shock in (stats.t(4, scale=np.sqrt(0.5)), [-1.0, 1.0], stats.laplace(scale=np.sqrt(0.5))):
        adl.OneFactor.from_covariance(MONEY, shock=shock)
