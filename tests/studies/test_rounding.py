"""Whole lots: exact sums, least moves (against brute force), minima, and a price that is proven."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import random_allocation, random_case
from tests.typed import priced


def book(sizes: list[float]) -> adl.Book:
    names = [f"u{i}" for i in range(len(sizes))]
    table = pd.DataFrame(
        {"account": names, "asset": "BTC", "size": sizes, "equity": 10.0 + np.arange(len(sizes))}
    )
    return adl.Book.from_frame(table, marks={"BTC": 5.0})


def split(cap: np.ndarray, required: float, rng: np.random.Generator) -> np.ndarray:
    """A random feasible allocation: something between an even share and a queue."""
    order = rng.permutation(cap.size)
    queue = np.zeros(cap.size)
    queue[order] = np.diff(np.minimum(np.cumsum(cap[order]), required), prepend=0.0)
    share = rng.random()
    return np.asarray(share * cap * required / cap.sum() + (1 - share) * queue)


def allowed(size: float, cap: float, lot: float, minimum: float) -> list[int]:
    """Lots that may be taken, by the rule as it is written."""
    return [
        j
        for j in range(int(cap / lot + 1e-6) + 1)
        if j == 0 or size - j * lot >= minimum - 1e-6 or abs(size - j * lot) < 1e-6
    ]


def unavoidable(wanted: float, mine: list[int]) -> float:
    """Distance to the nearest point of the intervals that runs of allowed integers span."""
    between = [0.0 for low, high in pairwise(mine) if high == low + 1 and low <= wanted <= high]
    return min([abs(wanted - j) for j in mine] + between)


def lots_case(rng: np.random.Generator) -> dict[str, Any]:
    """One asset's positions, caps, lot, minimum and a feasible allocation, all in contracts."""
    n = int(rng.integers(1, 5)) if rng.random() < 0.5 else int(rng.integers(5, 40))
    lot = float(rng.choice([0.001, 0.1, 1.0, 3.0, 1000.0]))
    odd = rng.random() < 0.5
    size = lot * (rng.integers(1, 8, n) + odd * (rng.random(n) < 0.3) * rng.random(n))
    fraction = rng.uniform(0.3, 1.0, n) if rng.random() < 0.3 else np.ones(n)
    room = (size * fraction).sum()
    required = rng.uniform(0.01, 1.0) * room
    if rng.random() < 0.9:
        required = lot * min(max(round(required / lot), 1), int(room / lot)) or required
    return {
        "size": size,
        "fraction": fraction,
        "lot": lot,
        "required": required,
        "whole": not odd and (fraction == 1).all(),
        "minimum": lot * float(rng.choice([0.0, 0.0, 0.0, 0.0, 2.0, 3.5])),
        "given": split(size * fraction, required, rng),
    }


