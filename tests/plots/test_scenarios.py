"""Exceedance curves and stressed probabilities, against counting by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt import plots
from tests.plots.reading import assert_readable, legend, line, stairs

MARK = 100.0
PRICES = [[90.0], [110.0], [150.0], [220.0], [260.0]]
WEIGHTS = [0.5, 0.2, 0.15, 0.1, 0.05]


def shorts(**options: Any) -> adl.Problem:
    """Two shorts of one contract with equity 50 and 100: they lose (P - 150)^+ and (P - 200)^+."""
    import pandas as pd

    table = pd.DataFrame(
        {"account": ["a", "b"], "asset": "A", "size": -1.0, "equity": [50.0, 100.0], "mark": MARK}
    )
    return adl.Problem(
        adl.Book.from_frame(table),
        {"A": -1.0},
        prices=adl.Scenarios(PRICES, weights=WEIGHTS),
        **options,
    )


def taking(problem: adl.Problem, first: float) -> pd.DataFrame:
    return problem.positions.assign(reduction=[-first, first - 1.0])


def test_exceedance_by_hand() -> None:
    problem = shorts(insurance_fund=30.0)
    ax = plots.loss_exceedance(problem, {"none": None, "all of a": taking(problem, 1.0)})
    # Before: 220 costs 70 + 20, 260 costs 110 + 60. Without a: 20 and 60.
    np.testing.assert_allclose(line(ax, "none"), [[90.0, 0.15], [170.0, 0.05]])
    np.testing.assert_allclose(line(ax, "all of a"), [[20.0, 0.15], [60.0, 0.05]])
    assert line(ax, "insurance fund")[:, 0].tolist() == [30.0, 30.0]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlim(), ax.get_ylim()) == ((10.0, 1000.0), (0.01, 1.0))
    assert legend(ax) == ["none", "all of a", "insurance fund"]
    assert_readable(ax.figure)


def test_exceedance_where_nothing_is_lost() -> None:
    problem = adl.Problem(shorts().book, {"A": -2.0}, prices=adl.Scenarios(PRICES, weights=WEIGHTS))
    ax = plots.loss_exceedance(problem, {"all": adl.solve(problem)})
    assert legend(ax) == ["all (no loss)"]
    assert_readable(ax.figure)


def test_exceedance_of_thousands() -> None:
    problem = adl.synthetic.problem(4000, assets=1, scenarios=200, seed=3)
    solution = adl.solve(problem)
    ax = plots.loss_exceedance(problem, {"no reduction": None, "optimal": solution})
    loss, exceeded = line(ax, "optimal").T
    # The area under the curve is the mean.
    assert np.diff(loss, prepend=0.0) @ exceeded == pytest.approx(solution.value, rel=1e-9)
    assert_readable(ax.figure)


def test_exceedance_refuses() -> None:
    problem = shorts()
    with pytest.raises(adl.InputError, match="at least one"):
        plots.loss_exceedance(problem, {})
    with pytest.raises(adl.InputError, match="reduction"):
        plots.loss_exceedance(
            problem, {"short of it": taking(problem, 1.0).assign(reduction=[-0.5, 0.0])}
        )
    with pytest.raises(adl.NotApplicable, match="price model"):
        plots.loss_exceedance(adl.Problem(problem.book, {"A": -1.0}), {"none": None})


def test_stressed_by_hand() -> None:
    problem = shorts(objective=adl.CVaR(0.9))
    ax = plots.stressed_probabilities(problem, taking(problem, 1.0))
    drawn = stairs(ax, "stressed: CVaR(level=0.9)")
    np.testing.assert_allclose(drawn.edges, [0, 0.5, 0.7, 0.85, 0.95, 1.0])
    # The worst tenth: 5 % at 260 whole, and half of the 10 % at 220.
    np.testing.assert_allclose(drawn.values, [0, 0, 0, 5, 10], atol=1e-12)
    assert line(ax, "physical")[:, 1].tolist() == [1.0, 1.0]
    assert ax.get_xlim() == pytest.approx((0.7, 1.0))
    assert "the worst 30 % are shown" in ax.get_xlabel()
    assert_readable(ax.figure)


def test_equal_losses_are_stressed_next_to_the_tail() -> None:
    problem = shorts(objective=adl.CVaR(0.5))
    ax = plots.stressed_probabilities(problem, taking(problem, 1.0))
    drawn = stairs(ax, "stressed: CVaR(level=0.5)")
    assert (np.diff(drawn.values) >= 0).all()
    assert np.diff(drawn.edges) @ drawn.values == pytest.approx(1.0)


def test_stressed_means_are_the_measure() -> None:
    problem = adl.synthetic.problem(
        4000, assets=1, scenarios=400, seed=4, objective=adl.Expectile(0.9)
    )
    solution = adl.solve(problem)
    ax = plots.stressed_probabilities(problem, solution)
    drawn = stairs(ax, "stressed: Expectile(tau=0.9)")
    stressed = np.diff(drawn.edges) * drawn.values
    assert stressed.sum() == pytest.approx(1.0)
    from adlopt.model.losses import scenario_losses

    losses = np.sort(scenario_losses(problem, solution.allocation["reduction"].to_numpy()))
    assert stressed @ losses == pytest.approx(solution.value, rel=1e-9)
    assert_readable(ax.figure)


def test_expected_loss_stresses_nothing() -> None:
    ax = plots.stressed_probabilities(shorts(), None)
    assert stairs(ax, "stressed: ExpectedLoss()").values == pytest.approx(1.0)
    assert ax.get_xlim() == pytest.approx((0.0, 1.0))
