"""Cross-evaluation of objectives."""

from __future__ import annotations

import numpy as np
import pytest

import adlopt as adl
from tests.typed import untyped


def test_diagonal_is_smallest_and_table_is_what_evaluate_says() -> None:
    problem = adl.synthetic.problem(30, assets=3, scenarios=150, seed=7)
    objectives = [
        adl.ExpectedLoss(),
        adl.CVaR(0.9),
        adl.CVaR(0.99),
        adl.ExpectedLoss() + 0.5 * adl.CVaR(0.99),
    ]
    study = adl.explore(problem, objectives)
    values = study.table.to_numpy()
    assert values.shape == (4, 4)
    assert (np.diag(values) <= values.min(axis=0) * (1 + 1e-6)).all()
    assert not np.allclose(values[0], values[2], rtol=1e-3)  # the objectives do disagree
    for row, solution in zip(values, study.solutions.values(), strict=True):
        assert solution.status == "optimal"
        model = adl.to_cvxpy(problem)
        model.var_dict["fraction"].value = solution.allocation["fraction"].to_numpy()
        np.testing.assert_allclose(
            row, [o.evaluate(model.loss.value) for o in objectives], rtol=1e-9
        )
    assert study.fractions.shape == (len(problem.positions), 4)
    assert list(study.reduced.columns) == [
        "accounts_reduced",
        "fully_closed",
        "max_fraction",
        "gap",
        "status",
    ]
    assert "CVaR(level=0.99)" in repr(study)
    assert study._repr_html_().count("<table") == 1
    assert list(study.reduced["status"]) == ["optimal"] * 4


def test_refusals() -> None:
    problem = adl.synthetic.problem(10, assets=2, scenarios=20)
    with pytest.raises(adl.InputError, match="at least one"):
        adl.explore(problem, [])
    for wrong in (5, None, "cvar:0.99", [5]):
        with pytest.raises(adl.InputError, match=r"objective"):
            untyped.explore(problem, wrong)
    bare = adl.Problem(problem.book.with_margin("isolated"), problem.reduction)
    with pytest.raises(adl.NotApplicable, match="no price model"):
        adl.explore(bare, [adl.ExpectedLoss()])


def test_same_objective_twice_is_told_apart() -> None:
    problem = adl.synthetic.problem(10, assets=2, scenarios=40)
    table = adl.explore(problem, [adl.CVaR(0.9), adl.CVaR(0.9)])
    assert list(table.to_frame().index) == ["CVaR(level=0.9) (1)", "CVaR(level=0.9) (2)"]
