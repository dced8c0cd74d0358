"""What changes as more is reduced: leverage of each account, shadow prices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError, NotApplicable
from adlopt.methods import factor_leverage as method
from adlopt.model.allocation import gross_leverage
from adlopt.model.problem import Problem
from adlopt.plots import _canvas as canvas
from adlopt.prices import OneFactor, PriceModel
from adlopt.solving.dispatch import solve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from adlopt.studies.sweep import Frontier

POINTS = 60
QUANTILES = (0.99, 0.9, 0.5, 0.1)
PREFIX = "shadow_price_"  # of the columns of `frontier`
SWEPT = {
    "multiple": "Multiple of the reduction",
    "insurance_fund": "Insurance fund",
    "level": "Level of the CVaR",
}
"""Columns of `frontier` that hold what is swept, and their labels."""


def factor_leverage(
    problem: Problem,
    contracts: Iterable[float] | None = None,
    *,
    beside: PriceModel | None = None,
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Factor leverage of each account against the size of the reduction (left), and gross leverage
    (right).

    At each size the factor-leverage rule reduces anew (paper, section 4). Factor leverage is the
    fraction of equity lost when the factor moves by one unit against the reduced side. The dotted
    line is the reduction that the problem requires. Many accounts are drawn as quantiles.

    Parameters
    ----------
    problem : Problem
        Under a one-factor model.
    contracts : iterable of float, optional
        Sizes of the reduction, unsigned; from zero to all that is eligible if left out.
    beside : PriceModel, optional
        The right picture then shows the factor leverage of the optimum under this model.
    axes : two matplotlib axes, optional

    Returns
    -------
    tuple of Axes

    Raises
    ------
    NotApplicable
        The factor-leverage rule does not apply.

    Examples
    --------
    >>> import adlopt as adl
    >>> left, right = adl.plots.factor_leverage(adl.examples.paper_problem(), [0, 5, 10])
    >>> left.get_xlabel()
    'Reduction (BTC contracts)'
    """
    reason = method.reason_not_applicable(problem)
    if reason is not None:
        raise NotApplicable(f"factor_leverage: {reason}")
    required = abs(float(problem.required[problem.reduced_assets[0]]))
    sizes = _sizes(contracts, float(np.abs(problem.max_reduction).sum()))
    factor, gross, level = _sweep(problem, sizes / required)
    left, right = canvas.pair_of_axes(axes, (9.0, 3.8))
    _draw(left, problem, sizes, factor, "Factor leverage")
    left.plot(sizes, level, color=canvas.BLACK, linewidth=4, alpha=0.3, label="water level")
    if beside is None:
        _draw(right, problem, sizes, gross, "Gross leverage")
    else:
        label = f"Factor leverage, {type(beside).__name__} optimum"
        _draw(right, problem, sizes, _optima(problem, beside, sizes / required), label)
        right.set_ylim(left.get_ylim())
    few = factor.shape[1] <= canvas.FEW
    canvas.legend_beside(right, "Account" if few else None, of=left)
    return left, right


def _draw(ax: Axes, problem: Problem, sizes: FloatArray, lines: FloatArray, label: str) -> None:
    """Leverage (points, pools to be reduced) against the size of the reduction."""
    book, k = problem.book, problem.reduced_assets[0]
    pools = np.unique(problem.pool)
    if pools.size <= canvas.FEW:
        accounts = book.account_names.take(book.pool_account[pools])
        _lines(ax, sizes, lines, [canvas.safe_label(account) for account in accounts])
    else:
        _quantiles(ax, sizes, lines)
    required = abs(float(problem.required[k]))
    ax.axvline(required, color="0.4", linestyle=":", linewidth=1.2, label="required")
    title = f"Reduction ({canvas.safe_label(book.assets[k])} contracts)"
    ax.set(xlabel=title, ylabel=label, xlim=(sizes[0], sizes[-1]))
    canvas.count_money(ax.xaxis)


def _sizes(contracts: Iterable[float] | None, available: float) -> FloatArray:
    if contracts is None:
        return np.linspace(0.0, available, POINTS + 1)
    sizes = np.sort(np.asarray(list(contracts), dtype=float))
    if sizes.size < 2 or not np.isfinite(sizes).all() or sizes[0] < 0:
        raise InputError(
            "factor_leverage: contracts: give at least two sizes of the reduction, >= 0; the "
            "problem states the side"
        )
    return sizes


