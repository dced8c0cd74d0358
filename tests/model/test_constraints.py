"""Constraints of the user's: kept, priced, proven, and equal to caps where they say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model import constraints
from tests.typed import priced


@pytest.fixture(scope="module")
def problem() -> adl.Problem:
    return adl.synthetic.problem(40, assets=3, scenarios=200, reduce=0.25, seed=4)


def test_fraction_of_position_is_a_cap(problem: adl.Problem) -> None:
    solution = priced(adl.solve(problem, constraints=constraints.at_most_fraction(problem, 0.6)))
    capped = adl.Problem(
        problem.book,
        problem.reduction,
        prices=problem.prices,
        caps=problem.positions.assign(cap=0.6 * problem.positions["size"].abs()),
    )
    assert solution.status == "optimal"
    assert solution.allocation["fraction"].max() <= 0.6 + 1e-7
    assert solution.value == pytest.approx(adl.solve(capped).value, rel=1e-6)
    assert solution.value > priced(adl.solve(problem)).value


def test_fraction_of_account_notional(problem: adl.Problem) -> None:
    solution = adl.solve(problem, constraints=constraints.at_most_account_fraction(problem, 0.3))
    table = solution.allocation
    taken = (
        (table["reduction"].abs() * problem.book.marks[problem.asset])
        .groupby(table["account"])
        .sum()
    )
    gross = problem.book.pools.set_index("account")["notional"]
    assert solution.status == "optimal"
    assert (taken <= 0.3 * gross[taken.index] * (1 + 1e-6)).all()
    assert np.isclose(taken, 0.3 * gross[taken.index], rtol=1e-4).any()  # it binds somewhere


def test_multiple_of_equity(problem: adl.Problem) -> None:
    solution = adl.solve(problem, constraints=constraints.at_most_equity(problem, 4.0))
    table = solution.allocation
    taken = (
        (table["reduction"].abs() * problem.book.marks[problem.asset])
        .groupby(table["account"])
        .sum()
    )
    equity = problem.book.pools.set_index("account")["equity"]
    assert solution.status == "optimal"
    assert (taken <= 4.0 * equity[taken.index] * (1 + 1e-6)).all()


def test_hedged_pairs_go_together(problem: adl.Problem) -> None:
    solution = adl.solve(problem, constraints=constraints.hedged_together(problem, [("A0", "A1")]))
    wide = solution.allocation.pivot(index="account", columns="asset", values="fraction").dropna(
        subset=["A0", "A1"]
    )
    assert solution.status == "optimal"
    assert len(wide) > 5
    assert np.abs(wide["A0"] - wide["A1"]).max() < 1e-6


def test_bound_holds_under_constraints_by_brute_force() -> None:
    """Two accounts, one asset, one scenario set: the constrained optimum by a fine grid."""
    book = adl.Book.from_frame(
        pd.DataFrame(
            {
                "account": ["a", "b", "b"],
                "asset": ["X", "X", "Y"],
                "size": [-10.0, -10.0, 5.0],
                "equity": [80.0, 50.0, 50.0],
            }
        ),
        marks={"X": 10.0, "Y": 10.0},
    )
    rng = np.random.default_rng(0)
    prices = adl.Scenarios(returns=np.clip(rng.standard_t(3, (400, 2)) * 0.4, -1, None))
    problem = adl.Problem(book, {"X": -8.0}, prices=prices)
    solution = adl.solve(problem, constraints=lambda x: x[0] >= -3.0)
    assert solution.status == "optimal"
    scenarios = problem.scenarios
    grid = np.linspace(0.0, 3.0, 3001)[:, None]

    def shortfall(equity: float, size: np.ndarray, other: float) -> np.ndarray:
        return np.maximum(
            -(equity + size * scenarios.moves[:, 0] + other * scenarios.moves[:, 1]), 0.0
        )

    loss = shortfall(80.0, -10.0 + grid, 0.0) + shortfall(50.0, -10.0 + (8.0 - grid), 5.0)
    best = (loss @ scenarios.weights).min()
    assert solution.value == pytest.approx(best, rel=1e-5)
    assert solution.lower_bound <= best * (1 + 1e-12)


def test_shadow_price_under_constraints_is_the_slope(problem: adl.Problem) -> None:
    small = problem.with_changes(multiple=0.2)
    limit = constraints.at_most_fraction(small, 0.7)
    solution = priced(adl.solve(small, constraints=limit))
    step = 1e-3 * abs(small.required[0])

    def value(contracts: float) -> float:
        return priced(
            adl.solve(
                adl.Problem(small.book, {**small.reduction, "A0": contracts}, prices=small.prices),
                constraints=limit,
            )
        ).value

    # Between the slopes on either side: the value is piecewise linear in the reduction.
    before = (value(small.required[0] + step) - solution.value) / step
    after = (solution.value - value(small.required[0] - step)) / step
    assert before > 100.0
    assert after * 0.999 <= solution.shadow_prices["A0"] <= before * 1.001


def test_several_functions_and_lists(problem: adl.Problem) -> None:
    several: list[Callable[[Any], Any]] = [
        constraints.at_most_fraction(problem, 0.8),
        lambda x: [cp.norm1(x) <= 1e6, cp.sum(x) <= 0],
    ]
    assert adl.solve(problem, constraints=several).status == "optimal"


def test_refusals(problem: adl.Problem) -> None:
    with pytest.raises(adl.InfeasibleConstraints, match=r"at least .* of each position"):
        adl.solve(problem, constraints=constraints.at_most_fraction(problem, 0.01))
    with pytest.raises(adl.InputError, match="not convex by cvxpy's rules"):
        adl.solve(problem, constraints=lambda x: cp.abs(x) >= 1)
    with pytest.raises(adl.InputError, match="not a cvxpy constraint"):
        adl.solve(problem, constraints=lambda x: 3)
    with pytest.raises(adl.InputError, match=r"must lie in \[0, 1\]"):
        constraints.at_most_fraction(problem, 1.5)
    with pytest.raises(adl.InputError, match="multiple of equity"):
        constraints.at_most_equity(problem, -1)
    with pytest.raises(adl.InputError, match="not a pair of assets"):
        constraints.hedged_together(problem, [("A0", "DOGE")])
    isolated = adl.Problem(
        problem.book.with_margin("isolated"), problem.reduction, prices=problem.prices
    )
    with pytest.raises(adl.NotApplicable, match="no further constraints"):
        adl.solve(
            isolated, "water_filling", constraints=constraints.at_most_fraction(isolated, 0.9)
        )
    assert (
        adl.solve(isolated, constraints=constraints.at_most_fraction(isolated, 0.9)).method
        == "conic"
    )
