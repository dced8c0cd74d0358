"""Shadow prices for closed-form pool losses: proven, and equal to what other methods and other
models say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.optimize import LinearConstraint, minimize

import adlopt as adl
from adlopt.datasets import synthetic
from adlopt.methods import choice
from adlopt.prices.elliptical import Elliptical
from tests import support
from tests.typed import priced

TOLERANCE = 1e-8


def covariance(marks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of price moves, with random correlations and 3 to 12 % volatility."""
    loading = rng.normal(size=(marks.size, 2)) * 0.5 + np.array([1.0, 0.0])
    matrix = loading @ loading.T + 0.3 * np.eye(marks.size)
    move = marks * rng.uniform(0.03, 0.12, marks.size) / np.sqrt(np.diag(matrix))
    return np.asarray(matrix * np.outer(move, move))


def random_book(seed: int, pools: int, assets: int, **model: Any) -> adl.Problem:
    rng = np.random.default_rng(seed)
    given = synthetic.problem(
        pools, assets, scenarios=1, held=min(4, assets), reduce=rng.uniform(0.1, 0.9), seed=seed
    )
    return adl.Problem(
        given.book, given.reduction, prices=adl.Gaussian(covariance(given.book.marks, rng), **model)
    )


@pytest.mark.parametrize("seed", range(20))
def test_random_gaussian_books_are_proven(seed: int) -> None:
    problem = random_book(seed, pools=[30, 100, 250, 500][seed % 4], assets=1 + seed % 6, points=2)
    solution = adl.solve(problem, tolerance=TOLERANCE)
    assert solution.method == ("water_filling" if len(problem.book.assets) == 1 else "shadow_price")
    assert solution.status == "optimal"
    assert adl.certify(problem, solution.allocation).gap <= TOLERANCE
    total = solution.allocation.groupby("asset", observed=True)["reduction"].sum()
    for asset, amount in problem.reduction.items():
        assert total[asset] == pytest.approx(amount, rel=1e-12)
    assert solution.allocation["fraction"].between(0.0, 1.0).all()


def test_agrees_with_the_conic_solution_of_a_large_sample() -> None:
    """30 accounts on 2^16 Sobol points. The sample's optimum costs at least the true optimum, under
    the true prices.
    """
    problem = random_book(5, pools=30, assets=6, points=2**16)
    exact = priced(adl.solve(problem, tolerance=TOLERANCE))
    sampled = priced(adl.solve(problem, "conic"))
    assert exact.method == "shadow_price"
    assert exact.value <= sampled.value * (1 + 1e-9)
    moves, weights = problem.scenarios
    allocation = exact.allocation["reduction"].to_numpy()
    losses = np.maximum(
        -(problem.book.equity[:, None] + problem.size_matrix(allocation) @ moves.T), 0.0
    ).sum(axis=0)
    error = losses.std() / np.sqrt(weights.size)  # of independent points; Sobol's is smaller
    assert weights @ losses == pytest.approx(exact.value, abs=3 * error)
    assert sampled.value == pytest.approx(exact.value, abs=3 * error)


