"""Tail probabilities and partial moments against numerical integration."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

import adlopt as adl
from adlopt.prices.shocks import DensityShock, SampleShock, Shock, StudentShock
from adlopt.prices.student import normal_excess

DISTRIBUTIONS = [
    stats.norm(),
    stats.t(3),
    stats.norm(0.3, 2.0),
    stats.uniform(-1, 3),
    stats.laplace(),
    stats.gumbel_r(),
    stats.t(2.1),
]
NAMES = ["normal", "t3", "shifted normal", "uniform", "laplace", "gumbel", "t2.1"]


def integrated(distribution: Any, t: float, *, upper: bool) -> float:
    """E[(eps - t)^+] or E[(t - eps)^+] from the density, by pieces."""
    sign = 1.0 if upper else -1.0
    support = np.abs(np.array(distribution.support()) - t)
    edges = np.unique([0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, np.inf, *support])
    parts = [
        quad(lambda y: y * distribution.pdf(t + sign * y), a, b, epsabs=0, epsrel=1e-11, limit=200)[
            0
        ]
        for a, b in pairwise(edges)
    ]
    return float(sum(parts))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=NAMES)
@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
def test_partial_moments(distribution: Any) -> None:
    shock: Shock = DensityShock(distribution)
    t = np.array([-30.0, -6.0, -2.5, -1.0, -0.2, 0.0, 0.5, 1.3, 3.0, 9.0, 40.0])
    for upper, (probability, moment) in ((True, shock.above(t)), (False, shock.below(t))):
        tail = distribution.sf if upper else distribution.cdf
        np.testing.assert_allclose(probability, tail(t), rtol=1e-12)
        wanted = [integrated(distribution, float(at), upper=upper) for at in t]
        np.testing.assert_allclose(moment, wanted, rtol=1e-8, atol=1e-15)


def test_normal_far_tail() -> None:
    """The relative size of E[(eps - t)^+] at 5, 10, 20, 35: from E = integral of the survival
    function, in logs.
    """
    for t in (0.5, 5.0, 10.0, 20.0, 29.9, 30.1, 35.0):
        scaled = quad(
            lambda y, t=t: np.exp(stats.norm.logsf(t + y) - stats.norm.logpdf(t)),
            0,
            60 / t,
            epsabs=0,
            epsrel=1e-12,
        )[0]
        assert normal_excess(np.array([t]))[0] == pytest.approx(
            scaled * stats.norm.pdf(t), rel=1e-8
        )
    np.testing.assert_array_equal(normal_excess(np.array([np.inf, 50.0])), [0.0, 0.0])


def test_normal_agrees_with_frozen_normal() -> None:
    t = np.linspace(-7, 7, 57)
    for exact, general in zip(
        StudentShock().above(t), DensityShock(stats.norm()).above(t), strict=True
    ):
        np.testing.assert_allclose(exact, general, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("seed", range(10))
def test_sample(seed: int) -> None:
    """Ties within the sample and thresholds on its points."""
    rng = np.random.default_rng(seed)
    sample = np.round(rng.standard_t(3, 40), 1)
    weights = rng.dirichlet(np.ones(40))
    shock = SampleShock(sample, weights)
    t = np.concatenate([sample[:10], rng.normal(size=10), [-100.0, 100.0]])
    above, below = shock.above(t), shock.below(t)
    np.testing.assert_allclose(above[0], [(weights * (sample > at)).sum() for at in t], atol=1e-14)
    np.testing.assert_allclose(
        above[1], [(weights * np.maximum(sample - at, 0)).sum() for at in t], rtol=1e-12, atol=1e-14
    )
    np.testing.assert_allclose(below[0], [(weights * (sample < at)).sum() for at in t], atol=1e-14)
    np.testing.assert_allclose(
        below[1], [(weights * np.maximum(at - sample, 0)).sum() for at in t], rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize(
    "shock", [StudentShock(), *map(DensityShock, DISTRIBUTIONS)], ids=["exact normal", *NAMES]
)
@pytest.mark.parametrize("points", [3, 64, 1001])
def test_strata(shock: Shock, points: int) -> None:
    """Probabilities sum to one, the mean is kept, and losses linear on every stratum are exact."""
    value, mass = shock.strata(points)
    assert value.size <= points
    assert (mass > 0).all()
    assert (np.diff(value) >= 0).all()
    assert mass.sum() == pytest.approx(1.0, abs=1e-14)
    zero = np.zeros(1)
    mean = float(shock.above(zero)[1][0] - shock.below(zero)[1][0])
    assert mass @ value == pytest.approx(mean, abs=1e-10)
    if points == 1001:
        for t in (-3.0, -1.0, 0.4, 2.0):
            exact = float(shock.above(np.array([t]))[1][0])
            found = float(mass @ np.maximum(value - t, 0.0))
            assert found <= exact + 1e-12  # conditional means never overstate a convex loss
            assert found == pytest.approx(exact, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("shock", [stats.cauchy(), stats.poisson(3), "normal", [[1.0, 2.0]], []])
def test_refused_shocks(shock: object) -> None:
    with pytest.raises(adl.InputError, match="shock"):
        adl.OneFactor({"X": 1.0}, shock)
