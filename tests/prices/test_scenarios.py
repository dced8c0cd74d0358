"""Prices, returns, and whose column is whose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl

ASSETS, MARKS = pd.Index(["A", "B", "C"]), np.array([10.0, 1.0, 5.0])
PRICES = np.array([[11.0, 0.5, 6.0], [9.0, 2.0, 4.0]])
MOVES = PRICES - MARKS
FRAME = pd.DataFrame(PRICES, columns=ASSETS)
RETURNS = pd.DataFrame(PRICES / MARKS - 1, columns=ASSETS)


@pytest.mark.parametrize(
    "model",
    [
        adl.Scenarios(PRICES),
        adl.Scenarios(PRICES.tolist()),
        adl.Scenarios(FRAME),
        adl.Scenarios(FRAME[["C", "A", "B"]]),
        adl.Scenarios(FRAME.assign(D=1.0)[["D", "B", "C", "A"]]),
        adl.Scenarios(PRICES[:, ::-1], assets=["C", "B", "A"]),
        adl.Scenarios(returns=PRICES / MARKS - 1),
        adl.Scenarios(returns=RETURNS[["B", "C", "A"]]),
    ],
)
def test_every_form_gives_the_same_moves(model: adl.Scenarios) -> None:
    moves, weights = model.scenarios(ASSETS, MARKS)
    np.testing.assert_allclose(moves, MOVES, rtol=1e-12, atol=1e-15)
    assert weights.tolist() == [0.5, 0.5]


def test_weights_follow_the_rows() -> None:
    assert adl.Scenarios(FRAME, weights=[0.25, 0.75]).scenarios(ASSETS, MARKS).weights.tolist() == [
        0.25,
        0.75,
    ]


def test_later_changes_of_the_array_do_not_matter() -> None:
    given = PRICES.copy()
    model = adl.Scenarios(given)
    given[:] = np.nan
    np.testing.assert_array_equal(model.scenarios(ASSETS, MARKS).moves, MOVES)


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 2, 2)])
def test_shapes_that_are_no_table(shape: tuple[int, ...]) -> None:
    with pytest.raises(adl.InputError, match="row per scenario"):
        adl.Scenarios(np.ones(shape))


def test_two_columns_of_one_name() -> None:
    with pytest.raises(adl.InputError, match="different asset names"):
        adl.Scenarios(np.ones((2, 2)), assets=["A", "A"])