@pytest.mark.parametrize("df", [None, 3.0])
def test_agrees_with_a_general_optimiser(df: float | None) -> None:
    rng = np.random.default_rng(4)
    positions = pd.DataFrame(
        {
            "account": np.repeat(list("abcd"), 2),
            "asset": ["A", "B"] * 4,
            "size": [-5.0, -3.0, -2.0, 4.0, -6.0, -1.0, -3.0, -3.0],
            "equity": np.repeat([60.0, 20.0, 90.0, 15.0], 2),
        }
    )
    book = adl.Book.from_frame(positions, marks={"A": 100.0, "B": 50.0})
    S = covariance(book.marks, rng)
    prices: Elliptical = adl.Gaussian(S) if df is None else adl.StudentT(S, df)
    caps = pd.DataFrame({"account": ["a"], "asset": ["A"], "cap": [1.5]})
    problem = adl.Problem(
        book, {"A": -6.0, "B": -2.5}, prices=prices, settlement={"A": 103.0}, caps=caps
    )
    solution = priced(adl.solve(problem, tolerance=TOLERANCE))
    assert (solution.method, solution.status) == ("shadow_price", "optimal")

    owner, row = np.arange(8) // 2, np.flatnonzero(positions["size"] < 0)
    none = np.empty(0, dtype=np.int64)

    def total(x: np.ndarray) -> float:
        size = positions["size"].to_numpy().copy()
        size[row] += x
        equity = positions["equity"].to_numpy()[::2].copy()
        np.add.at(
            equity, owner[row], np.where(positions["asset"].to_numpy()[row] == "A", -x * 3.0, 0.0)
        )
        return float(
            prices.pool_loss(
                book.assets, equity, sp.csr_array(size.reshape(4, 2)), none, none
            ).value.sum()
        )

    cap = -positions["size"].to_numpy()[row]
    cap[0] = 1.5
    in_a = (positions["asset"].to_numpy()[row] == "A").astype(float)
    found = minimize(
        total,
        np.where(in_a, 6.0 / 4, 2.5 / 3),
        bounds=[(0.0, float(c)) for c in cap],
        method="SLSQP",
        constraints=LinearConstraint(np.array([in_a, 1 - in_a]), [6.0, 2.5], [6.0, 2.5]),
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert solution.value == pytest.approx(found.fun, rel=1e-6)
    assert solution.value <= float(found.fun) * (1 + 1e-9)


def test_isolated_gaussian_is_water_filling() -> None:
    case = next(
        c
        for c in (support.random_case(s, "isolated", twist="plain") for s in range(20))
        if len(c.marks) > 1
    )
    marks = np.array(list(case.marks.values()))
    prices = adl.Gaussian(covariance(marks, np.random.default_rng(0)), list(case.marks))
    problem = adl.Problem(case.book, case.reduction, prices=prices)
    filled, shadow_price = (
        priced(adl.solve(problem, "water_filling")),
        adl.solve(problem, "shadow_price", tolerance=1e-10),
    )
    assert adl.solve(problem).method == "water_filling"
    assert filled.gap <= 1e-9
    assert shadow_price.value == pytest.approx(filled.value, rel=1e-9)


def test_rank_one_gaussian_is_one_factor() -> None:
    given = synthetic.problem(200, 3, scenarios=1, reduced_assets=1)
    v = 0.06 * given.book.marks * np.array([1.0, -0.5, 2.0])
    rule = priced(adl.solve(adl.Problem(given.book, given.reduction, prices=adl.OneFactor(v))))
    shadow_price = priced(
        adl.solve(
            adl.Problem(given.book, given.reduction, prices=adl.Gaussian(np.outer(v, v))),
            tolerance=1e-9,
        )
    )
    assert (rule.method, shadow_price.method) == ("factor_leverage", "shadow_price")
    assert shadow_price.value == pytest.approx(rule.value, rel=1e-8)
    assert shadow_price.lower_bound <= rule.value * (1 + 1e-9)


@pytest.mark.parametrize("twist", support.TWISTS)
@pytest.mark.parametrize("df", [None, 2.5])
def test_hard_books_are_proven_or_said_not_to_be(twist: str, df: float | None) -> None:
    case = support.random_case(
        support.TWISTS.index(twist), "mixed", twist=twist, reduced=3, settlement=True
    )
    S = covariance(np.array(list(case.marks.values())), np.random.default_rng(7))
    prices: Elliptical = adl.Gaussian(S) if df is None else adl.StudentT(S, df)
    problem = adl.Problem(
        case.book, case.reduction, prices=prices, caps=case.caps, settlement=case.settlement
    )
    solution = priced(adl.solve(problem, "shadow_price", tolerance=TOLERANCE))
    before = (
        prices.pool_loss(
            problem.book.assets,
            problem.book.equity,
            problem.size_matrix(None),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
        )
        .value[problem.book.solvent]
        .sum()
    )
    assert solution.gap <= TOLERANCE or solution.value <= 1e-9 * before
    assert solution.status == ("optimal" if solution.gap <= TOLERANCE else "unproven")


def test_one_factor_uses_the_same_door() -> None:
    """Where settlement or several assets rule out the closed rule, the closed-form loss is still
    minimised to the end.
    """
    positions, accounts = adl.examples.paper_tables()
    marks = {"BTC": 67_000.0, "ETH": 1_900.0}
    book = adl.Book.from_frame(positions, accounts, marks=marks)
    problem = adl.Problem(
        book,
        {"BTC": -10.0},
        prices=adl.OneFactor({"BTC": 6_654.0, "ETH": 200.6}),
        settlement={"BTC": 68_000.0},
    )
    solution = adl.solve(problem, tolerance=TOLERANCE)
    assert (solution.method, solution.status) == ("shadow_price", "optimal")
    assert "settle off the mark" in choice.choose(problem).passed_over["factor_leverage"]


def test_pools_that_hold_many_assets_are_compressed() -> None:
    """With 12 assets and 3 held the loops see 4 coordinates per pool; the answer is certified by
    the model itself.
    """
    problem = random_book(9, pools=60, assets=12, points=2)
    assert adl.solve(problem, tolerance=TOLERANCE).status == "optimal"


def test_volatility_before_and_after() -> None:
    problem = random_book(2, pools=50, assets=3, points=2)
    prices, book = problem.prices, problem.book
    assert isinstance(prices, adl.Gaussian)
    solution = adl.solve(problem, tolerance=TOLERANCE)
    after = prices.volatility(
        book.assets, problem.size_matrix(solution.allocation["reduction"].to_numpy())
    )
    sizes = problem.size_matrix(None).toarray()
    S = np.asarray(prices.covariance)
    assert prices.volatility(book.assets, problem.size_matrix(None)) == pytest.approx(
        np.sqrt(np.einsum("ij,jk,ik->i", sizes, S, sizes))
    )
    assert np.median(after / book.equity) <= np.median(
        np.sqrt(np.einsum("ij,jk,ik->i", sizes, S, sizes)) / book.equity
    )
