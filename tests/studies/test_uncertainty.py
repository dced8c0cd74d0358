"""Confidence intervals: parts by hand, coverage in a small experiment, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.prices.protocol import ScenarioSet
from adlopt.studies.uncertainty import _percentiles, _t_interval, resample
from tests.typed import priced


def posed(prices: adl.PriceModel, **options: Any) -> adl.Problem:
    return adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices, **options)


def test_intervals_hold_the_optimum_of_the_exact_integral() -> None:
    """25 intervals of 80 %: fewer than 14 holding the value has probability 0.4 %, if they are
    right. `tools/coverage_campaign.py` counts 200 at 90 %.
    """
    exact = posed(
        adl.ExactLogNormal.from_lognormal(
            adl.examples.paper_lognormal(2**14), adl.examples.PAPER_MARKS
        )
    )
    truth = priced(adl.solve(exact, tolerance=1e-2))
    held = 0
    for seed in range(25):
        problem = posed(adl.examples.paper_lognormal(512, seed=50 + seed))
        found = adl.confidence_interval(problem, level=0.8, replicates=6, method="shadow_price")
        held += found.value.low <= truth.value <= found.value.high
        assert found.value.low < found.value.estimate < found.value.high
        assert (found.reductions["low"] <= found.reductions["estimate"]).all()
        assert (found.reductions["estimate"] <= found.reductions["high"]).all()
        assert found.reductions["estimate"].sum() == pytest.approx(-10.0)
    assert held >= 14


def test_more_replicates_narrow_the_interval() -> None:
    problem = posed(adl.examples.paper_lognormal(256))
    wide = adl.confidence_interval(problem, replicates=4).value
    narrow = adl.confidence_interval(problem, replicates=32).value
    assert narrow.high - narrow.low < (wide.high - wide.low) / 1.5


def test_student_interval_by_hand() -> None:
    """Of 1, 2, 3: mean 2, standard error 1 / sqrt(3), t quantile 2.920 with two degrees."""
    low, mean, high = _t_interval(np.array([1.0, 2.0, 3.0]), 0.9)
    assert mean == 2.0
    assert (high - low) / 2 == pytest.approx(2.91999 / np.sqrt(3), rel=1e-5)


def test_percentiles_of_a_symmetric_sample_are_plain() -> None:
    sample = np.arange(-100.0, 101.0)[:, None]
    low, estimate, high = _percentiles(sample, np.array([0.0]), 0.9)
    assert estimate[0] == 0.0
    assert low[0] == pytest.approx(-90.0, abs=1.0)
    assert high[0] == pytest.approx(90.0, abs=1.0)
    constant = _percentiles(np.zeros((50, 1)), np.zeros(1), 0.9)
    assert [part[0] for part in constant] == [0.0, 0.0, 0.0]


def test_resampling_in_blocks() -> None:
    """Every block of three neighbours is kept together, around the end too."""
    whole = ScenarioSet(np.arange(12.0)[:, None], np.full(12, 1 / 12))
    rng = np.random.default_rng(0)
    for _ in range(20):
        moves, weights = resample(whole, 3, rng)
        assert weights.sum() == pytest.approx(1.0)
        rows = moves[:, 0].astype(int)
        assert all(((row + 1) % 12 in rows) or ((row - 1) % 12 in rows) for row in rows)
    counts = np.zeros(12)
    for _ in range(3_000):
        moves, weights = resample(whole, 3, rng)
        counts[moves[:, 0].astype(int)] += weights
    np.testing.assert_allclose(counts / 3_000, 1 / 12, rtol=0.05)


def history(rows: int = 150, seed: int = 1) -> adl.History:
    rng = np.random.default_rng(seed)
    returns = rng.standard_t(4, (rows, 2)) @ np.array([[0.04, 0.045], [0.0, 0.02]])
    prices = pd.DataFrame(100 * np.exp(np.cumsum(returns, axis=0)), columns=["BTC", "ETH"])
    return adl.History(prices, 5)


def test_bootstrap_of_a_history() -> None:
    problem = posed(history(), objective=adl.CVaR(0.8))
    found = adl.confidence_interval(problem, replicates=40, seed=3)
    base = adl.solve(problem)
    assert found.source == "bootstrap"
    assert found.value.estimate == pytest.approx(base.value)
    assert found.value.low < found.value.estimate < found.value.high
    again = adl.confidence_interval(problem, replicates=40, seed=3)
    assert again.value == found.value
    frame = found.to_frame()
    assert frame["quantity"].tolist() == ["value", "shadow_price", *["reduction"] * 4]
    assert "bootstrap" in repr(found)
    assert "<table" in found._repr_html_()


def test_bootstrap_of_a_sampled_shock_and_of_scenarios_on_request() -> None:
    sample = np.random.default_rng(0).normal(size=200)
    problem = posed(adl.OneFactor(adl.examples.paper_direction(), sample))
    assert adl.confidence_interval(problem, replicates=10).source == "bootstrap"
    given = posed(adl.Scenarios(returns=np.random.default_rng(1).normal(0, 0.1, (60, 2))))
    with pytest.raises(adl.NotApplicable, match="source='bootstrap'"):
        adl.confidence_interval(given)
    assert adl.confidence_interval(given, source="bootstrap", replicates=5).replicates == 5


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"level": 1.0}, adl.InputError),
        ({"level": "x"}, adl.InputError),
        ({"replicates": 1}, adl.InputError),
        ({"source": "jackknife"}, adl.InputError),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        adl.confidence_interval(posed(adl.examples.paper_lognormal(64)), **options)


def test_where_nothing_is_drawn() -> None:
    with pytest.raises(adl.NotApplicable, match="closed form"):
        adl.confidence_interval(posed(adl.OneFactor(adl.examples.paper_direction())))
    with pytest.raises(adl.NotApplicable):
        adl.confidence_interval(adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}))
