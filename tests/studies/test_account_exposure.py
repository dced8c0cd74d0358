"""Where one account stands."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import untyped

P = adl.policies


def book() -> adl.Book:
    """Scores of BitMEX for the shorts: a 0.4, b 0.5, c 0.4 (a tie, and later in the book); the open
    interest is 30.
    """
    table = pd.DataFrame(
        {
            "account": ["a", "b", "c", "d", "a"],
            "asset": ["X", "X", "X", "X", "Y"],
            "size": [-10.0, -10.0, -10.0, 5.0, 4.0],
            "entry_price": [125.0, 200.0, 125.0, 90.0, 1.0],
            "equity": [500.0, 1000.0, 500.0, 900.0, 500.0],
        }
    )
    return adl.Book.from_frame(table, marks={"X": 100.0, "Y": 1.0})


def test_ladder_by_hand() -> None:
    rows = adl.exposure(
        book(),
        "a",
        ladder=[{"X": -5.0}, {"X": -12.0}, {"X": -25.0}],
        policies=[P.BitMEX(), P.ProRata()],
    ).table
    queue, shares = (rows[rows["policy"] == name] for name in ("BitMEX", "ProRata(contracts)"))
    assert queue["rank"].tolist() == [2, 2, 2]
    assert queue["of"].tolist() == [3, 3, 3]
    assert queue["reduction"].tolist() == [0.0, -2.0, -10.0]
    assert queue["fraction"].tolist() == [0.0, 0.2, 1.0]
    assert queue["notional"].tolist() == [0.0, 200.0, 1000.0]
    np.testing.assert_allclose(queue["open_interest_fraction"], [5 / 30, 12 / 30, 25 / 30])
    assert shares["rank"].tolist() == [1, 1, 1]  # all lose the same share
    np.testing.assert_allclose(shares["reduction"], [-5 / 3, -4.0, -25 / 3])


def test_the_later_of_a_tie_ranks_behind() -> None:
    assert adl.exposure(book(), "c", ladder={"X": -5.0}, policies=P.BitMEX()).table[
        "rank"
    ].tolist() == [3]
    assert adl.exposure(book(), "b", ladder={"X": -5.0}, policies=P.BitMEX()).table[
        "rank"
    ].tolist() == [1]


def test_rungs_may_reduce_several_assets_at_once() -> None:
    rows = adl.exposure(
        book(), "a", ladder=[{"X": -3.0, "Y": 2.0}, {"X": -6.0}], policies={"mine": P.ProRata()}
    ).table
    assert rows[["asset", "reduction"]].to_numpy().tolist() == [
        ["X", -1.0],
        ["Y", 2.0],
        ["X", -2.0],
    ]
    assert (rows["policy"] == "mine").all()


def test_shares_of_the_accounts_side() -> None:
    rows = adl.exposure(book(), "a", fractions=[0.1, 1.0], policies=[P.ProRata()]).table
    assert rows[["asset", "required"]].to_numpy().tolist() == [
        ["X", -3.0],
        ["X", -30.0],
        ["Y", 0.4],
        ["Y", 4.0],
    ]
    assert len(adl.exposure(book(), "d", policies=[P.ProRata()])) == 5
    assert set(adl.exposure(book(), "d").table["policy"]) >= {"BitMEX", "MinimaxLeverage"}


def test_settlement_off_the_mark_is_paid() -> None:
    """Shorts bought back at 110 instead of 100 pay 10 a contract."""
    rows = adl.exposure(
        book(), "a", ladder={"X": -6.0}, policies=[P.ProRata()], settlement={"X": 110.0}
    ).table
    assert rows["paid"].tolist() == [20.0]


def test_refusals() -> None:
    for account, given, message in (
        ("z", {}, "account 'z' is not in the book; it has a, b, c, d"),
        ("d", {"ladder": {"X": -5.0}}, "the reductions can take nothing from account .d."),
        ("a", {"fractions": [1.5]}, r"1.5 is not in \(0, 1\]"),
        ("a", {"fractions": []}, "no rungs"),
        ("a", {"fractions": ["half"]}, "'half' is not a number"),
        ("a", {"ladder": []}, "no rungs"),
        ("a", {"ladder": 5}, "ladder is 5; give a list"),
        ("a", {"ladder": [0.5]}, "use fractions="),
        ("a", {"ladder": {"Z": -1.0}}, "unknown asset 'Z'"),
        ("a", {"ladder": {"X": "many"}}, "'many' is not a number"),
        ("a", {"ladder": {"X": -1.0}, "fractions": [0.5]}, "ladder or fractions, not both"),
    ):
        with pytest.raises(adl.InputError, match=message):
            adl.exposure(book(), account, **given)
    with pytest.raises(adl.InputError, match="expected a Book, got a int"):
        untyped.exposure(5, "a")


def test_the_optimum_is_included_where_prices_are_given() -> None:
    problem = adl.examples.paper_problem()
    best = adl.solve(problem).allocation.set_index("account")["reduction"]
    standing = adl.exposure(
        problem.book,
        "3",
        ladder={"BTC": -10.0},
        policies=[P.BitMEX()],
        prices=problem.prices,
    )
    rows = standing.table.set_index("policy")
    assert list(rows.index) == ["Optimal", "BitMEX"]
    assert rows.loc["Optimal", "reduction"] == pytest.approx(best["3"], rel=1e-12)
    assert rows.loc["Optimal", "rank"] == 1  # account 3 loses the largest fraction
    assert "Optimal" not in set(adl.exposure(problem.book, "3").table["policy"])
    once = adl.exposure(
        problem.book, "3", ladder={"BTC": -10.0}, policies=[P.Optimal()], prices=problem.prices
    )
    assert once.table["policy"].tolist() == ["Optimal"]
    assert "Account 3" in repr(standing)
    assert "<table" in standing._repr_html_()
