"""Proportional rules against numbers worked out by hand, and against bisection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

import adlopt as adl
from tests.typed import untyped

P = adl.policies

TABLE = pd.DataFrame(
    {
        "account": list("abc"),
        "asset": "BTC",
        "size": [-10.0, -20.0, -30.0],
        "entry_price": [110.0, 120.0, 90.0],
        "equity": [500.0, 500.0, 3000.0],
    }
)
"""Leverages at mark 100: 2, 4, 1; profits 100, 400, -300."""


def taken(policy: P.Policy, required: float = 6.0, **options: Any) -> np.ndarray:
    posed = adl.Problem(
        adl.Book.from_frame(TABLE, marks={"BTC": 100.0}), {"BTC": -required}, **options
    )
    return -policy.allocate(posed)["reduction"].to_numpy()


@pytest.mark.parametrize(
    ("policy", "required", "expected"),
    [
        (P.ProRata(), 6.0, [1.0, 2.0, 3.0]),
        (P.ProRata("contracts"), 60.0, [10.0, 20.0, 30.0]),
        (P.ProRata("pnl"), 10.0, [2.0, 8.0, 0.0]),
        # profits exhausted: the rest by contracts, of which only c has some
        (P.ProRata("pnl"), 36.0, [10.0, 20.0, 6.0]),
        (P.ProRata("equity"), 8.0, [1.0, 1.0, 6.0]),
        (P.ProRata("equity"), 44.0, [7.0, 7.0, 30.0]),  # c is full; 14 are left for equal equities
        (P.ProRata("levered"), 13.0, [2.0, 8.0, 3.0]),  # weights 20, 80, 30
        (P.ProRata("squared"), 14.0, [1.0, 4.0, 9.0]),  # weights 100, 400, 900
        # weights 40, 320, 30: b is full, and so is a with 40 of 70 of the 19 left
        (P.RiskAware(), 39.0, [10.0, 20.0, 9.0]),
        # weights 80, 1280, 30
        (P.RiskAware(lambda leverage: leverage**2), 22.0, [16 / 11, 20.0, 6 / 11]),
        # weights 20, 240, 0
        (P.RiskAware(lambda leverage: np.maximum(leverage - 1.0, 0.0)), 13.0, [1.0, 12.0, 0.0]),
        # no weight at all: by contracts
        (P.RiskAware(lambda leverage: 0.0 * leverage), 6.0, [1.0, 2.0, 3.0]),
        (P.MinMaxBurden(), 8.0, [1.0, 1.0, 6.0]),
        (P.MinimaxLeverage(), 10.0, [0.0, 10.0, 0.0]),  # b from 4 to 2, where a stands
        (P.MinimaxLeverage(), 20.0, [5.0, 15.0, 0.0]),  # both to 1, where c stands
    ],
    ids=str,
)
def test_by_hand(policy: P.Policy, required: float, expected: list[float]) -> None:
    np.testing.assert_allclose(taken(policy, required), expected, rtol=1e-12, atol=1e-12)


def test_caps_bound_the_shares_and_the_others_make_up_for_it() -> None:
    caps = pd.DataFrame({"account": ["c", "b"], "asset": "BTC", "cap": [1.0, 0.0]})
    np.testing.assert_allclose(taken(P.ProRata(), 6.0, caps=caps), [5.0, 0.0, 1.0], rtol=1e-12)
    np.testing.assert_allclose(
        taken(P.ProRata("equity"), 2.0, caps=caps), [1.0, 0.0, 1.0], rtol=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_against_bisection(seed: int) -> None:
    """tau by brentq on random weights over twelve orders of magnitude, with caps and zero
    weights.
    """
    rng = np.random.default_rng(seed)
    size = -(10.0 ** rng.uniform(-3, 3, 200))
    weight = 10.0 ** rng.uniform(-6, 6, 200) * (rng.random(200) < 0.8)
    table = pd.DataFrame({"account": np.arange(200), "asset": "X", "size": size, "equity": 1.0})
    listed = rng.random(200) < 0.5
    cap = np.where(listed, np.abs(size) * rng.random(200), np.abs(size))
    caps = table.loc[listed, ["account", "asset"]].assign(cap=cap[listed])
    total = 0.5 * cap[weight > 0].sum()
    posed = adl.Problem(adl.Book.from_frame(table, marks={"X": 1.0}), {"X": -total}, caps=caps)

    class Given(P.Proportional):
        def weight(self, problem: adl.Problem) -> np.ndarray:
            return weight

    tau = np.exp(
        brentq(lambda t: np.minimum(cap, np.exp(t) * weight).sum() - total, -40.0, 40.0, xtol=1e-13)
    )
    np.testing.assert_allclose(
        -Given().reductions(posed), np.minimum(cap, tau * weight), rtol=1e-8, atol=1e-10 * total
    )


def test_refusals() -> None:
    with pytest.raises(adl.InputError, match="ProRata: by is 'size'"):
        untyped.policies.ProRata("size")
    with pytest.raises(adl.InputError, match=r"g\(2\) is -1.0, at row 0 \(account 'a'"):
        taken(P.RiskAware(lambda leverage: leverage - 3.0))
    with pytest.raises(adl.InputError, match="a number for each leverage"):
        taken(P.RiskAware(lambda leverage: leverage[:2]))
