"""Selling in the market instead of taking from accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model.market import cheapest_mix, market_cost, sold
from tests.typed import priced


def hedged_problem(seed: int, market: adl.Market | None, **changes: Any) -> adl.Problem:
    """Shorts of A0 that hedge longs of A1: an account that loses the short keeps the long."""
    rng = np.random.default_rng(seed)
    accounts = int(rng.integers(2, 12))
    size = -np.exp(rng.normal(0, 1, accounts))
    hedge = -size * rng.uniform(0.5, 1.5, accounts) * (rng.random(accounts) < 0.8)
    equity = np.abs(size) * 100 * np.exp(rng.normal(-2, 0.5, accounts))
    table = pd.DataFrame(
        {
            "account": np.repeat(np.arange(accounts), 2),
            "asset": ["A0", "A1"] * accounts,
            "size": np.column_stack([size, 10 * hedge]).ravel(),
            "equity": np.repeat(equity, 2),
        }
    )
    book = adl.Book.from_frame(table, marks={"A0": 100.0, "A1": 10.0})
    common = rng.normal(0, 0.15, (40, 1))
    returns = np.expm1(common + rng.normal(0, 0.03, (40, 2)))
    given: dict[str, Any] = {
        "reduction": {"A0": float(0.6 * size.sum())},
        "prices": adl.Scenarios(returns=returns, assets=["A0", "A1"]),
        "market": market,
    }
    return adl.Problem(book, **{**given, **changes})


def random_market(seed: int) -> adl.Market:
    rng = np.random.default_rng(seed)
    return adl.Market(
        depth={"A0": float(rng.choice([0.5, 3.0, 1e3])), "A1": 5.0},
        spread=float(rng.choice([0.0, 0.002, 0.02])),
        impact=float(rng.choice([0.0, 0.01, 0.1])),
    )


def test_the_cost_is_the_formula() -> None:
    market = adl.Market(depth={"A0": 4.0}, spread=0.02, impact=0.02)
    terms = market.terms(pd.Index(["A0", "A1"]), np.array([80.0, 10.0]))
    assert np.allclose(terms.cost(np.array([-4.0, 0.0])), [0.01 * 4 * 80 + 0.01 * 80 * 16 / 4, 0])
    assert np.allclose(terms.marginal(np.array([4.0, 0.0]))[0], 80 * (0.01 + 0.02))
    numeric = (terms.cost(np.array([2 + 1e-6, 0])) - terms.cost(np.array([2 - 1e-6, 0]))) / 2e-6
    assert np.isclose(numeric[0], terms.marginal(np.array([2.0, 0.0]))[0])
    deep = adl.Market(depth=np.inf, spread=0.02).terms(pd.Index(["A0"]), np.array([80.0]))
    assert deep.cost(np.array([100.0]))[0] == 80.0


def test_what_is_missing_is_sold() -> None:
    problem = hedged_problem(0, adl.Market(depth=1e9, spread=0.01, impact=0.0))
    half = problem.pro_rata() / 2
    assert np.allclose(sold(problem, half), problem.required / 2)
    expected = 0.005 * 100 * abs(problem.required[0]) / 2
    assert np.isclose(market_cost(problem, half), expected)
    assert market_cost(problem, problem.pro_rata()) == 0.0
    without = hedged_problem(0, None)
    assert not sold(without, half).any()


@pytest.mark.parametrize("seed", range(40))
def test_the_oracle_is_the_smallest_of_a_convex_program(seed: int) -> None:
    problem = hedged_problem(seed, random_market(seed))
    rng = np.random.default_rng(seed)
    slope = rng.normal(0, 3, problem.eligible.size)  # of either sign: reducing helps or hurts
    least, saved = cheapest_mix(problem, slope)
    fraction, traded = cp.Variable(slope.size), cp.Variable(nonneg=True)
    terms = problem.market_terms
    assert terms is not None
    total = abs(float(problem.required[0]))
    kept = cp.abs(problem.max_reduction) @ fraction + traded == total
    program = cp.Problem(
        cp.Minimize(
            (slope * problem.max_reduction) @ fraction
            + terms.linear[0] * traded
            + terms.slope[0] / 2 * cp.square(traded)
        ),
        [fraction >= 0, fraction <= 1, traded <= min(float(terms.depth[0]), total), kept],
    )
    value = program.solve(solver="CLARABEL")
    assert np.isclose(least, value, rtol=1e-6, atol=1e-6)
    assert saved.shape == (1,)


def test_more_may_be_required_than_the_accounts_hold() -> None:
    market = adl.Market(depth={"A0": 100.0})
    short = hedged_problem(1, None).available[0]
    problem = hedged_problem(1, market, reduction={"A0": -float(short) - 2.0})
    assert problem.exhausted_assets.tolist() == [False, False]
    assert np.allclose(problem.pro_rata(), problem.max_reduction)
    with pytest.raises(adl.InfeasibleReduction, match="available"):
        hedged_problem(1, market, reduction={"A0": -float(short) - 100.1})
    with pytest.raises(adl.InfeasibleReduction):
        hedged_problem(1, adl.Market(depth={"A1": 100.0}), reduction={"A0": -float(short) - 2.0})


def test_certificates_take_partial_reductions_with_a_market_only() -> None:
    market = adl.Market(depth={"A0": 1e3}, spread=0.001)
    problem = hedged_problem(2, market)
    half = problem.pro_rata() / 2
    proof = adl.certify(problem, half)
    assert proof.lower_bound <= proof.value
    with pytest.raises(adl.InputError, match="sum to"):
        adl.certify(hedged_problem(2, None), half)
    shallow = hedged_problem(2, adl.Market(depth={"A0": 1e-3}))
    with pytest.raises(adl.InputError, match=r"of which 0\.001 can be sold"):
        adl.certify(shallow, half)


def test_methods_without_a_market_refuse() -> None:
    problem = hedged_problem(3, adl.Market(depth=1.0))
    for method in ("water_filling", "factor_leverage"):
        with pytest.raises(adl.NotApplicable, match="market"):
            adl.solve(problem, method)
    other = hedged_problem(3, adl.Market(depth=1.0), objective=adl.EVaR(0.9))
    with pytest.raises(adl.NotApplicable, match="with a market it takes expected loss"):
        adl.solve(other, "shadow_price")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": -1.0}, "negative"),
        ({"depth": float("nan")}, "finite"),
        ({"depth": 1.0, "spread": float("inf")}, "finite"),
        ({"depth": "much"}, "number"),
    ],
)
def test_markets_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        adl.Market(**arguments)


def test_an_unknown_asset_is_named() -> None:
    with pytest.raises(adl.InputError, match="'DOGE'"):
        hedged_problem(0, adl.Market(depth={"DOGE": 1.0}))


def of_a0(fact: float | Mapping[str, float]) -> float:
    return fact["A0"] if isinstance(fact, Mapping) else fact


def independent_value(problem: adl.Problem) -> tuple[float, float]:
    """Optimal value and contracts sold of A0, from a program that shares nothing with the package
    but the data: full positions, every scenario written down, no presolve, no scaling.
    """
    book = problem.book
    frame = book.to_frame()
    accounts = frame["account"].unique()
    short = frame[frame["asset"] == "A0"].set_index("account")["size"].loc[accounts].to_numpy()
    other = frame[frame["asset"] == "A1"].set_index("account")["size"].loc[accounts].to_numpy()
    equity = frame.groupby("account")["equity"].first().loc[accounts].to_numpy()
    moves, weights = problem.price_model.scenarios(book.assets, book.marks)
    x = cp.Variable(accounts.size, nonneg=True)  # contracts bought back, unsigned
    z = cp.Variable(nonneg=True)
    after = (
        equity[:, None]
        + cp.multiply(cp.reshape(short + x, (accounts.size, 1), order="C"), np.ones((1, 1)))
        @ moves[:, [0]].T
        + other[:, None] @ moves[:, [1]].T
    )
    loss = cp.sum(cp.pos(-after), axis=0)
    tail = 0.9
    if isinstance(problem.objective, adl.CVaR):
        t = cp.Variable()
        risk = t + weights @ cp.pos(loss - t) / (1 - tail)
    else:
        risk = weights @ loss
    market, p = problem.market, 100.0
    assert market is not None
    depth, spread, impact = (of_a0(fact) for fact in (market.depth, market.spread, market.impact))
    cost = spread / 2 * p * z + impact / 2 * p * cp.square(z) / depth
    total = abs(float(problem.required[0]))
    program = cp.Problem(
        cp.Minimize(risk + cost), [x <= -short, z <= depth, cp.sum(x) + z == total]
    )
    value = program.solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-10)
    return float(value), float(z.value)


@pytest.mark.parametrize("method", ["shadow_price", "conic"])
@pytest.mark.parametrize("block", range(5))
def test_the_optimum_is_that_of_an_independent_program(block: int, method: str) -> None:
    """One hundred books; where both are used, one contract more costs the same from both."""
    both = 0
    for seed in range(20 * block, 20 * (block + 1)):
        objective = adl.CVaR(0.9) if seed % 2 else adl.ExpectedLoss()
        problem = hedged_problem(seed, random_market(seed), objective=objective)
        value, traded = independent_value(problem)
        solution = adl.solve(problem, method)
        assert solution.value is not None
        assert np.isclose(solution.value, value, rtol=1e-6, atol=1e-6), seed
        assert solution.gap is not None
        assert solution.gap < 1e-5, (seed, solution.gap)
        assert solution.sold is not None
        assert solution.shadow_prices is not None
        amount = -solution.sold["A0"]
        terms = problem.market_terms
        assert terms is not None
        inside = 1e-4 < amount / abs(problem.required[0]) < 1 - 1e-4
        if inside and amount < terms.depth[0] * (1 - 1e-4) and terms.slope[0] > 0:
            both += 1
            marginal = terms.marginal(np.array([amount, 0.0]))[0]
            # One contract less of requirement saves what selling it costs.
            # Clarabel knows prices to 2e-8 of the mark, which is 100.
            atol = 2e-6 if method == "conic" else 0.0
            assert np.isclose(-solution.shadow_prices["A0"], marginal, rtol=1e-6, atol=atol), seed
            assert np.isclose(amount, traded, rtol=1e-2, atol=2e-3), seed
    assert both >= 3


def test_the_optimum_uses_all_of_the_market_where_the_accounts_do_not_suffice() -> None:
    short = float(hedged_problem(1, None).available[0])
    market = adl.Market(depth={"A0": 2.0}, spread=0.01)
    problem = hedged_problem(1, market, reduction={"A0": -short - 2.0})
    solution = adl.solve(problem)
    assert solution.sold is not None
    assert np.isclose(solution.sold["A0"], -2.0)
    assert np.allclose(solution.allocation["fraction"], 1.0)
    assert "sold A0" in repr(solution)


def test_users_constraints_and_a_market_go_together() -> None:
    problem = hedged_problem(4, adl.Market(depth=1e3, spread=0.002))
    limit = adl.constraints.at_most_fraction(problem, 0.2)
    solution = adl.solve(problem, constraints=limit)
    assert solution.allocation["fraction"].max() <= 0.2 + 1e-6
    assert solution.sold is not None
    assert solution.sold["A0"] < -0.3 * abs(problem.required[0])
    assert solution.gap is not None
    assert solution.gap < 1e-4


def test_without_presolve_the_value_is_the_same() -> None:
    problem = hedged_problem(5, random_market(5))
    first, second = adl.solve(problem), adl.solve(problem, "conic", presolve=False)
    assert first.value is not None
    assert second.value is not None
    assert np.isclose(first.value, second.value, rtol=1e-6)
    assert adl.to_cvxpy(problem).sold is not None


def test_a_sweep_of_the_reduction_with_a_market() -> None:
    problem = hedged_problem(7, random_market(7))
    table = adl.frontier(problem, multiples=[0.5, 1.0]).table
    assert set(table["method"]) == {"shadow_price"}
    solution = priced(adl.solve(problem))
    assert np.isclose(table["value"].iloc[1], solution.value, rtol=1e-5)


@pytest.mark.parametrize(
    "objective",
    [
        adl.EVaR(0.9),
        adl.Entropic(0.01),
        adl.Expectile(0.8),
        adl.Semideviation(0.5, order=2),
        adl.ChiSquareRobust(0.5),
        0.5 * adl.ExpectedLoss() + 0.5 * adl.EVaR(0.8),
    ],
    ids=str,
)
def test_every_measure_sells(objective: adl.Objective) -> None:
    """Against a scan of the amount sold: for each the accounts' part is a problem of its own."""
    problem = hedged_problem(3, adl.Market(depth=1.0, impact=0.05), objective=objective)
    solution = priced(adl.solve(problem))
    assert solution.method == "conic"
    assert solution.gap < 1e-6
    total, terms, values = float(problem.required[0]), problem.market_terms, []
    assert terms is not None
    for part in np.linspace(0.0, 1.0, 5):
        accounts = hedged_problem(3, None, objective=objective, reduction={"A0": total + part})
        value = priced(adl.solve(accounts)).value
        values.append(value + float(terms.cost(np.array([part, 0.0]))[0]))
    assert solution.value <= min(values) * (1 + 1e-7)
    assert solution.value >= min(values) * 0.9
    sold = -float((solution.sold if solution.sold is not None else pd.Series([0.0])).iloc[0])
    rest = hedged_problem(3, None, objective=objective, reduction={"A0": total + sold})
    exact = priced(adl.solve(rest)).value + float(terms.cost(np.array([sold, 0.0]))[0])
    assert np.isclose(solution.value, exact, rtol=1e-6)