@pytest.mark.parametrize("seed", range(100))
def test_a_thousand_roundings(seed: int) -> None:
    """Ten assets at once. Refused only if the sum is impossible, which every reachable sum shows;
    else exact, within the
    rules, and where a move exceeds the unavoidable by a lot, brute force finds no smaller
    excess."""
    rng = np.random.default_rng([seed, 9])
    cases = {f"A{k}": lots_case(rng) for k in range(10)}
    rows = pd.concat(
        pd.DataFrame(
            {
                "account": [f"{name}-{i}" for i in range(one["size"].size)],
                "asset": name,
                "size": -one["size"],
                "equity": 1.0,
                "fraction": one["fraction"],
                "reduction": -one["given"],
            }
        )
        for name, one in cases.items()
    )
    held = adl.Book.from_frame(rows, marks=dict.fromkeys(cases, 5.0))
    lot, minimum = ({name: one[key] for name, one in cases.items()} for key in ("lot", "minimum"))
    options, impossible = {}, {}
    for name, one in cases.items():
        bounds = zip(one["size"], one["size"] * one["fraction"], strict=True)
        options[name] = [allowed(size, cap, one["lot"], one["minimum"]) for size, cap in bounds]
        reachable = {0}
        for mine in options[name]:
            reachable = {total + j for total in reachable for j in mine}
        off = min(abs(total * one["lot"] - one["required"]) for total in reachable - {0} or {0})
        if off > 1e-7 * one["lot"]:
            impossible[name] = off

    caps = rows[["account", "asset", "fraction"]]
    problem = adl.Problem(held, {name: -one["required"] for name, one in cases.items()}, caps=caps)
    if impossible:
        with pytest.raises(adl.InfeasibleLots, match="require the nearest possible") as error:
            adl.round_to_lots(problem, rows, lots=lot, minimum=minimum)
        assert {name for name, _, _ in error.value.nearest} == set(impossible)
        for name, required, near in error.value.nearest:
            assert required == pytest.approx(cases[name]["required"])
            assert abs(near - required) == pytest.approx(impossible[name], rel=1e-6)
        problem = adl.Problem(
            held,
            {name: q for name, q in problem.reduction.items() if name not in impossible},
            caps=caps,
        )
        rows = rows[~rows["asset"].isin(impossible)]
    table = adl.round_to_lots(problem, rows, lots=lot, minimum=minimum).allocation
    assert table["lots"].dtype == np.int64
    for asset, own in table.groupby("asset"):
        name = str(asset)
        one, taken, wanted = cases[name], own["lots"].to_numpy(), cases[name]["given"] / lot[name]
        assert abs(taken.sum() - one["required"] / lot[name]) < 1e-6
        assert all(j in possible for j, possible in zip(taken, options[name], strict=True))
        np.testing.assert_allclose(own["reduction"], -lot[name] * taken, rtol=1e-12)
        distance = np.array(
            [unavoidable(y, possible) for y, possible in zip(wanted, options[name], strict=True)]
        )
        excess = (np.abs(taken - wanted) - distance).max()
        if excess >= 1.0 and taken.size <= 4:
            points = [
                np.array(point) for point in product(*options[name]) if sum(point) == taken.sum()
            ]
            assert (
                excess <= min((np.abs(point - wanted) - distance).max() for point in points) + 1e-6
            )
        if one["minimum"] == 0.0 and one["whole"]:
            assert excess < 1.0


def test_odd_remainders_stay() -> None:
    """Lots of one: 2.5 gives at most two and keeps the half; six of seven come off."""
    problem = adl.Problem(book([-2.5, -4.5]), {"BTC": -6.0})
    given = problem.positions.assign(reduction=[-1.8, -4.2])
    rounding = adl.round_to_lots(problem, given, lots={"BTC": 1.0})
    assert rounding.allocation["lots"].to_list() == [2, 4]
    assert rounding.allocation["remaining"].to_list() == [-0.5, -0.5]
    assert rounding.cost_bound is None
    with pytest.raises(adl.InfeasibleLots, match=r"BTC: required 7 contracts, nearest 6") as error:
        adl.round_to_lots(
            adl.Problem(book([-2.5, -4.5]), {"BTC": -7.0}),
            given.assign(reduction=[-2.5, -4.5]),
            lots={"BTC": 1.0},
        )
    assert error.value.nearest == [("BTC", 7.0, 6.0)]


def test_minimum_is_kept_or_the_position_is_closed() -> None:
    problem = adl.Problem(book([-5.0, -5.0]), {"BTC": -5.0})
    given = problem.positions.assign(reduction=[-4.0, -1.0])
    free = adl.round_to_lots(problem, given, lots={"BTC": 1.0})
    assert free.allocation["lots"].to_list() == [4, 1]
    nearer = problem.positions.assign(reduction=[-3.9, -1.1])
    assert adl.round_to_lots(problem, nearer, lots={"BTC": 1.0}, minimum={"BTC": 2.0}).allocation[
        "lots"
    ].to_list() == [3, 2]
    assert adl.round_to_lots(problem, given, lots={"BTC": 1.0}, minimum={"BTC": 4.0}).allocation[
        "lots"
    ].to_list() == [5, 0]


