"""Hyperliquid's clearinghouseState."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import adlopt as adl
from adlopt.sources import hyperliquid
from tests.sources.golden import HYPERLIQUID, HYPERLIQUID_POSITION


def held(book: adl.Book) -> pd.DataFrame:
    """The rows of positions; those of accounts that hold none have no size."""
    return book.to_frame().dropna(subset="size")


def position(
    coin: str = "BTC",
    szi: str = "-0.5",
    value: str = "30000",
    kind: str = "cross",
    raw: str | None = None,
) -> dict[str, Any]:
    leverage = {"type": kind, "value": 10} | ({"rawUsd": raw} if raw is not None else {})
    return {
        "position": {
            "coin": coin,
            "szi": szi,
            "positionValue": value,
            "entryPx": "61000",
            "leverage": leverage,
        }
    }


def state(*positions: object, value: str = "5000") -> dict[str, Any]:
    return {"assetPositions": list(positions), "crossMarginSummary": {"accountValue": value}}


def test_documented_record() -> None:
    result = hyperliquid.load(HYPERLIQUID, account="0xabc")
    (row,) = held(result.book).to_dict("records")
    assert row == {
        "account": "0xabc",
        "asset": "ETH",
        "size": 0.0335,
        "margin_mode": "isolated",
        "entry_price": 2986.3,
        "mark": pytest.approx(2985.9),
        "equity": pytest.approx(4.967826, abs=1e-12),
    }
    assert result.book.accounts.to_dict("records") == [{"account": "0xabc", "equity": 13104.514502}]
    assert result.rejected.empty
    assert result.rejected.columns.tolist() == [
        "record",
        "account",
        "symbol",
        "side",
        "size",
        "reason",
    ]


def test_isolated_short_owes_its_value() -> None:
    short = position(szi="-0.5", value="30000", kind="isolated", raw="33000")
    assert held(hyperliquid.load(state(short)).book)["equity"].tolist() == [3000.0]
    assert held(hyperliquid.load(state(short)).book)["size"].tolist() == [-0.5]


def test_cross_equity_is_the_accounts() -> None:
    both = state(position(), position("ETH", "2", "6000"))
    frame = held(hyperliquid.load(both).book)
    assert frame["equity"].tolist() == [5000.0, 5000.0]
    assert frame["mark"].tolist() == [60000.0, 3000.0]


def test_many_states_and_files(tmp_path: Path) -> None:
    states = {
        "0x1": state(position()),
        "0x2": state(position(szi="1", value="60000"), value="9000"),
    }
    by_name = held(hyperliquid.load(states).book)
    assert by_name["account"].tolist() == ["0x1", "0x2"]
    numbered = held(hyperliquid.load(list(states.values())).book)
    assert numbered["account"].tolist() == ["1", "2"]
    told = [{"user": name, "clearinghouseState": held} for name, held in states.items()]
    (tmp_path / "states.json").write_text(json.dumps(states))
    (tmp_path / "states.jsonl").write_text("\n".join(json.dumps(one) for one in told) + "\n")
    for source in (told, tmp_path / "states.json", str(tmp_path / "states.jsonl")):
        assert held(hyperliquid.load(source).book).equals(by_name)


def test_marks_of_different_moments_become_one_and_equity_follows() -> None:
    later = state(position(szi="1", value="61000"), value="9000")
    book = hyperliquid.load({"a": state(position()), "b": later}).book
    assert book.marks.tolist() == [61000.0]
    assert book.accounts["equity"].tolist() == [5000.0 - 0.5 * 1000.0, 9000.0]
    given = hyperliquid.load(
        {"a": state(position()), "b": later}, marks={"BTC": 50_000.0, "DOGE": 1.0}
    ).book
    assert given.assets.tolist() == ["BTC"]
    assert given.accounts["equity"].tolist() == [5000.0 + 0.5 * 10_000.0, 9000.0 - 11_000.0]
    with pytest.raises(adl.InputError, match=r"'BTC' run from 60000 to 90000"):
        hyperliquid.load({"a": state(position()), "b": state(position(szi="1", value="90000"))})


def test_accounts_without_positions_stay() -> None:
    book = hyperliquid.load(state()).book
    assert (len(book.size), book.accounts["equity"].tolist()) == (0, [5000.0])
    assert repr(book).startswith("Book(1 accounts")
    assert book.bankrupt.empty
    assert held(book).empty
    assert book.to_frame()["account"].tolist() == ["account"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"szi": "0.0"}, "empty size"),
        ({"szi": ""}, "'szi' is empty"),
        ({"szi": None}, "'szi' is empty"),
        ({"szi": "1_000"}, "'szi' is '1_000', not a number"),
        ({"szi": "nan"}, "not a finite number"),
        ({"szi": True}, "'szi' is True, not a number"),
        ({"coin": 7}, "'coin' is 7, not text"),
        ({"positionValue": "-5"}, "'positionValue' is -5, not > 0"),
        ({"positionValue": "0"}, "'positionValue' is 0, not > 0"),
        ({"entryPx": "-1"}, "'entryPx' is -1, not a price > 0"),
        ({"leverage": None}, "is not a record"),
        ({"leverage": {"type": "portfolio"}}, "'type' is 'portfolio'; known are cross, isolated"),
        ({"leverage": {"type": "isolated"}, "marginUsed": ""}, "'marginUsed' is empty"),
    ],
)
def test_bad_positions(change: dict[str, Any], reason: str) -> None:
    bad = copy.deepcopy(HYPERLIQUID_POSITION)
    bad["position"].update(change)
    isolated = position(kind="isolated", raw="33000")
    result = hyperliquid.load(state(bad, isolated))
    assert held(result.book)["asset"].tolist() == ["BTC"]
    assert len(result.rejected) == 1
    assert reason in result.rejected["reason"].iloc[0]


def test_a_cross_account_with_an_unreadable_position_is_set_aside() -> None:
    both = {
        "a": state(
            position(), position("ETH", "2", "x"), position("SOL", "1", "100", "isolated", "-90")
        ),
        "b": state(position()),
    }
    result = hyperliquid.load(both)
    assert held(result.book)[["account", "asset"]].values.tolist() == [
        ["a", "SOL"],
        ["b", "BTC"],
    ]
    reasons = result.rejected.set_index("symbol")["reason"]
    assert "'positionValue' is 'x', not a number" in reasons["ETH"]
    assert reasons["BTC"].startswith(
        "another position of this account is not known (record 1: 'positionValue'"
    )
    assert result.book.accounts["account"].tolist() == ["b"]
    keeps_account = hyperliquid.load(state(position(), position("ETH", "0", "0")))
    assert held(keeps_account.book)["asset"].tolist() == ["BTC"]


def test_states_that_cannot_be_read() -> None:
    good = state(position())
    result = hyperliquid.load(
        {
            "a": good,
            "b": {"time": 1},
            "c": 5,
            "d": {"assetPositions": [position("ETH", "1", "3000")]},
        }
    )
    assert result.book.account_names.tolist() == ["a"]
    reasons = result.rejected.set_index("account")["reason"]
    assert "'assetPositions' is missing" in reasons["b"]
    assert "is not a record" in reasons["c"]
    assert all("crossMarginSummary" in reason for reason in reasons["d"])
    twice = hyperliquid.load([good | {"user": "a"}, state(position(szi="3")) | {"user": "a"}])
    assert twice.book.size.tolist() == [-0.5]
    assert "earlier state" in twice.rejected["reason"].iloc[0]


def test_duplicated_coins() -> None:
    result = hyperliquid.load(
        {"a": state(position(), position(szi="0.5")), "b": state(position("ETH", "1", "3000"))}
    )
    assert result.book.account_names.tolist() == ["b"]
    assert result.rejected["reason"].str.contains("'BTC' appears 2 times").all()


@pytest.mark.parametrize("source", [None, 5, "none.json", "state", b"{}"])
def test_no_records(source: object) -> None:
    with pytest.raises(adl.InputError):
        hyperliquid.load(source)
