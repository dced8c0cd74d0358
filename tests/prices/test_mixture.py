"""A mixture's expectation is the mixture of expectations, and stress scenarios keep their names to
the end.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import cell, untyped

ASSETS, MARKS = pd.Index(["BTC", "ETH"]), np.array([67_000.0, 1_900.0])
CRASHES = {"crash": {"BTC": -0.30, "ETH": -0.40}, "squeeze": {"BTC": 0.25, "ETH": 0.1}}


def book() -> adl.Book:
    return adl.examples.paper_book()


def test_expected_loss_is_the_mixture_of_expected_losses() -> None:
    parts: list[tuple[adl.PriceModel, float]] = [
        (adl.examples.paper_lognormal(points=256), 0.7),
        (adl.Stress(CRASHES, weights=[0.25, 0.75]), 0.3),
    ]
    mixed = adl.Problem(book(), {"BTC": -10.0}, prices=adl.Mixture(parts))
    solution = adl.solve(mixed)
    assert solution.status == "optimal"
    single = [
        adl.certify(adl.Problem(book(), {"BTC": -10.0}, prices=model), solution.allocation).value
        for model, _ in parts
    ]
    assert solution.value == pytest.approx(0.7 * single[0] + 0.3 * single[1], rel=1e-12)


def test_names_survive_to_the_table_of_losses() -> None:
    days = pd.date_range("2024-01-01", periods=4, freq="D")
    history = adl.History(
        pd.DataFrame({"BTC": [1.0, 1.1, 1.0, 1.2], "ETH": [1.0, 1.2, 0.9, 1.0]}, index=days)
    )
    problem = adl.Problem(
        book(), {"BTC": -10.0}, prices=adl.Mixture([(history, 0.9), (adl.Stress(CRASHES), 0.1)])
    )
    solution = adl.solve(problem)
    table = adl.scenario_table(problem, solution.allocation).table
    assert list(table.index) == [*days[1:], "crash", "squeeze"]
    assert table["probability"].to_list() == pytest.approx([0.3] * 3 + [0.05] * 2)
    assert table["probability"] @ table["after"] == pytest.approx(solution.value)
    assert cell(table, "squeeze", "after") < cell(table, "squeeze", "before")
    # By hand: account 2 holds -10 BTC and 38.7 ETH, and has 85,300 + 65,440 - 7,740 of equity.
    moves = np.array([0.25 * 67_000, 0.1 * 1_900])
    equity = [
        137_500 + 8 * 5_000 + 323 * 200,
        143_000,
        75_400 + 8 * 13_000 + 326.2 * 4,
        43_900 + 7 * 13_143 - 190 * 100,
    ]
    sizes = np.array([[-8, -323], [-10, 38.7], [-8, -326.2], [-7, 190]])
    assert table.loc["squeeze", "before"] == pytest.approx(
        np.maximum(-(equity + sizes @ moves), 0).sum()
    )


def test_plain_scenarios_are_numbered() -> None:
    problem = adl.Problem(
        book(), {"BTC": -10.0}, prices=adl.Scenarios(returns=[[0.2, 0.1], [-0.1, 0.0]])
    )
    assert list(adl.scenario_table(problem, adl.solve(problem).allocation).table.index) == [0, 1]


def test_assets_that_a_scenario_does_not_name() -> None:
    moves, _ = adl.Stress({"crash": {"BTC": -0.5}}, others=-0.1).scenarios(ASSETS, MARKS)
    np.testing.assert_allclose(moves, [[-33_500.0, -190.0]])
    with pytest.raises(
        adl.InputError, match=r"scenario 'crash': no return of asset 'ETH'; add it, or give others"
    ):
        adl.Stress({"crash": {"BTC": -0.5}}).scenarios(ASSETS, MARKS)


def test_weights_by_name() -> None:
    assert adl.Stress(CRASHES, weights={"squeeze": 0.25, "crash": 0.75}).weights.tolist() == [
        0.75,
        0.25,
    ]


BAD = [
    (lambda: adl.Stress({}), r"give returns by scenario"),
    (lambda: adl.Stress({"crash": {"BTC": -30}}), r"'crash', asset 'BTC'.*percent"),
    (lambda: adl.Stress({"crash": {"BTC": np.nan}}), r"'crash', asset 'BTC': nan"),
    (lambda: untyped.Stress({"crash": -0.3}), r"scenario 'crash': -0.3 is not a mapping"),
    (lambda: adl.Stress(CRASHES, weights=[0.5, 0.6]), r"weights sum to 1.1"),
    (lambda: adl.Mixture([]), r"at least one price model"),
    (lambda: adl.Mixture([(adl.Stress(CRASHES), 0.5)]), r"sum to 0.5"),
    (lambda: untyped.Mixture([("normal", 1.0)]), r"'normal' is not a price model"),
    (lambda: untyped.Mixture([adl.Stress(CRASHES)]), r"give pairs"),
]


@pytest.mark.parametrize("bad", BAD, ids=[pattern[:30] for _, pattern in BAD])
def test_bad_input_is_named(bad: tuple[Callable[[], object], str]) -> None:
    make, pattern = bad
    with pytest.raises(adl.InputError, match=pattern):
        make()
