"""Exponential measures at every scale: answers and proofs where exponential cones stall."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model.losses import losses_beyond_fund
from adlopt.objectives._entropy import relative_entropy
from tests.support import DATA, random_case
from tests.typed import priced

WAVE = DATA / "hyperliquid_20251010_wave.csv"


@pytest.fixture(scope="module")
def base() -> adl.Problem:
    return adl.synthetic.problem(100, 5, scenarios=500, seed=0)


def test_evar_of_losses_that_differ_by_orders() -> None:
    """Clarabel ends without an answer on the exponential cone in every unit of money."""
    problem = adl.synthetic.problem(100, 5, scenarios=500, objective=adl.EVaR(0.95), seed=0)
    solution = priced(adl.solve(problem, "conic"))
    assert solution.status == "optimal"
    assert solution.gap <= 1e-8
    cvar = priced(adl.solve(problem.with_changes(objective=adl.CVaR(0.95)), "conic"))
    worst = priced(adl.solve(problem.with_changes(objective=adl.WorstCase()), "conic"))
    assert cvar.lower_bound <= solution.value <= worst.value * (1 + 1e-9)


@pytest.mark.parametrize("exponent", range(-9, 4))
def test_entropic_over_twelve_orders_of_theta(base: adl.Problem, exponent: int) -> None:
    mean = priced(adl.solve(base)).value
    problem = base.with_changes(objective=adl.Entropic(10.0**exponent / mean))
    solution = priced(adl.solve(problem, "conic"))
    assert solution.status == "optimal"
    assert solution.gap <= 1e-8
    assert solution.value >= mean * (1 - 1e-12)


def wave(level: float, seed: int, scenarios: int) -> adl.Problem:
    if not WAVE.exists():
        pytest.skip(f"the accounts are not at {WAVE}")
    table = pd.read_csv(WAVE, dtype={"account": str})
    table["equity"] = table.groupby("account")["equity"].transform("first")
    marks = table.groupby("asset")["mark"].first()
    rows = table.groupby(["account", "asset"], as_index=False)
    book = adl.Book.from_frame(
        rows.agg(size=("size", "sum"), equity=("equity", "first")), marks=marks
    )
    interest = book.open_interest
    side = np.where(interest["short"] >= interest["long"], -interest["short"], interest["long"])
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=(scenarios, 1)), rng.normal(size=(scenarios, len(side)))
    mixing = np.sqrt(4 / rng.chisquare(4, (scenarios, 1)))
    returns = np.expm1(0.14 * mixing * (common + own))
    return adl.Problem(
        book,
        dict(zip(interest.index, 0.3 * side, strict=True)),
        prices=adl.Scenarios(returns=returns, assets=list(interest.index)),
        objective=adl.EVaR(level),
    )


@pytest.mark.parametrize(
    ("level", "seed", "scenarios"),
    [(0.9, 0, 300), (0.95, 1, 600), (0.99, 2, 600), (0.9, 3, 1000), (0.95, 4, 1000)],
)
def test_evar_of_real_accounts(level: float, seed: int, scenarios: int) -> None:
    solution = priced(adl.solve(wave(level, seed, scenarios), "conic"))
    assert solution.status == "optimal"
    assert solution.gap <= 1e-7


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_the_cone_program(seed: int) -> None:
    """Where Clarabel solves the exponential cone, in a sum and with a fund too."""
    case = random_case(
        seed,
        ("cross", "mixed")[seed % 2],
        one_factor=False,
        reduced=2,
        twist="plain",
        fund=seed % 3 == 2,
    )
    objective = (
        adl.EVaR(0.8),
        adl.Entropic(1e-3),
        0.5 * adl.EVaR(0.5) + 0.5 * adl.CVaR(0.7),
        adl.Semideviation(0.5, 2) + 0.3 * adl.Entropic(1e-4),
    )[seed % 4]
    problem = case.problem(objective)
    solution = priced(adl.solve(problem, "conic"))
    by_cone = priced(adl.solve(problem, "conic", solver="CLARABEL"))
    before = objective.value(losses_beyond_fund(problem, None), problem.scenarios.weights)
    assert solution.status == "optimal"
    assert solution.value <= by_cone.value * (1 + 1e-7) + 1e-9 * before
    assert by_cone.lower_bound <= solution.value * (1 + 1e-9) + 1e-9 * before


@pytest.mark.parametrize("measure", [adl.EVaR(0.7), adl.Entropic(0.5), adl.Entropic(1e-6)], ids=str)
def test_model_is_the_second_order_expansion(measure: adl.Objective) -> None:
    """Values along random directions differ from the measure by the cube of the step."""
    import cvxpy as cp

    rng = np.random.default_rng(3)
    weights = rng.dirichlet(np.ones(20))
    loss = rng.exponential(size=20)
    model = measure.local_model(loss, weights)
    assert model is not None
    direction = rng.normal(size=20)
    errors = []
    for step in (1e-1, 1e-2):
        point = cp.Constant(loss + step * direction)
        program = cp.Problem(cp.Minimize(model.expression(point, 1.0, np.zeros(20))))
        program.solve(solver=cp.CLARABEL)
        errors.append(abs(program.value - measure.value(loss + step * direction, weights)))
    assert errors[0] <= 1e-2
    assert errors[1] <= max(5e-3 * errors[0], 2e-8)


def test_relative_entropy_keeps_the_digits_of_small_tilts() -> None:
    weights = np.full(4, 0.25)
    direction = np.array([1.0, -1.0, 0.5, -0.5])
    for size in (1e-2, 1e-5, 1e-8):
        entropy = relative_entropy(weights * (1 + size * direction), weights)
        expansion = size**2 * (weights @ direction**2) / 2
        assert entropy == pytest.approx(expansion, rel=2 * size)


@pytest.mark.parametrize(
    "objective", [adl.EVaR(0.95), adl.CVaR(0.9), adl.ChiSquareRobust(1.0)], ids=str
)
def test_time_limit(objective: adl.Objective) -> None:
    """At the limit the best allocation so far comes back with its bound, and says so."""
    problem = adl.synthetic.problem(300, 5, scenarios=400, objective=objective, seed=1)
    solution = priced(adl.solve(problem, "conic", time_limit=1e-3))
    assert solution.status == "time_limit"
    assert solution.lower_bound <= solution.value
    patient = priced(adl.solve(problem, "conic", time_limit=60))
    assert patient.status == "optimal"
    assert solution.lower_bound <= patient.value <= solution.value * (1 + 1e-9)


@pytest.mark.parametrize("method", ["conic", "shadow_price"])
@pytest.mark.parametrize(
    "objective",
    [
        adl.CVaR(0.975),
        adl.EVaR(0.95),
        adl.ChiSquareRobust(0.5),
        adl.Semideviation(1.0, 2),
        adl.Expectile(0.8),
        adl.ExpectedLoss() + 0.5 * adl.EVaR(0.9),
    ],
    ids=str,
)
def test_other_objectives_on_real_accounts(objective: adl.Objective, method: str) -> None:
    problem = wave(0.9, 5, 500).with_changes(objective=objective)
    solution = priced(adl.solve(problem, method))
    assert solution.status == "optimal"
    assert solution.gap <= 1e-7


def test_a_frontier_is_proven_at_every_point() -> None:
    problem = adl.synthetic.problem(100, 4, scenarios=200, objective=adl.EVaR(0.95), seed=0)
    table = adl.frontier(problem, multiples=[0.5, 1.0, 1.5]).to_frame()
    assert (table["gap"] <= 1e-7).all()
    assert table["value"].notna().all()
