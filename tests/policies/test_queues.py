"""Queues against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl

P = adl.policies


def problem(side: float = -1.0, required: float = 12.0, **options: Any) -> adl.Problem:
    """Four accounts at mark 100, each worth its notional over its leverage; shorts by default.

    account  size  entry (short)  equity   profit share  leverage
    a        10    125            500      0.2           2
    b        10    200            1000     0.5           1
    c        10    80             100      -0.25         10
    d        10    100            200      0             5
    For longs the entries are 80, 50, 125 and 100: the profit shares (mark - entry) / entry are
    0.25, 1, -0.2, 0.
    """
    entry = [125.0, 200.0, 80.0, 100.0] if side < 0 else [80.0, 50.0, 125.0, 100.0]
    table = pd.DataFrame(
        {
            "account": list("abcd"),
            "asset": "BTC",
            "size": 10.0 * side,
            "entry_price": entry,
            "equity": [500.0, 1000.0, 100.0, 200.0],
        }
    )
    return adl.Problem(
        adl.Book.from_frame(table, marks={"BTC": 100.0}), {"BTC": side * required}, **options
    )


def taken(policy: P.Policy, posed: adl.Problem) -> list[float]:
    return list(policy.allocate(posed).set_index("account")["reduction"])


def test_bitmex_shorts_by_hand() -> None:
    """Scores: a 0.2 x 2 = 0.4, b 0.5 x 1 = 0.5, c -0.25 / 10 = -0.025, d 0 / 5 = 0: the order is b,
    a, d, c.
    """
    posed = problem(required=12.0)
    np.testing.assert_allclose(P.BitMEX().scores(posed), [0.4, 0.5, -0.025, 0.0], rtol=1e-15)
    assert taken(P.BitMEX(), posed) == [-2.0, -10.0, 0.0, 0.0]
    assert taken(P.BitMEX(), problem(required=35.0)) == [-10.0, -10.0, -5.0, -10.0]


def test_bitmex_longs_by_hand() -> None:
    """Scores: a 0.25 x 2 = 0.5, b 1 x 1 = 1, c -0.2 / 10, d 0."""
    posed = problem(1.0, 25.0)
    np.testing.assert_allclose(P.BitMEX().scores(posed), [0.5, 1.0, -0.02, 0.0], rtol=1e-15)
    assert taken(P.BitMEX(), posed) == [10.0, 10.0, 0.0, 5.0]


def test_bitmex_published_queue() -> None:
    """The venue's own example: six longs with these scores, 20 contracts: account 2 closes 10,
    account 5 has 10 of 20 left.
    """
    quantity, score = [10.0, 10.0, 20.0, 30.0, 20.0, 10.0], [3.0, 6.0, 1.0, 4.0, 5.0, 2.0]
    table = pd.DataFrame({"account": range(1, 7), "asset": "XBT", "size": quantity, "equity": 1e6})
    posed = adl.Problem(adl.Book.from_frame(table, marks={"XBT": 650.0}), {"XBT": 20.0})
    answer = P.Queue(lambda _: score).allocate(posed).set_index("account")
    assert answer["reduction"].tolist() == [0.0, 10.0, 0.0, 0.0, 10.0, 0.0]
    assert answer.loc[5, "remaining"] == 10.0


def test_hyperliquid_by_hand() -> None:
    """Shorts: a 125/100 x 2 = 2.5, b 200/100 x 1 = 2 in profit; then d 1 x 5 = 5 and c 0.8 x 10 =
    8, the larger first.
    """
    posed = problem(required=33.0)
    np.testing.assert_allclose(
        P.Hyperliquid().scores(posed), [2.5, 2.0, -1 / 8.0, -1 / 5.0], rtol=1e-15
    )
    assert taken(P.Hyperliquid(), posed) == [-10.0, -10.0, -10.0, -3.0]
    longs = problem(1.0, 15.0)  # a 100/80 x 2 = 2.5, b 2 x 1
    assert taken(P.Hyperliquid(), longs) == [10.0, 5.0, 0.0, 0.0]


def test_binance_by_hand() -> None:
    """a: profit 250, wallet 250; b: profit 1000, wallet 0, which counts as 1; maintenance margin 5
    of 500 and 1000.
    """
    posed = problem(required=15.0)
    np.testing.assert_allclose(
        P.Binance(maintenance=0.005).scores(posed),
        [250 / 250 * 5 / 500, 1000 / 1 * 5 / 1000, 0.0, 0.0],
        rtol=1e-15,
    )
    assert taken(P.Binance(), posed) == [-5.0, -10.0, 0.0, 0.0]
    assert taken(P.Binance(maintenance={"BTC": 0.1}), posed) == taken(P.Binance(), posed)
    assert taken(P.Binance(), problem(required=25.0)) == [
        -10.0,
        -10.0,
        -5.0,
        0.0,
    ]  # losers tie: in the book's order


def test_dydx_starts_anywhere_and_goes_round() -> None:
    starts = set()
    for seed in range(40):
        amounts = np.array(taken(P.DydxV4(seed), problem(required=15.0)))
        assert sorted(amounts) == [-10.0, -5.0, 0.0, 0.0]
        first = int(np.argmin(amounts))
        assert amounts[(first + 1) % 4] == -5.0
        starts.add(first)
    assert starts == {0, 1, 2, 3}
    assert taken(P.DydxV4(3), problem()) == taken(P.DydxV4(3), problem())


def test_ties_keep_the_order_of_the_book() -> None:
    assert taken(P.Queue(lambda posed: np.zeros(4)), problem(required=25.0)) == [
        -10.0,
        -10.0,
        -5.0,
        0.0,
    ]
    assert taken(P.Queue(lambda posed: [1.0, np.inf, 1.0, -np.inf]), problem(required=25.0)) == [
        -10.0,
        -10.0,
        -5.0,
        0.0,
    ]


def test_caps_are_kept_and_the_queue_goes_on() -> None:
    caps = pd.DataFrame({"account": ["b", "a"], "asset": "BTC", "cap": [4.0, 0.0]})
    assert taken(P.BitMEX(), problem(required=12.0, caps=caps)) == [0.0, -4.0, 0.0, -8.0]


def test_each_asset_has_a_queue_of_its_own() -> None:
    posed = adl.synthetic.problem(50, assets=4, scenarios=20, reduce=0.4)
    score = np.random.default_rng(0).random(posed.eligible.size)
    answer = P.Queue(lambda _: score).allocate(posed).assign(score=score)
    for asset, part in answer.sort_values("score", ascending=False).groupby("asset"):
        assert part["reduction"].sum() == pytest.approx(posed.reduction[str(asset)], rel=1e-12)
        inner = part["fraction"].to_numpy()
        assert (np.diff(inner) <= 0).all()
        assert np.count_nonzero((inner > 0) & (inner < 1)) <= 1


def test_cross_margin_uses_the_equity_of_the_account() -> None:
    """Paper's account 2: share (73,544 - 67,000) / 73,544, leverage 670,000 / 143,000 = 4.685."""
    posed = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0})
    assert P.BitMEX().scores(posed)[1] == pytest.approx(
        6_544 / 73_544 * 670_000 / 143_000, rel=1e-12
    )


