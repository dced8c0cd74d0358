"""Tables to risk pools and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import random_case
from tests.typed import cell

MARKS = {"BTC": 100.0, "ETH": 10.0}


def same(left: adl.Book, right: adl.Book) -> None:
    """Equal to the last bit, as tables; pools may be numbered differently."""
    pd.testing.assert_frame_equal(left.to_frame(), right.to_frame(), check_exact=True)
    keys = ["account"]
    pd.testing.assert_frame_equal(
        left.accounts.sort_values(keys).reset_index(drop=True),
        right.accounts.sort_values(keys).reset_index(drop=True),
        check_exact=True,
    )


@pytest.mark.parametrize("seed", range(36))
def test_round_trips(seed: int, tmp_path: Path) -> None:
    case = random_case(seed, ("cross", "isolated", "mixed")[seed % 3])
    book = case.book
    same(adl.Book.from_frame(book.to_frame(), book.accounts), book)
    book.to_csv(tmp_path / "positions.csv")
    book.accounts.to_csv(tmp_path / "accounts.csv", index=False)
    same(adl.Book.read_csv(tmp_path / "positions.csv", tmp_path / "accounts.csv"), book)
    book.to_parquet(tmp_path / "positions.parquet")
    book.accounts.to_parquet(tmp_path / "accounts.parquet", index=False)
    same(adl.Book.read_parquet(tmp_path / "positions.parquet", tmp_path / "accounts.parquet"), book)
    # Equity stands in the positions too, so that they are enough by themselves.
    pd.testing.assert_frame_equal(
        adl.Book.from_frame(book.to_frame()).to_frame(), book.to_frame(), check_exact=True
    )


def test_round_trip_keeps_entry_prices(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "account": ["a", "b"],
            "asset": "BTC",
            "size": [0.1, -1 / 3],
            "entry_price": [0.1 + 0.2, np.nan],
            "equity": [1.0, 2.0],
        }
    )
    book = adl.Book.from_frame(table, marks=MARKS)
    book.to_csv(tmp_path / "book.csv")
    again = adl.Book.read_csv(tmp_path / "book.csv")
    np.testing.assert_array_equal(again.positions_frame()["entry_price"], [0.1 + 0.2, np.nan])
    assert again.positions_frame()["size"].tolist() == [0.1, -1 / 3]


def test_equity_from_collateral() -> None:
    """Collateral plus unrealised profit, of cross accounts over their cross positions alone."""
    positions = pd.DataFrame(
        {
            "account": ["a", "a", "a", "b"],
            "asset": ["BTC", "ETH", "ETH", "BTC"],
            "size": [-2.0, 5.0, 4.0, 1.0],
            "entry_price": [110.0, 8.0, 7.0, 90.0],
            "margin_mode": ["cross", "cross", "isolated", "isolated"],
            "collateral": [np.nan, np.nan, 3.0, 6.0],
        }
    )
    accounts = pd.DataFrame({"account": ["a"], "collateral": [40.0]})
    book = adl.Book.from_frame(positions, accounts, marks=MARKS)
    pools = book.pools.set_index(["account", "margin_mode"])["equity"]
    assert pools["a", "cross"] == 40.0 + 2 * 10.0 + 5 * 2.0
    assert pools["a", "isolated"] == 3.0 + 4 * 3.0
    assert pools["b", "isolated"] == 6.0 + 10.0


def test_collateral_needs_entry_prices() -> None:
    accounts = pd.DataFrame({"account": ["a"], "collateral": [1.0]})
    table = pd.DataFrame({"account": ["a"], "asset": ["BTC"], "size": [1.0]})
    with pytest.raises(adl.InputError, match="entry_price"):
        adl.Book.from_frame(table, accounts, marks=MARKS)
    with pytest.raises(adl.InputError, match=r"row 0 .*'entry_price': is missing"):
        adl.Book.from_frame(table.assign(entry_price=np.nan), accounts, marks=MARKS)


def test_collateral_and_equity_mix_row_by_row() -> None:
    table = pd.DataFrame(
        {"account": ["a", "b"], "asset": "BTC", "size": 1.0, "entry_price": [90.0, np.nan]}
    )
    accounts = pd.DataFrame(
        {"account": ["a", "b"], "collateral": [1.0, np.nan], "equity": [np.nan, 7.0]}
    )
    assert adl.Book.from_frame(table, accounts, marks=MARKS).accounts["equity"].tolist() == [
        11.0,
        7.0,
    ]


def test_accounts_without_positions_stay() -> None:
    table = pd.DataFrame({"account": ["a"], "asset": ["BTC"], "size": [1.0]})
    accounts = pd.DataFrame({"account": ["idle", "a"], "equity": [5.0, 7.0]})
    book = adl.Book.from_frame(table, accounts, marks=MARKS)
    assert book.accounts.set_index("account")["equity"].to_dict() == {"a": 7.0, "idle": 5.0}
    same(adl.Book.from_frame(book.to_frame(), book.accounts), book)
    solution = adl.solve(
        adl.Problem(book, {"BTC": 0.5}, prices=adl.OneFactor({"BTC": 10.0, "ETH": 1.0}))
    )
    assert solution.allocation["reduction"].tolist() == [0.5]


def test_cross_and_isolated_of_one_account() -> None:
    table = pd.DataFrame(
        {
            "account": "a",
            "asset": ["BTC", "BTC", "ETH"],
            "size": [1.0, 2.0, -3.0],
            "margin_mode": ["cross", "isolated", "cross"],
            "equity": [50.0, 20.0, 50.0],
        }
    )
    book = adl.Book.from_frame(table, marks=MARKS)
    assert len(book.account_names) == 1
    pools = book.pools
    assert pools["equity"].tolist() == [50.0, 20.0]
    assert pools["notional"].tolist() == [130.0, 200.0]
    assert pools["leverage"].tolist() == [2.6, 10.0]
    allocation = adl.solve(
        adl.Problem(book, {"BTC": 1.0}, prices=adl.OneFactor({"BTC": 10.0, "ETH": 0.0}))
    ).allocation
    assert allocation.set_index("margin_mode")["reduction"].to_dict() == {
        "cross": 0.0,
        "isolated": 1.0,
    }


@pytest.mark.parametrize("seed", range(24))
def test_to_isolated_splits_equity_by_notional(seed: int) -> None:
    case = random_case(seed, ("cross", "mixed")[seed % 2])
    book = case.book
    split = book.with_margin("isolated")
    assert split.isolated.all()
    frame, whole = split.to_frame(), book.to_frame()
    keys = ["account", "asset"]
    if whole.duplicated(keys).any():  # those become one position
        sizes, netted = frame.set_index(keys)["size"], whole.groupby(keys)["size"].sum()
        np.testing.assert_allclose(sizes.reindex(netted.index), netted, rtol=1e-12, atol=1e-9)
        holds = np.isin(np.arange(book.equity.size), book.pool)
        owned = np.bincount(
            book.pool_account[holds], book.equity[holds], minlength=len(book.account_names)
        )
        split_owned = (
            frame.groupby("account")["equity"].sum().reindex(book.account_names, fill_value=0.0)
        )
        np.testing.assert_allclose(split_owned, owned, rtol=1e-12, atol=1e-9)
        return
    np.testing.assert_array_equal(frame["size"], whole["size"])
    np.testing.assert_allclose(
        np.bincount(book.pool, split.equity, minlength=book.equity.size)[book.pool],
        book.equity[book.pool],
        rtol=1e-12,
    )
    leverage = split.pools["leverage"].to_numpy()
    held = split.solvent & (book.pools["notional"].to_numpy()[book.pool] > 0)
    np.testing.assert_allclose(
        leverage[held], book.pools["leverage"].to_numpy()[book.pool][held], rtol=1e-12
    )


@pytest.mark.parametrize("seed", range(24))
def test_to_cross_merges_and_keeps_totals(seed: int) -> None:
    book = random_case(seed, ("isolated", "mixed")[seed % 2]).book
    merged = book.with_margin("cross")
    assert not merged.isolated.any()
    wanted = pd.Series(book.equity).groupby(book.account_names.take(book.pool_account)).sum()
    found = merged.accounts.set_index("account")["equity"]
    pd.testing.assert_series_equal(
        found.sort_index(), wanted.sort_index(), check_names=False, check_exact=False, rtol=1e-12
    )
    found, wanted = (
        frame.groupby(["account", "asset"])["size"].sum().sort_index()
        for frame in (merged.to_frame(), book.to_frame())
    )
    pd.testing.assert_series_equal(found, wanted, rtol=1e-12)


def test_there_and_back_again() -> None:
    book = random_case(0, "cross").book
    same(book.with_margin("cross"), book)
    back = book.with_margin("isolated").with_margin("cross")
    np.testing.assert_array_equal(back.to_frame()["size"], book.to_frame()["size"])
    np.testing.assert_allclose(back.accounts["equity"], book.accounts["equity"], rtol=1e-12)
    assert list(back.assets) == list(book.assets)


def test_merged_entry_price_is_the_average() -> None:
    table = pd.DataFrame(
        {
            "account": "a",
            "asset": "BTC",
            "size": [1.0, 3.0],
            "entry_price": [100.0, 80.0],
            "margin_mode": ["cross", "isolated"],
            "equity": [5.0, 6.0],
        }
    )
    merged = adl.Book.from_frame(table, marks=MARKS).with_margin("cross").positions_frame()
    assert merged["entry_price"].tolist() == [85.0]
    assert merged["equity"].tolist() == [11.0]


@pytest.mark.parametrize("names", [[3, 1, 2], ["3", "1", "2"], ["ä", "b c", "0x1"]])
def test_labels_keep_their_type(names: list[object]) -> None:
    table = pd.DataFrame(
        {"account": names, "asset": "BTC", "size": [1.0, 2.0, 3.0], "equity": 10.0}
    )
    book = adl.Book.from_frame(table, marks=MARKS)
    assert book.positions_frame()["account"].tolist() == names
    solution = adl.solve(adl.Problem(book, {"BTC": 1.0}))
    assert solution.allocation["account"].tolist() == names
    caps = pd.DataFrame({"account": names[2:], "asset": ["BTC"], "cap": [0.25]})
    assert (
        adl.solve(adl.Problem(book, {"BTC": 1.0}, caps=caps)).allocation["reduction"].tolist()[2]
        == 0.25
    )


def test_leading_zeros_of_csv_names_stay(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("account,asset,size,equity\n007,NA,1,2\n7,NA,1,3\n")
    assert adl.Book.read_csv(path, marks={"NA": 1.0}).to_frame()["account"].tolist() == ["007", "7"]


def test_open_interest_by_side() -> None:
    table = pd.DataFrame(
        {
            "account": list("abcd"),
            "asset": "BTC",
            "size": [1.0, -2.0, 4.0, -8.0],
            "equity": [1.0, 1.0, 0.0, -1.0],
        }
    )
    interest = adl.Book.from_frame(table, marks=MARKS).open_interest
    assert interest.loc["BTC"].to_numpy().tolist() == [1.0, 2.0, 4.0, 8.0]
    assert interest.loc["ETH"].to_numpy().tolist() == [0.0] * 4


def test_the_callers_tables_are_not_changed() -> None:
    case = random_case(4, "mixed")
    positions, accounts = case.positions.copy(), case.accounts.copy()
    adl.solve(case.problem())
    pd.testing.assert_frame_equal(case.positions, positions)
    pd.testing.assert_frame_equal(case.accounts, accounts)


def test_shown() -> None:
    book = random_case(9, "mixed").book
    assert "bankrupt" in repr(book)
    assert "<table" in book._repr_html_()


def test_both_modes_of_an_asset_become_one_isolated_position() -> None:
    """Otherwise no table of the book, or of an allocation, could tell the two apart. Legs that
    cancel leave no entry price.
    """
    table = pd.DataFrame(
        [
            ("a", "X", 6.0, "cross", 60.0, 8.0),
            ("a", "X", 2.0, "isolated", 5.0, 12.0),
            ("a", "Y", -4.0, "cross", 60.0, 3.0),
            ("b", "X", 1.0, "cross", 9.0, 8.0),
            ("b", "X", -1.0, "isolated", 2.0, 9.0),
        ],
        columns=["account", "asset", "size", "margin_mode", "equity", "entry_price"],
    )
    both = adl.Book.from_frame(table, marks={"X": 10.0, "Y": 10.0})
    split = both.with_margin("isolated")
    frame = split.to_frame().set_index(["account", "asset"])
    assert frame["size"].to_dict() == {("a", "X"): 8.0, ("a", "Y"): -4.0, ("b", "X"): 0.0}
    assert frame["equity"].to_dict() == {("a", "X"): 41.0, ("a", "Y"): 24.0, ("b", "X"): 11.0}
    assert frame.loc[("a", "X"), "entry_price"] == 9.0
    assert np.isnan(cell(frame, ("b", "X"), "entry_price"))
    same(adl.Book.from_frame(split.to_frame()), split)
    assert both.with_margin("cross").to_frame()["size"].tolist() == [8.0, -4.0, 0.0]
