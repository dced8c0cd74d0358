"""Plain tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.datasets.examples import paper_book, paper_tables
from adlopt.sources import tables
from tests.sources.golden import TABLE
from tests.support import DATA


def written(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        rows = [json.dumps(row) for row in frame.to_dict("records")]
        path.write_text("\n".join(rows) if path.suffix == ".jsonl" else f"[{','.join(rows)}]")
    return path


@pytest.mark.parametrize("name", ["book.csv", "book.parquet", "book.json", "book.jsonl"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    book = paper_book()
    frame = book.to_frame()
    row = ["5", "BTC", 2.5, "isolated", 1e4 / 3, 67_000.0, np.nan]
    frame = pd.concat([frame, pd.DataFrame([row], columns=frame.columns)], ignore_index=True)
    result = tables.load(written(frame, tmp_path / name))
    assert result.rejected.empty
    pd.testing.assert_frame_equal(
        result.book.to_frame(), adl.Book.from_frame(frame).to_frame(), check_dtype=False
    )


def test_written_books_are_read_back(tmp_path: Path) -> None:
    first = tables.load(
        [TABLE, TABLE | {"account": "b", "margin_mode": "isolated", "size": 0.1, "equity": 1 / 3}]
    ).book
    first.to_csv(tmp_path / "book.csv")
    first.to_parquet(tmp_path / "book.parquet")
    for name in ("book.csv", "book.parquet"):
        second = tables.load(tmp_path / name).book
        pd.testing.assert_frame_equal(first.to_frame(), second.to_frame(), check_dtype=False)


def test_accounts_apart() -> None:
    positions, accounts = paper_tables()
    marks = {"BTC": 67_000.0, "ETH": 1_900.0}
    result = tables.load(positions, accounts, marks=marks)
    expected = paper_book()
    assert result.book.equity == pytest.approx(expected.equity, rel=1e-14)
    by_equity = tables.load(positions, expected.accounts, marks=marks)
    assert by_equity.book.equity.tolist() == expected.equity.tolist()
    assert (
        tables.load(positions, marks=marks)
        .rejected["reason"]
        .str.contains("no equity is known")
        .all()
    )


def test_isolated_collateral() -> None:
    row = {
        "account": "a",
        "asset": "BTC",
        "size": -2,
        "margin_mode": "isolated",
        "collateral": 30,
        "entry_price": 90,
        "mark": 100,
    }
    assert tables.load([row]).book.equity.tolist() == [10.0]
    assert tables.load([row], marks={"BTC": 80}).book.equity.tolist() == [50.0]
    assert (
        "'entry_price' is missing"
        in tables.load([row | {"entry_price": None}]).rejected["reason"].iloc[0]
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": 0}, "empty size"),
        ({"size": "ten"}, "'size' is 'ten', not a number"),
        ({"size": np.nan}, "'size' is empty"),
        ({"account": None}, "'account' is missing"),
        ({"asset": ""}, "'asset' is empty"),
        ({"margin_mode": "portfolio"}, "known are cross, isolated"),
        ({"mark": -1}, "not a price > 0"),
        ({"mark": None, "asset": "X"}, "no mark price of 'X'"),
        ({"equity": "x"}, "'equity' is 'x', not a number"),
        ({"equity": None}, "no equity is known"),
        ({"collateral": 5}, "put the collateral of a cross account"),
    ],
)
def test_bad_rows(change: dict[str, Any], reason: str) -> None:
    result = tables.load([TABLE | change, TABLE | {"account": "b"}])
    assert result.book.account_names.tolist() == ["b"]
    assert [reason in why for why in result.rejected["reason"]] == [True]


def test_one_equity_per_account() -> None:
    eth = TABLE | {"asset": "ETH", "equity": 51.0}
    result = tables.load([TABLE, eth, TABLE | {"account": "b"}])
    assert result.book.account_names.tolist() == ["b"]
    assert result.rejected["reason"].str.contains("equity 50 and 51").all()
    silent = tables.load([TABLE, eth | {"equity": None}])
    assert silent.book.equity.tolist() == [50.0]
    contradicted = tables.load([TABLE], [{"account": "a", "collateral": 5}])
    assert "keep one" in contradicted.rejected["reason"].iloc[0]


@pytest.mark.parametrize(
    ("rows", "accounts", "message"),
    [
        ([{"account": "a", "size": 1}], None, "column 'asset' is missing"),
        ([TABLE], [{"equity": 5}], "'account' is missing"),
        ([TABLE], [{"account": "a"}], "'equity' or 'collateral'"),
        ([TABLE], [{"account": "a", "equity": 5}] * 2, "appears twice"),
        ([TABLE], [{"account": "a", "equity": "x"}], "'x' is not a number"),
        ([TABLE, TABLE | {"account": "b", "mark": 150.0}], None, "run from 100 to 150"),
    ],
)
def test_bad_tables(
    rows: list[dict[str, Any]], accounts: list[dict[str, Any]] | None, message: str
) -> None:
    with pytest.raises(adl.InputError, match=message):
        tables.load(rows, accounts)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("book.json", "{", "cannot read"),
        ("book.json", '[{"size": 1, "size": -1}]', "'size' appears twice in one object"),
        ("book.json", "[" * 100_000, "cannot read"),
        ("book.jsonl", "{}\n{]", "line 2"),
        ("book.csv", "account,asset,size\na,BTC,1,7\n", "line 2 has more fields"),
        ("book.csv", "account,asset,asset\n", "appears twice"),
        ("book.parquet", "text", "cannot read"),
        ("book.xlsx", "", "must end in .json"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(adl.InputError, match=message):
        tables.load(tmp_path / name)


def test_real_accounts() -> None:
    path = DATA / "hyperliquid_20251010_accounts.csv"
    if not path.exists():
        pytest.skip(f"the accounts are not at {path}")
    result = tables.load(path, marks={"MARKET": 1.0})
    expected = adl.Book.read_csv(path, marks={"MARKET": 1.0})
    assert (result.book.size.tolist(), result.book.equity.tolist()) == (
        expected.size.tolist(),
        expected.equity.tolist(),
    )
    assert result.rejected.empty
