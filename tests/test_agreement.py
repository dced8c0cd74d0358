"""Every method against the conic solver and against a linear program written apart from the
package.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import Case, Reference, close, random_case
from tests.typed import priced

MEASURES = [
    (adl.ExpectedLoss(), [(1.0, 0.0)]),
    (adl.CVaR(0.9), [(1.0, 0.9)]),
    (adl.ExpectedLoss() + 0.5 * adl.CVaR(0.8), [(1.0, 0.0), (0.5, 0.8)]),
]


def check_feasible(case: Case, solution: adl.Solution) -> None:
    rows = solution.allocation
    room = rows["size"].abs().to_numpy()
    if case.caps is not None:
        given = case.caps.set_index(["account", "asset", "margin_mode"])["cap"].to_dict()
        keys = zip(rows["account"], rows["asset"], rows["margin_mode"], strict=True)
        room = np.minimum(room, [given.get(key, np.inf) for key in keys])
    assert (rows["reduction"] * np.sign(rows["size"]) >= 0).all()
    assert (rows["reduction"].abs() <= room).all()
    sums = rows.groupby("asset")["reduction"].sum()
    for name, required in case.reduction.items():
        assert sums[name] == pytest.approx(required, rel=1e-9)


@pytest.mark.parametrize("margin", ["isolated", "cross", "mixed"])
@pytest.mark.parametrize("seed", range(50))
def test_fast_path_clarabel_and_linear_program(margin: str, seed: int) -> None:
    """One factor, its sample as scenarios: three roads, one value."""
    case = random_case(seed, margin)
    objective, terms = MEASURES[seed // 12 % 2]
    problem = case.problem(objective)
    reference = Reference(case)
    before, optimum = reference.measure(reference.losses(None), terms), reference.optimum(terms)
    solution = priced(adl.solve(problem))
    assert solution.method in ("water_filling", "factor_leverage")
    check_feasible(case, solution)
    assert close(solution.value, optimum, before), case.label
    assert solution.gap <= 1e-9, case.label
    check = adl.verify(problem)
    assert check.agree, f"{case.label}: {check}"
    assert check.before == pytest.approx(before, rel=1e-9)
    assert close(check.value, optimum, before), case.label
    assert close(check.check_value, optimum, before), case.label


@pytest.mark.parametrize("seed", range(72))
def test_conic_and_linear_program(seed: int) -> None:
    """Several risks, several assets to be reduced, caps, settlement off the mark, an insurance
    fund.
    """
    case = random_case(
        seed,
        ("cross", "mixed", "isolated")[seed % 3],
        one_factor=False,
        reduced=1 + seed % 3,
        settlement=seed // 2 % 2 == 1,
        fund=seed // 4 % 2 == 1,
    )
    objective, terms = MEASURES[seed // 3 % 3]
    reference = Reference(case)
    before, optimum = reference.measure(reference.losses(None), terms), reference.optimum(terms)
    solution = priced(adl.solve(case.problem(objective), method="conic"))
    check_feasible(case, solution)
    assert close(solution.value, optimum, before), case.label
    assert solution.lower_bound <= optimum + 1e-9 * max(before, optimum), case.label
    assert close(solution.value, solution.lower_bound, before), case.label


@pytest.mark.parametrize("seed", range(12))
def test_highs_and_clarabel(seed: int) -> None:
    """Another solver of cvxpy's, by name, gives the same."""
    case = random_case(seed, "mixed", one_factor=False, reduced=2)
    first, second = (
        priced(adl.solve(case.problem(adl.CVaR(0.7)), "conic", solver=name))
        for name in ("CLARABEL", "HIGHS")
    )
    reference = Reference(case)
    assert close(
        first.value, second.value, reference.measure(reference.losses(None), [(1.0, 0.7)])
    ), case.label


def test_paths_that_differ_only_in_account_order_agree() -> None:
    """Anonymity: permuting the rows permutes the allocation."""
    case = random_case(5, "isolated", twist="plain")
    shuffled = case.positions.sample(frac=1.0, random_state=3)
    keys = ["account", "asset", "margin_mode"]
    tables = [
        adl.solve(
            adl.Problem(adl.Book.from_frame(rows, case.accounts, marks=case.marks), case.reduction)
        ).allocation
        for rows in (case.positions, shuffled)
    ]
    first, second = (table.sort_values(keys)["reduction"].to_numpy() for table in tables)
    np.testing.assert_allclose(first, second, rtol=1e-12)


def test_solving_leaves_the_book_as_it_was() -> None:
    """Rows of a pool out of the assets' order: nothing may sort them in place."""
    case = random_case(14, "mixed")
    problem = case.problem()
    before = problem.book.to_frame()
    first = adl.solve(problem)
    adl.verify(problem)
    pd.testing.assert_frame_equal(problem.book.to_frame(), before)
    pd.testing.assert_frame_equal(adl.solve(problem).allocation, first.allocation)
