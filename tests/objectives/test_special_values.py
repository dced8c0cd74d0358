"""Values that can be worked out by hand, and definitions checked directly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import adlopt as adl
from adlopt._internal.arrays import FloatArray
from tests.objectives.families import losses
from tests.typed import untyped


def test_expectile_balances_overshoots_and_undershoots() -> None:
    for seed in range(8):
        loss, weights = losses(seed)
        for tau in (0.5, 0.7, 0.99):
            e = adl.Expectile(tau).value(loss, weights)
            over, under = weights @ np.maximum(loss - e, 0), weights @ np.maximum(e - loss, 0)
            assert tau * over == pytest.approx((1 - tau) * under, rel=1e-10, abs=1e-15)


def test_evar_is_the_least_exponential_bound() -> None:
    for seed in range(8):
        loss, weights = losses(seed)
        likely = weights > 0
        for level in (1e-6, 0.1, 0.6):

            def bound(
                log_t: float,
                level: float = level,
                some: FloatArray = loss[likely],
                p: FloatArray = weights[likely],
            ) -> float:
                t = np.exp(log_t)
                mean = p @ np.exp((some - some.max()) / t) / (1 - level)
                return float(some.max() + t * np.log(mean))

            least = minimize_scalar(
                bound, bounds=(-12, 12), method="bounded", options={"xatol": 1e-12}
            ).fun
            assert adl.EVaR(level).value(loss, weights) == pytest.approx(least, rel=1e-8)


def test_evar_puts_all_on_the_worst_loss_where_the_level_exceeds_the_rest() -> None:
    loss, weights = np.array([5.0, 1.0, 5.0, 0.0]), np.array([0.1, 0.5, 0.2, 0.2])
    assert adl.EVaR(0.7).value(loss, weights) == 5.0
    assert adl.EVaR(0.7).subgradient(loss, weights) == pytest.approx([1 / 3, 0, 2 / 3, 0])
    assert adl.EVaR(0.69).value(loss, weights) < 5.0
    assert adl.EVaR(0.69).value(loss, weights) == pytest.approx(5.0, abs=0.05)


def test_chi_square_is_mean_plus_deviation_until_a_probability_reaches_zero() -> None:
    loss, weights = np.array([0.0, 1.0]), np.array([0.5, 0.5])
    assert adl.ChiSquareRobust(0.25).value(loss, weights) == pytest.approx(0.5 + 0.5 * 0.5)
    assert adl.ChiSquareRobust(1.0).value(loss, weights) == pytest.approx(1.0)
    assert adl.ChiSquareRobust(9.0).value(loss, weights) == 1.0
    # Three equally likely losses 0, 1, 2 and radius 1.5: all of 0's probability goes; on {1, 2} the
    # distance
    # 3 (w1^2 + w2^2) - 1 = 1.5 leaves w2 = (1 + sqrt(2/3)) / 2.
    value = adl.ChiSquareRobust(1.5).evaluate([0.0, 1.0, 2.0])
    assert value == pytest.approx(1 + (1 + np.sqrt(2 / 3)) / 2, rel=1e-12)


def test_semideviation_by_hand() -> None:
    assert adl.Semideviation(0.5, 1).evaluate([0.0, 4.0]) == pytest.approx(2 + 0.5 * 1)
    assert adl.Semideviation(0.5, 2).evaluate([0.0, 4.0]) == pytest.approx(2 + 0.5 * np.sqrt(2))


def test_entropic_does_not_overflow() -> None:
    assert adl.Entropic(1.0).evaluate([0.0, 1e6]) == pytest.approx(1e6 - np.log(2), rel=1e-15)
    assert adl.Entropic(1e-3).scaled(1e6) == adl.Entropic(1e3)
    assert 1e6 * adl.Entropic(1e3).evaluate([0.0, 1e-3]) == pytest.approx(
        adl.Entropic(1e-3).evaluate([0.0, 1e3])
    )


def test_spectrum_becomes_its_mixture() -> None:
    # For the spectrum 2u the measure is the mean of the larger of two independent losses.
    loss, weights = losses(3, size=12)
    larger = np.maximum.outer(loss, loss)
    exact = weights @ larger @ weights
    coarse, fine = (
        adl.Spectral.from_spectrum(lambda u: 2 * u, points=n).value(loss, weights) for n in (5, 400)
    )
    assert fine == pytest.approx(exact, rel=1e-4)
    assert abs(fine - exact) < abs(coarse - exact)
    # A spectrum without bound at u = 1, and one that is flat.
    assert (
        adl.Spectral.from_spectrum(lambda u: 0.5 / np.sqrt(1 - u), points=200).value(loss, weights)
        > weights @ loss
    )
    assert adl.Spectral.from_spectrum(lambda u: 1.0).value(loss, weights) == pytest.approx(
        weights @ loss
    )


def test_spectral_prints_its_mixture_without_what_does_not_count() -> None:
    assert (
        str(adl.Spectral([0.0, 0.5, 0.9], [0.25, 0.0, 0.75]))
        == "Spectral(0.25 * CVaR(level=0.0) + 0.75 * CVaR(level=0.9))"
    )


def test_sums_say_what_they_are() -> None:
    average = 0.5 * adl.EVaR(0.5) + 0.5 * adl.CVaR(0.5)
    assert average.coherent
    assert average.cash_additive
    more = average + 0.5 * adl.Entropic(1.0)
    assert not more.coherent
    assert not more.cash_additive
    assert more.monotone
    assert more.cone == "exponential"
    assert (adl.Semideviation(1.0, 2) + adl.CVaR(0.9)).cone == "second-order"
    assert (adl.Semideviation(1.0, 1) + adl.WorstCase()).cone == "linear"


def test_a_zero_weight_scenario_does_not_enter_an_expectile() -> None:
    loss, weights = np.array([1.0, 3.0, 2.0, 0.1]), np.array([0.5, 0.3, 0.2, 0.0])
    for tau in (0.6, 0.9, 0.999999):
        plain = adl.Expectile(tau).value(loss, weights)
        for huge in (1e9, 1e18, 1e300):
            loss[3] = huge
            assert adl.Expectile(tau).value(loss, weights) == pytest.approx(plain, rel=1e-14)


@pytest.mark.parametrize("tail", [1e-3, 1e-9, 1e-12, 1e-15])
def test_cvar_at_extreme_levels_weighs_to_one(tail: float) -> None:
    weights = np.array([0.3, 0.3, 0.4])
    for loss in ([1.0, 2.0, 3.0], [3.0, 3.0, 1.0], [0.0, 0.0, 0.0]):
        measure = adl.CVaR(1 - tail)
        stressed = measure.subgradient(np.array(loss), weights)
        assert stressed.sum() == pytest.approx(1.0, abs=1e-15)
        assert measure.value(np.array(loss), weights) == pytest.approx(max(loss), rel=1e-15)
    many = np.full(1000, 1e-3)
    assert adl.CVaR(1 - tail).subgradient(np.arange(1000.0), many).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("radius", [1e-30, 1e-16, 1e-8, 1e-3, 1e3, 1e8, 1e30])
def test_chi_square_keeps_its_digits_at_extreme_radii(radius: float) -> None:
    """Two scenarios: all of the tilt goes to the worse one, w = p + sqrt(radius p (1 - p))."""
    for p in (0.5, 1e-3, 1e-9):
        weights = np.array([1 - p, p])
        tilt = min(np.sqrt(radius * p * (1 - p)), 1 - p)
        measure = adl.ChiSquareRobust(radius)
        value = measure.value(np.array([0.0, 1.0]), weights)
        assert value == pytest.approx(p + tilt, rel=1e-12)
        above_mean = measure.subgradient(np.array([0.0, 1.0]), weights)[1] - p
        assert above_mean == pytest.approx(tilt, rel=1e-9, abs=4e-16 * max(p, tilt))


def test_parameters_are_converted_to_numbers() -> None:
    with pytest.raises(adl.InputError, match="text"):
        untyped.CVaR("0.5")
    assert isinstance(untyped.Entropic(np.float32(2)).theta, float)
    assert untyped.Semideviation(1, 2.0).order == 2
