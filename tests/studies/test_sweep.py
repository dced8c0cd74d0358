"""Sweeps give what solving each point anew gives."""

from __future__ import annotations

import numpy as np
import pytest

import adlopt as adl
from tests.typed import priced, untyped


def value(problem: adl.Problem) -> float:
    return priced(adl.solve(problem)).value


@pytest.fixture(scope="module")
def problem() -> adl.Problem:
    return adl.synthetic.problem(30, assets=3, scenarios=150, seed=2)


@pytest.mark.parametrize("method", ["auto", "conic"])
def test_reduction_sweep(problem: adl.Problem, method: str) -> None:
    multiples = np.linspace(0.2, 3.0, 8)
    table = adl.frontier(problem, multiples=multiples, method=method).table
    alone = [
        value(
            adl.Problem(
                problem.book,
                {k: m * q for k, q in problem.reduction.items()},
                prices=problem.prices,
            )
        )
        for m in multiples
    ]
    assert list(table["multiple"]) == list(multiples)
    assert (table["status"] == "optimal").all()
    np.testing.assert_allclose(table["value"], alone, rtol=2e-6)
    np.testing.assert_allclose(
        table["reduction_A0"], multiples * problem.reduction["A0"], rtol=1e-12
    )
    # Convex in the reduction: chords lie above the curve.
    middle = table["value"].to_numpy()[1:-1]
    assert (
        middle <= (table["value"].to_numpy()[:-2] + table["value"].to_numpy()[2:]) / 2 * (1 + 1e-6)
    ).all()


def test_fund_sweep(problem: adl.Problem) -> None:
    funds = [0.0, 50.0, 500.0, 5000.0]
    table = adl.frontier(problem, insurance_fund=funds).table
    alone = [
        value(adl.Problem(problem.book, problem.reduction, prices=problem.prices, insurance_fund=f))
        for f in funds
    ]
    np.testing.assert_allclose(table["value"], alone, rtol=2e-6)
    assert (np.diff(table["value"]) <= 0).all()


def test_level_sweep(problem: adl.Problem) -> None:
    levels = [0.0, 0.5, 0.9, 0.99]
    base = adl.Problem(
        problem.book, problem.reduction, prices=problem.prices, objective=adl.CVaR(0.9)
    )
    table = adl.frontier(base, level=levels).table
    alone = [
        value(
            adl.Problem(
                problem.book, problem.reduction, prices=problem.prices, objective=adl.CVaR(level)
            )
        )
        for level in levels
    ]
    np.testing.assert_allclose(table["value"], alone, rtol=2e-6)
    assert (np.diff(table["value"]) > 0).all()


def test_closed_form_sweep_has_water_levels(problem: adl.Problem) -> None:
    isolated = adl.Problem(problem.book.with_margin("isolated"), {"A1": problem.reduction["A1"]})
    table = adl.frontier(isolated, multiples=[0.5, 1.0, 2.0]).table
    assert (table["method"] == "water_filling").all()
    assert (np.diff(table["water_level_A1"]) < 0).all()
    assert table["value"].isna().all()


def test_refusals(problem: adl.Problem) -> None:
    with pytest.raises(adl.InputError, match="sweep one of"):
        adl.frontier(problem)
    with pytest.raises(adl.InputError, match="sweep one of"):
        adl.frontier(problem, multiples=[1.0], insurance_fund=[1.0])
    with pytest.raises(TypeError):  # keyword-only after the second
        untyped.frontier(problem, None, [1.0])
    with pytest.raises(adl.InputError, match="no points"):
        adl.frontier(problem, multiples=[])
    with pytest.raises(adl.InputError, match="must be > 0"):
        adl.frontier(problem, multiples=[1.0, 0.0])
    with pytest.raises(adl.InfeasibleReduction):
        adl.frontier(problem, multiples=[1.0, 100.0])
    with pytest.raises(adl.InputError, match="needs the objective CVaR"):
        adl.frontier(problem, level=[0.5])
    with pytest.raises(adl.InputError, match="lie in"):
        adl.frontier(
            adl.Problem(
                problem.book, problem.reduction, prices=problem.prices, objective=adl.CVaR(0.9)
            ),
            level=[1.0],
        )


def test_one_style_of_result(problem: adl.Problem) -> None:
    sweep = adl.frontier(problem, multiples=[0.5, 1.0], progress=reversed)
    assert sweep.swept == "multiple"
    assert sweep.table["multiple"].tolist() == [1.0, 0.5]
    assert sweep.to_frame() is not sweep.table
    assert "sweep of multiple, 2 points" in repr(sweep)
    assert "<table" in sweep._repr_html_()
    with pytest.raises(AttributeError):
        sweep.swept = "level"  # type: ignore[misc]
