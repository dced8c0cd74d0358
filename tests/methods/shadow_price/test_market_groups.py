"""The market's groups in the shadow-price method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

import adlopt as adl
from adlopt.methods.shadow_price.market_groups import MarketColumns, MarketGroups, market_groups
from adlopt.methods.shadow_price.tuning import Selling
from tests.typed import priced


def groups(most: float = 0.4, linear: float = 0.2, slope: float = 3.0) -> MarketGroups:
    """Two assets of the coupling, of which the second one is sold."""
    one = np.ones(1)
    return MarketGroups(np.array([1]), most * one, linear * one, slope * one, np.zeros(2), 0.0)


@pytest.mark.parametrize("price", [-9.0, -1.0, -0.7, -0.2, 0.0, 0.5])
@pytest.mark.parametrize("slope", [3.0, 0.0])
def test_the_answer_to_a_price_is_the_smallest(price: float, slope: float) -> None:
    market = groups(slope=slope)
    prices = np.array([5.0, price])

    def cost(share: float) -> float:
        return 0.2 * share + slope * share**2 / 2 + price * share

    least = minimize_scalar(cost, bounds=(0.0, 0.4), method="bounded", options={"xatol": 1e-12})
    assert np.isclose(market.dual_value(prices), min(least.fun, cost(0.0), cost(0.4)), atol=1e-9)
    assert np.isclose(cost(float(market.answer(prices)[0])), market.dual_value(prices))


def test_a_sample_has_its_share_of_the_market() -> None:
    """Same prices and, per share of the sample, same cost."""
    whole, part = groups(), groups().scaled(np.array([1.0, 0.25]))
    price = np.array([0.0, -0.8])
    assert np.allclose(part.answer(price), whole.answer(price) / 4)
    assert np.isclose(part.dual_value(price), whole.dual_value(price) / 4)


def test_columns_close_in_on_the_mixture() -> None:
    columns = MarketColumns(groups(), Selling())
    price = np.array([0.0, -0.8])  # its answer is 0.2
    group, share = columns.next(price)
    assert share.tolist() == [0.0, 0.4]
    number = columns.number(group, share)
    columns.remember(np.array([0.25, 0.75]), number)  # sells 0.3
    assert np.allclose(columns.mixture, 0.3)
    _, share = columns.next(price)
    assert np.allclose(np.sort(share), [0.2, 0.285, 0.3, 0.305])
    assert np.allclose(columns.marginal_price(price), [0.0, -(0.2 + 3.0 * 0.3)])
    columns.remember(np.array([1.0, 0.0]), number)  # sells nothing: any price below the cost
    assert np.allclose(columns.marginal_price(price), price)


def hedged_book(accounts: int, assets: int, seed: int) -> tuple[adl.Book, dict[str, float]]:
    """Shorts of some assets, hedged by longs of H; and 60 % of the shorts."""
    rng = np.random.default_rng(seed)
    marks = {f"A{k}": float(10 ** rng.uniform(0, 3)) for k in range(assets)}
    p = np.array(list(marks.values()))
    size = -np.exp(rng.normal(0, 1.5, (accounts, assets))) * 100 / p
    size *= rng.random(size.shape) < 0.7
    hedge = -(size @ p) * rng.uniform(0.5, 1.5, accounts) * (rng.random(accounts) < 0.8)
    equity = (np.abs(size) @ p + 1) * np.exp(rng.normal(-2, 0.5, accounts))
    table = pd.DataFrame(
        {
            "account": np.repeat(np.arange(accounts), assets + 1),
            "asset": [*marks, "H"] * accounts,
            "size": np.column_stack([size, hedge / 10]).ravel(),
            "equity": np.repeat(equity, assets + 1),
        }
    )
    book = adl.Book.from_frame(table[table["size"] != 0], marks={**marks, "H": 10.0})
    return book, {f"A{k}": float(0.6 * size[:, k].sum()) for k in range(assets)}


def hedged_problem(accounts: int, assets: int, seed: int, **changes: Any) -> adl.Problem:
    book, reduction = hedged_book(accounts, assets, seed)
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 0.15, (150, 1))
    returns = np.expm1(common + rng.normal(0, 0.03, (150, assets + 1)))
    given: dict[str, Any] = {
        "prices": adl.Scenarios(returns=returns, assets=[*reduction, "H"]),
        "market": adl.Market(
            depth={name: 0.3 * abs(amount) for name, amount in reduction.items()},
            spread=1e-4,
            impact=0.02,
        ),
    }
    return adl.Problem(book, reduction, **{**given, **changes})


@pytest.mark.parametrize(
    "objective",
    [adl.ExpectedLoss(), adl.CVaR(0.95), 0.5 * adl.ExpectedLoss() + 0.5 * adl.CVaR(0.9)],
    ids=str,
)
def test_several_assets_and_samples_agree_with_the_conic_program(objective: adl.Objective) -> None:
    """Two thousand accounts: the first prices come from samples, which have a market too."""
    problem = hedged_problem(1500, 2, 3, objective=objective)
    found = priced(adl.solve(problem, "shadow_price"))
    assert found.gap <= 1e-8
    assert found.sold is not None
    assert (found.sold != 0).all()
    assert np.isclose(found.value, priced(adl.solve(problem, "conic")).value, rtol=1e-7)
    terms, prices = problem.market_terms, found.shadow_prices
    assert terms is not None
    sold = np.zeros(len(problem.book.assets))
    sold[problem.reduced_assets] = found.sold
    marginal = terms.marginal(sold)[problem.reduced_assets]
    inside = found.sold.abs() < 0.999 * terms.depth[problem.reduced_assets]
    # With several assets to 1e-6 of the mark: the objective is flat.
    marks = problem.book.marks[problem.reduced_assets]
    assert (np.abs(-prices - marginal) <= 1e-6 * marks)[inside].all()


def test_an_insurance_fund_and_a_market_go_together() -> None:
    covered = hedged_problem(60, 2, 5, insurance_fund=100.0)
    first, second = (priced(adl.solve(covered, name)) for name in ("shadow_price", "conic"))
    assert first.value > 0
    assert np.isclose(first.value, second.value, rtol=1e-6)


def test_all_accounts_give_all_and_the_market_takes_the_rest() -> None:
    book, reduction = hedged_book(40, 1, 7)
    short = abs(reduction["A0"]) / 0.6
    problem = hedged_problem(40, 1, 7, market=adl.Market(depth={"A0": 2.0}, spread=0.01))
    for beyond in (0.5, 2.0):
        wanted = adl.Problem(
            book, {"A0": -short - beyond}, prices=problem.prices, market=problem.market
        )
        first, second = (priced(adl.solve(wanted, name)) for name in ("shadow_price", "conic"))
        assert np.isclose(first.value, second.value, rtol=1e-6)
        assert first.sold is not None
        assert -first.sold["A0"] >= beyond * (1 - 1e-9)


def test_without_accounts_to_reduce_the_method_refuses() -> None:
    """Everything is sold: there is no group of pools."""
    book = hedged_book(5, 1, 1)[0]
    market = adl.Market(depth={"A0": 100.0})
    prices = adl.Scenarios(returns=np.array([[0.1, 0.0], [-0.1, 0.0]]), assets=["A0", "H"])
    problem = adl.Problem(book, {"A0": 3.0}, prices=prices, market=market)
    assert not problem.eligible.size
    with pytest.raises(adl.NotApplicable, match="no account"):
        adl.solve(problem, "shadow_price")


def test_problems_without_a_market_have_no_groups() -> None:
    problem = hedged_problem(20, 2, 2, market=None)
    market = market_groups(problem, 1.0)
    assert market.count == 0
    assert market.fixed == 0.0
    assert market.dual_value(np.zeros(2)) == 0.0


def test_a_sweep_of_the_reduction_starts_from_the_last_prices() -> None:
    problem = hedged_problem(80, 2, 9)
    table = adl.frontier(problem, multiples=[0.9, 1.0]).table
    assert set(table["method"]) == {"shadow_price"}
    less = {name: 0.9 * amount for name, amount in hedged_book(80, 2, 9)[1].items()}
    for value, wanted in zip(table["value"], (less, None), strict=True):
        other = problem
        if wanted is not None:
            other = adl.Problem(problem.book, wanted, prices=problem.prices, market=problem.market)
        assert np.isclose(value, priced(adl.solve(other, "conic")).value, rtol=1e-6)
