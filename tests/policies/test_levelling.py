"""Rules that level, against the solver's closed forms and against linear programs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import adlopt as adl
from adlopt.model.losses import objective_value
from tests.support import Reference, close, random_case
from tests.typed import sparse_linprog

P = adl.policies


@pytest.mark.parametrize("seed", range(12))
def test_minimax_leverage_is_water_filling(seed: int) -> None:
    problem = random_case(seed, "isolated", reduced=2).problem()
    np.testing.assert_allclose(
        P.MinimaxLeverage().reductions(problem),
        adl.solve(problem, "water_filling").allocation["reduction"],
        rtol=1e-12,
        atol=1e-12 * np.abs(problem.required).max(),
    )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("margin", ["cross", "mixed"])
def test_factor_leverage_is_the_method(seed: int, margin: str) -> None:
    problem = random_case(seed, margin).problem()
    expected = adl.solve(problem, "factor_leverage").allocation["reduction"].to_numpy()
    tolerance = 1e-12 * np.abs(problem.required).max()
    np.testing.assert_allclose(
        P.FactorLeverage().reductions(problem), expected, rtol=1e-12, atol=tolerance
    )
    assert isinstance(problem.prices, adl.OneFactor)
    given = P.FactorLeverage(problem.prices.direction)
    np.testing.assert_allclose(given.reductions(problem), expected, rtol=1e-12, atol=tolerance)


@pytest.mark.parametrize("seed", range(12))
def test_factor_leverage_is_optimal_for_several_reduced_assets(seed: int) -> None:
    """Against the linear program of expected loss and of a CVaR, under one factor whose entries
    have both signs.
    """
    case = random_case(
        seed,
        ("cross", "mixed")[seed % 2],
        reduced=3,
        twist=("plain", "ties", "zero caps", "tight caps")[seed % 4],
    )
    for objective, terms in ((adl.ExpectedLoss(), [(1.0, 0.0)]), (adl.CVaR(0.8), [(1.0, 0.8)])):
        problem = case.problem(objective)
        value = objective_value(problem, P.FactorLeverage().reductions(problem))
        assert close(value, Reference(case).optimum(terms), objective_value(problem, None), 1e-9)


def test_paper_example_by_hand() -> None:
    """Gross notionals 1,149,700, 743,530, 1,155,780 and 830,000 over the equities; the level is the
    paper's arithmetic.
    """
    problem = adl.examples.paper_problem()
    taken = -P.MinimaxLeverage().reductions(problem)
    gross, equity = (
        np.array([1_149_700.0, 743_530.0, 1_155_780.0, 830_000.0]),
        np.array([242_100.0, 143_000.0, 180_704.8, 116_901.0]),
    )
    level = (gross.sum() - 670_000.0) / equity.sum()  # all four are drained
    np.testing.assert_allclose(taken, (gross - level * equity) / 67_000.0, rtol=1e-9)
    np.testing.assert_allclose(
        -P.FactorLeverage().reductions(problem), [3.0158, 0.1391, 6.8451, 0.0], atol=5e-5
    )


def least_maximum(problem: adl.Problem, start: np.ndarray, slope: np.ndarray) -> float:
    """min z: start_i + sum over positions of pool i of slope_j x_j <= z, by HiGHS on the program as
    it reads.
    """
    pools = np.unique(problem.pool)
    row = np.searchsorted(pools, problem.pool)
    e, n = problem.eligible.size, pools.size
    upper = sp.hstack(
        [
            sp.csr_array((slope, (row, np.arange(e))), shape=(n, e)),
            sp.csr_array(np.full((n, 1), -1.0)),
        ]
    )
    assets = problem.reduced_assets
    equal = sp.csr_array(
        (np.ones(e), (np.searchsorted(assets, problem.asset), np.arange(e))),
        shape=(assets.size, e + 1),
    )
    found = sparse_linprog(
        np.append(np.zeros(e), 1.0),
        A_ub=sp.csr_array(upper),
        b_ub=-start[pools],
        A_eq=equal,
        b_eq=np.abs(problem.required[assets]),
        bounds=[*((0.0, c) for c in np.abs(problem.max_reduction)), (None, None)],
    )
    assert found.status == 0
    return float(found.fun)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("settlement", [False, True], ids=["at the mark", "off the mark"])
def test_min_max_burden_meets_the_linear_program(seed: int, settlement: bool) -> None:
    problem = adl.synthetic.problem(40, assets=3, scenarios=5, seed=seed, reduce=0.5)
    marks = dict(zip(problem.book.assets, problem.book.marks, strict=True))
    price = {
        asset: mark * factor
        for (asset, mark), factor in zip(marks.items(), (1.1, 0.95, 1.02), strict=True)
    }
    problem = adl.Problem(problem.book, problem.reduction, settlement=price if settlement else None)
    cost = np.abs(problem.settlement_offset) if settlement else problem.book.marks
    slope = cost[problem.asset] / problem.book.equity[problem.pool]
    taken = np.abs(P.MinMaxBurden().reductions(problem))
    burden = np.bincount(problem.pool, taken * slope).max()
    assert burden == pytest.approx(
        least_maximum(problem, np.zeros(problem.book.equity.size), slope), rel=1e-7
    )


@pytest.mark.parametrize("seed", range(6))
def test_minimax_leverage_meets_the_linear_program_on_cross_books(seed: int) -> None:
    problem = adl.synthetic.problem(40, assets=3, scenarios=5, seed=seed, reduce=0.6)
    slope = -problem.book.marks[problem.asset] / problem.book.equity[problem.pool]
    leverage = problem.book.pools["leverage"].to_numpy()
    after = P.MinimaxLeverage().allocate(problem)["leverage_after"].max()
    assert after == pytest.approx(least_maximum(problem, leverage, slope), rel=1e-7)


def test_burden_off_the_mark_ignores_what_costs_nothing() -> None:
    """A settles 10 off its mark, B at it: A is shared out by equity, B, which burdens nobody, by
    contracts.
    """
    table = pd.DataFrame(
        {
            "account": list("uuvv"),
            "asset": list("ABAB"),
            "size": [-10.0, -30.0, -10.0, -10.0],
            "equity": [300.0, 300.0, 100.0, 100.0],
        }
    )
    problem = adl.Problem(
        adl.Book.from_frame(table, marks={"A": 50.0, "B": 1.0}),
        {"A": -8.0, "B": -8.0},
        settlement={"A": 60.0},
    )
    np.testing.assert_allclose(
        P.MinMaxBurden().allocate(problem)["reduction"], [-6.0, -6.0, -2.0, -2.0], rtol=1e-12
    )


def test_factor_leverage_needs_a_direction() -> None:
    book = adl.examples.paper_book()
    with pytest.raises(adl.NotApplicable, match="give its direction, or the problem a price model"):
        P.FactorLeverage().allocate(adl.Problem(book, {"BTC": -10.0}))
    with pytest.raises(adl.InputError, match="no entry for asset 'ETH'"):
        P.FactorLeverage({"BTC": 1.0}).allocate(adl.Problem(book, {"BTC": -10.0}))


def test_factor_of_scenarios_is_the_leading_component() -> None:
    """Scenarios of one factor have that factor as their leading component."""
    direction = adl.examples.paper_direction()
    problem = adl.examples.paper_problem()
    moves = problem.scenarios
    sampled = adl.Problem(
        problem.book,
        problem.reduction,
        prices=adl.Scenarios(moves.moves + problem.book.marks, weights=moves.weights),
    )
    scale = np.sqrt(moves.weights @ (moves.moves[:, 0] / direction["BTC"]) ** 2)
    np.testing.assert_allclose(
        P.features.factor(sampled), scale * np.array(list(direction.values())), rtol=1e-9
    )
    np.testing.assert_allclose(
        P.FactorLeverage().reductions(sampled), P.FactorLeverage().reductions(problem), atol=1e-8
    )
