"""Several reduced assets under one factor: one allocation for every objective, always exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt._internal.arrays import FloatArray
from adlopt.methods import factor_leverage
from adlopt.model.losses import objective_value
from tests import support
from tests.typed import priced, water_levels

TWISTS = tuple(
    twist for twist in support.TWISTS if twist not in ("one account", "wild leverage")
)  # the first has no choice, the second is beyond the reference program's accuracy
MEASURES = (
    (adl.ExpectedLoss(), [(1.0, 0.0)]),
    (adl.CVaR(0.8), [(1.0, 0.8)]),
    (adl.WorstCase(), [(1.0, 1 - 1e-6)]),  # a tail lighter than any scenario is the worst of them
)


def book(seed: int) -> support.Case:
    """2 to 6 assets reduced on sides of either sign, a factor of either sign, ties, caps, some
    pools isolated.
    """
    rng = np.random.default_rng([seed, 5])
    d, n = int(rng.integers(2, 7)), int(rng.integers(3, 16))
    assets = [f"A{k}" for k in range(d)]
    marks = np.round(np.exp(rng.normal(3.0, 1.5, d)), 2)
    held = rng.random((n, d)) < rng.uniform(0.4, 1.0)
    held[np.arange(n), rng.integers(0, d, n)] = True
    account, asset = np.nonzero(held)
    notional: FloatArray = rng.lognormal(4.0, 1.0, account.size)
    if seed % 3 == 0:  # ties
        notional = 50.0 * rng.integers(1, 4, account.size).astype(float)
    size = notional / marks[asset] * rng.choice([-1.0, 1.0], account.size)
    equity = np.bincount(account, notional, minlength=n) * rng.uniform(0.05, 0.5, n)
    if seed % 3 == 0:
        equity = np.bincount(account, notional, minlength=n) / 8.0
    isolated = rng.random(account.size) < (0.3 if seed % 4 == 1 else 0.0)
    positions = pd.DataFrame(
        {
            "account": [f"u{i}" for i in account],
            "asset": [assets[k] for k in asset],
            "size": size,
            "margin_mode": np.where(isolated, "isolated", "cross"),
            "equity": np.where(isolated, notional * 0.1, np.nan),
        }
    )
    caps = None
    limit = np.abs(size)
    if seed % 5 == 2:
        limit = limit * rng.choice([0.0, 0.3, 1.0], account.size, p=[0.1, 0.4, 0.5])
        caps = positions[["account", "asset", "margin_mode"]].assign(cap=limit)
    reduction = {}
    for k in range(d):
        sides = {s: limit[(asset == k) & (np.sign(size) == s)].sum() for s in (-1.0, 1.0)}
        side = float(rng.choice([-1.0, 1.0]))
        side = side if sides[side] > 0 else -side
        if sides[side] > 0:
            reduction[assets[k]] = (
                side * sides[side] * rng.choice([rng.uniform(0.02, 0.98), 1.0], p=[0.9, 0.1])
            )
    direction = marks * rng.uniform(0.03, 0.12, d) * rng.choice([-1.0, 1.0], d)
    shock, S = rng.standard_t(4, 12), 12
    weights = rng.dirichlet(np.full(S, 2.0))
    prices = adl.OneFactor(dict(zip(assets, direction, strict=True)), shock, weights=weights)
    accounts = pd.DataFrame({"account": [f"u{i}" for i in range(n)], "equity": equity})
    return support.Case(
        positions,
        accounts[accounts["account"].isin(positions.loc[~isolated, "account"])],
        dict(zip(assets, marks.tolist(), strict=True)),
        reduction,
        np.outer(shock, direction),
        weights,
        prices,
        caps,
        label=f"{seed}",
    )


def check_all_objectives(seed: int) -> None:
    """The same allocation is worth the optimum of a linear program for three objectives."""
    case = book(seed)
    allocations = []
    for objective, terms in MEASURES:
        problem = case.problem(objective)
        result = factor_leverage.solve(problem)
        allocations.append(result.allocation)
        value = objective_value(problem, result.allocation)
        best = support.Reference(case).optimum(terms)
        assert support.close(value, best, objective_value(problem, None), 1e-8), (
            case.label,
            str(objective),
            value,
            best,
        )
    np.testing.assert_array_equal(allocations[0], allocations[1])
    np.testing.assert_array_equal(allocations[0], allocations[2])
    total = np.bincount(problem.asset, allocations[0], minlength=problem.required.size)
    np.testing.assert_allclose(total, problem.required, rtol=1e-12)


@pytest.mark.parametrize("seed", range(100))
def test_one_allocation_is_optimal_for_every_objective(seed: int) -> None:
    check_all_objectives(seed)


@pytest.mark.parametrize("twist", TWISTS)
def test_degenerate_books(twist: str) -> None:
    """The twists of all other tests: ties, capacity, twelve orders of magnitude and so on."""
    case = next(
        case
        for case in (support.random_case(s, "mixed", twist=twist, reduced=3) for s in range(400))
        if len(case.reduction) > 1
    )
    for objective, terms in MEASURES[:2]:
        problem = case.problem(objective)
        solution = priced(adl.solve(problem, "factor_leverage"))
        best = support.Reference(case).optimum(terms)
        assert support.close(solution.value, best, objective_value(problem, None), 1e-6), case.label


def test_it_never_hands_over_for_want_of_a_common_level() -> None:
    methods = {adl.solve(book(seed).problem(adl.CVaR(0.8))).method for seed in range(20)}
    assert methods <= {"factor_leverage", "water_filling"}


def test_levels_by_group_of_linked_assets() -> None:
    """Two pairs of assets that no account links: a level for each pair, on the reduced side."""
    rows = []
    for account, (first, second, size) in enumerate(
        [("A", "B", -4.0), ("A", "B", -2.0), ("C", "D", -8.0), ("C", "D", -1.0)]
    ):
        rows += [(f"u{account}", first, size, 10.0), (f"u{account}", second, size, 10.0)]
    frame = pd.DataFrame(rows, columns=["account", "asset", "size", "equity"])
    marks = dict.fromkeys("ABCD", 10.0)
    problem = adl.Problem(
        adl.Book.from_frame(frame, marks=marks),
        dict.fromkeys("ABCD", -2.0),
        prices=adl.OneFactor(dict.fromkeys("ABCD", 1.0)),
    )
    solution = priced(adl.solve(problem, "factor_leverage"))
    # Exposures 8 and 4: taking 4 leaves both at 4 (0.4 of equity). 16 and 2: taking 4 leaves 12.
    assert water_levels(solution).to_dict() == pytest.approx(
        {"A": 0.4, "B": 0.4, "C": 1.2, "D": 1.2}
    )
    assert solution.details["levels"] == "4 assets, 2 levels"
    assert solution.gap <= 1e-9


def test_levels_count_on_the_side_that_is_reduced() -> None:
    """Shorts and longs under opposite exposures: both levels are positive and equal."""
    frame = pd.DataFrame(
        {"account": list("uv"), "asset": ["A", "B"], "size": [-4.0, 4.0], "equity": [10.0, 10.0]}
    )
    problem = adl.Problem(
        adl.Book.from_frame(frame, marks={"A": 1.0, "B": 1.0}),
        {"A": -2.0, "B": 2.0},
        prices=adl.OneFactor({"A": 1.0, "B": 1.0}),
    )
    level = water_levels(adl.solve(problem, "factor_leverage"))
    assert level.to_dict() == pytest.approx({"A": 0.2, "B": 0.2})


def test_assets_that_the_factor_does_not_move_are_reduced_pro_rata() -> None:
    frame = pd.DataFrame(
        {"account": list("uuvv"), "asset": list("ABAB"), "size": [-4.0, -6.0, -4.0, -2.0]}
    ).assign(equity=[10.0, 10.0, 20.0, 20.0])
    book = adl.Book.from_frame(frame, marks={"A": 10.0, "B": 1.0})
    factor = adl.OneFactor({"A": 1.0, "B": 0.0})
    solution = priced(
        adl.solve(adl.Problem(book, {"A": -4.0, "B": -4.0}, prices=factor), "factor_leverage")
    )
    reduction = solution.allocation.set_index(["account", "asset"])["reduction"]
    assert reduction["u", "B"] == pytest.approx(-3.0)
    assert reduction["v", "B"] == pytest.approx(-1.0)
    assert np.isnan(water_levels(solution)["B"])
    assert solution.gap <= 1e-9


@pytest.mark.parametrize("seed", range(40))
def test_the_policy_is_the_method(seed: int) -> None:
    problem = book(seed).problem()
    np.testing.assert_allclose(
        adl.policies.FactorLeverage().reductions(problem),
        factor_leverage.solve(problem).allocation,
        rtol=1e-9,
        atol=1e-9 * np.abs(problem.max_reduction).max(),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prices": adl.Gaussian(np.eye(2))}, "needs prices=OneFactor"),
        ({"settlement": {"BTC": 60_000.0}}, "settle off the mark"),
        ({"prices": adl.OneFactor({"BTC": 0.0, "ETH": 1.0})}, "does not move 'BTC'"),
    ],
)
def test_reasons_for_a_refusal(change: dict[str, Any], reason: str) -> None:
    facts: dict[str, Any] = {"prices": adl.OneFactor({"BTC": 1.0, "ETH": 1.0})} | change
    problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, **facts)
    assert reason in str(factor_leverage.reason_not_applicable(problem))
    with pytest.raises(adl.NotApplicable, match=reason):
        factor_leverage.solve(problem)
