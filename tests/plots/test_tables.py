"""Comparisons, cross-evaluation and the optimal band."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt import plots
from adlopt.plots.tables import relative_excess
from tests.plots.reading import assert_readable, legend, pixels, points, stairs


def test_risk_against_concentration() -> None:
    policies = [f"rule {at}" for at in range(12)] + ["optimal"]
    table = pd.DataFrame(
        {"expected_loss": np.geomspace(1e6, 10, 13), "largest_share": np.linspace(1, 0.1, 13)},
        policies,
    )
    ax = plots.risk_against_concentration(
        table, risk="expected_loss", concentration="largest_share"
    )
    drawn = [(line.get_label(), *points(line)[0]) for line in ax.lines]
    assert drawn == list(zip(policies, table["largest_share"], table["expected_loss"], strict=True))
    # In grey, shape and filling alone tell policies apart.
    assert len({(line.get_marker(), line.get_fillstyle()) for line in ax.lines}) == len(policies)
    assert ax.get_yscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Largest share", "Expected loss")
    assert legend(ax) == policies
    assert_readable(ax.figure)
    close = plots.risk_against_concentration(
        table.iloc[:2], risk="expected_loss", concentration="largest_share"
    )
    assert close.get_yscale() == "linear"


def test_a_comparison_needs_no_columns_named() -> None:
    comparison = adl.compare(
        adl.synthetic.problem(6, assets=1, scenarios=20), [adl.policies.ProRata()]
    )
    ax = plots.risk_against_concentration(comparison)
    drawn = [(line.get_label(), *points(line)[0]) for line in ax.lines]
    names = ["Optimal", "ProRata(contracts)"]
    assert drawn == list(
        zip(
            names,
            comparison.concentration["accounts"],
            comparison.risk["objective"],
            strict=True,
        )
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Accounts", "Objective")
    assert_readable(ax.figure)


def test_risk_against_concentration_refuses() -> None:
    table = pd.DataFrame({"risk": [1.0, np.nan], "accounts": [1, 2]})
    with pytest.raises(adl.InputError, match="row 1, column 'risk': nan"):
        plots.risk_against_concentration(table, risk="risk", concentration="accounts")
    with pytest.raises(adl.InputError, match="column 'hhi' is missing"):
        plots.risk_against_concentration(table, risk="risk", concentration="hhi")
    with pytest.raises(adl.InputError, match="no rows"):
        plots.risk_against_concentration(table.iloc[:0], risk="risk", concentration="accounts")


def test_cross_evaluation() -> None:
    problem = adl.synthetic.problem(40, assets=3, scenarios=200, seed=7)
    objectives = [
        adl.ExpectedLoss(),
        adl.CVaR(0.9),
        adl.WorstCase(),
        adl.ExpectedLoss() + 0.5 * adl.CVaR(0.99),
    ]
    table = adl.explore(problem, objectives).table
    ax = plots.cross_evaluation(table)
    excess = table / table.min() - 1
    assert 0.01 < excess.to_numpy().max() < 1
    np.testing.assert_allclose(
        pixels(ax),
        100 * np.minimum(excess, excess.to_numpy().max()),
        rtol=1e-9,
        atol=1e-9,
    )
    assert [text.get_text() for text in ax.get_yticklabels()] == list(table.index)
    assert [text.get_text() for text in ax.get_xticklabels()] == list(table.columns)
    assert len(ax.texts) == 16
    assert ax.texts[0].get_text() == "0 %"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Measured by", "Minimized")
    assert_readable(ax.figure)


def test_cross_evaluation_of_zero_and_of_many() -> None:
    values = np.array([[0.0, 2.0, -1.0], [3.0, 1.0, -2.0], [0.0, 50.0, 1.0]])
    expected = [[0.0, 1.0, 0.5], [np.inf, 0.0, 0.0], [0.0, 49.0, 1.5]]
    np.testing.assert_allclose(relative_excess(values), expected)
    ax = plots.cross_evaluation(
        pd.DataFrame(values, index=["x", "y", "z"], columns=["x", "y", "z"])
    )
    assert [text.get_text() for text in ax.texts] == [
        "0 %",
        "100 %",
        "50 %",
        "∞",
        "0 %",
        "0 %",
        "0 %",
        "4900 %",
        "150 %",
    ]
    assert pixels(ax).max() == 100.0
    assert_readable(ax.figure)
    names = [f"objective {at}" for at in range(40)]
    rng = np.random.default_rng(0)
    many = plots.cross_evaluation(
        pd.DataFrame(1 + rng.random((40, 40)), index=names, columns=names)
    )
    assert not many.texts
    assert_readable(many.figure)
    same = plots.cross_evaluation(pd.DataFrame([[2.0]], index=["x"], columns=["x"]))
    assert pixels(same).tolist() == [[0.0]]


@pytest.mark.parametrize("count", [4, 4000])
def test_optimal_band(count: int) -> None:
    rng = np.random.default_rng(count)
    most = np.exp(rng.normal(0, 1.5, count)) * (rng.random(count) < 0.8)
    least = most * rng.random(count)
    chosen = least + (most - least) * rng.random(count)
    names = [f"account {at}" for at in range(count)]
    # Shorts: reductions are negative, and the signed order is the other way round.
    ranges = pd.DataFrame({"account": names, "least": -least, "most": -most, "chosen": -chosen})
    ax = plots.optimal_band(ranges)
    band = stairs(ax, "optimal")
    order = np.arange(count) if count == 4 else np.lexsort((-least, -most))
    np.testing.assert_array_equal(band.values, most[order])
    np.testing.assert_array_equal(band.baseline, least[order])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), chosen[order])
    if count == 4:
        assert [text.get_text() for text in ax.get_xticklabels()] == [names[at] for at in order]
    else:
        assert ax.get_xlabel().startswith("4,000 accounts")
    assert ax.get_ylabel() == "Reduction (contracts)"
    assert_readable(ax.figure)


def test_optimal_band_of_nothing_and_other_columns() -> None:
    ranges = pd.DataFrame({"low": [0.0], "high": [0.0], "x": [0.0]}, index=["_$only"])
    ax = plots.optimal_band(ranges, least="low", most="high", chosen="x")
    assert ax.get_ylim() == (0.0, 1.0)
    assert legend(plots.optimal_band(ranges, least="low", most="high")) == [
        "optimal"
    ]  # nothing chosen
    with pytest.raises(adl.InputError, match="column 'least' is missing"):
        plots.optimal_band(ranges)
