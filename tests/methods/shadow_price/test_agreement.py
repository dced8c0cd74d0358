"""Shadow prices against the conic solver, on random books and on books built to be hard."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import Priced, priced


def random_problem(seed: int, objective: adl.Objective | None = None) -> adl.Problem:
    """1 to 300 pools, 1 to 8 assets, dense or sparse, from almost nothing to everything to be
    reduced.
    """
    rng = np.random.default_rng(seed)
    pools = int(rng.integers(1, 300)) if seed % 2 else int(rng.integers(1, 12))
    assets = int(rng.integers(1, 9))
    return adl.synthetic.problem(
        pools=pools,
        assets=assets,
        held=None if seed % 3 else max(1, assets // 2),
        scenarios=int(rng.integers(1, 150)),
        reduce=(0.3, 0.9, 0.99999, 1.0, 1e-4)[seed % 5],
        objective=objective,
        seed=seed,
    )


def assert_agree(problem: adl.Problem, tolerance: float = 1e-6) -> Priced:
    ours = priced(adl.solve(problem, method="shadow_price", tolerance=tolerance))
    other = priced(adl.solve(problem, method="conic"))
    allowed = (ours.value - ours.lower_bound) + (other.value - other.lower_bound)
    rounding = 1e-9 * abs(other.value) + 1e-12 * problem.book.equity.sum()
    assert abs(ours.value - other.value) <= allowed + rounding
    assert (ours.status == "optimal") == (ours.gap <= tolerance)
    feasible(problem, ours)
    return ours


def feasible(problem: adl.Problem, solution: adl.Solution) -> None:
    table = solution.allocation
    fraction = table["reduction"] / table["size"]
    assert fraction.between(0, 1).all()
    total = table.groupby("asset")["reduction"].sum().reindex(problem.book.assets, fill_value=0.0)
    np.testing.assert_allclose(total, problem.required, rtol=1e-12)


TAILS = (adl.CVaR(0.9), adl.Spectral([0.0, 0.5, 0.9], [0.2, 0.3, 0.5]))
FAR_BELOW = {
    1
}  # an optimum of a hundred-thousandth of the loss before, where rounding stops the proof


@pytest.mark.parametrize("block", range(10))
def test_agrees_with_the_conic_solver_on_random_books(block: int) -> None:
    seeds = range(20 * block, 20 * block + 20)
    unproven = {seed for seed in seeds if assert_agree(random_problem(seed)).status == "unproven"}
    assert unproven <= FAR_BELOW


@pytest.mark.parametrize("objective", TAILS, ids=str)
@pytest.mark.parametrize("block", range(10))
def test_tails_agree_with_the_conic_solver_on_random_books(
    objective: adl.Objective, block: int
) -> None:
    for seed in range(20 * block, 20 * block + 20):
        assert assert_agree(random_problem(seed, objective), tolerance=1e-5).status == "optimal", (
            seed
        )


def test_a_tail_is_found_among_many_scenarios() -> None:
    """Candidates are few; the proof is over all scenarios."""
    problem = adl.synthetic.problem(
        pools=40, assets=3, scenarios=400, objective=adl.CVaR(0.98), seed=3
    )
    assert assert_agree(problem, tolerance=1e-5).status == "optimal"


@pytest.mark.parametrize("seed", range(12))
def test_one_reduced_asset_is_solved_to_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = adl.synthetic.problem(
        pools=int(rng.integers(1, 300)),
        assets=int(rng.integers(2, 6)),
        scenarios=int(rng.integers(1, 150)),
        reduce=(0.3, 0.9, 0.99999, 1.0, 1e-4)[seed % 5],
        reduced_assets=1,
        seed=seed,
    )
    assert assert_agree(problem).gap <= 1e-12


@pytest.mark.parametrize("seed", [1, 3, 6, 9])
def test_mixtures_of_cvars_agree_with_the_conic_solver(seed: int) -> None:
    assert_agree(random_problem(seed, adl.ExpectedLoss() + 0.5 * adl.CVaR(0.8)), tolerance=1e-5)


@pytest.mark.parametrize("objective", [adl.ExpectedLoss(), *TAILS], ids=str)
def test_one_scenario_and_nearly_everything_reduced(objective: adl.Objective) -> None:
    for reduce, scenarios in ((0.5, 1), (0.99999, 30), (1.0, 30)):
        assert_agree(
            adl.synthetic.problem(30, 3, scenarios=scenarios, reduce=reduce, objective=objective),
            tolerance=1e-5,
        )


def test_mixed_margin_caps_and_settlement_prices() -> None:
    base = adl.synthetic.problem(pools=60, assets=3, scenarios=80, seed=5)
    frame = base.book.to_frame()
    frame["margin_mode"] = np.where(np.arange(len(frame)) % 7 == 0, "isolated", "cross")
    book = adl.Book.from_frame(frame)
    short = frame[frame["size"] < 0]
    caps = short.assign(cap=short["size"].abs() * 0.6)[["account", "asset", "cap", "margin_mode"]]
    settlement = {
        name: mark * factor
        for name, mark, factor in zip(book.assets, book.marks, (1.01, 0.99, 1.0), strict=True)
    }
    problem = adl.Problem(
        book, base.reduction, prices=base.prices, caps=caps, settlement=settlement
    )
    assert assert_agree(problem).status == "optimal"


def equal_leverage(scenarios: np.ndarray, weights: np.ndarray | None = None) -> adl.Problem:
    rng = np.random.default_rng(0)
    equity = np.exp(rng.normal(9, 2, 40))
    rows = [(i, name, -5 * equity[i] / 2, equity[i], 1.0) for i in range(40) for name in ("A", "B")]
    book = adl.Book.from_frame(
        pd.DataFrame(rows, columns=["account", "asset", "size", "equity", "mark"])
    )
    reduction = {name: 0.3 * book.size[book.asset == k].sum() for k, name in enumerate(book.assets)}
    return adl.Problem(book, reduction, prices=adl.Scenarios(returns=scenarios, weights=weights))


def test_equal_leverage_everywhere_is_a_tie_of_all_pools() -> None:
    assert_agree(equal_leverage(np.array([[0.3, 0.25], [0.1, 0.35], [-0.2, 0.1]])))


def test_every_pool_at_the_kink() -> None:
    # After 30 % less of leverage five, a rise by 1 / 3.5 leaves every pool with exactly nothing.
    assert_agree(equal_leverage(np.array([[1 / 3.5, 1 / 3.5]])))


def test_scenarios_without_weight_do_not_count() -> None:
    moves = np.array([[0.3, 0.25], [5.0, 5.0], [0.1, 0.35]])
    solution = assert_agree(equal_leverage(moves, np.array([0.5, 0.0, 0.5])))
    alone = assert_agree(equal_leverage(moves[[0, 2]]))
    assert solution.value == pytest.approx(alone.value, rel=1e-6)


def test_equities_over_twelve_orders_of_magnitude() -> None:
    base = adl.synthetic.problem(pools=120, assets=3, scenarios=60, seed=2)
    factor = 10.0 ** np.linspace(-6, 6, 120)
    frame = base.book.to_frame()
    frame["size"] *= factor[base.book.pool]
    frame["equity"] *= factor[base.book.pool]
    book = adl.Book.from_frame(frame)
    reduction = {str(name): -0.3 * amount for name, amount in book.open_interest["short"].items()}
    assert_agree(adl.Problem(book, reduction, prices=base.prices))


def test_auto_uses_it_for_large_books_and_says_so() -> None:
    solution = adl.solve(adl.synthetic.problem(pools=400, scenarios=1000))
    assert solution.method == "shadow_price"
    assert solution.status == "optimal"


def test_a_path_that_is_lost_ends() -> None:
    """Numbers beyond floats on the way: what was found before is returned, and said to be
    unproven.
    """
    table = pd.DataFrame(
        [
            ("u0", "A0", -8.861962425035845, "isolated", 66.57948421934876),
            ("u0", "A1", 0.0, "cross", 3684.9817938903166),
            ("u0", "A2", 123.18093983094545, "cross", 3684.9817938903166),
            ("u1", "A1", 2.76078015026661, "cross", 283.131155292),
            ("u2", "A1", 0.0, "cross", 547.4608378169685),
            ("u2", "A2", -193.61069876934863, "cross", 547.4608378169685),
            ("u3", "A0", 75.80604759797728, "isolated", 2844.501796116698),
            ("u3", "A1", 30.3839425654732, "isolated", 418.331943),
            ("u4", "A1", 3.626469734755425, "cross", 251.8655562243693),
        ],
        columns=["account", "asset", "size", "margin_mode", "equity"],
    )
    book = adl.Book.from_frame(
        table, marks={"A0": 115.49649009218373, "A1": 105.51208965084034, "A2": 5.297585176979819}
    )
    prices = adl.OneFactor(
        {"A0": 14.295124225262335, "A1": 13.7766559326373, "A2": 1.0446739368543694}, points=16
    )
    reduction = {"A0": 11.801226871196903, "A2": -125.19360780723493, "A1": 2.5921953436960634}
    problem = adl.Problem(book, reduction, prices=prices, objective=adl.CVaR(0.97))
    found, best = priced(adl.solve(problem, "shadow_price")), priced(adl.solve(problem, "conic"))
    assert best.status == "optimal"
    assert found.lower_bound <= best.value * (1 + 1e-9) <= found.value * (1 + 2e-9)
    assert found.status == ("optimal" if found.gap <= 1e-6 else "unproven")
