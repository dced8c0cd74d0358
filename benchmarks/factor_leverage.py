"""Claim: under one factor, 1e6 pools x 5 reduced assets are levelled exactly within 10 times the
seconds of one reduced asset of the same pools.

The allocation is the same for every monotone objective. Several assets need a flow from assets to
pools beside the level; the alternative, a linear program over scenarios, is run on a small book.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

import adlopt as adl
from adlopt.methods import factor_leverage
from adlopt.model.losses import objective_value
from benchmarks.measure import Row, Size, fastest

RATIO = 10.0
ASSETS = 5


def problem(pools: int, reduced: int, seed: int = 1) -> adl.Problem:
    """A cross-margined book of five assets, longs and shorts; of `reduced` assets half must go."""
    rng = np.random.default_rng(seed)

    given = adl.synthetic.problem(pools, ASSETS, scenarios=2, held=3, seed=seed)
    names = list(given.book.assets)
    sides = rng.choice([-1.0, 1.0], ASSETS)
    interest = given.book.open_interest
    amounts = {
        name: side * 0.5 * float(interest.loc[name, "long" if side > 0 else "short"])
        for name, side in zip(names[:reduced], sides, strict=False)
    }
    direction = given.book.marks * 0.06 * rng.uniform(0.5, 1.5, ASSETS)
    shock = np.linspace(-3.0, 3.0, 21)
    return adl.Problem(given.book, amounts, prices=adl.OneFactor(direction, shock))


def run(size: Size) -> Iterator[Row]:
    pools = size.pick(1_000, 100_000, 1_000_000)
    seconds = {}
    for reduced in (1, ASSETS):
        stated = problem(pools, reduced)
        seconds[reduced] = fastest(factor_leverage.solve, stated, repeats=3)
        result = factor_leverage.solve(stated)
        figures = {
            "value": f"{objective_value(stated, result.allocation):.8g}",
            "levels": str(result.details.get("levels", "1 asset, 1 level")),
        }
        holds = None
        if reduced > 1:
            ratio = seconds[reduced] / seconds[1]
            figures["times one asset"], holds = f"{ratio:.1f}", ratio <= RATIO
        yield Row(
            "factor_leverage", f"{pools:,} x {reduced}", seconds[reduced], figures, holds=holds
        )
    small = problem(size.pick(50, 300, 1_000), ASSETS)
    started = time.perf_counter()
    checked = adl.solve(small, "conic")
    value = f"{checked.value:.8g}"
    yield Row(
        "conic", f"{small.book.equity.size:,} x 5", time.perf_counter() - started, {"value": value}
    )
    exact = adl.solve(small, "factor_leverage")
    value = f"{exact.value:.8g}"
    yield Row("factor_leverage", f"{small.book.equity.size:,} x 5", exact.seconds, {"value": value})
