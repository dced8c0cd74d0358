"""The water level: one level that drains every pool above it, found by Newton's method.

Find eta with sum_i clip(height_i - eta * width_i, 0, cap_i) = total (docs/theory/water_filling.md,
equation 2). Heights are notionals (or factor exposures), widths equities: height / width is
leverage, and clip(...) what is taken from pool i.
"""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt._internal.parallel import jit, jit_sums


def drain(
    height: FloatArray, width: FloatArray, cap: FloatArray, total: float
) -> tuple[FloatArray, float]:
    """Drain pools to one level.

    Linear in n: each Newton pass reads the arrays once, and about seven passes do at ten million
    pools.

    Parameters
    ----------
    height : (n,) float array
        Notional or exposure, finite; all numbers in one unit.
    width : (n,) float array
        Equity, > 0.
    cap : (n,) float array
        Most that may be taken, >= 0, with sum at least `total`.
    total : float
        To be taken, > 0.

    Returns
    -------
    taken : (n,) float array
        Amounts between 0 and `cap` with sum `total`.
    level : float
        height / width to which pools are drained.

    Examples
    --------
    >>> import numpy as np
    >>> taken, level = drain(np.array([8.0, 5.0, 2.0]), np.ones(3), np.array([8.0, 5.0, 2.0]), 4.0)
    >>> taken.tolist(), level
    ([3.5, 0.5, 0.0], 4.5)
    """
    if total >= cap.sum():
        open_pools = cap > 0
        return cap.copy(), float(((height - cap)[open_pools] / width[open_pools]).min())
    eta = find_level(height, width, cap, total)
    taken = np.empty_like(height)
    take_above(height, width, cap, eta, taken)
    _close_sum(taken, width, cap, total)
    return taken, eta


@jit
def find_level(height: FloatArray, width: FloatArray, cap: FloatArray, total: float) -> float:
    """Root of the nonincreasing piecewise linear function sum_i clip(height_i - eta width_i, 0,
    cap_i) - total.

    Newton from the level at which no clip binds. Without caps the function is convex and the steps
    are monotone and finite. Caps break convexity: a bracket is kept, and halved when a step would
    leave it. No sort: it would cost more.
    """
    sum_height = 0.0
    sum_width = 0.0
    for i in range(height.size):
        if cap[i] > 0.0:
            sum_height += height[i]
            sum_width += width[i]
    eta = (sum_height - total) / sum_width
    low, high = -np.inf, np.inf
    while True:
        capped, sum_height, sum_width = _piece(height, width, cap, eta)
        excess = capped + (sum_height - eta * sum_width) - total
        if excess >= 0.0:
            low = max(low, eta)
        else:
            high = min(high, eta)
        if sum_width > 0.0:
            step = (capped + sum_height - total) / sum_width
            if step == eta:  # the step came from this very piece: same pools, same sums
                return eta
        else:
            step = np.nan
        if not low < step < high:
            step = _middle(low, high, height, width, cap)
            if not low < step < high:
                return low
        eta = step


@jit_sums
def _piece(
    height: FloatArray, width: FloatArray, cap: FloatArray, eta: float
) -> tuple[float, float, float]:
    """The linear piece at `eta`: sum of caps of pools at their cap; sums of height and width of
    those partly drained.
    """
    capped = 0.0
    sum_height = 0.0
    sum_width = 0.0
    for i in range(height.size):
        take = height[i] - eta * width[i]
        full = take >= cap[i]
        partly = (take > 0.0) & (
            not full
        )  # no branches: they would be mispredicted for one pool in three
        capped += cap[i] if full else 0.0
        sum_height += height[i] if partly else 0.0
        sum_width += width[i] if partly else 0.0
    return capped, sum_height, sum_width


@jit
def _middle(
    low: float, high: float, height: FloatArray, width: FloatArray, cap: FloatArray
) -> float:
    """Middle of the bracket; an open end is first closed where every pool is at its cap, or none is
    touched.
    """
    if low == -np.inf:
        for i in range(height.size):
            if cap[i] > 0.0:
                low = min(high if low == -np.inf else low, (height[i] - cap[i]) / width[i])
    if high == np.inf:
        for i in range(height.size):
            if cap[i] > 0.0:
                high = max(low if high == np.inf else high, height[i] / width[i])
    return low + 0.5 * (high - low)


@jit
def take_above(
    height: FloatArray, width: FloatArray, cap: FloatArray, eta: float, taken: FloatArray
) -> None:
    """taken_i = clip(height_i - eta width_i, 0, cap_i)."""
    for i in range(height.size):
        taken[i] = min(max(height[i] - eta * width[i], 0.0), cap[i])


def _close_sum(taken: FloatArray, width: FloatArray, cap: FloatArray, total: float) -> None:
    """Spread the rounding left in the sum over pools drained in part, in proportion to equity:
    their common level moves. Others take part only if there are none.
    """
    for _ in range(2):
        residual = total - taken.sum()
        if residual == 0.0 or not _shift(taken, width, cap, residual):
            break
    residual = total - taken.sum()
    if residual != 0.0:
        room = cap - taken if residual > 0 else taken
        partly = (taken > 0) & (taken < cap)
        i = int(np.argmax(np.where(partly, room, 0.0) if partly.any() else room))
        taken[i] = min(max(taken[i] + residual, 0.0), cap[i])


def _shift(taken: FloatArray, width: FloatArray, cap: FloatArray, residual: float) -> bool:
    """Add `residual` to the partly drained pools by width; False if there are none."""
    total_width = _partly_drained_width(taken, width, cap)
    if total_width > 0.0:
        _raise_partly_drained(taken, width, cap, residual / total_width)
    return total_width > 0.0


@jit_sums
def _partly_drained_width(taken: FloatArray, width: FloatArray, cap: FloatArray) -> float:
    total_width = 0.0
    for i in range(taken.size):
        total_width += width[i] if (taken[i] > 0.0) & (taken[i] < cap[i]) else 0.0
    return total_width


@jit
def _raise_partly_drained(
    taken: FloatArray, width: FloatArray, cap: FloatArray, rise: float
) -> None:
    for i in range(taken.size):
        risen = min(max(taken[i] + rise * width[i], 0.0), cap[i])
        taken[i] = risen if (taken[i] > 0.0) & (taken[i] < cap[i]) else taken[i]
