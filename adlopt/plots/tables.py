"""Pictures of tables: policies compared, objectives compared, reductions that are equally good."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from adlopt._internal.arrays import BoolArray, FloatArray
from adlopt.plots import _canvas as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from adlopt.studies.comparison import Comparison
    from adlopt.studies.exploration import Exploration
    from adlopt.studies.optimal_face import OptimalSet

WRITTEN = 10  # rows and columns of a heat map whose cells are written out


def risk_against_concentration(
    comparison: Comparison | pd.DataFrame,
    *,
    risk: Hashable = "objective",
    concentration: Hashable = "accounts",
    ax: Axes | None = None,
) -> Axes:
    """Risk that each policy leaves against how many or how few accounts carry it.

    Risk is drawn logarithmically where policies lie decades apart.

    Parameters
    ----------
    comparison : Comparison or DataFrame
        A row per policy, named by its index.
    risk : str, default "objective"
        Column of the vertical axis.
    concentration : str, default "accounts"
        Column of the horizontal axis.
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        A column is missing, or the table is empty.

    Examples
    --------
    >>> import adlopt as adl
    >>> comparison = adl.compare(adl.examples.paper_problem(), [adl.policies.BitMEX()])
    >>> ax = adl.plots.risk_against_concentration(comparison)
    >>> ax.get_xlabel()
    'Accounts'
    """
    comparison = canvas.as_frame(comparison)
    given = canvas.columns_of("comparison", comparison, [risk, concentration])
    ax = canvas.axes(ax)
    from matplotlib.ticker import MaxNLocator

    _policies(ax, given[concentration], given[risk], comparison.index)
    values = given[risk]
    if values.min() > 0 and values.max() > 30 * values.min():
        ax.set_yscale("log")
        ax.set_ylim(canvas.decades(values.min(), values.max()))
    if (given[concentration] % 1 == 0).all():
        ax.xaxis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True))
    ax.margins(0.08)
    ax.set_xlabel(_spoken(concentration))
    ax.set_ylabel(_spoken(risk))
    canvas.count_money(ax.xaxis)
    canvas.count_money(ax.yaxis)
    canvas.legend_beside(ax)
    return ax


def _policies(ax: Axes, x: FloatArray, y: FloatArray, names: pd.Index) -> None:
    """A marker for each policy."""
    for index, (policy, style) in enumerate(zip(names, canvas.styles(len(names)), strict=True)):
        ax.plot(
            x[index],
            y[index],
            color=style["color"],
            marker=style["marker"],
            linestyle="none",
            markersize=8,
            fillstyle="full" if index % 2 == 0 else "none",
            markeredgewidth=1.5,
            label=canvas.safe_label(policy),
        )


def cross_evaluation(exploration: Exploration | pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Heat map of `adl.explore`: how much worse each optimum (row) is than the best of its column,
    in per cent.

    The best of a column is marked 0 %. The scale ends at twice the best: what is beyond has the
    last colour. Where the best is zero, any loss is infinitely worse.

    Parameters
    ----------
    exploration : Exploration or DataFrame
        A row per objective minimised, a column per objective measured.
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem(64)
    >>> study = adl.explore(problem, [adl.ExpectedLoss(), adl.CVaR(0.9)])
    >>> ax = adl.plots.cross_evaluation(study)
    >>> len(ax.get_yticks())
    2
    """
    exploration = canvas.as_frame(exploration)
    columns = list(exploration.columns)
    values = np.column_stack(list(canvas.columns_of("exploration", exploration, columns).values()))
    excess = relative_excess(values)
    size = (
        3.4 + 0.7 * min(max(len(columns), 4), WRITTEN),
        2.0 + 0.5 * min(max(len(exploration), 4), WRITTEN),
    )
    ax = canvas.axes(ax, size)
    ax.grid(visible=False)
    top = float(min(max(excess[np.isfinite(excess)].max(), 0.01), 1.0))
    shown = np.minimum(excess, top)
    image = ax.imshow(100 * shown, cmap="cividis_r", vmin=0.0, vmax=100 * top, aspect="auto")
    bar = ax.figure.colorbar(image, ax=ax, extend="max" if (excess > top).any() else "neither")
    bar.set_label("Above the best (%)")
    ax.set_xlabel("Measured by")
    ax.set_ylabel("Minimized")
    if max(values.shape) <= WRITTEN:
        _write_cells(ax, excess, dark=shown > 0.5 * top)
        labels = [canvas.safe_label(label, 40) for label in columns]
        turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
        ax.set_xticks(range(len(columns)), labels, **turned)
        rows = [canvas.safe_label(label, 40) for label in exploration.index]
        ax.set_yticks(range(len(rows)), rows)
    return ax


