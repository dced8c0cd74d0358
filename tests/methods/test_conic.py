"""A real cvxpy problem: its loss expression, and constraints of the user's own."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
import scipy.stats

import adlopt as adl
from adlopt.methods.cvxpy_solver import solve_model
from adlopt.methods.repair import restore_feasibility
from adlopt.model.losses import losses_beyond_fund
from tests.support import TAME, Case, Reference, random_case
from tests.typed import priced


def case_of(seed: int) -> Case:
    return random_case(
        seed,
        ("cross", "mixed")[seed % 2],
        one_factor=False,
        reduced=2,
        twist="plain",
        settlement=seed % 3 == 1,
        fund=seed % 4 == 2,
    )


@pytest.mark.parametrize("presolve", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_user_constraint(seed: int, presolve: bool) -> None:
    """No position loses more than half, or than it must on average if that is more."""
    case = case_of(seed)
    problem = case.problem(adl.CVaR(0.8))
    model = adl.to_cvxpy(problem, presolve=presolve)
    assert isinstance(model, cp.Problem)
    size = np.abs(model.positions["size"].to_numpy())
    needed = max(
        abs(total) / size[(model.positions["asset"] == name).to_numpy()].sum()
        for name, total in case.reduction.items()
    )
    limit = max(0.5, (1 + needed) / 2)
    changed = cp.Problem(
        model.objective, [*model.constraints, cp.abs(model.allocation) <= limit * size]
    )
    changed.solve(solver=cp.CLARABEL)
    assert changed.status == cp.OPTIMAL
    x = np.asarray(model.allocation.value)
    assert (np.abs(x) <= limit * size * (1 + 1e-6)).all()
    assert changed.value >= priced(adl.solve(problem, "conic")).value * (1 - 1e-6) - 1e-9
    # The same through the front door.
    solution = adl.solve(problem, constraints=lambda allocation: cp.abs(allocation) <= limit * size)
    assert solution.value == pytest.approx(
        changed.value, rel=1e-5, abs=1e-6 * Reference(case).losses(None).max()
    )


@pytest.mark.parametrize("presolve", [True, False])
@pytest.mark.parametrize("seed", range(16))
def test_loss_expression(seed: int, presolve: bool) -> None:
    """At the optimum and at any other allocation within the boxes it is the exchange's loss."""
    case = random_case(
        seed,
        "mixed",
        one_factor=False,
        twist=TAME[seed % len(TAME)],
        reduced=2,
        settlement=seed % 3 == 1,
        fund=seed % 4 == 2,
    )
    problem = case.problem()
    model = adl.to_cvxpy(problem, presolve=presolve)
    model.solve(solver=cp.CLARABEL)
    (fraction,) = (variable for variable in model.variables() if variable.name() == "fraction")
    for point in (
        np.clip(fraction.value, 0.0, 1.0),
        np.random.default_rng(seed).random(fraction.size),
    ):
        fraction.value = point
        x = np.asarray(model.allocation.value)
        wanted = losses_beyond_fund(problem, x)
        np.testing.assert_allclose(
            model.loss.value,
            wanted,
            rtol=1e-8,
            atol=1e-9 * max(losses_beyond_fund(problem, None).max(), 1e-300),
        )


@pytest.mark.parametrize("seed", range(24))
def test_losses_of_the_package_are_those_of_the_tables(seed: int) -> None:
    case = random_case(
        seed, "mixed", one_factor=False, reduced=2, settlement=seed % 2 == 1, fund=seed % 3 == 1
    )
    reference = Reference(case)
    np.testing.assert_allclose(
        losses_beyond_fund(case.problem(), None),
        reference.losses(None),
        rtol=1e-9,
        atol=1e-12 * np.abs(reference.equity).max(),
    )


@pytest.mark.parametrize("seed", range(24))
def test_repair_keeps_boxes_and_sums(seed: int) -> None:
    """From any point, even far outside."""
    problem = random_case(seed, "mixed", one_factor=False, reduced=2).problem()
    rough = problem.max_reduction * np.random.default_rng(seed).normal(
        0.5, 1.0, problem.max_reduction.size
    )
    x = restore_feasibility(problem, rough)
    assert (np.abs(x) <= np.abs(problem.max_reduction)).all()
    assert (x * problem.max_reduction >= 0).all()
    sums = np.bincount(problem.asset, x, minlength=problem.required.size)
    np.testing.assert_allclose(sums, problem.required, rtol=1e-12)


HEAVY = adl.OneFactor(
    {"X": 1.66, "Y": 0.7}, shock=scipy.stats.t(df=3), points=32
)  # its outermost stratum is 40,000 deviations out


