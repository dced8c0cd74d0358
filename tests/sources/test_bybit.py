"""Bybit's position list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import adlopt as adl
from adlopt.sources import bybit
from tests.sources.golden import BYBIT, BYBIT_INVERSE


def answer(*positions: object, category: str = "linear") -> dict[str, Any]:
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"category": category, "list": list(positions), "nextPageCursor": ""},
    }


def test_record() -> None:
    (row,) = bybit.load(BYBIT).book.to_frame().to_dict("records")
    assert row == {
        "account": "account",
        "asset": "BTCUSDT",
        "size": -0.3,
        "margin_mode": "isolated",
        "equity": pytest.approx(595.9),
        "mark": 28224.5,
        "entry_price": 27464.5,
    }


def test_documented_record_is_inverse() -> None:
    result = bybit.load([BYBIT_INVERSE, BYBIT])
    assert result.book.assets.tolist() == ["BTCUSDT"]
    (row,) = result.rejected.to_dict("records")
    assert (row["symbol"], row["side"], row["size"]) == ("BTCUSD", "Sell", "300")
    assert row["reason"] == "inverse contract: BTCUSD is valued in coin"
    assert bybit.load(BYBIT_INVERSE).book.size.size == 0


def test_answers_pages_and_accounts(tmp_path: Path) -> None:
    eth = BYBIT | {"symbol": "ETHUSDT", "side": "Buy", "markPrice": "1900"}
    whole = bybit.load([BYBIT, eth]).book.to_frame()
    assert bybit.load(answer(BYBIT, eth)).book.to_frame().equals(whole)
    (tmp_path / "a.json").write_text(json.dumps(answer(BYBIT, eth)))
    assert bybit.load(tmp_path / "a.json").book.to_frame().equals(whole)
    book = bybit.load({"a": answer(BYBIT), "b": [eth]}).book
    assert (book.account_names.tolist(), book.size.tolist()) == (["a", "b"], [-0.3, 0.3])
    inverse = bybit.load(answer(BYBIT | {"symbol": "BTCXYZ"}, category="inverse"))
    assert "inverse" in inverse.rejected["reason"].iloc[0]
    with pytest.raises(adl.InputError, match="no list of positions: invalid api_key"):
        bybit.load({"retCode": 10003, "retMsg": "invalid api_key", "result": {}})


def test_cross_equity() -> None:
    cross = BYBIT | {"tradeMode": 0}
    wallet = {
        "retCode": 0,
        "result": {"list": [{"accountType": "UNIFIED", "totalEquity": "1500.5"}]},
    }
    for equity in (1500.5, wallet, {"account": wallet}, {"account": 1500.5}):
        assert bybit.load(cross, equity).book.equity.tolist() == [1500.5]
    assert bybit.load(cross, wallet=1500).book.equity.tolist() == [pytest.approx(1500 - 0.3 * 760)]
    assert bybit.load(cross, margin="isolated").book.equity.tolist() == [pytest.approx(595.9)]
    assert "give equity or wallet" in bybit.load(cross).rejected["reason"].iloc[0]
    with pytest.raises(adl.InputError, match="no totalEquity"):
        bybit.load(cross, {"result": {"list": []}})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": "0", "side": "", "avgPrice": "0", "tradeMode": 0}, "empty size"),
        ({"size": ""}, "'size' is empty"),
        ({"side": ""}, "'side' is empty"),
        ({"side": "None"}, "known are buy, sell"),
        ({"size": "-0.3"}, "'size' is -0.3, and a size is unsigned beside 'side'"),
        ({"size": "-0.3", "side": "Buy"}, "'size' is -0.3"),
        ({"positionBalance": ""}, "'positionBalance' is empty"),
        ({"unrealisedPnl": ""}, "'unrealisedPnl' is empty"),
        ({"markPrice": ""}, "no mark price"),
        ({"positionIdx": 1}, "'positionIdx' is 1, but 'side' says Sell"),
        ({"positionIdx": 3}, "none of 0, 1, 2"),
        ({"symbol": "BTCUSDH26"}, "inverse contract"),
        ({"symbol": "BTC-26JUN26-60000-C"}, "an option"),
        ({"symbol": "BTCEUR"}, "does not state the settlement currency"),
        ({"symbol": "BTCPERP"}, "settles in USDC, not in USDT"),
        ({"symbol": "BTC-26JUN26"}, "settles in USDC, not in USDT"),
    ],
)
def test_bad_positions(change: dict[str, Any], reason: str) -> None:
    result = bybit.load([BYBIT | {"symbol": "ETHUSDT"}, BYBIT | change])
    assert result.book.assets.tolist() == ["ETHUSDT"]
    (row,) = result.rejected.to_dict("records")
    assert reason in row["reason"]


def test_margin_mode_that_is_none() -> None:
    assert (
        "neither 0 (cross) nor 1" in bybit.load(BYBIT | {"tradeMode": 2}).rejected["reason"].iloc[0]
    )


def test_hedge_mode() -> None:
    pair = [
        BYBIT | {"tradeMode": 0, "positionIdx": 2},
        BYBIT | {"tradeMode": 0, "positionIdx": 1, "side": "Buy", "size": "1"},
    ]
    result = bybit.load(pair, 100)
    assert result.book.size.tolist() == [0.7]
    assert "hedge-mode pair" in result.rejected["reason"].iloc[0]