def _write_cells(ax: Axes, excess: FloatArray, *, dark: BoolArray) -> None:
    """The number of each cell, white where the cell is dark."""
    for row, column in np.ndindex(*excess.shape):
        ax.text(
            column,
            row,
            _percent(float(excess[row, column])),
            ha="center",
            va="center",
            color="white" if dark[row, column] else "black",
            fontsize=9,
        )


def relative_excess(values: FloatArray) -> FloatArray:
    """(rows, columns) value over the least of its column, minus one."""
    best = values.min(axis=0)
    out = np.where(values > best, np.inf, 0.0)
    np.divide(values - best, np.abs(best), out=out, where=best != 0)
    return out


def optimal_band(
    ranges: OptimalSet | pd.DataFrame,
    *,
    least: str = "least",
    most: str = "most",
    chosen: str = "chosen",
    ax: Axes | None = None,
) -> Axes:
    """What each account may lose in some optimum, and what one optimum takes.

    A few accounts keep the order of the table; many are sorted by the most that they may lose, and
    the axis of many unequal ones is logarithmic.

    Parameters
    ----------
    ranges : OptimalSet or DataFrame
        A row per position, named by a column `account` or else by its index, with reductions in
        contracts of either sign.
    least, most : str, default "least" and "most"
        Columns of the ends.
    chosen : str, default "chosen"
        Column of the allocation to mark, drawn if it exists.
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        A column is missing, or the table is empty.

    Examples
    --------
    >>> import adlopt as adl
    >>> import pandas as pd
    >>> ranges = pd.DataFrame({"least": [0.0, 1.0], "most": [2.0, 3.0]}, index=["a", "b"])
    >>> ax = adl.plots.optimal_band(ranges)
    >>> ax.get_xlabel()
    'Account'
    """
    ranges = canvas.as_frame(ranges)
    given = canvas.columns_of(
        "ranges", ranges, [least, most, *([chosen] if chosen in ranges else [])]
    )
    ends = np.abs(np.column_stack([given[least], given[most]]))
    low, high = ends.min(axis=1), ends.max(axis=1)
    mark = np.abs(given.get(chosen, high))
    few = low.size <= canvas.FEW
    order = np.arange(low.size) if few else np.lexsort((-low, -high))
    low, high, mark = low[order], high[order], mark[order]
    ax = canvas.axes(ax)
    _draw_band(ax, low, high, mark if chosen in given else None)
    _scale_band(ax, high, max(float(high.max()), float(mark.max())))
    _name_accounts(ax, pd.Index(ranges.get("account", ranges.index))[order])
    ax.set_ylabel("Reduction (contracts)")
    canvas.count_money(ax.yaxis)
    canvas.legend_above(ax)
    return ax


def _scale_band(ax: Axes, high: FloatArray, top: float) -> None:
    """A linear axis, unless it would hide most accounts because a few are much larger."""
    open_to = high[high > 0]
    if high.size > canvas.FEW and open_to.size and top > 30 * np.median(open_to):
        ax.set_yscale("log")
        ax.set_ylim(canvas.decades(float(np.quantile(open_to, 0.05)), top))
    else:
        ax.set_ylim(0.0, 1.08 * top or 1.0)


def _name_accounts(ax: Axes, names: pd.Index) -> None:
    """The accounts' names, or how many there are."""
    if len(names) > canvas.FEW:
        ax.set_xlabel(f"{len(names):,} accounts, in the order of the most they may lose")
        return
    labels = [canvas.safe_label(label, 16) for label in names]
    upright = max(map(len, labels)) * len(names) > 50
    ax.set_xticks(np.arange(len(names)), labels, rotation=90 if upright else 0)
    ax.set_xlabel("Account")


def _draw_band(ax: Axes, low: FloatArray, high: FloatArray, mark: FloatArray | None) -> None:
    """A bar from `low` to `high` of each account, and a dot at `mark`."""
    few = low.size <= canvas.FEW
    edges = np.arange(low.size + 1, dtype=np.float64) - 0.5
    canvas.steps(
        ax,
        high,
        edges,
        low,
        facecolor=canvas.SKY,
        edgecolor=canvas.BLUE,
        hatch="////" if few else None,
        linewidth=0.8 if few else 0.0,
        label="optimal",
    )
    if mark is not None:
        dots: dict[str, Any] = (
            {"marker": "D", "markersize": 6} if few else {"marker": ".", "markersize": 2}
        )
        place = np.arange(low.size)
        ax.plot(place, mark, linestyle="none", color=canvas.BLACK, label="chosen", **dots)
    ax.set_xlim(edges[0], edges[-1])


def _percent(excess: float) -> str:
    if not np.isfinite(excess):
        return "∞"
    return f"{100 * excess:.0f} %" if excess >= 0.0995 or excess < 5e-4 else f"{100 * excess:.1f} %"


def _spoken(column: Hashable) -> str:
    text = (
        str(column[-1] if isinstance(column, tuple) else column)
        .replace("_", " ")
        .replace("$", r"\$")
    )
    return text[:1].upper() + text[1:]
