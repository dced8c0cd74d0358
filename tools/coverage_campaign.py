"""How often confidence intervals hold the truth: 200 replications on the paper's lognormal book.

    python tools/coverage_campaign.py [replications] [points]

The truth is the optimum of the exact integral, by a solver of its own. Prints for value, shadow
price and reductions in how many replications the 90 % interval held it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from scipy.optimize import minimize

import adlopt as adl
from adlopt._internal.arrays import FloatArray
from adlopt.model.losses import expected_pool_loss


def posed(prices: adl.PriceModel) -> adl.Problem:
    return adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)


def truth() -> tuple[float, FloatArray, float]:
    """Value, reductions and shadow price of the optimum, by scipy's SLSQP on the exact integral."""
    prices = adl.ExactLogNormal.from_lognormal(
        adl.examples.paper_lognormal(), adl.examples.PAPER_MARKS
    )
    problem = posed(prices)

    def loss(reductions: FloatArray) -> tuple[float, FloatArray]:
        found = expected_pool_loss(problem, prices, reductions)
        return float(found.value.sum()), -found.by_size

    found: Any = minimize(  # type: ignore[call-overload]
        loss,
        problem.pro_rata(),
        jac=True,
        bounds=[(float(most), 0.0) for most in problem.max_reduction],
        constraints=[{"type": "eq", "fun": lambda x: x.sum() - problem.required[0]}],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    inside = np.argmax(np.minimum(-found.x, found.x - problem.max_reduction))
    return float(found.fun), np.asarray(found.x), float(loss(found.x)[1][inside])


def main(replications: int = 200, points: int = 1024) -> None:
    value, reductions, shadow_price = truth()
    print(f"truth: value {value:.6g}, reductions {reductions.round(4)}, price {shadow_price:.6g}")
    held = {"value": 0, "shadow price": 0}
    held_reductions = np.zeros(reductions.size, dtype=int)
    for number in range(replications):
        prices = adl.examples.paper_lognormal(points=points, seed=1_000 + number)
        found = adl.confidence_interval(posed(prices), level=0.9, method="shadow_price")
        held["value"] += found.value.low <= value <= found.value.high
        price = found.shadow_prices.iloc[0]
        held["shadow price"] += price["low"] <= shadow_price <= price["high"]
        table = found.reductions
        held_reductions += (table["low"].to_numpy() <= reductions + 1e-6) & (
            reductions - 1e-6 <= table["high"].to_numpy()
        )
    for name, count in held.items():
        print(f"{name}: {count} of {replications} ({count / replications:.1%})")
    for account, count in zip(found.reductions["account"], held_reductions, strict=True):
        print(f"reduction of account {account}: {count} of {replications}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
