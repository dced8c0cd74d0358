"""A crash of three accounts, two assets and three steps, worked by hand to the cent.

Marks X 100, Y 10. A is long 10 X with equity 150; B is short 10 X and long 20 Y with 400; C is
short 20 Y with 300. Maintenance margin 5 %; per step the market takes 4 X at a spread of 2 % and an
impact of 2 % at full depth; the fund has 30.

Step 1, X 90: A has 150 - 100 = 50, its margin is 5 % of 900 = 45. Nothing happens.
Step 2, X 80, Y 11: A has 50 - 100 = -50 and is liquidated; the fund pays 50 and has -20. The engine
    sells 4 X: half the spread costs 0.01 x 80 x 4 = 3.20, impact 0.02 / 2 x 80 x 16 / 4 = 3.20. The
    fund has -26.40. The other 6 X come from B, the only short. The venue loses 26.40.
Step 3, X 85, Y 9: B has 4 X short and gains -4 x 5 - 20 x 2 = -60; the market has gained 20.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import adlopt as adl

EXCHANGE = adl.Exchange(maintenance=0.05, depth={"X": 4.0}, spread=0.02, impact=0.02, fund=30.0)
PATH = pd.DataFrame({"X": [90.0, 80.0, 85.0], "Y": [10.0, 11.0, 9.0]})


@pytest.fixture
def book() -> adl.Book:
    positions = pd.DataFrame(
        {
            "account": ["A", "B", "B", "C"],
            "asset": ["X", "X", "Y", "Y"],
            "size": [10.0, -10.0, 20.0, -20.0],
            "equity": [150.0, 400.0, 400.0, 300.0],
        }
    )
    return adl.Book.from_frame(positions, marks={"X": 100.0, "Y": 10.0})


def close(given: object, expected: object) -> bool:
    return bool(np.allclose(np.asarray(given, float), np.asarray(expected, float), atol=1e-9))


def test_steps(book: adl.Book) -> None:
    crash = adl.simulate(book, PATH, adl.policies.ProRata(), exchange=EXCHANGE)
    steps = crash.steps
    assert close(steps["mark_X"], [90, 80, 85])
    assert close(steps["liquidated"], [0, 1, 0])
    assert close(steps["deficit"], [0, 50, 0])
    assert close(steps["sold"], [0, 320, 0])
    assert close(steps["cost"], [0, 6.4, 0])
    assert close(steps["deleveraged"], [0, 480, 0])
    assert close(steps["fund"], [30, 0, 0])
    assert close(steps["socialised_loss"], [0, 26.4, 0])
    assert close(steps["inventory"], [0, 0, 0])
    by_asset = crash.by_asset.xs("X", level="asset")
    assert close(by_asset["taken_over"], [0, 10, 0])
    assert close(by_asset["sold"], [0, 4, 0])
    assert close(by_asset["deleveraged"], [0, -6, 0])


def test_accounts_and_final_book(book: adl.Book) -> None:
    crash = adl.simulate(book, PATH, adl.policies.ProRata(), exchange=EXCHANGE)
    accounts = crash.accounts.set_index("account")
    assert close(accounts["equity_after"], [0, 560, 320])
    assert accounts["liquidated"].tolist() == [True, False, False]
    assert accounts.loc["A", "liquidated_in_step"] == 2
    assert close(accounts["deficit"], [50, 0, 0])
    assert close(accounts["deleveraged"], [0, 480, 0])
    # The six contracts closed at 80 would have lost 5 each at the next mark.
    assert close(accounts["profit_given_up"], [0, -30, 0])
    # Exposure -10 x 80 + 20 x 11 = -580 became -4 x 80 + 220 = -100: nothing is left unhedged.
    assert close(accounts["unhedged"], [0, 0, 0])
    assert close(crash.book.size, [0, -4, 20, -20])
    assert close(crash.book.marks, [85, 9])


def test_totals(book: adl.Book) -> None:
    total = adl.simulate(book, PATH, adl.policies.ProRata(), exchange=EXCHANGE).totals
    assert close(total["socialised_loss"], 26.4)
    assert close(total["fund_needed"], 56.4)
    assert close(total["deficit"], 50)
    assert close(total["cost"], 6.4)
    assert total["waves"] == 1
    assert total["pools_deleveraged"] == 1


def test_at_the_bankruptcy_price_the_counterparty_pays(book: adl.Book) -> None:
    """Six tenths of the deficit of 50 lie on 6 X: 5 each, so B buys back at 85 and pays 30."""
    exchange = dataclasses.replace(EXCHANGE, settlement="bankruptcy")
    crash = adl.simulate(book, PATH, adl.policies.ProRata(), exchange=exchange)
    assert close(crash.steps["fund"], [30, 3.6, 3.6])
    assert close(crash.steps["socialised_loss"], [0, 0, 0])
    assert close(crash.accounts["equity_after"], [0, 530, 320])
    assert close(crash.accounts["deleveraged"], [0, 6 * 85, 0])
    assert close(crash.accounts["profit_given_up"], [0, 0, 0])  # 6 x (85 - 85)


def test_inventory_within_its_limit_is_carried(book: adl.Book) -> None:
    """With a limit of 1,000 and a fund that suffices the engine keeps 6 X, and sells 4 more."""
    exchange = dataclasses.replace(EXCHANGE, fund=100.0, inventory_limit=1000.0)
    crash = adl.simulate(book, PATH, adl.policies.ProRata(), exchange=exchange)
    # Step 2: 100 - 50 - 6.4. Step 3: 6 X gain 30, and selling 4 at 85 costs 3.4 + 3.4.
    assert close(crash.steps["fund"], [100, 43.6, 43.6 + 30 - 6.8])
    assert close(crash.steps["inventory"], [0, 480, 2 * 85])
    assert close(crash.steps["deleveraged"], [0, 0, 0])


def test_a_fund_below_its_floor_triggers(book: adl.Book) -> None:
    exchange = dataclasses.replace(EXCHANGE, fund=100.0, inventory_limit=np.inf, floor=50.0)
    crash = adl.simulate(book, PATH, adl.policies.ProRata(), exchange=exchange)
    assert close(crash.steps["deleveraged"], [0, 480, 0])  # 43.60 is less than 50


def test_a_drawdown_triggers(book: adl.Book) -> None:
    def deleveraged(share: float) -> list[float]:
        exchange = dataclasses.replace(EXCHANGE, fund=100.0, inventory_limit=np.inf, drawdown=share)
        crash = adl.simulate(book, PATH, adl.policies.ProRata(), exchange=exchange)
        return crash.steps["deleveraged"].tolist()

    assert close(deleveraged(0.5), [0, 480, 0])  # it has lost 56.4 % of its highest value
    assert close(deleveraged(0.6), [0, 0, 0])


def test_deleveraging_every_other_step(book: adl.Book) -> None:
    exchange = dataclasses.replace(EXCHANGE, adl_interval=3)
    crash = adl.simulate(book, PATH, adl.policies.ProRata(), exchange=exchange)
    # In step 2 nothing but the sale happens; in step 3 four more are sold and two deleveraged.
    assert close(crash.by_asset.xs("X", level="asset")["deleveraged"], [0, 0, -2])


def test_a_returned_remainder(book: adl.Book) -> None:
    """At 86 A has 10 left and a margin of 43: it is closed, and gets its 10 back."""
    path = pd.DataFrame({"X": [86.0]})
    kept = adl.simulate(book, path, adl.policies.ProRata(), exchange=EXCHANGE)
    assert close(kept.accounts["equity_after"].iloc[0], 0)
    assert close(kept.steps["remainder"], [10])
    exchange = dataclasses.replace(EXCHANGE, remainder="returned")
    returned = adl.simulate(book, path, adl.policies.ProRata(), exchange=exchange)
    assert close(returned.accounts["equity_after"].iloc[0], 10)
    assert close(kept.steps["fund"] - returned.steps["fund"], [10])


def test_funding_and_a_market_below_the_mark(book: adl.Book) -> None:
    """Longs pay 1 %: A pays 8, B 2.20 for Y, and B gets 8 for X. Four X sell 5 % below the mark."""
    prices = np.array([[[80.0, 11.0]]])
    path = adl.paths.Paths(
        ["X", "Y"],
        prices,
        basis=np.array([[[-0.05, 0.0]]]),
        funding=np.full((1, 1, 2), 0.01),
    )
    crash = adl.simulate(book, path, adl.policies.ProRata(), exchange=EXCHANGE)
    assert close(crash.steps["deficit"], [50 + 8])
    assert close(crash.steps["cost"], [6.4 + 4 * 80 * 0.05])
    assert close(crash.accounts["equity_after"], [0, 620 + 8 - 2.2, 280 + 2.2])


def test_permanent_impact_pushes_another_account_under(book: adl.Book) -> None:
    """D, long 1 X with a margin of 4.16, is fine at 83.2 and not where the sale leaves the mark."""
    with_d = book.merged(
        adl.Book.from_frame(
            pd.DataFrame(
                {"account": ["D", "E"], "asset": "X", "size": [1.0, -1.0], "equity": [21.5, 50.0]}
            ),
            marks={"X": 100.0},
        )
    )
    path = pd.DataFrame({"X": [83.2]})
    alone = adl.simulate(with_d, path, adl.policies.ProRata(), exchange=EXCHANGE)
    assert alone.totals["liquidated"] == 1
    exchange = dataclasses.replace(EXCHANGE, permanent_impact={"X": 0.02})
    cascade = adl.simulate(with_d, path, adl.policies.ProRata(), exchange=exchange)
    assert cascade.totals["liquidated"] == 2
    assert close(cascade.steps["mark_X"], [83.2 * np.exp(-0.02)])  # all of the depth was sold


def test_margin_tiers_apply_to_the_part_above() -> None:
    """2 % up to 500 and 10 % above: a position of 900 needs 10 + 40 = 50."""
    table = pd.DataFrame(
        {"account": ["a", "b"], "asset": "X", "size": [9.0, -9.0], "equity": [50.0, 49.0]}
    )
    book = adl.Book.from_frame(table, marks={"X": 100.0})
    exchange = adl.Exchange(maintenance={"X": [(0, 0.02), (500, 0.10)]})
    crash = adl.simulate(
        book, pd.DataFrame({"X": [100.0]}), adl.policies.ProRata(), exchange=exchange
    )
    assert crash.accounts["liquidated"].tolist() == [False, True]