def _sweep(problem: Problem, multiples: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Factor leverage and gross leverage (points, pools to be reduced), and the water level
    (points,).
    """
    pools = np.unique(problem.pool)
    factor, gross, level = [], [], []
    for multiple in multiples:
        result = (
            method.solve(problem.with_changes(multiple=float(multiple))) if multiple > 0 else None
        )
        taken = None if result is None else result.allocation
        factor.append(_factor_leverage(problem, taken))
        gross.append(gross_leverage(problem, taken)[pools])
        level.append(
            factor[-1].max()
            if result is None or result.water_level is None
            else result.water_level[0]
        )
    return np.array(factor), np.array(gross), np.array(level)


def _optima(problem: Problem, prices: PriceModel, multiples: FloatArray) -> FloatArray:
    """Factor leverage (points, pools to be reduced) where reductions are optimal under another
    price model.
    """
    other = replace(problem, prices=prices)
    rows = []
    for multiple in multiples:
        best = (
            solve(other.with_changes(multiple=float(multiple))).allocation["reduction"].to_numpy()
            if multiple > 0
            else None
        )
        rows.append(_factor_leverage(problem, best))
    return np.array(rows)


def _factor_leverage(problem: Problem, taken: FloatArray | None) -> FloatArray:
    """(pools to be reduced,) share of equity lost when the factor moves by one unit against the
    reduced side.
    """
    assert isinstance(problem.prices, OneFactor)
    v = problem.prices.vector(problem.book.assets)
    k = int(problem.reduced_assets[0])
    adverse = np.sign(
        problem.required[k] * v[k]
    )  # a short loses when its factor exposure, negative, meets a rise
    return np.asarray(
        (adverse * (problem.factor_exposure(v, taken)) / problem.book.equity)[
            np.unique(problem.pool)
        ]
    )


def _lines(ax: Axes, sizes: FloatArray, lines: FloatArray, names: Sequence[str]) -> None:
    every = max(sizes.size // 8, 1)
    for index, (label, style) in enumerate(zip(names, canvas.styles(len(names)), strict=True)):
        shift = (
            index * every // len(names)
        )  # markers of lines that run together stand beside each other
        ax.plot(
            sizes, lines[:, index], label=label, markevery=(shift, every), markersize=5, **style
        )


def _quantiles(ax: Axes, sizes: FloatArray, lines: FloatArray) -> None:
    """Of many accounts, what shares of them stay below; the highest few may lie outside the
    frame.
    """
    levels = np.quantile(lines, QUANTILES, axis=1)
    _lines(ax, sizes, levels.T, [f"{100 * share:g} % of accounts below" for share in QUANTILES])
    room = 0.08 * float(np.ptp(levels)) or 1.0
    ax.set_ylim(float(levels.min()) - room, float(levels.max()) + room)


def shadow_prices(sweep: Frontier | pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Shadow price of each reduced asset along a sweep.

    It is the money that one more contract of required reduction saves. The horizontal axis is the
    reduction in contracts if one asset is reduced, else its multiple; or the insurance fund or the
    CVaR level that was swept.

    Parameters
    ----------
    sweep : Frontier or DataFrame
        The result of `adl.frontier`, or its table.
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The table has no swept column or no shadow prices.

    Examples
    --------
    >>> import adlopt as adl
    >>> sweep = adl.frontier(adl.examples.paper_problem(), multiples=[0.5, 1.0])
    >>> ax = adl.plots.shadow_prices(sweep)
    >>> ax.get_xlabel()
    'Reduction (BTC contracts)'
    """
    table = canvas.as_frame(sweep)
    swept = next((name for name in SWEPT if name in table), None)
    columns = [str(column) for column in table.columns if str(column).startswith(PREFIX)]
    if swept is None or not columns:
        raise InputError(
            "shadow_prices: give adl.frontier(problem, multiples=[...]) of a problem with a price "
            "model"
        )
    assets = [column.removeprefix(PREFIX) for column in columns]
    x, label = swept, SWEPT[swept]
    if swept == "multiple" and len(assets) == 1:
        x, label = f"reduction_{assets[0]}", f"Reduction ({canvas.safe_label(assets[0])} contracts)"
    given = canvas.columns_of("shadow_prices", table, [x, *columns])
    order = np.argsort(np.abs(given[x]))
    prices = [given[column][order] for column in columns]
    ax = canvas.axes(ax)
    for asset, price, style in zip(assets, prices, canvas.styles(len(assets)), strict=True):
        ax.plot(
            np.abs(given[x])[order], price, label=canvas.safe_label(asset), markersize=5, **style
        )
    _scale(ax, prices)
    ax.set(xlabel=label, ylabel="Shadow price (money saved per contract)")
    canvas.count_money(ax.yaxis)
    if swept != "level":
        canvas.count_money(ax.xaxis)
    if len(assets) > 1:
        canvas.legend_beside(ax)
    return ax


def _scale(ax: Axes, prices: list[FloatArray]) -> None:
    """The vertical axis: from zero, and logarithmic above it where contracts differ much in worth,
    or one line would lie on the axis.
    """
    largest = [float(np.abs(price).max()) for price in prices]
    if not max(largest) > 100 * min(largest) > 0:
        ax.set_ylim(bottom=1.1 * min(0.0, *(float(price.min()) for price in prices)))
        return
    linear = min(largest) / 100
    low, high = (round(np.log10(end)) for end in (10 * linear, max(largest)))
    ax.set_yscale("asinh", linear_width=linear)
    powers = range(low, high + 1, max(1, (high - low) // 6))
    ax.set_yticks([0.0, *(10.0**power for power in powers)])
    ax.set_yticks([], minor=True)
