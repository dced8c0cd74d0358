"""How the optimal value and the shadow prices change with what the problem assumes: prices, the
insurance fund, caps, and the equity of accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import IntArray
from adlopt.model.losses import objective_value, scenario_losses
from adlopt.model.problem import Problem, require_problem
from adlopt.proof.certificate import linearise
from adlopt.solving.dispatch import solve
from adlopt.solving.solution import Solution
from adlopt.studies._sensitivity_changes import (
    Change,
    Optimum,
    assumptions,
    by_equity,
    equity_changes,
)


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
    value_up, and for each reduced asset `shadow_price_down_ASSET` and `shadow_price_up_ASSET`.
    NaN where a side does not exist, such as a fund below zero.
    """
    _: KW_ONLY
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
        Passed to `solve`, with a tolerance of 1e-8 if left out: differences need accurate values.

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
    are at zero equity in a scenario. All problems use the same draws, so their differences
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
    step = validation.as_open_fraction("sensitivity: step", step)
    validation.require_integer("sensitivity: accounts", accounts, 0)
    options = {"tolerance": 1e-8, **options}
    base = solve(problem, **options)
    optimum = Optimum(problem, base, base.allocation["reduction"].to_numpy(dtype=np.float64))
    margin = by_equity(optimum)
    changes = [*assumptions(optimum, step), *equity_changes(optimum, margin, step, accounts)]
    rows = [_row(optimum, change, options) for change in changes]
    table = pd.DataFrame(rows)
    order = np.argsort(margin.to_numpy(), kind="stable")
    equity = _margin_table(problem, margin.iloc[order])
    return Sensitivity(base, table, equity=equity)


def _row(optimum: Optimum, change: Change, options: dict[str, Any]) -> dict[str, Any]:
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
            row[f"shadow_price_{side}_{asset}"] = np.nan if prices is None else float(prices[asset])
    return row


def _envelope(optimum: Optimum, change: Change, down: Problem | None, up: Problem | None) -> float:
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


def _objective_at(optimum: Optimum) -> Callable[[Problem], float]:
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


def _margin_table(problem: Problem, margin: pd.Series[float]) -> pd.DataFrame:
    """A row per pool, by account and, of an isolated position, asset."""
    book = problem.book
    pools: IntArray = margin.index.to_numpy(dtype=np.intp)
    held = book.first_position[pools] < book.first_position[pools + 1]
    first = np.where(
        held, book.asset[np.minimum(book.first_position[pools], book.asset.size - 1)], 0
    )
    isolated = book.isolated[pools] & held
    return pd.DataFrame(
        {
            "account": book.account_names.take(book.pool_account[pools]),
            "margin_mode": np.where(book.isolated[pools], "isolated", "cross"),
            "asset": [
                book.assets[k] if alone else None for k, alone in zip(first, isolated, strict=True)
            ],
            "equity": book.equity[pools],
            "derivative": margin.to_numpy(),
        }
    )
