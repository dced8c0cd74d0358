"""Integrals of Black's formula against nested quadrature of the payoff itself, and gradients
against differences.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.integrate import quad

import adlopt as adl
from tests.typed import priced

ASSETS = pd.Index(["A", "B", "C"])
MARKS = np.array([100.0, 2.0, 30.0])
VOLATILITY, HORIZON = np.array([0.6, 0.9, 0.3]), 0.1
CORRELATION = np.array([[1, 0.8, -0.3], [0.8, 1, 0.1], [-0.3, 0.1, 1]])
SIZES = np.array(
    [
        [-3.0, 0, 0],
        [3.0, 0, 0],
        [0, 0, 40.0],
        [-3.0, 100, 0],
        [-3.0, -100, 0],
        [3.0, 150, 0],
        [-1.0, 0, 20.0],
        [0, 200.0, -0.01],
        [0, -50.0, 15.0],
        [0, 0, 0],
        [0, 0, 0],
        [-2.0, 400.0, 0],
    ]
)
EQUITY = np.array([50.0, 30.0, 100.0, 40.0, 80.0, 120.0, 30.0, 60.0, 40.0, 5.0, -5.0, 70.0])


def model() -> adl.ExactLogNormal:
    return adl.ExactLogNormal(VOLATILITY, CORRELATION, horizon=HORIZON, marks=MARKS)


def loss(equity: np.ndarray = EQUITY, sizes: np.ndarray = SIZES) -> adl.prices.PoolLoss:
    pool, asset = np.indices(sizes.shape).reshape(2, -1)
    return model().pool_loss(ASSETS, equity, sp.csr_array(sizes), pool, asset)


def density(z: float) -> float:
    return exp(-z * z / 2) / sqrt(2 * pi)


def by_quadrature(equity: float, sizes: np.ndarray) -> float:
    """E[(-V)^+], the first price outside, and the payoff integrated up to the point where it
    vanishes.
    """
    (i, j) = np.flatnonzero(sizes)[:2]
    deviation, rho = VOLATILITY * sqrt(HORIZON), CORRELATION[i, j]

    def price(k: int, z: float) -> float:
        return float(MARKS[k] * exp(deviation[k] * z - deviation[k] ** 2 / 2))

    def inner(z: float) -> float:
        fixed = equity + sizes[i] * (price(i, z) - MARKS[i]) - sizes[j] * MARKS[j]
        breakeven = -fixed / sizes[j]  # of the second price
        root = sqrt(1 - rho * rho)

        def payoff(e: float) -> float:
            return max(float(-fixed - sizes[j] * price(j, rho * z + root * e)), 0.0) * density(e)

        if breakeven <= 0:
            return (
                float(quad(payoff, -9, 9, epsabs=0, epsrel=1e-11)[0])
                if sizes[j] < 0 or fixed < 0
                else 0.0
            )
        at = ((log(breakeven / MARKS[j]) + deviation[j] ** 2 / 2) / deviation[j] - rho * z) / root
        low, high = (max(at, -9.0), 9.0) if sizes[j] < 0 else (-9.0, min(at, 9.0))
        return float(quad(payoff, low, high, epsabs=1e-14, epsrel=1e-11)[0]) if low < high else 0.0

    whole = [
        quad(lambda z: inner(z) * density(z), a, a + 3, epsabs=1e-13, epsrel=1e-10)[0]
        for a in range(-9, 9, 3)
    ]
    return float(sum(whole))


def test_one_asset_is_blacks_formula() -> None:
    value = loss().value
    for i, k, side in ((0, 0, 1.0), (1, 0, -1.0), (2, 2, -1.0)):
        deviation, size = VOLATILITY[k] * sqrt(HORIZON), abs(SIZES[i, k])
        strike = MARKS[k] + side * EQUITY[i] / size

        def payoff(
            z: float,
            k: int = k,
            side: float = side,
            deviation: float = deviation,
            strike: float = strike,
        ) -> float:
            price = float(MARKS[k]) * exp(deviation * z - deviation**2 / 2)
            return max(side * (price - strike), 0.0) * density(z)

        at = (log(strike / MARKS[k]) + deviation**2 / 2) / deviation
        low, high = (at, 12.0) if side > 0 else (-12.0, at)
        assert value[i] == pytest.approx(
            size * quad(payoff, low, high, epsabs=0, epsrel=1e-12)[0], rel=1e-10
        )


@pytest.mark.parametrize("i", [3, 4, 5, 6, 7, 8, 11])
def test_two_assets_by_nested_quadrature(i: int) -> None:
    assert loss().value[i] == pytest.approx(by_quadrature(EQUITY[i], SIZES[i]), rel=1e-8, abs=1e-10)


def test_gradient_by_differences() -> None:
    """Assets that a pool does not hold included."""
    found = loss()
    np.testing.assert_array_equal(found.value[9:11], [0.0, 5.0])
    step = 1e-4
    slope = (loss(EQUITY + step).value - loss(EQUITY - step).value) / (2 * step)
    np.testing.assert_allclose(found.by_equity, slope, atol=1e-7)
    by_size = found.by_size.reshape(SIZES.shape)
    for i, k in zip(*np.nonzero(SIZES), strict=True):
        up, down = SIZES.copy(), SIZES.copy()
        h = 1e-5 * max(abs(SIZES[i, k]), 1.0)
        up[i, k] += h
        down[i, k] -= h
        assert by_size[i, k] == pytest.approx(
            (loss(sizes=up).value[i] - loss(sizes=down).value[i]) / (2 * h), abs=1e-6
        )
    # The first pool holds A alone: a little of B as well changes its loss at the rate that the
    # gradient tells.
    up = SIZES.copy()
    up[0, 1] = 1e-3
    assert by_size[0, 1] == pytest.approx(
        (loss(sizes=up).value[0] - found.value[0]) / 1e-3, rel=1e-3
    )


def test_agrees_with_sampling_on_the_papers_example() -> None:
    """The value on drawn scenarios lies within three of its standard errors of the integral."""
    book, reduction = adl.examples.paper_book(), {"BTC": -10.0}
    for points, seed in ((2**10, 1), (2**12, 2), (2**14, 3)):
        prices = adl.examples.paper_lognormal(points, seed)
        drawn = adl.Problem(book, reduction, prices=prices)
        solution = priced(adl.solve(drawn))
        error = adl.standard_error(drawn, solution.allocation)
        known = adl.ExactLogNormal.from_lognormal(prices, adl.examples.PAPER_MARKS)
        exact = adl.certify(adl.Problem(book, reduction, prices=known), solution.allocation)
        assert error is not None
        assert 0 < error < 0.1 * exact.value
        assert abs(solution.value - exact.value) <= 3 * error
        assert exact.lower_bound <= exact.value
        assert (
            exact.gap < (0.05, 0.02, 0.01)[(points > 2**10) + (points > 2**12)]
        )  # the drawn optimum is nearly the true one


def test_isolated_water_filling_is_proven_under_the_distribution_itself() -> None:
    book = adl.examples.paper_book().with_margin("isolated")
    prices = adl.ExactLogNormal.from_lognormal(
        adl.examples.paper_lognormal(), adl.examples.PAPER_MARKS
    )
    solution = priced(adl.solve(adl.Problem(book, {"BTC": -10.0}, prices=prices)))
    assert solution.method == "water_filling"
    assert solution.gap <= 1e-9
    assert (
        adl.standard_error(adl.Problem(book, {"BTC": -10.0}, prices=prices), solution.allocation)
        == 0.0
    )


def test_refusals_say_why() -> None:
    three = np.ones((1, 3))
    with pytest.raises(adl.NotApplicable, match="1 pools hold three assets or more"):
        loss(np.ones(1), three)
    pair = adl.ExactLogNormal([0.5, 0.5], 1.0, marks=[1.0, 1.0])
    with pytest.raises(adl.NotApplicable, match="move as one"):
        pair.pool_loss(
            pd.Index(["X", "Y"]),
            np.ones(1),
            sp.csr_array(np.ones((1, 2))),
            np.zeros(1, int),
            np.zeros(1, int),
        )
    with pytest.raises(adl.InputError, match="marks must be prices > 0"):
        adl.ExactLogNormal([0.5], marks=[0.0]).pool_loss(
            pd.Index(["X"]),
            np.ones(1),
            sp.csr_array(np.ones((1, 1))),
            np.zeros(1, int),
            np.zeros(1, int),
        )


def test_an_asset_that_does_not_move_counts_for_nothing() -> None:
    still = adl.ExactLogNormal([0.6, 0.0], 0.0, horizon=HORIZON, marks=[100.0, 2.0])
    found = still.pool_loss(
        pd.Index(["A", "B"]),
        EQUITY[:1],
        sp.csr_array(np.array([[-3.0, 70.0]])),
        np.zeros(2, dtype=int),
        np.arange(2),
    )
    assert found.value[0] == pytest.approx(loss().value[0], rel=1e-13)
    assert found.by_size[1] == 0.0
