"""Frictions: caps of positions and of accounts, settlement off the mark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import Reference, close, random_case
from tests.typed import priced

BOTH = pd.DataFrame(
    {
        "account": ["1", "3", "3"],
        "asset": ["BTC", "BTC", None],
        "cap": [2.0, 5.0, np.nan],
        "fraction": [0.5, np.nan, 0.25],
    }
)


def capacity(caps: pd.DataFrame) -> list[float]:
    problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, caps=caps)
    return [float(most) for most in problem.max_reduction]


def test_the_tightest_cap_binds() -> None:
    """Shorts of 8, 10, 8 and 7."""
    assert capacity(BOTH) == [-2.0, -10.0, -2.0, -7.0]
    assert capacity(pd.DataFrame({"account": ["2"], "fraction": [0.1]})) == [-8.0, -1.0, -8.0, -7.0]
    assert capacity(pd.DataFrame({"account": ["2"], "asset": ["BTC"], "fraction": [0.0]})) == [
        -8.0,
        0.0,
        -8.0,
        -7.0,
    ]
    assert capacity(BOTH.iloc[:0]) == [-8.0, -10.0, -8.0, -7.0]


def test_caps_of_accounts_equal_caps_of_their_positions() -> None:
    book = adl.examples.paper_book()
    shorts = book.to_frame()[lambda table: table["size"] < 0]
    listed = shorts[["account", "asset"]].assign(cap=0.4 * shorts["size"].abs())
    accounts = pd.DataFrame({"account": ["1", "2", "3", "4"], "fraction": 0.4})
    prices = adl.OneFactor(adl.examples.paper_direction())
    one, other = (
        adl.solve(adl.Problem(book, {"BTC": -10.0}, prices=prices, caps=caps))
        for caps in (listed, accounts)
    )
    pd.testing.assert_frame_equal(one.allocation, other.allocation)
    assert (one.allocation["fraction"] <= 0.4 + 1e-12).all()


@pytest.mark.parametrize(
    ("rows", "pattern"),
    [
        ({"account": ["9"], "fraction": [0.5]}, r"caps, row 0 .*'9' is not in the book"),
        ({"account": ["1"], "fraction": [1.5]}, r"caps, row 0 .*'fraction': 1.5 is not a fraction"),
        ({"account": ["1"], "fraction": [np.nan]}, r"'fraction': nan"),
        ({"account": ["1", "1"], "fraction": [0.5, 0.5]}, r"caps, row 1 .*given twice"),
        ({"account": ["1"], "asset": [None], "cap": [1.0]}, r"caps, row 0 .*contracts of what"),
        (
            {"account": ["1"], "cap": [np.nan], "fraction": [np.nan]},
            r"neither 'cap' nor 'fraction'",
        ),
        ({"account": ["1"], "margin_mode": ["cross"], "fraction": [0.5]}, r"leave it empty"),
        ({"account": ["1"], "asset": ["BTC"]}, r"'cap' is missing"),
    ],
)
def test_bad_caps_are_named(rows: dict[str, Any], pattern: str) -> None:
    with pytest.raises(adl.InputError, match=pattern):
        capacity(pd.DataFrame(rows))


@pytest.mark.parametrize("seed", range(6))
def test_closed_forms_step_aside_where_reductions_settle_off_the_mark(seed: int) -> None:
    case = random_case(
        seed, ("isolated", "cross")[seed % 2], settlement=True, scenarios=20, twist="plain"
    )
    problem = case.problem()
    for method in ("water_filling", "factor_leverage"):
        with pytest.raises(adl.NotApplicable, match="settle off the mark"):
            adl.solve(problem, method)
    reference = Reference(case)
    best = reference.optimum([(1.0, 0.0)])
    before = reference.measure(reference.losses(None), [(1.0, 0.0)])
    for method in ("auto", "shadow_price"):
        assert close(priced(adl.solve(problem, method)).value, best, before)
