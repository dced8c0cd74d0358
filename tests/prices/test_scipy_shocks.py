"""One factor with scipy's laws, on the paper's book: values against an independent integral of each
account's loss, and refusals of what does not converge.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

import adlopt as adl
from adlopt.prices.density_table import DensityTable
from adlopt.prices.shocks import DensityShock

# Laws as they come: some move prices by more than the marks.
pytestmark = pytest.mark.filterwarnings("ignore::adlopt.ScaleWarning")

BINS = np.array([-3.0, -1.5, -0.5, 0.5, 1.5, 3.0])
LAWS: dict[str, Any] = {
    "mielke": stats.mielke(4, 3),
    "genhyperbolic": stats.genhyperbolic(0.5, 1.5, 0.3),
    "expon": stats.expon(),
    "histogram": stats.rv_histogram((np.array([1.0, 3.0, 8.0, 4.0, 2.0]), BINS), density=True),
    "skewnorm": stats.skewnorm(3),
    "norminvgauss": stats.norminvgauss(1.2, 0.4),
    "laplace": stats.laplace(),
    "beta": stats.beta(0.5, 0.5, loc=-1, scale=2),
    "gamma": stats.gamma(0.5),
    "triangle": stats.triang(0.3, loc=-2, scale=5),
    "t1.5 shifted": stats.t(1.5, loc=0.1),
    "pareto": stats.pareto(1.3),
    "lognorm": stats.lognorm(2.0),
}
DENSITY_KINKS = np.concatenate([BINS, [-2.0, -1.0, 0.0, 1.0, 3.0]])


def problem(shock: Any, objective: adl.Objective | None = None) -> adl.Problem:
    prices = adl.OneFactor(adl.examples.paper_direction(), shock, points=2**10)
    return adl.Problem(
        adl.examples.paper_book(),
        {"BTC": -10.0},
        prices=prices,
        objective=objective or adl.ExpectedLoss(),
    )


def integrated_loss(posed: adl.Problem, reductions: np.ndarray, law: Any) -> float:
    """Sum over accounts of the integral of the loss times the density, by scipy's quadrature
    between all kinks of both.
    """
    direction = np.array([adl.examples.paper_direction()[name] for name in posed.book.assets])
    exposure = posed.size_matrix(reductions) @ direction
    low, high = law.support()
    total = 0.0
    for equity, b in zip(posed.book.equity, exposure, strict=True):
        kink = -equity / b
        grid = np.concatenate(
            [DENSITY_KINKS, [kink], np.sinh(np.linspace(-150.0, 150.0, 601)), [low, high]]
        )
        edges = np.unique(np.clip(grid, low, high))
        for left, right in pairwise(edges):
            total += quad(
                lambda e, equity=equity, b=b: (
                    max(-equity - b * e, 0.0) * np.nan_to_num(law.pdf(e), posinf=0.0)
                ),
                left,
                right,
                epsabs=1e-9,
                epsrel=1e-10,
            )[0]
    return total


@pytest.mark.parametrize("name", LAWS)
def test_expected_loss_is_the_integral(name: str) -> None:
    posed = problem(LAWS[name])
    solution = adl.solve(posed)
    assert solution.status == "optimal"
    assert solution.value is not None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        wanted = integrated_loss(posed, solution.allocation["reduction"].to_numpy(), LAWS[name])
    assert solution.value == pytest.approx(wanted, rel=2e-8, abs=1e-6)
    assert solution.lower_bound is not None
    assert solution.lower_bound <= wanted * (1 + 1e-9) + 1e-6


def test_mielke_is_far_from_zero() -> None:
    value = adl.solve(problem(stats.mielke(4, 3))).value
    assert value == pytest.approx(24_250.0, rel=1e-3)


@pytest.mark.parametrize("name", LAWS)
def test_strata_of_any_law(name: str) -> None:
    """Probabilities of scipy's own distribution function between the edges, and the mean kept."""
    shock = DensityShock(LAWS[name])
    value, mass = shock.strata(101)
    assert (np.diff(value) > 0).all()
    assert mass.sum() == pytest.approx(1.0, abs=1e-12)
    assert mass @ value == pytest.approx(LAWS[name].mean(), rel=1e-7, abs=1e-8)
    # Between the 10 % and the 90 % quantiles no stratum is much larger than the even grid's.
    assert mass.max() < 0.2
    points = np.array([0.1, 0.37, 0.5, 0.9])
    found = shock.table.quantile(points, 1 - points)
    np.testing.assert_allclose(LAWS[name].cdf(found), points, rtol=1e-5)


