"""The standard error is one, and a tolerance for it is met, or said not to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model.losses import objective_value
from adlopt.solving import sampling_error as sampling


def problem(**options: object) -> adl.Problem:
    prices = adl.LogNormal(
        adl.examples.PAPER_VOLATILITY,
        adl.examples.PAPER_CORRELATION,
        adl.examples.PAPER_HORIZON,
        **options,
    )  # type: ignore[arg-type]
    return adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices)


def even(posed: adl.Problem) -> pd.DataFrame:
    return posed.positions.assign(reduction=-10.0 * posed.max_reduction / posed.max_reduction.sum())


def test_standard_error_is_that_of_independent_draws() -> None:
    """Estimated from 16 draws, and the spread over 60 others about the integral: within what 16 can
    tell.
    """
    posed = problem(points=256)
    error = adl.standard_error(posed, even(posed))
    exact = adl.Problem(
        posed.book,
        posed.reduction,
        adl.ExactLogNormal.from_lognormal(posed.prices, adl.examples.PAPER_MARKS),
    )
    truth = adl.certify(exact, even(exact)).value
    taken = even(posed)["reduction"].to_numpy()
    values = [objective_value(problem(points=256, seed=seed), taken) for seed in range(1, 61)]
    spread = float(np.sqrt(np.mean((np.array(values) - truth) ** 2)))
    assert 0.5 < error / spread < 2.0
    assert adl.standard_error(posed, even(posed)) == error  # seeded
    assert adl.standard_error(problem(points=2**12), even(posed)) < error


def test_nothing_drawn_no_error() -> None:
    book = adl.examples.paper_book()
    for prices in (
        adl.OneFactor(adl.examples.paper_direction()),
        adl.Scenarios(returns=[[0.1, 0.1], [-0.1, -0.1]]),
    ):
        posed = adl.Problem(book, {"BTC": -10.0}, prices)
        assert adl.standard_error(posed, even(posed)) == 0.0
    mixed = adl.Mixture(
        [(problem(points=256).prices, 0.5), (adl.Scenarios(returns=[[0.2, 0.2]]), 0.5)]
    )
    assert adl.standard_error(adl.Problem(book, {"BTC": -10.0}, mixed), even(posed)) > 0
    with pytest.raises(adl.InputError, match="two draws at least"):
        adl.standard_error(posed, even(posed), replicates=1)


@pytest.mark.parametrize("objective", [adl.ExpectedLoss(), adl.CVaR(0.9)])
def test_tolerance_is_met(objective: adl.Objective) -> None:
    posed = problem(points=64, tolerance=0.01)
    posed = adl.Problem(posed.book, posed.reduction, posed.prices, objective)
    solution = adl.solve(posed)
    assert solution.status == "optimal"
    assert 0 < solution.standard_error <= 0.01 * solution.value
    assert "standard error" in str(solution.details)
    assert "standard error" in repr(solution)
    assert adl.solve(problem(points=64)).standard_error is None


def test_where_it_cannot_be_met_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "MOST_POINTS", 256)
    solution = adl.solve(problem(points=64, tolerance=1e-6))
    assert solution.status == "unproven"
    assert "with 256 points: still above the tolerance 1e-06" in str(solution.details)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan])
def test_bad_tolerance(tolerance: float) -> None:
    with pytest.raises(adl.InputError, match=r"LogNormal.*tolerance"):
        problem(tolerance=tolerance)