def test_refusals_name_the_policy_and_the_column() -> None:
    bare = adl.Problem(
        adl.Book.from_frame(problem().book.to_frame().drop(columns="entry_price")), {"BTC": -1.0}
    )
    for policy in (P.BitMEX(), P.Binance(), P.Hyperliquid(), P.ProRata("pnl")):
        with pytest.raises(adl.InputError, match=rf"{str(policy).split('(')[0]}.*'entry_price'"):
            policy.allocate(bare)
    table = problem().book.to_frame()
    table.loc[2, "entry_price"] = np.nan
    with pytest.raises(
        adl.InputError, match=r"positions, row 2 .*'c'.*column 'entry_price'.*BitMEX"
    ):
        P.BitMEX().allocate(adl.Problem(adl.Book.from_frame(table), {"BTC": -1.0}))
    for score, message in (
        (lambda _: [1.0], r"expected 4 scores.*\(1,\)"),
        (lambda _: [1.0, 2.0, np.nan, 0.0], r"row 2 \(account 'c'.* is NaN"),
        (lambda _: list("abcd"), "not an array of numbers"),
    ):
        with pytest.raises(adl.InputError, match=message):
            P.Queue(score).allocate(problem())
    with pytest.raises(adl.InputError, match="maintenance, all, is 0"):
        P.Binance(0.0)
    with pytest.raises(adl.InputError, match="no entry for asset 'BTC'"):
        P.Binance({"ETH": 0.01}).allocate(problem())
