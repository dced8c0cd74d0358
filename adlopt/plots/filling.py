"""Water-filling drawn as such: bars as wide as equity, so areas are money, and the level they
are drained to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.allocation import AnyAllocation, read_allocation
from adlopt.model.problem import Problem
from adlopt.plots import _canvas as canvas
from adlopt.solving.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def water_filling(
    problem: Problem,
    allocation: AnyAllocation,
    *,
    asset: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Leverage of each eligible position in one asset, before and after, over equity.

    Heights are |size| x mark over the pool's equity before settlement, from the highest to the
    lowest, so areas are notional. The water level is drawn if water-filling made the allocation. Of
    thousands of accounts, bars that would not fit into the frame are counted under the axis.

    Parameters
    ----------
    problem : Problem
    allocation : Solution, DataFrame or array (e,)
        Of any rule.
    asset : str, optional
        Left out, the one asset that is reduced.
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The asset is not reduced, or several are and none is named.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> ax = adl.plots.water_filling(problem, adl.solve(problem))
    >>> ax.get_ylabel()
    'Leverage (notional / equity)'
    """
    k = canvas.one_asset(problem, asset)
    taken = read_allocation(problem, allocation)
    rows = problem.rows_of(k)
    book = problem.book
    pools = problem.pool[rows]
    equity = book.equity[pools]
    size = book.size[problem.eligible[rows]]
    before = np.abs(size) * book.marks[k] / equity
    after = np.abs(size - taken[rows]) * book.marks[k] / equity
    level = None
    if isinstance(allocation, Solution) and allocation.method == "water_filling":
        given = allocation.water_level
        level = float(given[book.assets[k]]) if isinstance(given, pd.Series) else given
    side = "short" if problem.required[k] < 0 else "long"
    ax = canvas.axes(ax)
    _draw(ax, equity, before, after, level, book.account_names.take(book.pool_account[pools]))
    x = f"Equity of accounts {side} {canvas.safe_label(book.assets[k])}, highest leverage first"
    _label(ax, x, "Leverage (notional / equity)")
    return ax


