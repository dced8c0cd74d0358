"""The sampling error of a value: that of independent draws, never zero where it is unknown, and
reduced to a tolerance on request.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model.losses import objective_value
from adlopt.solving import sampling_error

PAPER_COVARIANCE = np.outer([67_000 * 0.6, 1_900 * 0.75], [67_000 * 0.6, 1_900 * 0.75]) * (
    np.array([[1.0, 0.85], [0.85, 1.0]]) * 10 / 365
)
DIRECTION = adl.examples.paper_direction()


def lognormal(points: int = 2**14, seed: int = 0) -> adl.LogNormal:
    return adl.examples.paper_lognormal(points, seed)


def posed(prices: adl.PriceModel, objective: adl.Objective | None = None) -> adl.Problem:
    return adl.Problem(
        adl.examples.paper_book(),
        {"BTC": -10.0},
        prices=prices,
        objective=objective or adl.ExpectedLoss(),
    )


def even(problem: adl.Problem) -> pd.DataFrame:
    reduction = -10.0 * problem.max_reduction / problem.max_reduction.sum()
    return problem.positions.assign(reduction=reduction)


def stress() -> adl.Stress:
    return adl.Stress({"squeeze": {"BTC": 0.3, "ETH": 0.2}})


class Drawn(adl.PriceModel, Protocol):
    """A price model that can be drawn anew."""

    def replicate(self, seed: int) -> adl.PriceModel: ...


DRAWN: dict[str, Drawn] = {
    "lognormal": lognormal(256),
    "gaussian": adl.Gaussian(PAPER_COVARIANCE, points=256),
    "student": adl.StudentT(PAPER_COVARIANCE, 3.0, points=256),
    "mixture": adl.Mixture([(adl.Gaussian(PAPER_COVARIANCE, points=256), 0.9), (stress(), 0.1)]),
    "mixture of mixtures": adl.Mixture(
        [(adl.Mixture([(lognormal(256), 1.0)]), 0.5), (stress(), 0.5)]
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_cvar_of_drawn_points_has_a_standard_error(name: str) -> None:
    """Of the same order as the spread of the value over 30 seeds, for every model that draws."""
    problem = posed(DRAWN[name], adl.CVaR(0.95))
    solution = adl.solve(problem)
    assert solution.status == "optimal"
    assert solution.standard_error is not None
    taken = solution.allocation["reduction"].to_numpy()
    seeds = [
        objective_value(problem.with_prices(DRAWN[name].replicate(100 + seed)), taken)
        for seed in range(30)
    ]
    assert 0.4 < solution.standard_error / np.std(seeds, ddof=1) < 2.5
    assert f"{solution.standard_error:,.8g}" in repr(solution)
    assert adl.standard_error(problem, solution) == pytest.approx(solution.standard_error)


def test_standard_error_is_that_of_independent_draws() -> None:
    """Estimated from 16 draws, and the spread over 60 others about the exact integral."""
    problem = posed(lognormal(256))
    error = adl.standard_error(problem, even(problem))
    assert error is not None
    exact = posed(adl.ExactLogNormal.from_lognormal(lognormal(256), adl.examples.PAPER_MARKS))
    truth = adl.certify(exact, even(exact)).value
    taken = even(problem)["reduction"].to_numpy()
    values = [objective_value(posed(lognormal(256, seed)), taken) for seed in range(1, 61)]
    spread = float(np.sqrt(np.mean((np.array(values) - truth) ** 2)))
    assert 0.5 < error / spread < 2.0
    assert adl.standard_error(problem, taken) == error  # seeded; arrays are read too
    more = posed(lognormal(2**12))
    finer = adl.standard_error(more, even(more))
    assert finer is not None
    assert finer < error


@pytest.mark.parametrize(
    ("prices", "objective"),
    [
        (adl.OneFactor(DIRECTION), adl.ExpectedLoss()),
        (adl.OneFactor(DIRECTION, [-1.0, 1.0]), adl.CVaR(0.9)),
        (adl.Gaussian(PAPER_COVARIANCE), adl.ExpectedLoss()),
        (adl.StudentT(PAPER_COVARIANCE, 3.0), adl.ExpectedLoss()),
        (adl.Scenarios(returns=[[0.1, 0.1], [-0.1, -0.1]]), adl.CVaR(0.9)),
        (adl.Mixture([(stress(), 1.0)]), adl.CVaR(0.9)),
    ],
)
def test_exact_values_have_no_error(prices: adl.PriceModel, objective: adl.Objective) -> None:
    problem = posed(prices, objective)
    assert adl.standard_error(problem, even(problem)) == 0.0
    assert adl.solve(problem).standard_error == 0.0


def test_a_fund_makes_closed_forms_drawn() -> None:
    """With an insurance fund the pools' expected losses are not enough: points are drawn."""
    problem = replace(posed(adl.Gaussian(PAPER_COVARIANCE, points=256)), insurance_fund=1_000.0)
    assert sampling_error.valuation(problem) == "drawn"
    error = adl.solve(problem).standard_error
    assert error is not None
    assert error > 0


