"""How the optimal value and the shadow prices change with what the problem assumes: prices, the
insurance fund, caps, and the equity of accounts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import InfeasibleReduction, InputError
from adlopt.model.losses import expected_pool_loss, objective_value, scenario_losses
from adlopt.model.problem import Problem, require_problem
from adlopt.prices.changes import move_correlation, scale_horizon, scale_volatility
from adlopt.prices.protocol import PriceModel
from adlopt.proof.certificate import linearise
from adlopt.solving.dispatch import solve
from adlopt.solving.solution import Solution
from adlopt.studies.remedies import with_extra_equity

CAPPED = 1e-12  # relative: a bound below the size by more than this is a cap
AT_CAP = 1e-9  # relative: a reduction this close to its cap is at it


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity:
    """What the optimum depends on.

    Examples
    --------
    >>> import adlopt as adl
    >>> result = adl.sensitivity(adl.examples.paper_problem())
    >>> result.table["name"].head(2).tolist()
    ['BTC', 'ETH']
    """

    solution: Solution
    """The optimum itself."""
    table: pd.DataFrame
    """A row per assumption: parameter ("volatility", "correlation", "horizon", "insurance_fund",
    "caps" or "equity"), name (of the asset or account), unit, derivative of the optimal value per
    unit, and the problem solved again a step below and above: step (in units), value_down,
    value_up, and by reduced asset shadow_price_down and shadow_price_up. NaN where a side does not
    exist, such as a fund below zero.
    """
    equity: pd.DataFrame
    """A row per pool that is solvent, largest effect first: account, margin_mode, asset (of an
    isolated position), equity, and derivative, the change of the optimal value per unit of money
    in it. Minus the derivative is what one unit of margin is worth to the exchange.
    """

    def to_frame(self) -> pd.DataFrame:
        """A copy of `table`."""
        return self.table.copy()

    @property
    def _heading(self) -> str:
        return f"sensitivity of the optimal value {self.solution.value:,.6g}"

    def __repr__(self) -> str:
        style: dict[str, Any] = {"index": False, "float_format": "{:,.6g}".format}
        table = self.table.to_string(max_rows=40, **style)
        equity = self.equity.head(10).to_string(**style)
        return f"{self._heading}\n\n{table}\n\nvalue of margin\n{equity}"

    def _repr_html_(self) -> str:
        style: dict[str, Any] = {"index": False, "float_format": "{:,.6g}".format}
        table = self.table.to_html(max_rows=40, **style)
        equity = self.equity.head(10).to_html(**style)
        return f"<p>{escape(self._heading)}</p>{table}<p>value of margin</p>{equity}"


def sensitivity(
    problem: Problem, *, step: float = 0.01, accounts: int = 5, **options: Any
) -> Sensitivity:
    """Change of the optimal value and the shadow prices with the assumptions of a problem.

    Parameters
    ----------
    problem : Problem
        With a price model.
    step : float, default 0.01
        Relative size of the changes for which the problem is solved again, in (0, 1): of
        volatilities, the horizon and caps; of the way from a correlation to one; of the optimal
        value for the fund; of the equity of an account.
    accounts : int, default 5
        For how many pools, those whose equity matters most, the problem is solved again.
    **options
        Passed to `solve`. The tolerance is 1e-8 if left out, so that differences mean something.

    Returns
    -------
    Sensitivity

    Raises
    ------
    InputError
        A step outside (0, 1).
    NotApplicable
        The problem has no price model.

    Notes
    -----
    Derivatives follow from the envelope theorem: the optimal allocation is kept, and the
    objective is differentiated at it; the solver's multipliers choose the derivative where pools
    are at zero equity in a scenario. All problems use the same draws, so that their differences
    are not sampling errors. Where a price model has no volatilities, such as `Scenarios`, its price
    moves are scaled instead, and the horizon scales them by the square root of time.

    Examples
    --------
    >>> import adlopt as adl
    >>> result = adl.sensitivity(adl.examples.paper_problem())
    >>> result.table[["parameter", "name"]].head(3).to_numpy().tolist()
    [['volatility', 'BTC'], ['volatility', 'ETH'], ['horizon', '']]
    >>> bool((result.equity["derivative"] <= 0).all())
    True
    """
    require_problem("sensitivity", problem)
    problem.require_prices()
    step = validation.as_positive("sensitivity: step", step)
    if step >= 1:
        raise InputError(f"sensitivity: step is {step}; it is a relative change in (0, 1)")
    validation.require_integer("sensitivity: accounts", accounts, 0)
    options = {"tolerance": 1e-8, **options}
    base = solve(problem, **options)
    optimum = _Optimum(problem, base, base.allocation["reduction"].to_numpy(dtype=np.float64))
    margin = _margin(optimum)
    changes = [*_changes(optimum, step), *_equity_changes(optimum, margin, step, accounts)]
    rows = [_row(optimum, change, options) for change in changes]
    table = pd.DataFrame(rows)
    order = np.argsort(margin.to_numpy(), kind="stable")
    return Sensitivity(base, table, _margin_table(problem, margin.iloc[order]))


class _Optimum(NamedTuple):
    problem: Problem
    solution: Solution
    reductions: FloatArray  # (e,)


class _Change(NamedTuple):
    """One assumption, and the problem with it changed by a signed number of units."""

    parameter: str
    name: object
    unit: str
    step: float  # in units
    changed: Callable[[float], Problem | None]
    derivative: float | None  # per unit; None: by differences of the objective at the optimum


def _row(optimum: _Optimum, change: _Change, options: dict[str, Any]) -> dict[str, Any]:
    """The derivative, and the problem solved again on both sides."""
    down, up = change.changed(-change.step), change.changed(change.step)
    derivative = change.derivative
    if derivative is None:
        derivative = _envelope(optimum, change, down, up)
    row: dict[str, Any] = {
        "parameter": change.parameter,
        "name": change.name,
        "unit": change.unit,
        "derivative": derivative,
        "step": change.step,
    }
    answers = {
        side: None if other is None else solve(other, **options)
        for side, other in (("down", down), ("up", up))
    }
    for side, answer in answers.items():
        row[f"value_{side}"] = answer.value if answer else np.nan
    for asset in optimum.problem.book.assets.take(optimum.problem.reduced_assets):
        for side, answer in answers.items():
            prices = None if answer is None else answer.shadow_prices
            row[f"shadow_price_{side} {asset}"] = np.nan if prices is None else float(prices[asset])
    return row


def _envelope(
    optimum: _Optimum, change: _Change, down: Problem | None, up: Problem | None
) -> float:
    """Difference quotient of the objective at the optimal allocation, over small steps."""
    small = change.step / 100
    near_down = change.changed(-small) if down is not None else None
    near_up = change.changed(small) if up is not None else None
    sides = (near_down is not None) + (near_up is not None)
    if sides == 0:
        return float("nan")
    value = _objective_at(optimum)
    before, after = (value(near or optimum.problem) for near in (near_down, near_up))
    return (after - before) / (small * sides)


def _objective_at(optimum: _Optimum) -> Callable[[Problem], float]:
    """The objective of the optimal allocation by price model, up to a constant.

    Where the solver has multipliers they weigh the pools' losses: at a pool with zero equity in a
    likely scenario, the objective itself has two derivatives, and the optimal value one between.
    """
    problem, reductions = optimum.problem, optimum.reductions
    multipliers = optimum.solution._multipliers
    if problem.closed_form is not None or multipliers is None:
        return lambda changed: objective_value(changed, reductions)
    losses = scenario_losses(problem, reductions)
    return lambda changed: float(
        linearise(changed, reductions, losses, multipliers).shortfall.sum()
    )


def _changes(optimum: _Optimum, step: float) -> Iterator[_Change]:
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
        yield _Change(
            "volatility",
            asset,
            "1 %",
            percent,
            of_model(partial(_scaled, model, assets, unit_vector)),
            None,
        )
    if len(assets) > 1 and move_correlation(model, assets, step) is not None:
        yield _Change(
            "correlation",
            "",
            "1 % of the way to one",
            percent,
            of_model(lambda x: move_correlation(model, assets, x)),
            None,
        )
    yield _Change(
        "horizon",
        "",
        "1 %",
        percent,
        of_model(lambda x: scale_horizon(model, assets, 1.0 + x)),
        None,
    )
    yield _fund_change(optimum, step)
    if (np.abs(problem.max_reduction) < _sizes(problem) * (1 - CAPPED)).any():
        yield _Change(
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


def _fund_change(optimum: _Optimum, step: float) -> _Change:
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
    return _Change("insurance_fund", "", "1 of money", amount, changed, derivative)


def _with_caps(problem: Problem, factor: float) -> Problem | None:
    """The problem with every cap times a factor, up to the size; None if it is infeasible."""
    size = _sizes(problem)
    cap = np.abs(problem.max_reduction)
    capped = cap < size * (1 - CAPPED)
    changed = np.where(capped, np.minimum(cap * factor, size), cap)
    other = copy.copy(problem)
    for name in ("available", "exhausted_assets"):
        other.__dict__.pop(name, None)
    other._put(max_reduction=np.sign(problem.max_reduction) * changed)
    try:
        other._put(required=other._within_capacity(problem.required))
    except InfeasibleReduction:
        return None
    return other


def _slope(optimum: _Optimum) -> tuple[FloatArray, FloatArray]:
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


def _caps_derivative(optimum: _Optimum) -> float:
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


def _margin(optimum: _Optimum) -> pd.Series[float]:
    """Derivative of the optimal value by the equity of each solvent pool, by pool."""
    by_equity, _ = _slope(optimum)
    pools = np.flatnonzero(optimum.problem.book.solvent)
    return pd.Series(by_equity[pools] + 0.0, index=pools)


def _equity_changes(
    optimum: _Optimum, margin: pd.Series[float], step: float, accounts: int
) -> Iterator[_Change]:
    """The pools whose equity matters most, by a share of it."""
    problem = optimum.problem
    book = problem.book
    for pool in margin.sort_values(kind="stable").index[:accounts]:
        yield _Change(
            "equity",
            book.names[book.pool_account[pool]],
            "1 of money",
            step * float(book.equity[pool]),
            partial(with_extra_equity, problem, int(pool)),
            float(margin[pool]),
        )


def _margin_table(problem: Problem, margin: pd.Series[float]) -> pd.DataFrame:
    """A row per pool, by account and, of an isolated position, asset."""
    book = problem.book
    pools: IntArray = margin.index.to_numpy(dtype=np.int64)
    held = book.start[pools] < book.start[pools + 1]
    first = np.where(held, book.asset[np.minimum(book.start[pools], book.asset.size - 1)], 0)
    isolated = book.isolated[pools] & held
    return pd.DataFrame(
        {
            "account": book.names.take(book.pool_account[pools]),
            "margin_mode": np.where(book.isolated[pools], "isolated", "cross"),
            "asset": [
                book.assets[k] if alone else None for k, alone in zip(first, isolated, strict=True)
            ],
            "equity": book.equity[pools],
            "derivative": margin.to_numpy(),
        }
    )
