"""The benchmark book and the crash are what they say, and quickly made."""

from __future__ import annotations

import numpy as np
import pytest

import adlopt as adl
from tests.typed import untyped


def test_the_book_has_the_stated_distribution() -> None:
    problem = adl.synthetic.problem(pools=20_000, assets=5, scenarios=4000)
    book = problem.book
    log_equity = np.log(book.equity)
    assert (log_equity.mean(), log_equity.std()) == pytest.approx((9.0, 2.0), abs=0.05)
    leverage = book.pools["leverage"]
    assert leverage.between(0.05 * (1 - 1e-9), 40 * (1 + 1e-9)).all()
    assert np.log(leverage).median() == pytest.approx(0.7, abs=0.03)
    assert (book.size < 0).mean() == pytest.approx(0.7, abs=0.01)
    share = (
        np.abs(book.size) * book.marks[book.asset] / book.pools["notional"].to_numpy()[book.pool]
    )
    assert np.var(share) == pytest.approx(
        0.2 * 0.8 / (0.5 * 5 + 1), rel=0.03
    )  # Dirichlet(0.5) over five
    log_return = np.log1p(problem.scenarios.moves / book.marks)
    assert np.median(np.abs(log_return)) == pytest.approx(
        0.06 * 0.7407, rel=0.05
    )  # t quantile, four degrees of freedom
    assert np.corrcoef(log_return.T)[0, 1] == pytest.approx(0.8, abs=0.05)
    assert np.abs(problem.required) == pytest.approx(0.3 * book.open_interest["short"])


def test_sparse_books_hold_the_stated_number_of_different_assets() -> None:
    book = adl.synthetic.problem(pools=500, assets=40, held=3, scenarios=2).book
    by_pool = book.asset.reshape(500, 3)
    assert (np.diff(by_pool, axis=1) > 0).all()
    assert np.bincount(book.asset, minlength=40).min() > 10


def test_few_assets_are_reduced_when_asked() -> None:
    assert adl.synthetic.problem(
        pools=50, assets=4, reduced_assets=2, scenarios=3
    ).reduced_assets.tolist() == [0, 1]


def test_the_seed_fixes_everything() -> None:
    one, same, other = (
        adl.synthetic.problem(pools=30, scenarios=5, seed=seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(one.book.size, same.book.size)
    assert np.array_equal(one.moves, same.moves)
    assert not np.array_equal(one.book.size, other.book.size)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"pools": 0}, "pools is 0"),
        ({"pools": 3, "held": 6}, "held is 6"),
        ({"pools": 3, "reduced_assets": 0}, "reduced_assets is 0"),
        ({"pools": 3, "reduce": 1.5}, "reduce is 1.5"),
    ],
)
def test_impossible_requests_are_refused_by_name(arguments: dict[str, float], named: str) -> None:
    with pytest.raises(adl.InputError, match=named):
        untyped.synthetic.problem(**arguments)


def test_one_pool_always_has_something_to_reduce() -> None:
    for seed in range(20):
        assert (
            adl.synthetic.problem(pools=1, assets=1, scenarios=2, seed=seed).reduced_assets.size
            == 1
        )


def test_a_crash_moves_money_and_makes_none() -> None:
    """Every contract has two sides, positions moved with the price, and what the bankrupt held
    states the requirement.
    """
    book = adl.synthetic.crash(2000, 4, seed=3)
    frame = book.to_frame()
    net, gross = (one.groupby(frame["asset"]).sum() for one in (frame["size"], frame["size"].abs()))
    assert (net.abs() < 1e-9 * gross).all()
    profit = frame["size"] * (
        frame["asset"].map(dict(zip(book.assets, book.marks, strict=True))) - frame["entry_price"]
    )
    collateral = book.equity - np.bincount(book.pool, profit, minlength=book.equity.size)
    assert (collateral > 0).all()
    assert np.log(np.median(collateral)) == pytest.approx(9.0, abs=0.1)
    assert np.nanmax(book.pools["leverage"]) == pytest.approx(20.0)  # the maintenance margin
    bankrupt = frame[frame["account"].isin(book.bankrupt["account"])]
    problem = adl.Problem.from_bankrupt(book)
    assert problem.reduction == pytest.approx((-bankrupt.groupby("asset")["size"].sum()).to_dict())
    assert all(
        amount < 0 for amount in problem.reduction.values()
    )  # longs have gone bankrupt, shorts are to give
    short, long = (profit[frame["size"] * sign > 0].sum() for sign in (-1, 1))
    assert short > 0 > long


def test_hedged_accounts_stand_on_both_sides() -> None:
    def both(hedged: float) -> float:
        book = adl.synthetic.crash(1000, 3, hedged=hedged)
        sides = [
            np.bincount(book.pool[sign * book.size > 0], minlength=1000) > 0 for sign in (1, -1)
        ]
        several = np.bincount(book.pool) > 1
        return float((sides[0] & sides[1])[several].mean())

    assert (both(0.0), both(1.0)) == (0.0, 1.0)
    assert both(0.2) == pytest.approx(0.2, abs=0.05)


def test_prices_fall_as_asked_and_entries_lie_on_the_way() -> None:
    book = adl.synthetic.crash(500, 3, fall=0.5)
    before = np.geomspace(60_000.0, 0.6, 3)
    np.testing.assert_allclose(book.marks / before, [0.65, 0.5, 0.35])
    assert book.entry_price is not None
    ratio = book.entry_price / before[book.asset]
    assert ((ratio >= 0.35) & (ratio <= 1.1)).all()
    assert (ratio > 1).any()
    assert np.array_equal(
        adl.synthetic.crash(50, seed=1).size, adl.synthetic.crash(50, seed=1).size
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"accounts": 0}, "accounts is 0"),
        ({"assets": 0}, "assets is 0"),
        ({"fall": 0.8}, "fall is 0.8"),
        ({"hedged": -0.1}, "hedged is -0.1"),
        ({"accounts": 1}, "too few accounts"),
    ],
)
def test_impossible_crashes_are_refused_by_name(arguments: dict[str, float], named: str) -> None:
    with pytest.raises(adl.InputError, match=named):
        untyped.synthetic.crash(**arguments)