def test_closing_leaves_nothing() -> None:
    """0.3 is three lots of 0.1 though floats say otherwise, and nothing is left of it."""
    problem = adl.Problem(book([-0.3, -0.7]), {"BTC": -0.5})
    rounding = adl.round_to_lots(
        problem, problem.positions.assign(reduction=[-0.3, -0.2]), lots={"BTC": 0.1}
    )
    assert rounding.allocation["lots"].to_list() == [3, 2]
    assert rounding.allocation["remaining"].iloc[0] == 0.0


@pytest.mark.parametrize("seed", range(12))
def test_price_is_proven(seed: int) -> None:
    """Never negative, at least the measured difference from the optimum, at most what the
    certificate allows.
    """
    case = random_case(
        seed,
        ("isolated", "cross", "mixed")[seed % 3],
        one_factor=seed % 2 == 0,
        scenarios=20,
        twist=("plain", "ties", "tight caps", "equal leverage")[seed % 4],
    )
    ((name, amount),) = case.reduction.items()
    lot = abs(amount) / 50
    problem = case.problem()
    optimum = priced(adl.solve(problem))
    given = optimum.allocation if seed % 5 else random_allocation(case, np.random.default_rng(seed))
    try:
        rounding = adl.round_to_lots(problem, given, lots={name: lot})
    except adl.InfeasibleLots as error:
        assert error.nearest[0][2] < abs(amount)  # odd remainders alone stand in the way  # noqa: PT017
        return
    scale = optimum.value
    assert rounding.cost_bound is not None
    assert rounding.cost is not None
    assert rounding.certificate is not None
    assert rounding.cost_bound >= 0
    assert rounding.cost_bound >= rounding.cost - 1e-9 * scale
    assert rounding.certificate.value - optimum.value <= rounding.cost_bound + 1e-9 * scale
    assert rounding.allocation["lots"].sum() == 50
    assert "lots" in str(rounding)


BAD = [
    ({}, None, r"lots, asset 'BTC': no lot is given"),
    ({"BTC": 0.0}, None, r"lots, asset 'BTC': the lot is 0"),
    ({"BTC": np.nan}, None, r"lots, asset 'BTC': nan"),
    ({"BTC": 1.0, "SOL": 1.0}, None, r"lots: unknown asset 'SOL'"),
    ({"BTC": 1.0}, {"BTC": -1.0}, r"minimum, asset 'BTC': -1"),
]


@pytest.mark.parametrize(("lots", "minimum", "pattern"), BAD, ids=[row[2][:30] for row in BAD])
def test_bad_input_is_named(
    lots: dict[str, float], minimum: dict[str, float] | None, pattern: str
) -> None:
    problem = adl.Problem(book([-5.0, -5.0]), {"BTC": -5.0})
    with pytest.raises(adl.InputError, match=pattern):
        adl.round_to_lots(problem, adl.solve(problem).allocation, lots=lots, minimum=minimum)


@pytest.mark.parametrize("prices", [None, adl.OneFactor({"X": 1.0})])
def test_positions_below_any_lot_stay(prices: adl.OneFactor | None) -> None:
    """A billionth of a lot is no lot: nothing is closed, and a reduction below a lot cannot be
    met.
    """
    table = pd.DataFrame(
        {
            "account": ["a", "b", "dust"],
            "asset": "X",
            "size": [5.0, 3.0, 1e-10],
            "equity": [9.0, 4.0, 1.0],
        }
    )
    problem = adl.Problem(adl.Book.from_frame(table, marks={"X": 10.0}), {"X": 4.0}, prices=prices)
    allocation = adl.solve(problem).allocation
    with pytest.raises(adl.InfeasibleLots, match="required 4 contracts, nearest 0"):
        adl.round_to_lots(problem, allocation, lots={"X": 1e12})
    rounded = adl.round_to_lots(problem, allocation, lots={"X": 1.0}).allocation
    assert rounded["reduction"].sum() == 4.0
    assert rounded["reduction"].iloc[2] == 0.0
