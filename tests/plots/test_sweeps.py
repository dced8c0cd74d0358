"""Leverage and shadow prices along the reduction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt import plots
from adlopt.datasets.examples import PAPER_REDUCTION, paper_book, paper_direction
from tests.plots.reading import assert_readable, legend, line
from tests.typed import cell


@pytest.fixture(scope="module")
def paper_problem() -> adl.Problem:
    return adl.Problem(paper_book(), PAPER_REDUCTION, prices=adl.OneFactor(paper_direction()))


def test_factor_leverage_of_four(paper_problem: adl.Problem) -> None:
    left, right = plots.factor_leverage(paper_problem)
    v, book = paper_direction(), paper_book()
    held = book.to_frame().pivot(index="account", columns="asset", values="size")
    equity = book.accounts.set_index("account")["equity"]
    before = -(held["BTC"] * v["BTC"] + held["ETH"] * v["ETH"]) / equity
    for account in "1234":
        factor, gross = line(left, account), line(right, account)
        assert factor[0].tolist() == [0.0, pytest.approx(before[account])]
        assert factor[-1].tolist() == [
            33.0,
            pytest.approx(-held["ETH"][account] * v["ETH"] / equity[account]),
        ]
        assert gross[-1, 1] == pytest.approx(abs(held["ETH"][account]) * 1900 / equity[account])
    # Account 4 has the highest gross leverage and is left alone for two thirds of the way.
    gross = line(right, "4")
    assert (gross[gross[:, 0] < 20, 1] == gross[0, 1]).all()
    assert gross[0, 1] == max(line(right, account)[0, 1] for account in "1234")
    # The level is where the accounts that are being drained stand.
    level = line(left, "water level")
    drained = np.max([line(left, account)[:, 1] for account in "1234"], axis=0)
    early = level[:, 0] < 10
    np.testing.assert_allclose(level[early, 1], drained[early], rtol=1e-9)
    assert line(left, "required")[:, 0].tolist() == [10.0, 10.0]
    assert legend(right) == ["1", "2", "3", "4", "required", "water level"]
    assert (left.get_ylabel(), right.get_ylabel()) == ("Factor leverage", "Gross leverage")
    assert left.get_xlabel() == "Reduction (BTC contracts)"
    assert_readable(left.figure)


def test_at_the_requirement_it_is_the_solution(paper_problem: adl.Problem) -> None:
    left, _ = plots.factor_leverage(paper_problem, [0, 10.0])
    assert line(left, "water level")[-1, 1] == pytest.approx(
        adl.solve(paper_problem).water_level, rel=1e-12
    )
    with pytest.raises(adl.InfeasibleReduction):
        plots.factor_leverage(paper_problem, [0, 34.0])
    with pytest.raises(adl.InputError, match="at least two sizes"):
        plots.factor_leverage(paper_problem, [-1.0, 2.0])
    with pytest.raises(adl.InputError, match="2 are needed"):
        plots.factor_leverage(paper_problem, axes=[left])


def test_factor_leverage_beside_another_model(paper_problem: adl.Problem) -> None:
    lognormal = adl.examples.paper_lognormal(points=256)
    left, right = plots.factor_leverage(paper_problem, [0, 10.0, 33.0], beside=lognormal)
    v, book = paper_direction(), paper_book()
    held = book.to_frame().pivot(index="account", columns="asset", values="size")
    equity = book.accounts.set_index("account")["equity"]
    best = adl.solve(adl.Problem(book, PAPER_REDUCTION, prices=lognormal)).allocation.set_index(
        "account"
    )["remaining"]
    for account in "1234":
        here, there = line(left, account)[:, 1], line(right, account)[:, 1]
        assert there[[0, 2]] == pytest.approx(here[[0, 2]])  # nothing is chosen at either end
        assert there[1] == pytest.approx(
            -(best[account] * v["BTC"] + held["ETH"][account] * v["ETH"]) / equity[account]
        )
    assert right.get_ylabel() == "Factor leverage, LogNormal optimum"
    assert right.get_ylim() == left.get_ylim()
    assert_readable(left.figure)


def test_factor_leverage_of_thousands() -> None:
    book = adl.synthetic.problem(4000, assets=2, scenarios=3, seed=2).book
    problem = adl.Problem(
        book,
        {"A0": -0.3 * cell(book.open_interest, "A0", "short")},
        prices=adl.OneFactor(0.1 * book.marks),
    )
    left, right = plots.factor_leverage(problem, np.linspace(0, -2 * problem.required[0], 9))
    pools = book.pools.set_index("account").loc[problem.positions["account"], "leverage"]
    assert line(right, "90 % of accounts below")[0, 1] == pytest.approx(np.quantile(pools, 0.9))
    median = line(left, "50 % of accounts below")[:, 1]
    assert (np.diff(median) <= 1e-12).all()
    assert_readable(left.figure)


def test_rules_that_do_not_apply(paper_problem: adl.Problem) -> None:
    lognormal = adl.Problem(
        paper_book(), PAPER_REDUCTION, prices=adl.examples.paper_lognormal(points=64)
    )
    with pytest.raises(adl.NotApplicable, match="OneFactor"):
        plots.factor_leverage(lognormal)


def test_shadow_prices_of_one_asset(paper_problem: adl.Problem) -> None:
    sweep = adl.frontier(paper_problem, multiples=[1.5, 0.5, 1.0])
    ax = plots.shadow_prices(sweep)
    drawn = line(ax, "BTC")
    assert drawn[:, 0].tolist() == [5.0, 10.0, 15.0]
    np.testing.assert_array_equal(
        drawn[:, 1], sweep.table.sort_values("multiple")["shadow_price_BTC"]
    )
    assert drawn[1, 1] == pytest.approx(125.19, abs=0.1)
    assert ax.get_xlabel() == "Reduction (BTC contracts)"
    assert ax.get_ylabel() == "Shadow price (money saved per contract)"
    fund = plots.shadow_prices(sweep.table.rename(columns={"multiple": "insurance_fund"}))
    assert fund.get_xlabel() == "Insurance fund"
    assert_readable(ax.figure)


def test_shadow_prices_of_contracts_of_different_worth() -> None:
    sweep = pd.DataFrame(
        {
            "multiple": [0.5, 1.0, 2.0],
            "shadow_price_BTC": [200.0, 90.0, 0.0],
            "shadow_price__$": [0.002, 0.001, 0.0],
            "reduction_BTC": [-1.0, -2.0, -4.0],
        }
    )
    ax = plots.shadow_prices(sweep)
    assert line(ax, "BTC")[:, 1].tolist() == [200.0, 90.0, 0.0]
    assert legend(ax) == ["BTC", "\u200b_\\$"]
    assert 0.0 in ax.get_yticks()
    assert_readable(ax.figure)


def test_shadow_prices_refuse_other_tables() -> None:
    with pytest.raises(adl.InputError, match=r"adl\.frontier"):
        plots.shadow_prices(pd.DataFrame({"multiple": [1.0]}))
    with pytest.raises(adl.InputError, match=r"adl\.frontier"):
        plots.shadow_prices(pd.DataFrame({"shadow_price_BTC": [1.0]}))
