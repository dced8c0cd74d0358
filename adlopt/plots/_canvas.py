"""What all pictures share: axes, styles that survive colour blindness and grey print, names and
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import AdlError, InputError
from adlopt.model.allocation import AnyAllocation, read_allocation
from adlopt.model.problem import Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLACK, BLUE, SKY, VERMILLION = "#000000", "#0072B2", "#56B4E9", "#D55E00"
COLOURS = (
    BLUE,
    VERMILLION,
    "#009E73",
    "#CC79A7",
    BLACK,
    "#E69F00",
    SKY,
)  # Okabe and Ito (2008), yellow left out: too pale
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
MARKERS = "osD^vPX*<>dph"
FEW = 12  # accounts shown by name; more are drawn as one shape
NAME = 28  # characters of a name that are shown
STEPS = 4000  # more than a printer resolves; a shape with a million corners is beyond matplotlib


def require_matplotlib() -> None:
    """AdlError that names the extra, where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise AdlError(
            'pictures need matplotlib, which is not installed: pip install "adlopt[plots]"'
        ) from error


def axes(ax: Axes | None, size: tuple[float, float] = (6.4, 4.0)) -> Axes:
    """The user's axes, or those of a new figure."""
    return style_axes(ax) if ax is not None else pair_of_axes(None, size, 1)[0]


def pair_of_axes(
    given: Sequence[Axes] | None, size: tuple[float, float], count: int = 2
) -> list[Axes]:
    """The user's axes, or `count` of them side by side in a new figure."""
    if given is not None:
        if len(given) != count:
            raise InputError(f"axes: {count} are needed, side by side; got {len(given)}")
        return [style_axes(ax) for ax in given]
    require_matplotlib()
    import matplotlib.pyplot as plt

    _, made = plt.subplots(1, count, figsize=size, layout="constrained", squeeze=False)
    return [style_axes(ax) for ax in made[0]]


def style_axes(ax: Axes) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=True, color="0.85", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def styles(count: int) -> list[dict[str, Any]]:
    """Line styles, all different in colour and, in grey, in dashes and markers."""
    return [
        {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": LINES[index % len(LINES)],
            "marker": MARKERS[index % len(MARKERS)],
        }
        for index in range(count)
    ]


def steps(
    ax: Axes, values: FloatArray, edges: FloatArray, baseline: Any = 0.0, **style: Any
) -> None:
    """A filled step shape, whose limits the caller sets: `ax.stairs` works them out corner by
    corner, which takes seconds.
    """
    from matplotlib.patches import StepPatch

    ax.add_artist(StepPatch(values, edges, baseline=baseline, **style))


def safe_label(given: object, most: int = NAME) -> str:
    """A user's name as matplotlib text: short, on one line, and with no meaning as mathematics or
    as a hidden label.
    """
    text = " ".join(str(given).split())
    text = text if len(text) <= most else text[: most - 5] + "…" + text[-4:]
    return ("\u200b" if text.startswith("_") else "") + text.replace("$", r"\$")


def legend_above(ax: Axes, columns: int = 3) -> None:
    """A legend between the axes and the figure's edge, where it hides nothing."""
    ax.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, frameon=False, borderaxespad=0.2
    )


def legend_beside(ax: Axes, title: str | None = None, *, of: Axes | None = None) -> None:
    """A legend to the right, of these axes' lines or of others'."""
    ax.legend(
        *(of or ax).get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
        title=title,
        alignment="left",
    )


def compact(value: float) -> str:
    """A tick's number: 1500 is 1.5k, two billion are 2bn."""
    for scale, suffix in ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= scale * 0.9999999:
            return f"{value / scale:g}{suffix}"
    return f"{value:g}"


def count_money(axis: Any) -> None:
    """Compact numbers at an axis, and none between the decades of a logarithmic one."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    axis.set_minor_formatter(NullFormatter())


def decades(least: float, most: float) -> tuple[float, float]:
    """The powers of ten around two positive numbers, at least one decade apart."""
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return 10.0**low, 10.0 ** max(high, low + 1)


def reductions(problem: Problem, given: AnyAllocation | None) -> FloatArray | None:
    """Reductions (e,) of any allocation; None stands for no reduction."""
    return None if given is None else read_allocation(problem, given)


def one_asset(problem: Problem, asset: str | None) -> int:
    """The reduced asset that is meant, as a position in the book's assets."""
    reduced = problem.book.assets[problem.reduced_assets]
    if asset is None:
        if len(reduced) > 1:
            raise InputError(
                f"asset: {len(reduced)} are reduced ({', '.join(map(str, reduced))}); choose "
                "one to draw"
            )
        return int(problem.reduced_assets[0])
    if asset not in reduced:
        raise InputError(
            f"asset: {asset!r} is not reduced; the problem reduces {', '.join(map(str, reduced))}"
        )
    return list(problem.book.assets).index(asset)


def as_frame(given: Any) -> pd.DataFrame:
    """The table of a study's result, or the table that was given."""
    return given if isinstance(given, pd.DataFrame) else getattr(given, "table", given)


def columns_of(table: str, frame: pd.DataFrame, names: Sequence[Any]) -> Mapping[Any, FloatArray]:
    """Columns of finite numbers, by name."""
    if len(frame) == 0:
        raise InputError(f"{table}: the table has no rows")
    validation.require_columns(table, frame, tuple(names))
    return {column: validation.numbers(table, frame, column) for column in names}


def downsample_steps(width: FloatArray, *heights: FloatArray) -> tuple[FloatArray, ...]:
    """Neighbouring steps put together until about `STEPS` are left: widths added, heights averaged,
    areas kept.

    A step wider than its share of the whole stays as it is, as do all if they are few.
    """
    if width.size <= STEPS:
        return (width, *heights)
    reach = np.cumsum(width)
    place = np.floor(reach / reach[-1] * STEPS)
    first = np.flatnonzero(np.diff(place, prepend=-1.0))
    whole = np.add.reduceat(width, first)
    return (whole, *(np.add.reduceat(width * height, first) / whole for height in heights))
