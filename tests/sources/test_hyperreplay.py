"""HyperReplay's events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import adlopt as adl
from adlopt.sources import hyperreplay
from tests.sources.golden import HYPERREPLAY

EVENTS = [
    HYPERREPLAY,
    HYPERREPLAY | {"position_size": "-6", "total_equity": "1300", "adl_price": "181"},
    HYPERREPLAY
    | {
        "coin": "ETH",
        "position_size": "2",
        "adl_price": "3900",
        "total_equity": "1290",
        "entry_price": "3500",
    },
    HYPERREPLAY | {"user": "0xdef", "position_size": "-3", "adl_price": "170", "total_equity": ""},
]


def test_first_events_make_the_book(tmp_path: Path) -> None:
    result = hyperreplay.load(EVENTS)
    frame = result.book.to_frame()
    assert frame[["account", "asset", "size", "equity"]].values.tolist() == [
        ["0xabc", "SOL", -10.0, 1295.0],
        ["0xabc", "ETH", 2.0, 1295.0],
        ["0xdef", "SOL", -3.0, 1295.0],
    ]
    assert dict(zip(result.book.assets, result.book.marks, strict=True)) == {
        "SOL": 180.5,
        "ETH": 3900.0,
    }
    assert result.rejected[["record", "reason"]].values.tolist() == [
        [1, "a later event of the same position; the first one counts"]
    ]
    pd.DataFrame(EVENTS).to_csv(tmp_path / "adl.csv", index=False)
    assert hyperreplay.load(tmp_path / "adl.csv").book.to_frame().equals(frame)
    assert hyperreplay.load(pd.DataFrame(EVENTS)).book.to_frame().equals(frame)


def test_given_marks_move_equity() -> None:
    book = hyperreplay.load(EVENTS[:1], marks={"SOL": 190.5}).book
    assert (book.marks.tolist(), book.equity.tolist()) == ([190.5], [1295.0 - 10 * 10.0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"position_size": "0"}, "empty size"),
        ({"position_size": ""}, "'position_size' is empty"),
        ({"adl_price": ""}, "'adl_price' is missing"),
        ({"adl_price": "-1"}, "not a price > 0"),
        ({"coin": ""}, "'coin' is empty"),
        ({"user": ""}, "'user' is missing"),
        ({"total_equity": "x"}, "'total_equity' is 'x', not a number"),
        ({"total_equity": "", "account_value_realtime": ""}, "'account_value_realtime' is empty"),
    ],
)
def test_bad_events(change: dict[str, Any], reason: str) -> None:
    result = hyperreplay.load([HYPERREPLAY | change, EVENTS[3]])
    assert result.book.account_names.tolist() == ["0xdef"]
    assert [reason in why for why in result.rejected["reason"]] == [True]


def test_the_table_by_user_has_no_positions() -> None:
    with pytest.raises(adl.InputError, match="column 'coin' is missing"):
        hyperreplay.load(pd.DataFrame({"user": ["a"], "adl_notional": [5.0], "closed_pnl": [1.0]}))
