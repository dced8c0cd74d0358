"""Further criteria: each stage against linear programs with the earlier optima fixed."""

from __future__ import annotations

import contextlib
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import adlopt as adl
from tests.typed import cell, priced

LEVEL = 0.8
S = 12


def small(seed: int) -> adl.Problem:
    """Six accounts in two assets, twelve scenarios, CVaR: many optima."""
    rng = np.random.default_rng(seed)
    rows = []
    for account in range(6):
        equity = rng.uniform(5.0, 60.0)
        for asset in ("A", "B"):
            if rng.random() < 0.75 or asset == "A":
                size = rng.uniform(0.2, 3.0) * rng.choice([-1.0, 1.0, 1.0])
                rows.append((f"a{account}", asset, round(size, 3), equity))
    table = pd.DataFrame(rows, columns=["account", "asset", "size", "equity"])
    book = adl.Book.from_frame(table, marks={"A": 50.0, "B": 20.0})
    held = book.open_interest
    reduction = {
        asset: cell(held, asset, "long") * rng.uniform(0.2, 0.7)
        for asset in ("A", "B")
        if cell(held, asset, "long") > 0
    }
    prices = np.maximum(book.marks * (1 + rng.standard_t(3, size=(S, 2)) * 0.3), 0.5)
    return adl.Problem(book, reduction, prices=adl.Scenarios(prices), objective=adl.CVaR(LEVEL))


class Program:
    """The linear program of a small problem, written from the model with scipy alone.

    Columns: reductions as fractions (e), shortfalls (n S), threshold t, tails (S).
    """

    def __init__(self, problem: adl.Problem) -> None:
        book = problem.book
        self.e, n = problem.eligible.size, book.equity.size
        self.width = self.e + n * S + 1 + S
        rows, right = [], []
        for i in range(n):
            for s in range(S):
                # -V_i <= a_is, with V = E + (q - x).(P - p)
                row, start = np.zeros(self.width), -book.equity[i]
                for j in np.flatnonzero(book.pool == i):
                    move = problem.scenarios.moves[s, book.asset[j]]
                    start -= book.size[j] * move
                    at = problem.eligible_row[j]
                    if at >= 0:
                        row[at] = book.size[j] * move
                row[self.e + i * S + s] = -1.0
                rows.append(row)
                right.append(-start)
        for s in range(S):
            row = np.zeros(self.width)
            row[self.e + s : self.e + n * S : S] = 1.0
            row[self.e + n * S] = -1.0
            row[self.e + n * S + 1 + s] = -1.0
            rows.append(row)
            right.append(0.0)
        self.A, self.b = np.array(rows), np.array(right)
        self.A_eq = np.zeros((problem.reduced_assets.size, self.width))
        for at, k in enumerate(problem.reduced_assets):
            own = np.flatnonzero(problem.asset == k)
            self.A_eq[at, own] = problem.max_reduction[own] / problem.required[k]
        self.cvar = np.zeros(self.width)
        self.cvar[self.e + n * S] = 1.0
        self.cvar[self.e + n * S + 1 :] = 1.0 / (S * (1 - LEVEL))
        self.mean = np.zeros(self.width)
        self.mean[self.e : self.e + n * S] = 1.0 / S
        self.bounds = [(0.0, 1.0)] * self.e + [(0.0, None)] * (n * S) + [(None, None)]
        self.bounds += [(0.0, None)] * S

    def least(
        self, cost: np.ndarray, most: float | None = None, barred: tuple[int, ...] = ()
    ) -> float:
        A, b = self.A, self.b
        if most is not None:
            A, b = np.vstack([A, self.cvar]), np.append(b, most)
        bounds = [(0.0, 0.0) if j in barred else pair for j, pair in enumerate(self.bounds)]
        ones = np.ones(len(self.A_eq))
        found = linprog(cost, A, b, self.A_eq, ones, bounds=bounds, method="highs")
        return np.inf if found.status != 0 or found.fun is None else float(found.fun)


@pytest.mark.parametrize("seeds", [range(at, at + 25) for at in range(0, 200, 25)], ids=str)
def test_second_stage_is_the_linear_program_with_the_first_optimum_fixed(seeds: range) -> None:
    for seed in seeds:
        problem = small(seed)
        program = Program(problem)
        solution = adl.solve(problem, then=adl.ExpectedLoss())
        assert solution.stages is not None
        first, second = solution.stages.iloc[0], solution.stages.iloc[1]
        scale = max(objective_before(problem), 1.0)
        best = program.least(program.cvar)
        assert first["value"] == pytest.approx(best, rel=1e-6, abs=1e-7 * scale)
        # The stage may use its slack, and no more.
        exact = program.least(program.mean, most=best + 1e-9 * scale)
        with_slack = program.least(program.mean, most=first["value"] + first["slack"])
        assert second["value"] <= exact + 1e-6 * scale
        assert second["value"] >= with_slack - 1e-6 * scale
        assert first["final_value"] <= first["value"] + first["slack"]
        assert second["lower_bound"] <= with_slack + 1e-7 * scale
        assert second["status"] == "optimal"


def objective_before(problem: adl.Problem) -> float:
    losses = np.maximum(
        -(problem.book.equity[:, None] + problem.size_matrix(None) @ problem.moves), 0.0
    ).sum(axis=0)
    return problem.objective.value(losses, problem.scenarios.weights)


@pytest.mark.parametrize("seed", range(12))
def test_fewest_accounts_by_brute_force(seed: int) -> None:
    problem = small(seed)
    program = Program(problem)
    solution = adl.solve(problem, then="fewest_accounts")
    assert solution.stages is not None
    stage = solution.stages.iloc[1]
    first = solution.stages.iloc[0]
    owner = problem.positions["account"].to_numpy()
    names = sorted(set(owner))
    fewest = None
    for count in range(1, len(names) + 1):
        for kept in combinations(names, count):
            barred = tuple(np.flatnonzero(~np.isin(owner, kept)).tolist())
            if program.least(program.cvar, barred=barred) <= first["value"] + first["slack"]:
                fewest = count
                break
        if fewest is not None:
            break
    assert stage["value"] == fewest
    assert stage["lower_bound"] <= fewest
    assert stage["status"] == "optimal"
    assert solution.reduced["account"].nunique() == fewest


def test_smallest_fraction_is_a_cap() -> None:
    problem = small(5)
    solution = adl.solve(problem, then=["smallest_fraction", adl.ExpectedLoss()])
    assert solution.stages is not None
    most = cell(solution.stages, 1, "value")
    assert solution.allocation["fraction"].max() <= most + 2e-7
    capped = adl.Problem(
        problem.book,
        problem.reduction,
        prices=problem.prices,
        objective=problem.objective,
        caps=problem.positions[["account", "asset"]].assign(fraction=most * (1 - 1e-3)),
    )
    with contextlib.suppress(adl.InfeasibleReduction):
        assert priced(adl.solve(capped)).value > cell(solution.stages, 0, "value")


def test_criteria_that_are_none() -> None:
    problem = small(1)
    with pytest.raises(adl.InputError, match="objective"):
        adl.solve(problem, then="fewest_coins")
    with pytest.raises(adl.InputError, match="then: 5 is not a criterion"):
        adl.solve(problem, then=5)


def test_closed_forms_keep_their_value() -> None:
    problem = adl.examples.paper_problem()
    alone = adl.solve(problem)
    both = adl.solve(problem, then="fewest_accounts")
    assert both.value == pytest.approx(alone.value, rel=1e-6)
    assert both.stages is not None
    assert len(both.stages) == 2