def test_strata_have_a_discretisation_error() -> None:
    """Of the size of the true one, against 2^16 strata, and smaller with more strata."""
    coarse = posed(adl.OneFactor(DIRECTION, points=64), adl.CVaR(0.9))
    fine = posed(adl.OneFactor(DIRECTION, points=2**16), adl.CVaR(0.9))
    solution = adl.solve(coarse)
    taken = solution.allocation["reduction"].to_numpy()
    truth = abs(objective_value(coarse, taken) - objective_value(fine, taken))
    assert solution.standard_error is not None
    assert truth / 3 < solution.standard_error < 3 * truth
    finer = posed(adl.OneFactor(DIRECTION, points=2**13), adl.CVaR(0.9))
    less = adl.standard_error(finer, taken)
    assert less is not None
    assert less < solution.standard_error / 10
    assert sampling_error.valuation(coarse) == "stratified"


class Silent:
    """A user's model that does not say where its scenarios come from."""

    def scenarios(self, assets: pd.Index[Any], marks: np.ndarray) -> adl.prices.ScenarioSet:
        moves = np.random.default_rng(0).normal(0, 0.1, (200, len(assets))) * marks
        return adl.prices.ScenarioSet(moves, np.full(200, 1 / 200))


def test_an_unknown_error_is_none_and_shown_as_unknown() -> None:
    for prices in (Silent(), adl.Mixture([(Silent(), 0.5), (stress(), 0.5)])):
        solution = adl.solve(posed(prices))
        assert solution.standard_error is None
        assert solution.summary()["standard error"] == "unknown"
        assert "unknown" in repr(solution)
    with pytest.raises(adl.InputError, match=r"Silent has no method refined"):
        adl.solve(posed(Silent()), sampling_tolerance=0.1)


def test_where_the_error_would_cost_much_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(sampling_error.SETTINGS, max_pairs=1)
    monkeypatch.setattr(sampling_error, "SETTINGS", few)
    problem = posed(lognormal(256))
    solution = adl.solve(problem)
    assert solution.standard_error is None
    error = adl.standard_error(problem, solution)
    assert error is not None
    assert error > 0


@pytest.mark.parametrize("name", ["lognormal", "student", "mixture of mixtures"])
@pytest.mark.parametrize("objective", [adl.ExpectedLoss(), adl.CVaR(0.9)], ids=str)
def test_sampling_tolerance_is_met(name: str, objective: adl.Objective) -> None:
    problem = posed(DRAWN[name], objective)
    solution = adl.solve(problem, sampling_tolerance=0.01)
    assert solution.status == "optimal"
    assert solution.value is not None
    assert solution.standard_error is not None
    assert 0 <= solution.standard_error <= 0.01 * solution.value
    if sampling_error.valuation(problem) == "drawn":
        assert solution.standard_error > 0
        assert "standard error" in solution.details["sampling"]


def test_sampling_tolerance_closes_the_gap_of_an_exact_value() -> None:
    """The value is an integral, and the allocation comes from points: the gap is what they cost."""
    prices = adl.ExactLogNormal.from_lognormal(lognormal(16), adl.examples.PAPER_MARKS)
    coarse, fine = adl.solve(posed(prices)), adl.solve(posed(prices), sampling_tolerance=1e-3)
    assert coarse.gap is not None
    assert fine.gap is not None
    assert fine.gap <= 1e-3 < coarse.gap
    assert fine.standard_error == 0.0


def test_a_tolerance_that_cannot_be_met_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(sampling_error.SETTINGS, max_scenarios=256)
    monkeypatch.setattr(sampling_error, "SETTINGS", few)
    solution = adl.solve(posed(lognormal(64)), sampling_tolerance=1e-6)
    assert solution.status == "unproven"
    assert "with 256 scenarios" in solution.details["sampling"]
    assert "still above the tolerance 1e-06" in solution.details["sampling"]


def test_sampling_tolerance_where_nothing_is_drawn() -> None:
    problem = posed(adl.OneFactor(DIRECTION))
    assert adl.solve(problem, sampling_tolerance=1e-9).value == adl.solve(problem).value
    isolated = adl.examples.paper_book().with_margin("isolated")
    assert adl.solve(adl.Problem(isolated, {"BTC": -5.0}), sampling_tolerance=0.1).value is None


@pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan, "x"])
def test_bad_sampling_tolerance(tolerance: Any) -> None:
    with pytest.raises(adl.InputError, match=r"sampling_tolerance"):
        adl.solve(posed(lognormal(64)), sampling_tolerance=tolerance)


def test_bad_replicates() -> None:
    with pytest.raises(adl.InputError, match="at least two"):
        adl.standard_error(posed(lognormal(64)), even(posed(lognormal(64))), replicates=1)


def test_a_wrong_statement_of_kind_is_refused() -> None:
    class Wrong(Silent):
        scenario_kind = "sampled"

    with pytest.raises(adl.InputError, match="scenario_kind is 'sampled'"):
        adl.solve(posed(Wrong()))
