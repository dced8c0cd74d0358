"""Derivatives of the optimal value against problems solved again, for every kind of price model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import cell, priced, untyped

MARKS = np.array([67_000.0, 1_900.0])
COVARIANCE = np.outer(MARKS * 0.1, MARKS * 0.12) * np.array([[1.0, 0.85], [0.85, 1.2]])
COVARIANCE = (COVARIANCE + COVARIANCE.T) / 2
CAPS = pd.DataFrame({"account": ["3"], "asset": ["BTC"], "cap": [4.0]})
RETURNS = np.random.default_rng(3).standard_t(4, (400, 2)) @ [[0.08, 0.07], [0.0, 0.05]]


def posed(prices: adl.PriceModel, **options: Any) -> adl.Problem:
    return adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices, **options)


CASES = {
    "one factor": posed(adl.OneFactor(adl.examples.paper_direction()), caps=CAPS),
    "lognormal": posed(adl.examples.paper_lognormal(2**11), caps=CAPS),
    "lognormal cvar": posed(adl.examples.paper_lognormal(2**13), objective=adl.CVaR(0.9)),
    "gaussian": posed(adl.Gaussian(COVARIANCE), caps=CAPS),
    "student": posed(adl.StudentT(COVARIANCE, 4.0), insurance_fund=5_000.0),
    "scenarios": posed(adl.Scenarios(returns=np.maximum(RETURNS, -1.0)), objective=adl.CVaR(0.9)),
    "mixture": posed(
        adl.Mixture(
            [
                (adl.Gaussian(COVARIANCE, points=2**11), 0.9),
                (adl.Stress({"squeeze": {"BTC": 0.3, "ETH": 0.25}}), 0.1),
            ]
        )
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_problems_solved_again(name: str) -> None:
    found = adl.sensitivity(CASES[name], accounts=2)
    table = found.table
    quotient = (table["value_up"] - table["value_down"]) / (2 * table["step"])
    both = quotient.notna()
    assert set(table["parameter"][both]) >= {"volatility", "horizon", "equity"}
    scale = np.abs(table["derivative"]).clip(lower=1e-6 * abs(found.solution.value or 1.0))
    # With a few hundred scenarios the value is a polygon, and 2 % of the equity crosses corners.
    tolerance = 0.08 if name == "scenarios" else 0.025
    error = (np.abs(table["derivative"] - quotient) / scale)[both]
    assert (error < tolerance).all(), table.assign(quotient=quotient)
    # The value is convex in the fund: the first unit saves most, but for pools at zero equity.
    fund = table.set_index("parameter").loc["insurance_fund"]
    saved = (fund["value_up"] - (found.solution.value or 0.0)) / fund["step"]
    if CASES[name].closed_form is None:
        assert fund["derivative"] <= saved * 0.99
        assert saved == pytest.approx(fund["derivative"], rel=0.15)


def test_more_margin_and_looser_caps_never_hurt() -> None:
    found = adl.sensitivity(CASES["lognormal"], accounts=4)
    table = found.table.set_index("parameter")
    assert (found.equity["derivative"] <= 0).all()
    assert found.equity["derivative"].is_monotonic_increasing
    assert cell(table, "caps", "value_up") < cell(table, "caps", "value_down")
    volatility = found.table[found.table["parameter"] == "volatility"]
    assert (volatility["value_up"] > volatility["value_down"]).all()
    assert len(found.equity) == 4


def test_shadow_prices_of_the_changed_problems() -> None:
    found = adl.sensitivity(CASES["gaussian"], accounts=0)
    row = found.table.iloc[0]
    prices = adl.Gaussian(COVARIANCE * np.outer([1.01, 1.0], [1.01, 1.0]))
    again = priced(adl.solve(posed(prices, caps=CAPS), tolerance=1e-8))
    assert row["name"] == "BTC"
    assert row["value_up"] == pytest.approx(again.value, rel=1e-7)
    assert row["shadow_price_up_BTC"] == pytest.approx(again.shadow_prices["BTC"], rel=1e-5)


def test_a_perfect_correlation_has_one_side() -> None:
    prices = adl.LogNormal({"BTC": 0.6, "ETH": 0.75}, 1.0, horizon=10 / 365, points=256)
    table = adl.sensitivity(posed(prices), accounts=0).table.set_index("parameter")
    assert table.loc["correlation", "value_up"] == pytest.approx(
        adl.solve(posed(prices), tolerance=1e-8).value
    )


def test_prints_and_refuses() -> None:
    found = adl.sensitivity(CASES["gaussian"], accounts=1)
    assert "value of margin" in repr(found)
    assert "<table" in found._repr_html_()
    assert found.to_frame().equals(found.table)
    for step in (0.0, 1.0, -0.1, np.nan):
        with pytest.raises(adl.InputError, match="step"):
            adl.sensitivity(CASES["gaussian"], step=step)
    with pytest.raises(adl.NotApplicable):
        adl.sensitivity(adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}))
    with pytest.raises(adl.InputError):
        untyped.sensitivity(5)
