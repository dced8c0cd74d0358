"""What `solve` picks and what a solution says of itself."""

from __future__ import annotations

import pandas as pd
import pytest

import adlopt as adl
from tests.support import Paper, random_case


def test_auto_prefers_the_fastest_that_applies(paper: Paper) -> None:
    isolated = adl.Problem(paper.book.with_margin("isolated"), {"BTC": -10.0})
    assert adl.solve(isolated).method == "water_filling"
    assert adl.solve(paper.one_factor(-10.0)).method == "factor_leverage"
    scenarios = adl.Problem(
        paper.book, {"BTC": -10.0}, prices=adl.Scenarios([[80_000.0, 1_800.0], [60_000.0, 2_100.0]])
    )
    assert adl.solve(scenarios).method == "shadow_price"


@pytest.mark.parametrize("seed", range(12))
def test_allocation_columns_belong_together(seed: int) -> None:
    rows = adl.solve(random_case(seed, "mixed").problem()).allocation
    pd.testing.assert_series_equal(
        rows["size"] - rows["reduction"], rows["remaining"], check_names=False
    )
    pd.testing.assert_series_equal(
        rows["reduction"] / rows["size"], rows["fraction"], check_names=False
    )
    assert (rows["leverage_after"] >= 0).all()


def test_solution_shows_itself(paper: Paper) -> None:
    solution = adl.solve(paper.one_factor(-10.0))
    assert "factor_leverage" in repr(solution)
    assert "<table" in solution._repr_html_()
    assert solution.reduced["fraction"].is_monotonic_decreasing
    with pytest.raises(AttributeError):
        solution.value = 0.0  # type: ignore[misc]


@pytest.mark.parametrize("margin", ["isolated", "cross"])
def test_insurance_fund_and_settlement_reach_the_value(margin: str) -> None:
    """A fund as large as every loss leaves none; a fund of nothing changes nothing."""
    case = random_case(12, margin, twist="plain")
    whole = adl.solve(case.problem())
    covered = adl.Problem(case.book, case.reduction, prices=case.prices, insurance_fund=1e12)
    assert adl.solve(covered).value == 0.0
    assert (
        adl.solve(
            adl.Problem(case.book, case.reduction, prices=case.prices, insurance_fund=0.0)
        ).value
        == whole.value
    )
