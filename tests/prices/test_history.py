"""Windows, weights and drift by hand; gaps in the data are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import untyped

DAYS = pd.date_range("2024-01-01", periods=7, freq="D")
PRICES = pd.DataFrame(
    {"BTC": [100, 110, 99, 120, 90, 100, 125.0], "ETH": [10, 9, 12, 11, 10, 8, 9.0]}, index=DAYS
)
ASSETS, MARKS = pd.Index(["ETH", "BTC"]), np.array([20.0, 200.0])


def test_overlapping_windows_by_hand() -> None:
    moves, weights = adl.History(PRICES, horizon=2).scenarios(ASSETS, MARKS)
    assert moves.shape == (5, 2)
    np.testing.assert_allclose(moves[0], [20 * (12 / 10 - 1), 200 * (99 / 100 - 1)])
    np.testing.assert_allclose(moves[-1], [20 * (9 / 10 - 1), 200 * (125 / 90 - 1)])
    np.testing.assert_allclose(weights, 0.2)


def test_windows_that_do_not_overlap_end_at_the_last_row() -> None:
    history = adl.History(PRICES, horizon=2, overlapping=False)
    assert list(history.names(ASSETS, MARKS)) == [DAYS[2], DAYS[4], DAYS[6]]
    np.testing.assert_allclose(history.returns[:, 0], [99 / 100 - 1, 90 / 99 - 1, 125 / 90 - 1])


def test_time_spans_count_the_same_rows() -> None:
    spans = adl.History(PRICES, "2D", half_life="3D")
    rows = adl.History(PRICES, 2, half_life=3)
    np.testing.assert_array_equal(spans.returns, rows.returns)
    np.testing.assert_allclose(spans.weights, rows.weights)
    assert rows.weights[-1] / rows.weights[-4] == pytest.approx(2.0)  # three rows older counts half
    assert rows.weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["simple", "log"])
def test_drift_is_taken_out_of_the_returns_named(kind: Literal["simple", "log"]) -> None:
    history = adl.History(PRICES, 1, returns=kind, half_life=2, drift=False)
    returns = history.returns if kind == "simple" else np.log1p(history.returns)
    np.testing.assert_allclose(history.weights @ returns, 0.0, atol=1e-15)
    simple = adl.History(PRICES, 1, returns="simple").returns
    np.testing.assert_array_equal(simple, adl.History(PRICES, 1, returns="log").returns)


def gap(row: int, column: str, value: Any) -> pd.DataFrame:
    table = PRICES.astype(object)
    table.loc[DAYS[row], column] = value
    return table


BAD = [
    (
        lambda: adl.History(gap(2, "ETH", np.nan)),
        r"History prices, row 2024-01-03.*'ETH': is missing; fill it",
    ),
    (lambda: adl.History(gap(2, "ETH", -1.0)), r"row 2024-01-03.*'ETH': -1.0 is not a price > 0"),
    (lambda: adl.History(gap(1, "BTC", "x")), r"row 2024-01-02.*'BTC': 'x' is not a number"),
    (lambda: adl.History(PRICES.drop(DAYS[3]), "1D"), r"no price at 2024-01-04 .*fill the gaps"),
    (lambda: adl.History(PRICES.iloc[::-1]), r"order of time"),
    (lambda: adl.History(PRICES, 7), r"7 rows of prices contain no window of 7"),
    (lambda: adl.History(PRICES, 0), r"horizon is 0"),
    (lambda: adl.History(PRICES, "soon"), r"horizon is 'soon'"),
    (lambda: adl.History(PRICES, 1.5), r"contain no window of 1.5 years"),
    (lambda: adl.History(PRICES.reset_index(drop=True), "1D"), r"has no times"),
    (lambda: adl.History(PRICES, half_life=0), r"half_life is 0"),
    (lambda: adl.History(PRICES, half_life=np.nan), r"half_life: nan is not a finite number"),
    (lambda: untyped.History(PRICES, returns="percent"), r"returns is 'percent'"),
    (lambda: adl.History(PRICES.iloc[:0]), r"must be a DataFrame with a row per time"),
    (
        lambda: adl.History(PRICES).scenarios(pd.Index(["SOL"]), MARKS[:1]),
        r"no prices for asset 'SOL'",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=[pattern[:30] for _, pattern in BAD])
def test_bad_input_is_named(bad: tuple[Callable[[], object], str]) -> None:
    make, pattern = bad
    with pytest.raises(adl.InputError, match=pattern):
        make()
