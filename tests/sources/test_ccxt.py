"""ccxt's unified positions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import adlopt as adl
from adlopt.sources import ccxt
from tests.sources.golden import CCXT

ISOLATED = CCXT | {"marginMode": "isolated"}
ETH = CCXT | {
    "symbol": "ETH/USDT:USDT",
    "side": "short",
    "contracts": 3,
    "contractSize": 1,
    "entryPrice": 2100,
    "markPrice": 2000,
}
BALANCE = {
    "info": {},
    "USDT": {"free": 90, "used": 10, "total": 100},
    "total": {"USDT": 100, "BTC": 2},
    "BTC": {"total": 2},
}


def reasons(positions: Any, **given: Any) -> list[str]:
    return ccxt.load(positions, **given).rejected["reason"].tolist()


def test_documented_record() -> None:
    book = ccxt.load(CCXT, equity=10.2).book
    assert book.to_frame().to_dict("records") == [
        {
            "account": "account",
            "asset": "BTC/USDT:USDT",
            "size": 0.005,
            "margin_mode": "cross",
            "equity": 10.2,
            "mark": 20050.0,
            "entry_price": 20000.0,
        }
    ]
    isolated = ccxt.load(ISOLATED).book.to_frame()
    assert (isolated["equity"].tolist(), isolated["margin_mode"].tolist()) == ([10.2], ["isolated"])
    old = {key: value for key, value in CCXT.items() if key != "marginMode"}
    assert ccxt.load(old | {"isolated": True}).book.isolated.tolist() == [True]
    assert ccxt.load(old, margin="isolated").book.isolated.tolist() == [True]


def test_equity_of_cross_accounts(tmp_path: Path) -> None:
    both = [CCXT, ETH]
    profit = 0.005 * 50 + 3 * 100
    assert ccxt.load(both, BALANCE).book.equity.tolist() == [100.0]
    assert ccxt.load(both, wallet=100).book.equity.tolist() == [100 + profit]
    several = ccxt.load({"a": [CCXT], "b": ETH}, {"a": BALANCE, "b": {"total": {"USDT": 7}}}).book
    assert dict(zip(several.account_names, several.equity, strict=True)) == {"a": 100.0, "b": 7.0}
    (tmp_path / "positions.json").write_text(json.dumps(both))
    (tmp_path / "balance.json").write_text(json.dumps(BALANCE))
    from_files = ccxt.load(tmp_path / "positions.json", tmp_path / "balance.json").book
    assert from_files.to_frame().equals(ccxt.load(both, BALANCE).book.to_frame())
    assert ccxt.load(both, {"USDT": {"total": 100}}).book.equity.tolist() == [100.0]
    assert "inverse" in reasons(CCXT | {"symbol": "BTC/USD:BTC"}, balances=BALANCE)[0]
    assert reasons(CCXT) == [
        "no equity is known for this cross account; give balances, equity or wallet"
    ]
    no_entry = CCXT | {"entryPrice": None}
    assert ccxt.load(no_entry, wallet=10).book.equity.tolist() == [10.25]
    assert "no entry price" in reasons(no_entry | {"unrealizedPnl": None}, wallet=10)[0]


@pytest.mark.parametrize(
    ("side", "contracts", "size"),
    [
        ("long", 5, 5.0),
        ("short", 5, -5.0),
        ("short", "5", -5.0),
        ("short", -5, -5.0),
        ("SHORT", 5.0, -5.0),
        ("buy", 5, 5.0),
    ],
)
def test_sign_is_the_sides(side: str, contracts: object, size: float) -> None:
    position = ISOLATED | {"side": side, "contracts": contracts, "contractSize": 1, "notional": -5}
    assert ccxt.load(position).book.size.tolist() == [size]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"contracts": -5}, "'contracts' is -5, but 'side' says long"),
        ({"contracts": 0}, "empty size"),
        ({"contracts": 0, "marginMode": None, "side": None}, "empty size"),
        ({"contracts": None}, "'contracts' is empty"),
        ({"contracts": "five"}, "'contracts' is 'five', not a number"),
        ({"contracts": float("inf")}, "not a finite number"),
        ({"contracts": 10**400}, "not a finite number"),
        ({"contracts": 1e200}, "beyond anything a book can hold"),
        ({"side": None}, "'side' is empty"),
        ({"side": "both"}, "'side' is 'both'; known are long, short"),
        ({"symbol": "BTC/USD:BTC"}, "inverse contract"),
        ({"symbol": "BTC/USD:BTC-240628"}, "inverse contract"),
        ({"symbol": "BTC/USDT:USDT-240628-50000-C"}, "an option"),
        ({"symbol": "ETH/USD:BTC"}, "quanto contract"),
        ({"symbol": "BTC/USDT"}, "not the symbol of a swap"),
        ({"symbol": ""}, "'symbol' is empty"),
        ({"contractSize": None}, "give contract_sizes"),
        ({"contractSize": -1}, "'contractSize' is -1, not > 0"),
        ({"markPrice": 0}, "'markPrice' is 0, not a price > 0"),
        ({"markPrice": None}, "no mark price of 'BTC/USDT:USDT' is known"),
        ({"collateral": None}, "'collateral' is empty"),
    ],
)
def test_bad_positions(change: dict[str, Any], reason: str) -> None:
    other = ETH | {"marginMode": "isolated"}
    result = ccxt.load([ISOLATED | change, other])
    assert result.book.assets.tolist() == ["ETH/USDT:USDT"]
    (row,) = result.rejected.to_dict("records")
    assert reason in row["reason"]
    assert row["record"] == 0


def test_missing_keys() -> None:
    for key in ("symbol", "side", "contracts", "contractSize", "markPrice", "collateral"):
        (reason,) = reasons({name: value for name, value in ISOLATED.items() if name != key})
        assert "missing" in reason or "no mark" in reason
    assert (
        "marginMode"
        in reasons({name: value for name, value in CCXT.items() if name != "marginMode"})[0]
    )


def test_numbers_the_venue_leaves_out() -> None:
    bare = ISOLATED | {"contractSize": None, "markPrice": None}
    book = ccxt.load(
        bare, contract_sizes={"BTC/USDT:USDT": 0.001}, marks={"BTC/USDT:USDT": 20_050}
    ).book
    assert (book.size.tolist(), book.marks.tolist(), book.equity.tolist()) == (
        [0.005],
        [20050.0],
        [10.2],
    )


def test_one_settlement_currency() -> None:
    usdc = ISOLATED | {"symbol": "BTC/USDC:USDC"}
    result = ccxt.load([usdc, ISOLATED, ETH], equity=100)
    assert result.book.assets.tolist() == ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    assert result.rejected["reason"].tolist() == [
        "settles in USDC, not in USDT; load it by itself with currency='USDC'"
    ]
    assert ccxt.load([usdc, ISOLATED], currency="USDC").book.assets.tolist() == ["BTC/USDC:USDC"]
    assert len(ccxt.load([usdc, ISOLATED], currency=("USDT", "USDC")).book.assets) == 2


def test_hedge_mode_pairs() -> None:
    long, short = (
        CCXT | {"hedged": True, "contracts": 8},
        CCXT | {"hedged": True, "side": "short", "entryPrice": 21_000},
    )
    result = ccxt.load([long, short, ETH], wallet=100)
    frame = result.book.to_frame().set_index("asset")
    assert frame.loc["BTC/USDT:USDT", "size"] == pytest.approx(0.003)
    profit = 0.008 * 50 + 0.005 * 950 + 300
    assert frame["equity"].tolist() == [pytest.approx(100 + profit)] * 2
    (row,) = result.rejected.to_dict("records")
    assert (row["record"], row["side"]) == (1, "short")
    assert (
        "hedge-mode pair, kept as two positions by the venue: +0.008 and -0.005 count as +0.003"
        in row["reason"]
    )
    level = ccxt.load([long, short | {"contracts": 8}], equity=5)
    assert (level.book.size.size, level.book.equity.tolist(), len(level.rejected)) == (0, [5.0], 2)
    pair = [one | {"marginMode": "isolated"} for one in (long, short)]
    isolated = ccxt.load([*pair, ETH], equity=5)
    assert isolated.book.assets.tolist() == ["ETH/USDT:USDT"]
    assert isolated.rejected["reason"].str.contains("hedge-mode pair").tolist() == [True, True]


def test_duplicated_symbols() -> None:
    for second in (
        CCXT,
        CCXT | {"side": "short"},
    ):  # one-way positions, so that no pair can be meant
        result = ccxt.load({"a": [CCXT, second, ETH], "b": ETH}, equity={"a": 5, "b": 6})
        assert result.book.account_names.tolist() == ["b"]
        assert [reason.split(" ")[0] for reason in result.rejected["reason"]] == [
            "'BTC/USDT:USDT'",
            "'BTC/USDT:USDT'",
            "another",
        ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"equity": {"account": "x"}}, "equity, account 'account': 'x' is not a number"),
        ({"equity": 1, "wallet": 2}, "both equity and wallet"),
        ({"equity": 1, "balances": BALANCE}, "balances and equity"),
        ({"balances": {"total": {"EUR": 1}}}, "no total of USDT"),
        ({"balances": [1]}, "fetch_balance"),
        ({"contract_sizes": {"X": -1}}, "not > 0"),
        ({"marks": {"BTC/USDT:USDT": -1}}, "not a price > 0"),
    ],
)
def test_bad_arguments(given: dict[str, Any], message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        ccxt.load(CCXT, **given)


def test_one_number_is_no_equity_of_two_accounts() -> None:
    with pytest.raises(adl.InputError, match="one number for 2 cross accounts"):
        ccxt.load({"a": CCXT, "b": CCXT}, equity=5)
