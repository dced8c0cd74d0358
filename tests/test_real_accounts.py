"""Isolated margin on 12,533 real accounts, with leverages up to 7e7."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import DATA
from tests.typed import cell, priced

PATH = DATA / "hyperliquid_20251010_accounts.csv"
SHARE = 0.3

RETURNS = np.array([-0.4, -0.2, -0.1, -0.03, 0.0, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5])[:, None]
PRICES = adl.Scenarios(1.0 + RETURNS, assets=["MARKET"])


@pytest.fixture(scope="module")
def book() -> adl.Book:
    if not PATH.exists():
        pytest.skip(f"the accounts are not at {PATH}")
    return adl.Book.read_csv(PATH, marks={"MARKET": 1.0})


@pytest.mark.parametrize("side", ["short", "long"])
@pytest.mark.parametrize(
    ("objective", "prices"),
    [
        (adl.ExpectedLoss(), None),
        (adl.ExpectedLoss(), PRICES),
        (adl.CVaR(0.99), None),
        (adl.CVaR(0.8), PRICES),
    ],
    ids=["expected loss", "expected loss, scenarios", "CVaR", "CVaR, scenarios"],
)
def test_one_water_level(
    book: adl.Book, side: str, objective: adl.Objective, prices: adl.PriceModel | None
) -> None:
    if side == "long":  # the same accounts in the mirror
        book = adl.Book.from_frame(book.to_frame().assign(size=-book.size))
    total = SHARE * cell(book.open_interest, "MARKET", side) * (1 if side == "long" else -1)
    problem = adl.Problem(book, {"MARKET": total}, prices=prices, objective=objective)
    solution = adl.solve(problem)
    rows, level = solution.allocation, solution.water_level
    assert solution.method == "water_filling"
    assert isinstance(level, float)
    assert rows["reduction"].sum() == pytest.approx(total, rel=1e-9)
    assert (rows["reduction"] / rows["size"]).between(0, 1).all()
    assert (rows["leverage_after"] <= level * (1 + 1e-9)).all()
    touched = rows["reduction"] != 0
    np.testing.assert_allclose(rows.loc[touched, "leverage_after"], level, rtol=1e-6)
    np.testing.assert_array_equal(
        rows.loc[~touched, "leverage_after"], rows.loc[~touched, "leverage_before"]
    )
    assert (rows.loc[~touched, "leverage_before"] <= level * (1 + 1e-9)).all()
    if prices is None:
        assert solution.value is None
        assert solution.gap is None
    else:
        assert priced(solution).gap <= 1e-9
        assert solution.status == "optimal"


def test_the_level_is_the_one_that_a_sort_finds(book: adl.Book) -> None:
    total = SHARE * cell(book.open_interest, "MARKET", "short")
    frame = book.to_frame()
    frame = frame[(frame["size"] < 0) & (frame["equity"] > 0)]
    q, E = -frame["size"].to_numpy(), frame["equity"].to_numpy()
    order = np.argsort(-q / E)
    q, E = q[order], E[order]
    level = (np.cumsum(q) - total) / np.cumsum(
        E
    )  # the level if the first i + 1 accounts are those drained
    below = np.append(q[1:] / E[1:], 0.0)
    first = np.flatnonzero(level >= below)[0]
    assert adl.solve(adl.Problem(book, {"MARKET": -total})).water_level == pytest.approx(
        level[first], rel=1e-12
    )


def test_verify_agrees(book: adl.Book) -> None:
    """Against Clarabel, on an account table that it can hold in a test's time."""
    frame = book.to_frame().iloc[::25]
    assert isinstance(frame, pd.DataFrame)
    part = adl.Book.from_frame(frame, marks={"MARKET": 1.0})
    total = -SHARE * cell(part.open_interest, "MARKET", "short")
    assert adl.verify(adl.Problem(part, {"MARKET": total}, prices=PRICES)).agree
