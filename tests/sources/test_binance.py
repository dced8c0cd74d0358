"""Binance's positionRisk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import adlopt as adl
from adlopt.sources import binance
from tests.sources.golden import BINANCE

ISOLATED = BINANCE | {"isolatedMargin": "5.764277", "isolatedWallet": "5"}


def test_documented_record() -> None:
    book = binance.load(BINANCE, 10).book
    (row,) = book.to_frame().to_dict("records")
    assert row == {
        "account": "account",
        "asset": "ADAUSDT",
        "size": 30.0,
        "margin_mode": "cross",
        "mark": 0.4104759,
        "entry_price": 0.385,
        "equity": pytest.approx(10.764277),
    }
    assert binance.load(BINANCE, equity=10).book.equity.tolist() == [10.0]


def test_isolated_positions_bring_their_equity() -> None:
    book = binance.load([ISOLATED]).book
    assert (book.isolated.tolist(), book.equity.tolist()) == ([True], [5.764277])
    by_wallet = binance.load(ISOLATED | {"isolatedMargin": "0"}).book
    assert by_wallet.equity.tolist() == [pytest.approx(5.764277)]
    second = {key: value for key, value in ISOLATED.items() if key != "marginAsset"} | {
        "marginType": "isolated"
    }
    assert binance.load(second).book.equity.tolist() == [5.764277]


def test_wallet_from_the_account_endpoint() -> None:
    assets = [
        {"asset": "USDT", "crossWalletBalance": "23.7"},
        {"asset": "BNB", "crossWalletBalance": "9"},
    ]
    for wallet in ({"assets": assets}, assets, {"account": {"assets": assets}}, {"account": 23.7}):
        assert binance.load(BINANCE, wallet).book.equity.tolist() == [
            pytest.approx(23.7 + 0.764277)
        ]
    inverse = BINANCE | {"symbol": "BTCUSD_PERP"}
    assert "inverse" in binance.load(inverse, assets).rejected["reason"].iloc[0]
    with pytest.raises(adl.InputError, match="no entry for USDT"):
        binance.load(BINANCE, assets[1:])
    with pytest.raises(adl.InputError, match="crossWalletBalance: None is not a number"):
        binance.load(BINANCE, [{"asset": "USDT"}])
    assert "give wallet or equity" in binance.load(BINANCE).rejected["reason"].iloc[0]


def test_csv_of_several_accounts(tmp_path: Path) -> None:
    rows = [BINANCE | {"account": "7"}, BINANCE | {"account": "8", "positionAmt": "-4"}]
    pd.DataFrame(rows).to_csv(tmp_path / "positions.csv", index=False)
    for source in (rows, tmp_path / "positions.csv", pd.DataFrame(rows)):
        book = binance.load(source, {"7": 10, "8": 20}).book
        assert (book.account_names.tolist(), book.size.tolist()) == (["7", "8"], [30.0, -4.0])


def test_hedge_mode() -> None:
    long, short = (
        BINANCE | {"positionSide": "LONG"},
        BINANCE | {"positionSide": "SHORT", "positionAmt": "-12"},
    )
    result = binance.load([long, short], 10)
    assert result.book.size.tolist() == [18.0]
    assert result.book.equity.tolist() == [pytest.approx(10 + 18 * (0.4104759 - 0.385))]
    assert "hedge-mode" in result.rejected["reason"].iloc[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"positionAmt": "0.000"}, "empty size"),
        ({"positionAmt": ""}, "'positionAmt' is empty"),
        ({"positionSide": "LONG", "positionAmt": "-30"}, "they contradict each other"),
        ({"positionSide": "SHORT"}, "'positionAmt' is 30, but 'positionSide' says SHORT"),
        ({"positionSide": "NONE"}, "known are both, long, short"),
        ({"symbol": "BTCUSD_PERP", "marginAsset": "BTC"}, "inverse contract"),
        ({"symbol": "BTCUSD_240628", "marginAsset": None}, "inverse contract"),
        ({"symbol": "ADAEUR", "marginAsset": None}, "does not tell the settlement currency"),
        ({"isolatedMargin": None, "isolatedWallet": None}, "tell the margin mode"),
        ({"isolatedMargin": "x"}, "'isolatedMargin' is 'x', not a number"),
        ({"markPrice": "-1"}, "not a price > 0"),
        ({"marginType": "both"}, "known are cross, isolated"),
    ],
)
def test_bad_positions(change: dict[str, Any], reason: str) -> None:
    result = binance.load([ISOLATED | change, ISOLATED | {"symbol": "XRPUSDT"}])
    assert result.book.assets.tolist() == ["XRPUSDT"]
    (row,) = result.rejected.to_dict("records")
    assert reason in row["reason"]
