"""The paper's example: the facts of its section 4, and an exact integral for lognormal prices."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import adlopt as adl
from tests.support import Paper
from tests.typed import priced


def test_equities(paper: Paper) -> None:
    np.testing.assert_array_equal(paper.book.accounts["equity"], paper.facts["equity"])


def test_gross_leverage(paper: Paper) -> None:
    np.testing.assert_allclose(
        paper.book.pools["leverage"], paper.facts["gross_leverage"], atol=5.1e-9, rtol=0
    )


def test_factor_leverage_before(paper: Paper) -> None:
    """Where nothing is taken, remaining exposure over equity is the leverage that the solver starts
    from.
    """
    book = paper.book
    exposure = np.bincount(
        book.pool, book.size * np.array([paper.direction[name] for name in book.assets])[book.asset]
    )
    np.testing.assert_allclose(
        np.abs(exposure) / book.equity, paper.facts["factor_leverage"], atol=5.1e-9, rtol=0
    )


@pytest.mark.parametrize("contracts", [-5.0, -10.0, -20.0])
def test_one_factor(paper: Paper, contracts: float) -> None:
    wanted = paper.facts["one_factor"][f"{contracts:g}"]
    solution = priced(adl.solve(paper.one_factor(contracts)))
    assert solution.method == "factor_leverage"
    assert solution.status == "optimal"
    assert solution.value == pytest.approx(wanted["expected_loss"], rel=1e-6)
    np.testing.assert_allclose(solution.allocation["reduction"], wanted["btc"], atol=1e-3)
    assert solution.allocation["reduction"].sum() == pytest.approx(contracts, rel=1e-12)
    digits = len(str(wanted["water_level"]).split(".")[1])
    assert solution.water_level == pytest.approx(wanted["water_level"], abs=0.51 * 10.0**-digits)
    if "shadow_price" in wanted:
        assert solution.shadow_prices["BTC"] == pytest.approx(wanted["shadow_price"], abs=5.1e-5)
    assert solution.gap <= 1e-9


@pytest.mark.parametrize("contracts", [-5.0, -10.0, -20.0])
def test_shadow_price_is_the_derivative_of_the_value(paper: Paper, contracts: float) -> None:
    step = 1e-4
    more, less = (
        priced(adl.solve(paper.one_factor(contracts + side * step))).value for side in (-1, 1)
    )
    price = priced(adl.solve(paper.one_factor(contracts))).shadow_prices["BTC"]
    assert price == pytest.approx((less - more) / (2 * step), rel=1e-4)


def test_verify_agrees_on_strata(paper: Paper) -> None:
    problem = adl.Problem(
        paper.book, {"BTC": -10.0}, prices=adl.OneFactor(paper.direction, points=2**10)
    )
    assert adl.verify(problem).agree


# ---------------------------------------------------------------------- lognormal prices


def expected_shortfall(paper: Paper, size: np.ndarray, equity: float) -> float:
    """E[(-V)^+] of BTC and ETH sizes: given BTC, ETH is lognormal, and Black's formula gives the
    inner expectation.
    """
    (p, r), (sigma, tau), rho, T = (
        paper.marks.values(),
        paper.volatility.values(),
        paper.correlation,
        paper.horizon,
    )
    spread = tau * np.sqrt((1 - rho**2) * T)

    def money_short(z: float) -> float:
        """Shortfall before ETH: -V = money_short - size_eth * P_eth."""
        btc = p * np.exp(sigma * np.sqrt(T) * z - sigma**2 * T / 2)
        return float(-equity + size[1] * r - size[0] * (btc - p))

    def given_btc(z: float) -> float:
        a, b = money_short(z), float(size[1])
        forward = r * np.exp(rho * tau * np.sqrt(T) * z - rho**2 * tau**2 * T / 2)
        if b == 0:
            return max(a, 0.0)
        strike = a / b
        if strike <= 0:  # the option's price does not matter: (a - b P)^+ has one sign
            return max(a - b * forward, 0.0) if b < 0 else 0.0
        d = np.log(forward / strike) / spread
        put = strike * norm.cdf(-d + spread / 2) - forward * norm.cdf(-d - spread / 2)
        return float(b * put if b > 0 else -b * (put + forward - strike))

    edges = np.linspace(-9.0, 9.0, 37)
    parts = [
        quad(lambda z: given_btc(z) * norm.pdf(z), a, b, epsabs=1e-10, epsrel=1e-11)[0]
        for a, b in pairwise(edges)
    ]
    return float(sum(parts))


def holdings(paper: Paper) -> pd.DataFrame:
    return paper.positions.pivot(index="account", columns="asset", values="size")[list(paper.marks)]


def test_integral_meets_the_reference_before_any_reduction(paper: Paper) -> None:
    wanted = paper.facts["lognormal_exact"]["before any reduction, per account"]
    sizes = holdings(paper).to_numpy()
    found = [
        expected_shortfall(paper, q, E) for q, E in zip(sizes, paper.facts["equity"], strict=True)
    ]
    np.testing.assert_allclose(found, wanted, atol=5.1e-5, rtol=0)


def test_lognormal_optimum(paper: Paper) -> None:
    """The optimum found on Sobol points, judged by the integral, is within 0.1 % of the exact
    one.
    """
    reference = paper.facts["lognormal_exact"]["-10, optimum"]
    problem = adl.Problem(paper.book, {"BTC": -10.0}, prices=paper.lognormal)
    solution = adl.solve(problem)
    assert problem.scenarios.weights.size == 2**14
    assert solution.status == "optimal"
    sizes = holdings(paper)
    sizes.loc[solution.allocation["account"], "BTC"] -= solution.allocation["reduction"].to_numpy()
    exact = sum(
        expected_shortfall(paper, q, E)
        for q, E in zip(sizes.to_numpy(), paper.facts["equity"], strict=True)
    )
    assert exact == pytest.approx(reference["expected_loss"], rel=1e-3)
    assert exact >= reference["expected_loss"] - 5.1e-5
    assert solution.value == pytest.approx(
        reference["expected_loss"], rel=5e-3
    )  # of the sample itself
    np.testing.assert_allclose(solution.allocation["reduction"], reference["btc"], atol=0.1)


def test_lognormal_verifies(paper: Paper) -> None:
    """Presolve and scaling of the package change nothing against the program as written down."""
    model = adl.LogNormal(paper.volatility, paper.correlation, horizon=paper.horizon, points=2**10)
    assert adl.verify(adl.Problem(paper.book, {"BTC": -10.0}, prices=model)).agree