def volatility_filling(
    equity: npt.ArrayLike,
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    *,
    level: float | None = None,
    names: npt.ArrayLike | pd.Index | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Portfolio volatility over equity of each account, before and after: water-filling under
    elliptical prices.

    Areas are money per standard deviation.

    Parameters
    ----------
    equity : array, shape (n,)
        > 0, in money.
    before, after : array, shape (n,)
        Volatility over equity.
    level : float, optional
        Water level to draw.
    names : sequence of str, optional
        Of the accounts; few accounts carry them.
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        The arrays differ in length or equity is not > 0.

    Examples
    --------
    >>> import adlopt as adl
    >>> ax = adl.plots.volatility_filling([2.0, 1.0], [0.5, 0.8], [0.5, 0.6], level=0.6)
    >>> ax.get_xlabel()
    'Equity of accounts, highest volatility first'
    """
    width = _numbers("equity", equity)
    heights = [_numbers(what, given) for what, given in (("before", before), ("after", after))]
    if any(height.shape != width.shape for height in heights) or width.ndim != 1 or width.size == 0:
        raise InputError(
            "volatility_filling: equity, before and after need one number per account each"
        )
    if not (width > 0).all():
        raise InputError("volatility_filling: equity must be > 0; bankrupt accounts take no part")
    shown: Any = names
    if shown is None:
        shown = before.index if isinstance(before, pd.Series) else np.arange(width.size)
    ax = canvas.axes(ax)
    _draw(ax, width, heights[0], heights[1], level, pd.Index(shown))
    _label(ax, "Equity of accounts, highest volatility first", "Portfolio volatility / equity")
    return ax


def _numbers(what: str, given: npt.ArrayLike) -> FloatArray:
    return validation.numbers("volatility_filling", pd.DataFrame({what: given}), what)


def _label(ax: Axes, x: str, y: str) -> None:
    note = ax.get_xlabel()  # what `_draw` has to say of bars beyond the frame
    ax.set_xlabel(f"{x}\n{note}" if note else x)
    ax.set_ylabel(y)
    canvas.count_money(ax.xaxis)
    canvas.legend_above(ax)


def _draw(
    ax: Axes,
    width: FloatArray,
    before: FloatArray,
    after: FloatArray,
    level: float | None,
    names: pd.Index,
) -> None:
    order = np.argsort(-before, kind="stable")
    width, before, after = width[order], before[order], after[order]
    widths, befores, afters = canvas.downsample_steps(width, before, after)
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    canvas.steps(ax, afters, edges, facecolor=canvas.SKY, linewidth=0, label="remaining")
    canvas.steps(
        ax,
        befores,
        edges,
        afters,
        facecolor="white",
        edgecolor=canvas.VERMILLION,
        hatch="////",
        linewidth=0,
        label="taken",
    )
    canvas.steps(ax, befores, edges, fill=False, edgecolor=canvas.BLACK, linewidth=0.8)
    if level is not None:
        ax.axhline(
            level,
            color=canvas.BLACK,
            linestyle="--",
            linewidth=1.5,
            label=f"water level {level:.4g}",
        )
    if before.size <= canvas.FEW:
        ax.vlines(edges, 0.0, np.append(before, 0.0), color=canvas.BLACK, linewidth=0.8)
        ax.set_xlim(0.0, edges[-1])
        ax.set_ylim(0.0, 1.12 * max(before.max(), level or 0.0))
        _write_names(ax, edges, before, names[order])
    else:
        ax.set_xlabel(_frame(ax, width, before, after, level))


def _write_names(ax: Axes, edges: FloatArray, before: FloatArray, names: pd.Index) -> None:
    """Each account's name on its bar, upright if it has to be, and not at all where the bar is too
    thin.
    """
    points = ax.figure.dpi / 72
    room = (
        np.diff(edges) / edges[-1] * ax.get_window_extent().width / points
    )  # in points; layout makes it a little less
    for index, given in enumerate(names):
        text = canvas.safe_label(given, 16)
        upright = 6.5 * len(text) + 2 > room[index]
        if not upright or room[index] > 11:  # a line of text is 9 points high
            middle = (edges[index] + edges[index + 1]) / 2
            ax.annotate(
                text,
                (middle, 0.0),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=9,
                rotation=90 if upright else 0,
            )


def _frame(
    ax: Axes, width: FloatArray, before: FloatArray, after: FloatArray, level: float | None
) -> str:
    """Show where something happens: few high bars and a long row of untouched ones may lie outside;
    says how many.
    """
    edges = np.concatenate([[0.0], np.cumsum(width)])
    touched = np.flatnonzero(after < before)
    right = edges[-1] if touched.size == 0 else min(edges[-1], 3 * edges[touched[-1] + 1])
    thin = int(np.searchsorted(edges, 0.005 * right))
    top = 1.1 * max(before[min(thin, before.size - 1)], 2 * (level or 0.0))
    top = 1.05 * before[0] if before[0] <= 1.5 * top else top
    ax.set_xlim(0.0, right)
    ax.set_ylim(0.0, top or 1.0)
    beyond, above = int((edges[:-1] >= right).sum()), int((before > top).sum())
    return "\n".join(_outside(above, before[0], beyond))


def _outside(above: int, highest: float, beyond: int) -> list[str]:
    """What to say of bars outside the frame: `above` end over it, `beyond` stand right of it."""
    notes = []
    if above == 1:
        notes.append(f"1 bar ends above the frame, at {highest:,.4g}")
    elif above:
        notes.append(f"{above:,} bars end above the frame, the highest at {highest:,.4g}")
    if beyond == 1:
        notes.append("1 further account, untouched, stands to the right")
    elif beyond:
        notes.append(f"{beyond:,} further accounts, untouched, stand to the right")
    return notes
