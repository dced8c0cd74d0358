"""Isolated margin: one level per asset, path by path."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import random_case
from tests.typed import water_levels


@pytest.mark.parametrize("seed", range(24))
def test_one_level_per_asset(seed: int) -> None:
    """Several assets at once: each has its own level, and is drained as if it were alone."""
    case = random_case(seed, "isolated", reduced=3)
    together = adl.solve(adl.Problem(case.book, case.reduction, caps=case.caps))
    assert together.method == "water_filling"
    for name, amount in case.reduction.items():
        alone = adl.solve(adl.Problem(case.book, {name: amount}, caps=case.caps))
        rows = together.allocation.query("asset == @name").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, alone.allocation.reset_index(drop=True))
        level = (
            together.water_level
            if isinstance(together.water_level, float)
            else water_levels(together)[name]
        )
        assert alone.water_level == level


def test_by_hand() -> None:
    """Leverages 10, 5, 2 and equity 10 at price 2: to take 7.5 contracts = 15 of money leaves 8.5,
    5, 2.
    """
    table = pd.DataFrame(
        {"account": list("abc"), "asset": "X", "size": [-50.0, -25.0, -10.0], "equity": 10.0}
    )
    solution = adl.solve(adl.Problem(adl.Book.from_frame(table, marks={"X": 2.0}), {"X": -7.5}))
    assert solution.allocation["reduction"].tolist() == [-7.5, 0.0, 0.0]
    assert solution.water_level == 8.5


@pytest.mark.parametrize("seed", range(12))
def test_path_independence(seed: int) -> None:
    """First one part, then the rest: the same as all at once."""
    case = random_case(
        seed, "isolated", twist=("plain", "ties", "equal leverage", "twelve orders")[seed % 4]
    )
    ((name, amount),) = case.reduction.items()
    at_once = adl.solve(adl.Problem(case.book, case.reduction)).allocation
    first = adl.solve(adl.Problem(case.book, {name: 0.4 * amount})).allocation
    frame = case.book.to_frame()
    key = ["account", "asset", "margin_mode"]
    left = frame[key].merge(first[[*key, "reduction"]], how="left")["reduction"].fillna(0.0)
    then = adl.Book.from_frame(frame.assign(size=frame["size"] - left), marks=case.marks)
    second = adl.solve(adl.Problem(then, {name: amount - first["reduction"].sum()})).allocation
    both = first[[*key, "reduction"]].merge(second[[*key, "reduction"]], on=key, how="left")
    both = both.fillna({"reduction_x": 0.0, "reduction_y": 0.0})
    np.testing.assert_allclose(
        both["reduction_x"] + both["reduction_y"],
        at_once["reduction"],
        rtol=1e-9,
        atol=1e-9 * abs(amount),
    )