@pytest.mark.parametrize(
    "objective",
    [adl.ExpectedLoss(), adl.ExpectedLoss() + 0.5 * adl.CVaR(0.9), adl.Semideviation(0.5, 2)],
)
def test_strata_of_heavy_tails(objective: adl.Objective) -> None:
    """Losses over ten orders of magnitude stall Clarabel in units of the typical one; the answer is
    still proven.
    """
    table = pd.DataFrame(
        {"account": ["a", "b"], "asset": "Y", "size": [20.0, 180.0], "equity": [35.0, 1350.0]}
    )
    rest = pd.DataFrame({"account": ["c"], "asset": ["X"], "size": [9.4], "equity": [290.0]})
    book = adl.Book.from_frame(
        pd.concat([table, rest], ignore_index=True), marks={"X": 18.0, "Y": 20.0}
    )
    problem = adl.Problem(
        book, {"Y": 123.0, "X": 9.4}, prices=HEAVY, objective=objective, insurance_fund=50.0
    )
    solution = adl.solve(problem, "conic")
    assert solution.status == "optimal"
    assert solution.value == pytest.approx(adl.solve(problem, "water_filling").value, rel=1e-6)


@pytest.mark.parametrize(
    "objective",
    [adl.Expectile(0.9), adl.Spectral([0.2, 0.9], [0.4, 0.6]), adl.Semideviation(0.5, 2)],
    ids=str,
)
def test_optimal_is_not_taken_on_trust(objective: adl.Objective) -> None:
    """Clarabel calls answers optimal that are 5 % off here: what can be proven decides which
    attempt is returned.
    """
    table = pd.DataFrame(
        [
            ("a", "X", 30.0, 900.0),
            ("a", "Y", -40.0, 900.0),
            ("b", "X", 55.0, 700.0),
            ("b", "Y", 80.0, 700.0),
            ("c", "X", 20.0, 30.0),
            ("c", "Y", 9.0, 30.0),
            ("d", "Y", 70.0, 300.0),
        ],
        columns=["account", "asset", "size", "equity"],
    )
    problem = adl.Problem(
        adl.Book.from_frame(table, marks={"X": 18.0, "Y": 20.0}),
        {"X": 60.0, "Y": 90.0},
        prices=HEAVY,
        objective=objective,
        settlement={"X": 17.0, "Y": 20.5},
    )
    assert adl.solve(problem, "conic").status == "optimal"


def uneven_books() -> list[adl.Problem]:
    """Books of 231 accounts whose equities differ by six orders of magnitude."""
    return [
        adl.synthetic.problem(231, 4, held=2, scenarios=300, objective=objective, seed=seed)
        for seed, objective in enumerate(
            [adl.ExpectedLoss(), adl.CVaR(0.975), adl.Expectile(0.9), adl.WorstCase()]
        )
    ]


@pytest.mark.parametrize("problem", uneven_books(), ids=lambda problem: str(problem.objective))
def test_a_linear_program_is_proven(problem: adl.Problem) -> None:
    """Clarabel's answer is judged by its certificate; HiGHS makes the second attempt."""
    solution = priced(adl.solve(problem, "conic"))
    assert solution.status == "optimal"
    assert solution.gap <= 1e-7


def test_the_second_attempt_is_made_by_highs(monkeypatch: pytest.MonkeyPatch) -> None:
    from adlopt.methods import conic

    problem = uneven_books()[1]
    solvers: list[str | None] = []

    def spy(
        model: object,
        solver: str | None,
        options: dict[str, Any],
        *,
        time_limit: float | None = None,
    ) -> None:
        solvers.append(solver)
        if solver is None:  # a poor answer that calls itself optimal
            options = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-2)
        solve_model(model, solver, options, time_limit=time_limit)

    monkeypatch.setattr(conic, "solve_model", spy)
    solution = priced(adl.solve(problem, "conic"))
    assert solvers[:2] == [None, cp.HIGHS]
    assert solution.gap <= 1e-7


def test_user_constraints_hold_at_the_answer() -> None:
    """Accounts that may lose nothing lose nothing."""
    problem = adl.synthetic.problem(80, 3, scenarios=200, objective=adl.CVaR(0.9), seed=3)
    spared = problem.positions["account"].isin(problem.positions["account"].unique()[:10])
    mask = spared.to_numpy(dtype=float)
    solution = adl.solve(
        problem,
        constraints=lambda allocation: cp.multiply(mask, allocation) == 0,
    )
    taken = solution.allocation.set_index(["account", "asset"])["reduction"]
    names = problem.positions.loc[spared, ["account", "asset"]]
    lost = taken.reindex(pd.MultiIndex.from_frame(names)).fillna(0.0).abs()
    assert (lost == 0).all()
    assert solution.status == "optimal"


def test_an_answer_that_breaks_a_constraint_is_not_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from adlopt.methods import conic

    problem = adl.synthetic.problem(30, 2, scenarios=50, objective=adl.CVaR(0.9), seed=3)
    monkeypatch.setattr(conic, "violation", lambda *_: 1e-3)
    with pytest.raises(adl.SolverFailed, match="violates your constraints"):
        adl.solve(problem, constraints=lambda allocation: cp.abs(allocation) <= 1e9)