def test_cvar_of_a_scipy_law() -> None:
    """CVaR under strata against scipy's own quantiles, evenly spaced, at the same allocation."""
    law = stats.skewnorm(3)
    solution = adl.solve(problem(law, adl.CVaR(0.9)))
    quantiles = law.ppf((np.arange(4_000) + 0.5) / 4_000)
    even = adl.certify(problem(quantiles, adl.CVaR(0.9)), solution).value
    assert solution.value == pytest.approx(even, rel=5e-3)


# The types of scipy ask for *args, which scipy itself forbids.


class Unbounded(stats.rv_continuous):
    """A density that integrates to two."""

    def _pdf(self, x: np.ndarray) -> Any:  # type: ignore[override]
        return 2.0 * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)

    def _stats(self, *args: Any, **moments: Any) -> Any:
        return 0.0, 1.0, 0.0, 0.0


class Rough(stats.rv_continuous):
    """A density with no smooth piece anywhere."""

    def _pdf(self, x: np.ndarray) -> Any:  # type: ignore[override]
        noise = np.modf(np.abs(np.sin(x * 12.9898) * 43_758.5453))[0]
        return 2.0 * noise * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)

    def _stats(self, *args: Any, **moments: Any) -> Any:
        return 0.0, 1.0, 0.0, 0.0


@pytest.mark.parametrize(
    ("law", "pattern"),
    [
        (Unbounded(name="twice")(), "probabilities sum to 2"),
        (Rough(name="rough")(), "does not converge"),
        (stats.cauchy(), "no finite mean"),
        (stats.pareto(1.0), "no finite mean"),
        (stats.norm([0.0, 1.0]), "one continuous distribution"),
        (stats.poisson(3), "one continuous distribution"),
    ],
)
def test_what_does_not_converge_is_refused(law: Any, pattern: str) -> None:
    with pytest.raises(adl.InputError, match=pattern):
        adl.OneFactor({"BTC": 1.0}, law)


def test_a_narrow_peak_is_found() -> None:
    """Two thirds of the probability within 1e-5 of a standard deviation, away from the centre."""

    class Peaked(stats.rv_continuous):
        def _pdf(self, x: np.ndarray) -> Any:  # type: ignore[override]
            peak = stats.norm.pdf(x, 0.777, 1e-5)
            return (2.0 * peak + stats.norm.pdf(x, -1.554, 1.0)) / 3.0

        def _cdf(self, x: np.ndarray) -> Any:  # type: ignore[override]
            return (2.0 * stats.norm.cdf(x, 0.777, 1e-5) + stats.norm.cdf(x, -1.554, 1.0)) / 3.0

        def _stats(self, *args: Any, **moments: Any) -> Any:
            return 0.0, 1.0 / 3.0 + 0.777**2 * 2 / 3 + 1.554**2 / 3, 0.0, 0.0

    table = DensityShock(Peaked(name="peaked")()).table
    assert table.total == pytest.approx(1.0, abs=1e-9)
    assert table.above(np.array([0.5]))[0][0] == pytest.approx(
        2 / 3 + stats.norm.sf(0.5, -1.554, 1.0) / 3, rel=1e-9
    )


def test_power_tail_beyond_the_last_piece() -> None:
    """Pareto with exponent 1.3: P(X > t) = t^-1.3, and the excess t^-0.3 / 0.3."""
    law = stats.pareto(1.3)
    table = DensityTable(law.pdf, (1.0, np.inf), 4.0, 3.0, np.empty(0))
    t = np.array([2.0, 1e6, 1e19, 1e25])
    probability, excess = table.above(t)
    np.testing.assert_allclose(probability, t**-1.3, rtol=1e-9)
    np.testing.assert_allclose(excess, t**-0.3 / 0.3, rtol=1e-9)
    assert table.mean == pytest.approx(1.3 / 0.3, rel=1e-10)
