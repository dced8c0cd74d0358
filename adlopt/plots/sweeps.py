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


def factor_leverage(
    problem: Problem,
    contracts: Iterable[float] | None = None,
    *,
    beside: PriceModel | None = None,
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Factor leverage of each account against the size of the reduction (left), and gross leverage
    beside it (right).

    At each size the factor-leverage rule reduces anew (paper, section 4). Factor leverage is the
    share of equity lost when
    the factor moves by one unit against the reduced side. `contracts` are sizes of the reduction,
    unsigned, from zero to
    all that is eligible if left out; the dotted line is the reduction that the problem asks for.
    Many accounts are drawn as
    quantiles. With another price model `beside` it, the right picture shows the same factor
    leverage where reductions are
    optimal under that model. Raises NotApplicable where the rule does not apply.

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
    k = int(problem.reduced_assets[0])
    required = abs(float(problem.required[k]))
    sizes = _sizes(contracts, float(np.abs(problem.max_reduction).sum()))
    factor, gross, level = _sweep(problem, sizes / required)
    other, ylabel = gross, "Gross leverage"
    if beside is not None:
        other, ylabel = (
            _optima(problem, beside, sizes / required),
            f"Factor leverage, {type(beside).__name__} optimum",
        )
    left, right = canvas.pair_of_axes(axes, (9.0, 3.8))
    pools = np.unique(problem.pool)
    book = problem.book
    names = [canvas.name(given) for given in book.names.take(book.pool_account[pools])]
    few = pools.size <= canvas.FEW
    title = f"Reduction ({canvas.name(book.assets[k])} contracts)"
    for ax, lines, what in ((left, factor, "Factor leverage"), (right, other, ylabel)):
        if few:
            _lines(ax, sizes, lines, names)
        else:
            _quantiles(ax, sizes, lines)
        ax.axvline(required, color="0.4", linestyle=":", linewidth=1.2, label="required")
        ax.set(xlabel=title, ylabel=what, xlim=(sizes[0], sizes[-1]))
        canvas.count_money(ax.xaxis)
    left.plot(sizes, level, color=canvas.BLACK, linewidth=4, alpha=0.3, label="water level")
    if beside is not None:
        right.set_ylim(left.get_ylim())
    right.legend(
        *left.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
        title="Account" if few else None,
        alignment="left",
    )
    return left, right


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
    for at, (label, style) in enumerate(zip(names, canvas.styles(len(names)), strict=True)):
        shift = (
            at * every // len(names)
        )  # markers of lines that run together stand beside each other
        ax.plot(sizes, lines[:, at], label=label, markevery=(shift, every), markersize=5, **style)


def _quantiles(ax: Axes, sizes: FloatArray, lines: FloatArray) -> None:
    """Of many accounts, what shares of them stay below; the highest few may lie outside the
    frame.
    """
    levels = np.quantile(lines, QUANTILES, axis=1)
    _lines(ax, sizes, levels.T, [f"{100 * share:g} % of accounts below" for share in QUANTILES])
    room = 0.08 * float(np.ptp(levels)) or 1.0
    ax.set_ylim(float(levels.min()) - room, float(levels.max()) + room)


def shadow_prices(sweep: Frontier | pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Shadow price of each reduced asset along a sweep: the table that `adl.frontier` returns.

    Money that one more contract of required reduction saves, against the reduction in contracts if
    one asset is reduced,
    else its multiple; or against the insurance fund or the risk level that was swept.

    Examples
    --------
    >>> import adlopt as adl
    >>> sweep = adl.frontier(adl.examples.paper_problem(), multiples=[0.5, 1.0])
    >>> ax = adl.plots.shadow_prices(sweep)
    >>> ax.get_xlabel()
    'Reduction (BTC contracts)'
    """
    sweep = canvas.as_frame(sweep)
    swept = next((name for name in ("multiple", "insurance_fund", "level") if name in sweep), None)
    assets = [
        str(column).removeprefix(PREFIX)
        for column in sweep.columns
        if str(column).startswith(PREFIX)
    ]
    if swept is None or not assets:
        raise InputError(
            "shadow_prices: give adl.frontier(problem, multiples=[...]) of a problem with a price "
            "model"
        )
    x, label = (
        swept,
        {"insurance_fund": "Insurance fund", "level": "Level of the CVaR"}.get(
            swept, "Multiple of the reduction"
        ),
    )
    if swept == "multiple" and len(assets) == 1:
        x, label = f"reduction_{assets[0]}", f"Reduction ({canvas.name(assets[0])} contracts)"
    given = canvas.columns_of("shadow_prices", sweep, [x, *(PREFIX + asset for asset in assets)])
    order = np.argsort(np.abs(given[x]))
    prices = {asset: given[PREFIX + asset][order] for asset in assets}
    ax = canvas.axes(ax)
    for (asset, price), style in zip(prices.items(), canvas.styles(len(assets)), strict=True):
        ax.plot(np.abs(given[x])[order], price, label=canvas.name(asset), markersize=5, **style)
    largest = [float(np.abs(price).max()) for price in prices.values()]
    if (
        max(largest) > 100 * min(largest) > 0
    ):  # contracts of different worth: one line would lie on the axis
        linear = min(largest) / 100
        low, high = (round(np.log10(end)) for end in (10 * linear, max(largest)))
        ax.set_yscale("asinh", linear_width=linear)
        ax.set_yticks(
            [0.0, *(10.0**power for power in range(low, high + 1, max(1, (high - low) // 6)))]
        )
        ax.set_yticks([], minor=True)
    else:
        ax.set_ylim(bottom=1.1 * min(0.0, *(float(price.min()) for price in prices.values())))
    ax.set_xlabel(label)
    ax.set_ylabel("Shadow price (money saved per contract)")
    canvas.count_money(ax.yaxis)
    if swept != "level":
        canvas.count_money(ax.xaxis)
    if len(assets) > 1:
        canvas.legend_beside(ax)
    return ax
