"""Every built-in measure in the conic program: proven optimal, and attained by the path-by-path
rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model.losses import losses_beyond_fund
from tests.objectives.families import BUILT_IN
from tests.typed import cell, priced

MEASURES = (
    *(measure for measure in BUILT_IN if not isinstance(measure, adl.Entropic)),
    adl.Entropic(0.01),
    adl.Entropic(0.5),
)
SUM = adl.ExpectedLoss() + 0.5 * adl.EVaR(0.8) + 0.1 * adl.Entropic(0.05)
BOOKS = 20

Measure = adl.Objective | Callable[[Any], Any]
Stated = Callable[[int, Measure], adl.Problem]


def random_book(rng: np.random.Generator, margin: str) -> adl.Book:
    """At most 8 accounts in three assets; some have equal leverage."""
    accounts = int(rng.integers(3, 9))
    rows = []
    for i in range(accounts):
        held = rng.choice(3, int(rng.integers(1, 4)), replace=False)
        equity = 100.0 if i % 3 == 0 else float(rng.uniform(20, 200))
        rows += [
            (f"a{i}", "XYZ"[k], float(np.round(rng.normal(0, 4), i % 3) or 1.0), equity, margin)
            for k in held
        ]
    rows.append(("long", "X", 3.0, 50.0, margin))
    positions = pd.DataFrame(rows, columns=["account", "asset", "size", "equity", "margin_mode"])
    marks = {"X": 40.0, "Y": 100.0, "Z": 7.0}
    return adl.Book.from_frame(
        positions, marks={name: marks[name] for name in positions["asset"].unique()}
    )


def random_weights(rng: np.random.Generator, scenarios: int) -> np.ndarray:
    weights = rng.random(scenarios) * (rng.random(scenarios) < 0.9)
    return np.asarray(weights / weights.sum())


def reductions(rng: np.random.Generator, book: adl.Book, assets: list[str]) -> dict[str, float]:
    return {
        name: float(rng.uniform(0.1, 0.9)) * cell(book.open_interest, name, "long")
        for name in assets
    }


def isolated(seed: int, measure: Measure) -> adl.Problem:
    rng = np.random.default_rng(seed)
    book = random_book(rng, "isolated")
    scenarios = int(rng.integers(20, 61))
    prices = adl.Scenarios(
        returns=rng.normal(0, 0.35, (scenarios, len(book.assets))).clip(-0.95),
        weights=random_weights(rng, scenarios),
    )
    return adl.Problem(book, reductions(rng, book, ["X"]), prices=prices, objective=measure)


def one_factor(seed: int, measure: Measure) -> adl.Problem:
    rng = np.random.default_rng(seed)
    book = random_book(rng, "cross")
    scenarios = int(rng.integers(20, 61))
    prices = adl.OneFactor(
        {"X": 14.0, "Y": 40.0, "Z": -2.0},
        rng.standard_t(4, scenarios),
        weights=random_weights(rng, scenarios),
    )
    return adl.Problem(book, reductions(rng, book, ["X"]), prices=prices, objective=measure)


@pytest.mark.parametrize("measure", [*MEASURES, SUM], ids=str)
@pytest.mark.parametrize(
    ("stated", "method"), [(isolated, "water_filling"), (one_factor, "factor_leverage")]
)
def test_path_by_path_rules_attain_the_optimum_of_every_measure(
    measure: adl.Objective, stated: Stated, method: str
) -> None:
    for seed in range(BOOKS):
        problem = stated(seed, measure)
        rule = priced(adl.solve(problem, method=method))
        conic = priced(adl.solve(problem, method="conic"))
        assert conic.status == "optimal", (seed, conic)
        before = measure.value(losses_beyond_fund(problem, None), problem.scenarios.weights)
        assert abs(rule.value - conic.value) <= 1e-6 * max(conic.value, 1e-3 * before), (
            seed,
            rule.value,
            conic.value,
        )


@pytest.mark.parametrize("measure", [*MEASURES, SUM], ids=str)
@pytest.mark.parametrize("fund", [0.0, 20.0])
def test_cross_margin_is_solved_and_proven(measure: adl.Objective, fund: float) -> None:
    rng = np.random.default_rng(3)
    book = random_book(rng, "cross")
    prices = adl.Scenarios(
        returns=rng.normal(0, 0.35, (60, 3)).clip(-0.95), weights=random_weights(rng, 60)
    )
    problem = adl.Problem(
        book,
        reductions(rng, book, ["X", "Y"]),
        prices=prices,
        objective=measure,
        insurance_fund=fund,
    )
    solution = priced(adl.solve(problem))
    assert solution.method in ("conic", "shadow_price")
    assert solution.status == "optimal"
    assert solution.gap <= 1e-6
    assert solution.value > 0
