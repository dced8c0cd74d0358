"""From bankrupt accounts to the problem: net positions, prices at which deficits are made up
for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import random_case
from tests.typed import cell, untyped

MARKS = {"BTC": 100.0, "ETH": 10.0}


def book(**equity: float) -> adl.Book:
    positions = pd.DataFrame(
        [
            ("broke", "BTC", 5.0),
            ("broke", "ETH", -50.0),
            ("gone", "BTC", -2.0),
            ("a", "BTC", -4.0),
            ("b", "BTC", -3.0),
            ("c", "ETH", 80.0),
            ("c", "BTC", 1.0),
        ],
        columns=["account", "asset", "size"],
    )
    accounts = {"broke": -40.0, "gone": -6.0, "a": 50.0, "b": 60.0, "c": 200.0} | equity
    return adl.Book.from_frame(
        positions,
        pd.DataFrame({"account": list(accounts), "equity": list(accounts.values())}),
        marks=MARKS,
    )


def test_positions_offset_and_change_sides() -> None:
    problem = adl.Problem.from_bankrupt(book(), insurance_fund=7.0)
    assert dict(problem.reduction) == {"BTC": -3.0, "ETH": 50.0}
    assert problem.settlement is None
    assert problem.insurance_fund == 7.0
    numbered = adl.Book.from_frame(
        pd.DataFrame(
            {"account": [1, 2], "asset": "BTC", "size": [3.0, -5.0], "equity": [-1.0, 50.0]}
        ),
        marks=MARKS,
    )
    assert dict(untyped.Problem.from_bankrupt(numbered, 1).reduction) == {"BTC": -3.0}
    empty = adl.Book.from_frame(
        pd.DataFrame(
            {"account": ["x", "y"], "asset": "BTC", "size": [0.0, -5.0], "equity": [-1.0, 50.0]}
        ),
        marks=MARKS,
    )
    with pytest.raises(adl.InputError, match="no bankrupt account holds a position"):
        adl.Problem.from_bankrupt(empty)
    assert dict(adl.Problem.from_bankrupt(book(), ["broke"]).reduction) == {
        "BTC": -5.0,
        "ETH": 50.0,
    }
    assert dict(adl.Problem.from_bankrupt(book(broke=400.0), "gone").reduction) == {"BTC": 2.0}


def test_price_of_one_position_is_where_equity_is_zero() -> None:
    longs = book(broke=400.0)
    problem = adl.Problem.from_bankrupt(longs, ["gone"], settlement="bankruptcy", remove=True)
    assert dict(problem.reduction) == {"BTC": 2.0}
    assert problem.settlement == pytest.approx({"BTC": 100.0 - 3.0})  # -6 + -2 * (97 - 100) = 0


def test_deficits_are_split_by_notional_and_borne_by_counterparties() -> None:
    problem = adl.Problem.from_bankrupt(book(), settlement="bankruptcy")
    # broke: 40 over 500 of BTC and 500 of ETH; gone: 6 on BTC. Net 3 BTC, -50 ETH.
    assert problem.settlement is not None
    assert problem.settlement == pytest.approx({"BTC": 100 + 26 / 3, "ETH": 10 - 20 / 50})
    offset = {name: price - MARKS[name] for name, price in problem.settlement.items()}
    paid = sum(problem.reduction[name] * offset[name] for name in offset)
    assert paid == pytest.approx(-46.0)


def test_deficit_of_what_offsets_falls_on_the_rest() -> None:
    positions = pd.DataFrame(
        [
            ("x", "BTC", 2.0, -5.0),
            ("y", "BTC", -2.0, -4.0),
            ("y", "ETH", 10.0, -4.0),
            ("a", "ETH", -30.0, 50.0),
        ],
        columns=["account", "asset", "size", "equity"],
    )
    problem = adl.Problem.from_bankrupt(
        adl.Book.from_frame(positions, marks=MARKS), settlement="bankruptcy"
    )
    assert dict(problem.reduction) == {"ETH": -10.0}
    # of y's; nothing of x's position is left to price
    assert problem.settlement == pytest.approx({"ETH": 10 + 4 / 10})


@pytest.mark.parametrize("remove", [False, True])
def test_removed_or_listed(remove: bool) -> None:
    problem = adl.Problem.from_bankrupt(book(), ["gone", "broke"], remove=remove)
    assert set(problem.book.bankrupt["account"]) == (set() if remove else {"gone", "broke"})
    assert set(problem.book.to_frame()["account"]) == {"a", "b", "c"} | (
        set() if remove else {"gone", "broke"}
    )
    assert problem.book.equity[problem.book.solvent].sum() == 310.0


@pytest.mark.parametrize("seed", range(20))
def test_random_books(seed: int) -> None:
    """Q + W = 0 for the bankrupt of any book; removing them changes neither the reduction nor its
    optimum.
    """
    case = random_case(
        seed, ("isolated", "cross", "mixed")[seed % 3], twist="bankrupt", scenarios=20
    )
    table = case.book.to_frame()
    broke = table[table["equity"] <= 0]
    lost = broke.groupby("asset")["size"].sum()
    lost = lost[lost != 0]
    interest = case.book.open_interest
    side = {
        name: cell(interest, name, "short" if size > 0 else "long") for name, size in lost.items()
    }
    if lost.empty or any(abs(size) > side[name] for name, size in lost.items()):
        with pytest.raises(adl.AdlError, match=r"bankrupt|open interest"):
            adl.Problem.from_bankrupt(case.book)
        return
    problem = adl.Problem.from_bankrupt(case.book, prices=case.prices)
    bare = adl.Problem.from_bankrupt(case.book, prices=case.prices, remove=True)
    assert dict(problem.reduction) == pytest.approx((-lost).to_dict())
    one, other = adl.solve(problem), adl.solve(bare)
    assert other.value == pytest.approx(one.value, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(bare.required, problem.required)


BAD = [
    (
        lambda: adl.Problem.from_bankrupt(book(), ["a"]),
        r"'a' is not bankrupt: its equity at the marks is 50",
    ),
    (lambda: adl.Problem.from_bankrupt(book(), ["zoe"]), r"'zoe' is not in the book"),
    (
        lambda: untyped.Problem.from_bankrupt(book(), settlement="entry"),
        r"'entry'; use 'mark' or 'bankruptcy'",
    ),
    (
        lambda: adl.Problem.from_bankrupt(book(broke=1.0, gone=1.0)),
        r"no bankrupt account holds a position",
    ),
    (
        lambda: adl.Problem.from_bankrupt(book(broke=-1e6), settlement="bankruptcy"),
        r"price of 'ETH' would be .*settle at 'mark'",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=[pattern[:30] for _, pattern in BAD])
def test_bad_input_is_named(bad: tuple[Callable[[], object], str]) -> None:
    make, pattern = bad
    with pytest.raises(adl.InputError, match=pattern):
        make()


def test_positions_that_cancel_leave_nothing() -> None:
    rows = [
        ("x", "BTC", 0.1, -1.0),
        ("y", "BTC", 0.2, -1.0),
        ("z", "BTC", -0.3, -1.0),
        ("a", "BTC", 1.0, 50.0),
    ]
    positions = pd.DataFrame(rows, columns=["account", "asset", "size", "equity"])
    with pytest.raises(adl.InputError, match="offset each other in every asset"):
        adl.Problem.from_bankrupt(adl.Book.from_frame(positions, marks=MARKS))


def test_more_than_the_solvent_hold_is_infeasible() -> None:
    with pytest.raises(adl.InfeasibleReduction) as error:
        adl.Problem.from_bankrupt(book(a=-1.0, b=-1.0, c=300.0), ["a", "b"])
    ((asset, required, available),) = error.value.shortfalls
    assert asset == "BTC"
    assert (required, available) == pytest.approx((7.0, 1.0))
