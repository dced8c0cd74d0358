"""State changes of a book: marks, settled reductions, netting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import untyped


def small_book() -> adl.Book:
    positions = pd.DataFrame(
        {
            "account": ["a", "a", "b", "c", "c"],
            "asset": ["BTC", "ETH", "BTC", "BTC", "ETH"],
            "size": [2.0, -10.0, -3.0, 1.0, 4.0],
            "entry_price": [90.0, 11.0, 120.0, 100.0, 9.0],
            "margin_mode": ["cross", "cross", "cross", "isolated", "cross"],
            "equity": [50.0, 50.0, 80.0, 20.0, 40.0],
        }
    )
    return adl.Book.from_frame(positions, marks={"BTC": 100.0, "ETH": 10.0})


def equity_of(book: adl.Book) -> dict[tuple[str, str], float]:
    pools = book.pools
    return {
        (account, mode): equity
        for account, mode, equity in zip(
            pools["account"], pools["margin_mode"], pools["equity"], strict=True
        )
    }


def test_marks_move_equity_by_size() -> None:
    moved = small_book().at({"BTC": 90.0, "ETH": 12.0})
    assert equity_of(moved) == {
        ("a", "cross"): 50.0 - 2 * 10 - 10 * 2,
        ("b", "cross"): 80.0 + 3 * 10,
        ("c", "isolated"): 20.0 - 10,
        ("c", "cross"): 40.0 + 4 * 2,
    }
    assert moved.marks.tolist() == [90.0, 12.0]
    assert np.array_equal(moved.size, small_book().size)


def test_assets_left_out_keep_their_mark_and_the_way_there_does_not_matter() -> None:
    book = small_book()
    assert book.at({"BTC": 90.0}).marks.tolist() == [90.0, 10.0]
    there = book.at({"BTC": 130.0}).at(np.array([90.0, 12.0]))
    assert np.allclose(there.equity, book.at({"BTC": 90.0, "ETH": 12.0}).equity)


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ({"BTC": 0.0}, "'BTC'.*price > 0"),
        ({"BTC": float("nan")}, "'BTC'.*finite"),
        ({"DOGE": 1.0}, "unknown asset 'DOGE'"),
        (np.array([1.0]), "2 numbers"),
    ],
)
def test_marks_that_are_no_prices(marks: object, message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        untyped.Book.at(small_book(), marks)


def test_at_the_mark_reductions_change_no_equity() -> None:
    book = small_book()
    taken = pd.DataFrame({"account": ["b"], "asset": ["BTC"], "reduction": [-1.25]})
    reduced = book.after(taken)
    assert np.array_equal(reduced.equity, book.equity)
    assert reduced.size.sum() == book.size.sum() + 1.25


def test_settlement_off_the_mark_moves_money() -> None:
    book = small_book()
    taken = np.array([2.0, -4.0, 0.0, 0.0, 0.0])
    reduced = book.after(taken, settlement={"BTC": 110.0, "ETH": 9.0})
    # A long gains by selling above the mark, a short by buying back below it.
    assert equity_of(reduced)["a", "cross"] == 50.0 + 2 * 10 + 4 * 1
    assert reduced.size.tolist() == [0.0, -6.0, -3.0, 1.0, 4.0]
    assert reduced.merged().size.tolist() == [-6.0, -3.0, 1.0, 4.0]


def test_a_solution_is_an_allocation() -> None:
    book = small_book()
    solution = adl.solve(adl.Problem(book, {"BTC": -2.0}))
    assert book.after(solution).size[2] == -1.0
    assert book.after(solution.allocation).size[2] == -1.0


@pytest.mark.parametrize(
    ("allocation", "message"),
    [
        (np.array([3.0, 0, 0, 0, 0]), "position 0"),
        (np.array([-1.0, 0, 0, 0, 0]), "position 0"),
        (np.array([np.nan, 0, 0, 0, 0]), "position 0"),
        (np.zeros(4), "5 in all"),
        ("all", "give a Solution, a table or an array"),
        (
            pd.DataFrame({"account": ["b"], "asset": ["BTC"], "reduction": [-3.5]}),
            "row 0.*'b'.*between 0",
        ),
        (pd.DataFrame({"account": ["z"], "asset": ["BTC"], "reduction": [-3.5]}), "'z'"),
    ],
)
def test_impossible_reductions_are_refused(allocation: object, message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        small_book().after(allocation)


def test_a_settlement_price_is_positive() -> None:
    with pytest.raises(adl.InputError, match="settlement, asset 'BTC'"):
        small_book().after(np.zeros(5), settlement={"BTC": -1.0})


def test_merging_nets_positions_and_adds_equity() -> None:
    book = small_book()
    other = adl.Book.from_frame(
        pd.DataFrame(
            {
                "account": ["b", "new"],
                "asset": ["BTC", "DOGE"],
                "size": [3.0, 7.0],
                "equity": [15.0, 5.0],
            }
        ),
        marks={"BTC": 100.0, "DOGE": 1.0},
    )
    both = book.merged(other)
    assert equity_of(both)["b", "cross"] == 95.0  # its long and short cancel: no position is left
    assert "b" not in set(both.positions_frame()["account"])
    assert equity_of(both)["new", "cross"] == 5.0
    assert both.equity.sum() == book.equity.sum() + 20.0
    net = both.to_frame().groupby("asset")["size"].sum()
    assert net.to_dict() == {"BTC": 3.0, "ETH": -6.0, "DOGE": 7.0}


def test_what_a_closed_isolated_position_leaves_goes_to_the_account() -> None:
    book = small_book()
    closed = book.after(np.array([0.0, 0.0, 0.0, 1.0, 0.0]))
    assert equity_of(closed)["c", "isolated"] == 20.0
    assert equity_of(closed.merged()) == {
        ("a", "cross"): 50.0,
        ("b", "cross"): 80.0,
        ("c", "cross"): 60.0,
    }


def test_a_deficit_of_a_closed_isolated_position_stays_listed() -> None:
    book = small_book().after(np.array([0.0, 0.0, 0.0, 1.0, 0.0]), settlement={"BTC": 70.0})
    merged = book.merged()
    assert equity_of(merged)["c", "isolated"] == -10.0
    assert merged.equity.sum() == book.equity.sum()
    assert len(merged.bankrupt) == 1


def test_books_that_disagree_on_a_mark() -> None:
    with pytest.raises(adl.InputError, match="mark 'BTC' at 100 and 90"):
        small_book().merged(small_book().at({"BTC": 90.0}))


def test_the_merged_book_survives_a_round_trip() -> None:
    book = small_book().merged(small_book())
    again = adl.Book.from_frame(book.to_frame())
    assert np.allclose(again.to_frame()["size"], book.to_frame()["size"])
    # Two equal halves keep their entry prices.
    once = small_book().entry_price
    assert book.entry_price is not None
    assert once is not None
    assert np.allclose(book.entry_price, once)


def test_random_changes_conserve_contracts_and_money() -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        book = adl.synthetic.crash(60, 3, seed=seed)
        taken = book.size * rng.random(book.size.size)
        price = book.marks * np.exp(rng.normal(0, 0.2, 3))
        settled = book.after(taken, settlement=price)
        by_asset = np.bincount(book.asset, taken, minlength=3)
        gained = by_asset @ (price - book.marks)
        assert np.isclose(settled.equity.sum(), book.equity.sum() + gained, rtol=1e-12)
        left = np.bincount(book.asset, settled.size, minlength=3)
        assert np.allclose(
            left + by_asset, np.bincount(book.asset, book.size, minlength=3), atol=1e-6
        )
        merged = settled.merged(settled)
        assert np.isclose(merged.equity.sum(), 2 * settled.equity.sum(), rtol=1e-12)
