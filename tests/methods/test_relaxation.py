"""The least relaxation of constraints that no allocation meets, against a search and in closed
form.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model import constraints


@pytest.fixture(scope="module")
def problem() -> adl.Problem:
    return adl.synthetic.problem(40, assets=3, scenarios=50, reduce=0.25, seed=4)


def test_least_fraction_is_the_share_of_the_tightest_asset(problem: adl.Problem) -> None:
    least = float(
        np.max(np.abs(problem.required) / np.where(problem.available > 0, problem.available, 1.0))
    )
    with pytest.raises(adl.InfeasibleConstraints, match="% of each position must be allowed") as e:
        adl.solve(problem, constraints=constraints.at_most_fraction(problem, least / 2))
    ((number, relaxed),) = e.value.relaxations
    assert number == 1
    assert relaxed == pytest.approx(least, rel=1e-6)
    adl.solve(problem, constraints=f"at-most-fraction:{least * (1 + 1e-6)!r}")


def test_the_percentage_stated_is_feasible(problem: adl.Problem) -> None:
    with pytest.raises(adl.InfeasibleConstraints) as error:
        adl.solve(problem, constraints="at-most-account-fraction:0.01")
    percent = float(str(error.value).split("at least ")[1].split(" %")[0])
    adl.solve(problem, constraints=constraints.at_most_account_fraction(problem, percent / 100))
    tighter = constraints.at_most_account_fraction(problem, percent / 100 * 0.99)
    with pytest.raises(adl.InfeasibleConstraints):
        adl.solve(problem, constraints=tighter)


def test_each_of_two_constraints_may_give_way(problem: adl.Problem) -> None:
    both = [
        constraints.at_most_fraction(problem, 0.9),
        constraints.at_most_equity(problem, 1e-6),
    ]
    with pytest.raises(adl.InfeasibleConstraints) as error:
        adl.solve(problem, constraints=both)
    ((number, multiple),) = error.value.relaxations
    assert number == 2
    looser = [both[0], constraints.at_most_equity(problem, multiple * (1 + 1e-6))]
    adl.solve(problem, constraints=looser)


def test_functions_of_the_users_are_relaxed_relative_to_their_size() -> None:
    table = pd.DataFrame(
        {"account": ["a", "b"], "asset": "X", "size": [4.0, 6.0], "equity": [10.0, 10.0]}
    )
    book = adl.Book.from_frame(table, marks={"X": 10.0})
    problem = adl.Problem(book, {"X": 5.0}, prices=adl.Scenarios([[5.0], [12.0]]))
    with pytest.raises(adl.InfeasibleConstraints, match=r"constraint 1 .* by 0\.25 of its size"):
        adl.solve(problem, constraints=lambda x: cp.sum(x) <= 2.5)  # its largest side is 10
    # neither alone suffices, both together do
    with pytest.raises(adl.InfeasibleConstraints, match="all must be relaxed") as error:
        adl.solve(problem, constraints=[lambda x: x[0] <= -1.0, lambda x: x[1] <= -1.0])
    assert error.value.relaxations == []


def test_feasible_constraints_pass(problem: adl.Problem) -> None:
    from adlopt.methods.relaxation import require_feasible

    require_feasible(problem, (constraints.at_most_fraction(problem, 0.9),))


def test_named_constraints(problem: adl.Problem) -> None:
    by_name = adl.solve(problem, constraints="at_most_fraction:0.9")
    by_function = adl.solve(problem, constraints=constraints.at_most_fraction(problem, 0.9))
    assert by_name.value == by_function.value
    for text, pattern in (
        ("at-most-luck:1", "'at-most-luck:1' is unknown"),
        ("at-most-fraction:x", "'x' is not a number"),
        ("at-most-fraction:2", r"must lie in \[0, 1\]"),
        ("hedged-together:A0", "not a pair of assets"),
    ):
        with pytest.raises(adl.InputError, match=pattern):
            adl.solve(problem, constraints=text)


def test_studies_take_constraints(problem: adl.Problem) -> None:
    limit = constraints.at_most_fraction(problem, 0.8)
    solution = adl.solve(problem, constraints=limit)
    assert adl.certify(problem, solution, constraints=limit).gap <= 1e-6
    assert adl.verify(problem, constraints=limit).agree
    study = adl.explore(problem, [adl.ExpectedLoss(), adl.CVaR(0.9)], constraints=limit)
    assert study.solutions["ExpectedLoss()"].value == pytest.approx(solution.value, rel=1e-6)
    comparison = adl.compare(
        problem, [adl.policies.ProRata(), adl.policies.MinimaxLeverage()], constraints=limit
    )
    assert comparison.lower_bound == pytest.approx(solution.value, rel=1e-6)
    assert comparison.feasibility["constraint_violation"].iloc[0] <= 1e-7
    assert comparison.feasibility["constraint_violation"].iloc[1] <= 1e-7
    assert comparison.feasibility["constraint_violation"].iloc[2] > 1e-3
    sweep = adl.frontier(problem, multiples=[1.0, 3.5], constraints=limit)
    assert sweep.table["status"].tolist() == ["optimal", "infeasible"]
    assert sweep.table["value"].iloc[0] == pytest.approx(solution.value, rel=1e-6)
    assert "must be allowed" in sweep.table["relaxation"].iloc[1]


def test_shadow_prices_after_another_highs_of_many_threads(problem: adl.Problem) -> None:
    """HiGHS keeps one pool of threads per process: what asks for another number of them fails."""
    adl.solve(problem, "conic", solver="HIGHS")
    assert adl.solve(problem, "shadow_price").status == "optimal"
