"""The closed-form pool loss against integration, and its gradient against finite differences."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from scipy.integrate import quad

import adlopt as adl
from adlopt.prices.protocol import PoolLoss
from tests.typed import priced, untyped

ASSETS = pd.Index(["A", "B"])
V = np.array([3.0, -1.5])
SIZES = np.array(
    [[4.0, 0.0], [-3.0, 2.0], [0.0, 5.0], [1.0, 2.0], [0.0, 0.0], [-1e-9, 0.0], [2.0, 1.0]]
)
EQUITY = np.array(
    [10.0, 4.0, 2.0, 1.0, 3.0, 1.0, -0.5]
)  # the fourth pool is hedged to zero exposure, the last settled below zero


def loss(model: adl.OneFactor, equity: np.ndarray, sizes: np.ndarray) -> PoolLoss:
    pool, asset = (part.ravel() for part in np.indices(SIZES.shape))
    return model.pool_loss(ASSETS, equity, sp.csr_array(sizes), pool, asset)


def expectation(shock: Any, equity: float, exposure: float) -> float:
    if exposure == 0:
        return max(-equity, 0.0)
    kink = -equity / exposure
    edges = np.unique(
        np.clip([-np.inf, -60.0, -8.0, -2.0, kink, 2.0, 8.0, 60.0, np.inf], -np.inf, np.inf)
    )
    return sum(
        float(
            quad(
                lambda e: max(-equity - exposure * e, 0.0) * shock.pdf(e),
                a,
                b,
                epsabs=1e-14,
                epsrel=1e-11,
                limit=200,
            )[0]
        )
        for a, b in pairwise(edges)
    )


@pytest.mark.parametrize(
    "shock", [None, stats.t(4), stats.norm(0.2, 1.5)], ids=["normal", "t4", "shifted"]
)
def test_value(shock: object) -> None:
    found = loss(adl.OneFactor(dict(zip(ASSETS, V, strict=True)), shock), EQUITY, SIZES).value
    density = stats.norm() if shock is None else shock
    wanted = [expectation(density, E, b) for E, b in zip(EQUITY, SIZES @ V, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-12)


SAMPLE = np.random.default_rng(3).standard_t(3, 50)


@pytest.mark.parametrize("shock", [None, stats.t(4), SAMPLE], ids=["normal", "t4", "sample"])
def test_gradient(shock: object) -> None:
    model = adl.OneFactor(dict(zip(ASSETS, V, strict=True)), shock)
    base, step = loss(model, EQUITY, SIZES), 1e-6
    exposed = (
        SIZES @ V != 0
    )  # at no exposure there is a kink for nobody: the loss is constant around E > 0
    by_equity = (
        loss(model, EQUITY + step, SIZES).value - loss(model, EQUITY - step, SIZES).value
    ) / (2 * step)
    np.testing.assert_allclose(base.by_equity, by_equity, atol=1e-6)
    by_size = base.by_size.reshape(SIZES.shape)
    for k in range(2):
        shift = np.zeros_like(SIZES)
        shift[exposed, k] = step
        difference = (
            loss(model, EQUITY, SIZES + shift).value - loss(model, EQUITY, SIZES - shift).value
        ) / (2 * step)
        # Near a sample's kinks the difference straddles two slopes; none of these pools stands on
        # one.
        np.testing.assert_allclose(by_size[exposed, k], difference[exposed], rtol=1e-4, atol=1e-6)


def test_sample_value_is_the_scenario_mean() -> None:
    weights = np.random.default_rng(4).dirichlet(np.ones(50))
    model = adl.OneFactor(dict(zip(ASSETS, V, strict=True)), SAMPLE, weights=weights)
    moves, probability = model.scenarios(ASSETS, np.ones(2))
    shortfall = np.maximum(-(EQUITY[:, None] + SIZES @ moves.T), 0.0)
    np.testing.assert_allclose(
        loss(model, EQUITY, SIZES).value, shortfall @ probability, rtol=1e-12, atol=1e-13
    )


def test_strata_approach_the_closed_form() -> None:
    errors = []
    for points in (2**6, 2**8, 2**10):
        model = adl.OneFactor(dict(zip(ASSETS, V, strict=True)), points=points)
        moves, probability = model.scenarios(ASSETS, np.ones(2))
        shortfall = np.maximum(-(EQUITY[:, None] + SIZES @ moves.T), 0.0) @ probability
        errors.append(np.abs(shortfall - loss(model, EQUITY, SIZES).value).max())
    assert errors[2] < 1e-4
    assert errors[2] < errors[0] / 50  # second order: 256 in theory


def test_direction_in_any_form() -> None:
    forms: list[Any] = [
        {"B": -1.5, "A": 3.0},
        pd.Series({"B": -1.5, "A": 3.0}),
        [3.0, -1.5],
        np.array([3.0, -1.5]),
    ]
    for direction in forms:
        np.testing.assert_array_equal(adl.OneFactor(direction).vector(ASSETS), V)


def paper_covariance() -> pd.DataFrame:
    assets = ["BTC", "ETH"]
    deviation = np.array([67_000 * 0.60, 1_900 * 0.75]) * np.sqrt(10 / 365)
    return pd.DataFrame(
        np.outer(deviation, deviation) * [[1, 0.85], [0.85, 1]], index=assets, columns=assets
    )


def test_from_covariance_is_the_papers_factor() -> None:
    factor = adl.OneFactor.from_covariance(paper_covariance())
    found = factor.vector(pd.Index(["BTC", "ETH"]))
    np.testing.assert_allclose(found, list(adl.examples.paper_direction().values()), rtol=1e-12)
    # The best rank-one covariance, and its share, by the singular values.
    u, s, _ = np.linalg.svd(paper_covariance().to_numpy())
    np.testing.assert_allclose(np.outer(found, found), s[0] * np.outer(u[:, 0], u[:, 0]), rtol=1e-9)
    assert factor.explained == pytest.approx(s[0] / s.sum(), rel=1e-12)
    assert adl.OneFactor({"BTC": 1.0}).explained is None


def test_marks_make_it_the_factor_of_returns() -> None:
    marks = {"ETH": 1_900.0, "BTC": 67_000.0}
    factor = adl.OneFactor.from_covariance(paper_covariance(), marks=marks)
    returns = np.array([[0.36, 0.3825], [0.3825, 0.5625]]) * 10 / 365
    eigenvalue, axis = np.linalg.eigh(returns)
    expected = np.abs(axis[:, 1]) * np.sqrt(eigenvalue[1]) * [67_000, 1_900]
    np.testing.assert_allclose(factor.vector(pd.Index(["BTC", "ETH"])), expected, rtol=1e-10)
    assert factor.explained == pytest.approx(eigenvalue[1] / eigenvalue.sum())


def test_units_of_contracts_do_not_matter_with_marks() -> None:
    """The same assets counted in thousandths of a contract: the same exposures."""
    unit = np.array([1e-3, 1e4])
    covariance, marks = paper_covariance().to_numpy(), np.array([67_000.0, 1_900.0])
    one = adl.OneFactor.from_covariance(covariance, marks=marks)
    other = adl.OneFactor.from_covariance(covariance * np.outer(unit, unit), marks=marks * unit)
    np.testing.assert_allclose(
        np.asarray(other.direction), np.asarray(one.direction) * unit, rtol=1e-9
    )
    assert other.explained == pytest.approx(one.explained)


def test_from_history_finds_the_factor_that_made_it() -> None:
    rng = np.random.default_rng(5)
    beta = np.array([0.03, 0.05, -0.02])
    returns = np.outer(rng.standard_normal(4000), beta) + 0.002 * rng.standard_normal((4000, 3))
    prices = pd.DataFrame(
        100 * np.cumprod(1 + np.vstack([np.zeros(3), returns]), axis=0), columns=list("ABC")
    )
    marks = {"A": 10.0, "B": 100.0, "C": 1000.0}
    factor = adl.OneFactor.from_history(prices, marks=marks)
    np.testing.assert_allclose(
        factor.vector(pd.Index(list("ABC"))), beta * [10, 100, 1000], rtol=0.05
    )
    assert factor.explained == pytest.approx(beta @ beta / (beta @ beta + 3 * 0.002**2), abs=0.005)
    own = adl.OneFactor.from_history(prices, half_life=500, overlapping=False).vector(
        pd.Index(list("ABC"))
    )
    np.testing.assert_allclose(own, beta * prices.iloc[-1].to_numpy(), rtol=0.1)


def test_a_poor_description_is_said_to_be_one() -> None:
    with pytest.warns(UserWarning, match=r"one factor explains 50% of the variance; below 80%"):
        factor = adl.OneFactor.from_covariance(np.diag([4.0, 4.0]))
    assert factor.explained == pytest.approx(0.5)


def test_what_the_one_factor_answer_costs_under_the_full_model_is_one_call() -> None:
    book, reduction = adl.examples.paper_book(), {"BTC": -10.0}
    simple = adl.solve(
        adl.Problem(book, reduction, prices=adl.OneFactor.from_covariance(paper_covariance()))
    )
    full = adl.Problem(book, reduction, prices=adl.examples.paper_lognormal(points=2**10))
    cost = adl.certify(full, simple.allocation)
    best = priced(adl.solve(full))
    assert cost.lower_bound <= best.value <= cost.value
    assert 0.9 * best.lower_bound <= cost.lower_bound


@pytest.mark.parametrize(
    ("covariance", "marks", "pattern"),
    [
        ([[1.0, 2.0]], None, r"got shape \(1, 2\)"),
        ([[1.0, 2.0], [2.0, 1.0]], None, "larger than the variances"),
        ([[1.0, 0.2], [0.1, 1.0]], None, "must be symmetric"),
        ([[1.0, np.nan], [np.nan, 1.0]], None, "not a finite number"),
        ([["x"]], None, "square table of numbers"),
        ([[0.0]], None, "covariance is zero"),
        ([[-1.0]], None, "a variance is >= 0"),
        (pd.DataFrame([[1.0]], index=["A"], columns=["B"]), None, "both a row and a column"),
        ([[1.0]], [0.0], "marks must be prices > 0"),
        ([[1.0]], {"A": 1.0}, "no entry for asset 0"),
    ],
)
def test_bad_covariances_are_named(covariance: object, marks: object, pattern: str) -> None:
    with pytest.raises(adl.InputError, match=pattern):
        untyped.OneFactor.from_covariance(covariance, marks=marks)
