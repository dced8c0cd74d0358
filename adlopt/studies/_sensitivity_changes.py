"""The assumptions that `sensitivity` varies, and derivatives of the objective at the optimum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from adlopt._internal.arrays import BoolArray, FloatArray
from adlopt.errors import InfeasibleReduction
from adlopt.model.losses import expected_pool_loss, scenario_losses
from adlopt.model.problem import Problem
from adlopt.prices.changes import move_correlation, scale_horizon, scale_volatility
from adlopt.prices.protocol import PriceModel
from adlopt.proof.certificate import linearise
from adlopt.solving.solution import Solution
from adlopt.studies.remedies import with_extra_equity

CAPPED = 1e-12  # relative: a bound below the size by more than this is a cap
AT_CAP = 1e-9  # relative: a reduction this close to its cap is at it


class Optimum(NamedTuple):
    problem: Problem
    solution: Solution
    reductions: FloatArray  # (e,)


class Change(NamedTuple):
    """One assumption, and the problem with it changed by a signed number of units."""

    parameter: str
    name: object
    unit: str
    step: float  # in units
    changed: Callable[[float], Problem | None]
    derivative: float | None  # per unit; None: by differences of the objective at the optimum


def assumptions(optimum: Optimum, step: float) -> Iterator[Change]:
    """The assumptions about prices, the fund and caps."""
    problem = optimum.problem
    model, assets = problem.price_model, problem.book.assets
    percent = step * 100

    def of_model(change: Callable[[float], Any]) -> Callable[[float], Problem | None]:
        def changed(units: float) -> Problem | None:
            other = change(units / 100)
            return None if other is None else problem.with_prices(other)

        return changed

    for k, asset in enumerate(assets):
        unit_vector = np.arange(len(assets)) == k
        yield Change(
            "volatility",
            asset,
            "1 %",
            percent,
            of_model(partial(_scaled, model, assets, unit_vector)),
            None,
        )
    if len(assets) > 1 and move_correlation(model, assets, step) is not None:
        yield Change(
            "correlation",
            "",
            "1 % of the way to one",
            percent,
            of_model(lambda x: move_correlation(model, assets, x)),
            None,
        )
    yield Change(
        "horizon",
        "",
        "1 %",
        percent,
        of_model(lambda x: scale_horizon(model, assets, 1.0 + x)),
        None,
    )
    yield _fund_change(optimum, step)
    if (np.abs(problem.max_reduction) < _sizes(problem) * (1 - CAPPED)).any():
        yield Change(
            "caps",
            "",
            "1 %",
            percent,
            lambda units: _with_caps(problem, 1.0 + units / 100),
            _caps_derivative(optimum) / 100,
        )


def _scaled(model: PriceModel, assets: pd.Index, mask: BoolArray, change: float) -> PriceModel:
    """The model with the volatility of the assets in the mask (d,) changed by a share."""
    factors: FloatArray = np.where(mask, 1.0 + change, 1.0)
    return scale_volatility(model, assets, factors)


def _sizes(problem: Problem) -> FloatArray:
    return np.abs(problem.book.size[problem.eligible])


def _fund_change(optimum: Optimum, step: float) -> Change:
    """The fund, by a share of the optimal value. Without one, there is nothing below it."""
    problem, value = optimum.problem, optimum.solution.value
    assert value is not None
    amount = step * value if value > 0 else 1.0

    def changed(units: float) -> Problem | None:
        fund = problem.insurance_fund + units
        return problem.with_changes(insurance_fund=fund) if fund >= 0 else None

    losses = scenario_losses(problem, optimum.reductions)
    if problem.insurance_fund > 0:
        plane = linearise(problem, optimum.reductions, losses, optimum.solution._multipliers)
        derivative = -float(plane.stress.sum())
    else:
        # Of the first unit, which covers only scenarios with a loss. Under a closed form it is the
        # scenarios that a fund would be judged by.
        stress = problem.objective.subgradient(losses, problem.scenarios.weights)
        derivative = -float(stress[losses > 0].sum())
    return Change("insurance_fund", "", "1 of money", amount, changed, derivative)


def _with_caps(problem: Problem, factor: float) -> Problem | None:
    """The problem with every cap times a factor, up to the size; None if it is infeasible."""
    size = _sizes(problem)
    cap = np.abs(problem.max_reduction)
    capped = cap < size * (1 - CAPPED)
    changed = np.where(capped, np.minimum(cap * factor, size), cap)
    try:
        return problem.with_max_reduction(np.sign(problem.max_reduction) * changed)
    except InfeasibleReduction:
        return None


def _slope(optimum: Optimum) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the objective at the optimum: (n,) by equity, (e,) by reduction."""
    problem, reductions = optimum.problem, optimum.reductions
    offset = problem.settlement_offset[problem.asset]
    model = problem.closed_form
    if model is not None:
        loss = expected_pool_loss(problem, model, reductions)
        by_equity = np.where(problem.book.solvent, loss.by_equity, 0.0)
        return by_equity, by_equity[problem.pool] * offset - loss.by_size
    losses = scenario_losses(problem, reductions)
    plane = linearise(problem, reductions, losses, optimum.solution._multipliers)
    by_equity = np.where(problem.book.solvent, -plane.mass, 0.0)
    slope = plane.by_size[problem.eligible] - plane.mass[problem.pool] * offset
    return by_equity, slope


def _caps_derivative(optimum: Optimum) -> float:
    """Change of the optimal value per relative change of all caps: minus what a position at its cap
    would save beyond the shadow price, times the cap.
    """
    problem = optimum.problem
    prices = optimum.solution.shadow_prices
    assert prices is not None
    _, slope = _slope(optimum)
    side = np.sign(problem.required[problem.asset])
    by_asset = prices.reindex(problem.book.assets).fillna(0.0).to_numpy(dtype=np.float64)
    saved = -side * slope - by_asset[problem.asset]
    cap = np.abs(problem.max_reduction)
    binding = (cap < _sizes(problem) * (1 - CAPPED)) & (
        np.abs(optimum.reductions) >= cap * (1 - AT_CAP)
    )
    return -float(np.sum(cap * np.maximum(saved, 0.0), where=binding))


def by_equity(optimum: Optimum) -> pd.Series[float]:
    """Derivative of the optimal value by the equity of each solvent pool, by pool."""
    by_equity, _ = _slope(optimum)
    pools = np.flatnonzero(optimum.problem.book.solvent)
    return pd.Series(by_equity[pools] + 0.0, index=pools)


def equity_changes(
    optimum: Optimum, margin: pd.Series[float], step: float, accounts: int
) -> Iterator[Change]:
    """The pools whose equity matters most, by a share of it."""
    problem = optimum.problem
    book = problem.book
    for pool in margin.sort_values(kind="stable").index[:accounts]:
        yield Change(
            "equity",
            book.account_names[book.pool_account[pool]],
            "1 of money",
            step * float(book.equity[pool]),
            partial(with_extra_equity, problem, int(pool)),
            float(margin[pool]),
        )
