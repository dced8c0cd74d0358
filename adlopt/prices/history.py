"""Scenarios from past returns, applied to today's marks."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.prices.horizon import Horizon, time_span
from adlopt.prices.protocol import ScenarioKind, ScenarioSet


class History:
    """One scenario per past window: mark times the price ratio over the window.

    Parameters
    ----------
    prices : DataFrame
        Past prices, rows in the order of time, a column per asset; it may hold further assets.
    horizon : int, float, str or Timedelta, default 1
        Length of a window: a whole number (int) counts rows; otherwise years, or a time span such
        as "10D", if the index holds times and has a row exactly that much later.
    returns : {"simple", "log"}, default "simple"
        Kind of return that `drift=False` centres.
    overlapping : bool, default True
        Windows start at every row; without, they follow each other, the last one ending at the
        last row.
    half_life : float, str or Timedelta, optional
        Age at which a window counts half, in rows or as a time span; equal weights if left out.
    drift : bool, default True
        False takes the mean out: of "simple" returns, and the mean price move is zero, or of "log"
        returns, and the mean log return is. With drift both give the same scenarios.

    Raises
    ------
    InputError
        Prices that are missing or not > 0, rows out of order, or no window of this length.

    Examples
    --------
    >>> import pandas as pd
    >>> import adlopt as adl
    >>> prices = pd.DataFrame({"BTC": [100.0, 110.0, 99.0]})
    >>> adl.History(prices).returns.round(3).ravel().tolist()
    [0.1, -0.1]
    """

    scenario_kind: ScenarioKind = "given"

    def __init__(
        self,
        prices: pd.DataFrame,
        horizon: Horizon = 1,
        *,
        returns: Literal["simple", "log"] = "simple",
        overlapping: bool = True,
        half_life: float | str | pd.Timedelta | None = None,
        drift: bool = True,
    ) -> None:
        if returns not in ("simple", "log"):
            raise InputError(f"History: returns is {returns!r}; use 'simple' or 'log'")
        values = _prices(prices)
        self.assets = prices.columns
        start, end = _windows(prices.index, horizon, overlapping)
        self.window_rows = int((end - start).max()) if overlapping else 1
        """Successive windows within so many rows share prices, and so are not independent."""
        self.ends = prices.index[end]
        """When each window ended: the scenarios' names."""
        self.weights = _weights(prices.index, end, half_life)
        growth = values[end] / values[start]
        if not drift and returns == "simple":
            growth -= self.weights @ growth - 1.0
        elif not drift:
            growth *= np.exp(-self.weights @ np.log(growth))
        if (growth < 0).any():
            raise InputError(
                "History: without its drift a simple return falls below -1; use returns='log'"
            )
        self.returns: FloatArray = growth - 1.0  # (S, assets), simple
        self._last = values[-1]
        self._horizon = horizon

    @property
    def last(self) -> pd.Series[float]:
        """The last price of each asset."""
        return pd.Series(self._last, index=self.assets)

    def covariance(self, marks: object = None) -> pd.DataFrame:
        """Covariance of price moves over a window.

        Parameters
        ----------
        marks : mapping, Series or array of shape (d,), optional
            Prices that turn returns into money; the last prices of the history if left out.

        Returns
        -------
        DataFrame, shape (d, d)
            In money^2 per contract^2.

        Raises
        ------
        InputError
            A mark is missing or not > 0.
        """
        scale = self._last
        if marks is not None:
            scale = validation.vector_by_asset("marks", marks, self.assets)
            if (scale <= 0).any():
                raise InputError("marks must be prices > 0")
        centred = (self.returns - self.weights @ self.returns) * scale
        matrix = (centred.T * self.weights) @ centred
        return pd.DataFrame((matrix + matrix.T) / 2, index=self.assets, columns=self.assets)

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """A scenario per past window: its returns, applied to the marks.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        ScenarioSet
        """
        where = self.assets.get_indexer(assets)
        if (where < 0).any():
            raise InputError(
                f"History: no prices for asset {assets[where < 0][0]!r}; it has "
                f"{validation.format_names(self.assets)}"
            )
        return ScenarioSet(self.returns[:, where] * marks, self.weights)

    def names(self, assets: pd.Index, marks: FloatArray) -> pd.Index:
        """When each scenario's window ended.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        Index of shape (S,)
        """
        return self.ends

    def __repr__(self) -> str:
        names = validation.format_names(self.assets)
        return f"History({len(self.returns):,} windows of {self._horizon!r}, {names})"


