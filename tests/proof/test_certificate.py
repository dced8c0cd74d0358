"""The lower bound is below every optimum, tight at optima, and infeasible allocations are refused
by name.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import Paper, Reference, random_allocation, random_case
from tests.typed import priced

MEASURES = [
    (adl.ExpectedLoss(), [(1.0, 0.0)]),
    (adl.CVaR(0.85), [(1.0, 0.85)]),
    (0.7 * adl.ExpectedLoss() + 0.6 * adl.CVaR(0.9), [(0.7, 0.0), (0.6, 0.9)]),
    (adl.Spectral([0.3, 0.8], [0.4, 0.6]), [(0.4, 0.3), (0.6, 0.8)]),
    (adl.WorstCase(), [(1.0, 1 - 1e-6)]),  # a tail lighter than any scenario is the worst of them
]


@pytest.mark.parametrize("seed", range(200))
def test_bound_is_below_the_optimum(seed: int) -> None:
    """Of 200 random books and allocations, in every kind of problem."""
    case = random_case(
        seed,
        ("cross", "mixed", "isolated")[seed % 3],
        one_factor=seed % 4 == 0,
        reduced=1 + seed % 2,
        settlement=seed % 5 == 1,
        fund=seed % 7 == 2,
        scenarios=25,
    )
    objective, terms = MEASURES[seed // 3 % 5]
    table = random_allocation(case, np.random.default_rng(seed))
    reference = Reference(case)
    proof = adl.certify(case.problem(objective), table)
    scale = reference.measure(reference.losses(None), terms)
    optimum = reference.optimum(terms)
    assert proof.value == pytest.approx(
        reference.measure(reference.losses(table["reduction"].to_numpy()), terms),
        rel=1e-9,
        abs=1e-9 * scale,
    )
    assert proof.lower_bound <= optimum + 1e-9 * max(scale, optimum), case.label
    assert optimum <= proof.value + 1e-9 * max(scale, optimum), case.label
    assert proof.excess >= 0


@pytest.mark.parametrize("seed", range(100))
def test_closed_forms_are_proven(seed: int) -> None:
    """Normal shock, exact expected loss: isolated and cross."""
    case = random_case(seed, ("isolated", "cross")[seed % 2])
    prices = adl.OneFactor(case.prices.direction)
    problem = adl.Problem(case.book, case.reduction, prices=prices, caps=case.caps)
    solution = priced(adl.solve(problem))
    assert solution.method in ("water_filling", "factor_leverage")
    assert solution.gap <= 1e-9, case.label
    assert adl.certify(problem, solution.allocation).gap <= 1e-9, case.label


@pytest.mark.parametrize("contracts", [-0.5, -5.0, -10.0, -20.0, -32.5])
def test_paper_is_proven(paper: Paper, contracts: float) -> None:
    problem = paper.one_factor(contracts)
    solution = adl.solve(problem)
    assert adl.certify(problem, solution.allocation).gap <= 1e-9


def test_bound_exposes_the_wrong_rule(paper: Paper) -> None:
    """Draining gross leverage takes from the hedged account 4: the certificate says how much that
    may cost.
    """
    problem = paper.one_factor(-10.0)
    best = priced(adl.solve(problem))
    proof = adl.certify(
        problem, pd.DataFrame({"account": ["3", "4"], "asset": "BTC", "reduction": [-3.0, -7.0]})
    )
    assert proof.value > 2 * best.value
    assert proof.lower_bound <= best.value
    assert "above the best possible" in str(proof)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("1", "BTC", -9.0), ("2", "BTC", -1.0)],
            r"row 0 .*'reduction'.*-9\.0 does not lie between 0",
        ),
        ([("1", "BTC", -11.0), ("2", "BTC", 1.0)], r"row 0"),
        ([("1", "BTC", -8.0), ("2", "BTC", 2.0), ("3", "BTC", -4.0)], r"row 1 .*account '2'"),
        ([("1", "BTC", -5.0)], r"sum to -5, required -10"),
        ([("1", "ETH", -10.0)], r"not eligible"),
        ([("9", "BTC", -10.0)], r"row 0 .*'account': '9' is not in the book"),
        ([("1", "SOL", -10.0)], r"'SOL' is not an asset"),
        ([("1", "BTC", -5.0), ("1", "BTC", -5.0)], r"row 1 .*given twice"),
        ([("1", "BTC", np.nan)], r"row 0 .*'reduction'.*nan is not a finite number"),
    ],
)
def test_infeasible_allocations_are_refused(
    paper: Paper, rows: list[tuple[str, str, float]], message: str
) -> None:
    table = pd.DataFrame(rows, columns=["account", "asset", "reduction"])
    with pytest.raises(adl.InputError, match=message):
        adl.certify(paper.one_factor(-10.0), table)


def test_both_margin_modes_need_the_column() -> None:
    positions = pd.DataFrame(
        {
            "account": ["a", "a"],
            "asset": "X",
            "size": [1.0, 2.0],
            "margin_mode": ["cross", "isolated"],
            "equity": [1.0, 1.0],
        }
    )
    problem = adl.Problem(
        adl.Book.from_frame(positions, marks={"X": 1.0}),
        {"X": 1.0},
        prices=adl.OneFactor({"X": 0.5}),
    )
    given = pd.DataFrame({"account": ["a"], "asset": ["X"], "reduction": [1.0]})
    with pytest.raises(adl.InputError, match="margin_mode"):
        adl.certify(problem, given)
    assert adl.certify(problem, given.assign(margin_mode="isolated")).value > 0


def test_no_price_model_is_not_applicable(paper: Paper) -> None:
    problem = adl.Problem(paper.book.with_margin("isolated"), {"BTC": -10.0})
    with pytest.raises(adl.NotApplicable, match="no price model"):
        adl.certify(problem, adl.solve(problem).allocation)