def _prices(prices: pd.DataFrame) -> FloatArray:
    """(T, assets) prices > 0, from a table in the order of time."""
    table = "History prices"
    if not isinstance(prices, pd.DataFrame) or prices.empty:
        raise InputError(
            "History: prices must be a DataFrame with a row per time and a column per asset"
        )
    if not prices.columns.is_unique:
        raise InputError(
            f"{table}: column {prices.columns[prices.columns.duplicated()][0]!r} appears twice; "
            f"keep one"
        )
    if not (prices.index.is_monotonic_increasing and prices.index.is_unique):
        raise InputError(
            f"{table}: rows must be in the order of time, each time once; sort_index() and drop "
            f"duplicates"
        )
    columns = []
    for name in prices.columns:
        validation.raise_for_rows(
            table,
            prices,
            prices[name].isna(),
            name,
            "is missing; fill it (prices.ffill()), drop the row (prices.dropna()) or leave the "
            "asset out",
        )
        column = validation.numbers(table, prices, name)
        validation.raise_for_rows(table, prices, column <= 0, name, "{} is not a price > 0")
        columns.append(column)
    return np.column_stack(columns)


def _windows(
    times: pd.Index[Any], horizon: Horizon, overlapping: bool
) -> tuple[IntArray, IntArray]:
    """First and last row of each window, in the order of time."""
    rows = np.arange(len(times))
    if isinstance(horizon, int | np.integer) and not isinstance(horizon, bool):
        if horizon < 1:
            raise InputError(f"History: horizon is {horizon}; a window spans at least one row")
        start, end = rows[: -int(horizon)], rows[int(horizon) :]
    else:
        span = _span("horizon", horizon, times)
        later: Any = times + span
        start = rows[np.asarray(later <= times[-1])]
        end = times.get_indexer(later[start])
        if (end < 0).any():
            first = times[start[end < 0][0]]
            raise InputError(
                f"History: no price at {first + span}, which is {horizon!r} after {first}; fill "
                f"the gaps "
                "(prices.resample(...).ffill()), or count the horizon in rows"
            )
    if start.size == 0:
        unit = " years" if isinstance(horizon, float | np.floating) else ""
        raise InputError(
            f"History: {len(times)} rows of prices contain no window of {horizon!r}{unit}"
        )
    if overlapping:
        return start, end
    kept = []
    limit = rows[-1]
    for index in range(end.size - 1, -1, -1):
        if end[index] <= limit:
            kept.append(index)
            limit = start[index]
    return start[kept[::-1]], end[kept[::-1]]


def _weights(
    times: pd.Index[Any], end: IntArray, half_life: float | str | pd.Timedelta | None
) -> FloatArray:
    if half_life is None:
        return np.full(end.size, 1.0 / end.size)
    if not isinstance(half_life, int | float | np.number):
        age = (times[end[-1]] - times[end]) / _span("half_life", half_life, times)
    else:
        rows = validation.as_finite("History: half_life", half_life)
        if not rows > 0:
            raise InputError(f"History: half_life is {half_life}; it is an age > 0")
        age = (end[-1] - end) / rows
    weight = np.exp2(-np.asarray(age, dtype=np.float64))
    return np.asarray(weight / weight.sum())


def _span(what: str, given: Any, times: pd.Index[Any]) -> pd.Timedelta:
    if not isinstance(times, pd.DatetimeIndex):
        raise InputError(
            f"History: {what} {given!r} is a time span, but the index of prices has no times; "
            "count it in rows, with a whole number"
        )
    return time_span(f"History: {what}", given)
