"""Horizon prices given outright: history, stress tests, a simulation of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.prices.protocol import ScenarioKind, ScenarioSet, probabilities


class Scenarios:
    """Horizon prices, or simple returns to the horizon, one row per scenario.

    Parameters
    ----------
    prices : DataFrame or array of shape (S, d), optional
        A column per asset; a DataFrame may hold further assets.
    returns : DataFrame or array of shape (S, d), optional
        Simple returns, price / mark - 1, instead of prices: -0.3 is a fall of 30 %.
    weights : array of shape (S,), optional
        Probabilities; equal if left out.
    assets : sequence of str, optional
        Names of an array's columns; left out, they are the book's assets in its order.

    Raises
    ------
    InputError
        Not exactly one of prices and returns, a return below -1, or weights that do not sum to one.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.Scenarios(returns=[[0.2, 0.1], [-0.1, 0.0]], assets=["BTC", "ETH"])
    >>> prices
    Scenarios(2 x BTC, ETH)
    """

    scenario_kind: ScenarioKind = "given"

    def __init__(
        self,
        prices: npt.ArrayLike | pd.DataFrame | None = None,
        *,
        returns: npt.ArrayLike | pd.DataFrame | None = None,
        weights: npt.ArrayLike | None = None,
        assets: Sequence[str] | pd.Index[Any] | None = None,
    ) -> None:
        if (prices is None) == (returns is None):
            raise InputError("Scenarios: give either prices or returns")
        self.quantity = "prices" if returns is None else "returns"
        self.values, self.assets = _table(
            self.quantity, prices if returns is None else returns, assets
        )
        if returns is not None and (self.values < -1).any():
            raise InputError(
                "Scenarios: a simple return below -1 means a negative price; are these percent? "
                "divide by 100"
            )
        self.weights = probabilities("Scenarios", weights, len(self.values))

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """The scenarios as they were given.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        ScenarioSet
        """
        values = self.values
        if self.assets is not None:
            where = self.assets.get_indexer(assets)
            if (where < 0).any():
                raise InputError(
                    f"Scenarios: no {self.quantity} for asset {assets[where < 0][0]!r}; they have "
                    f"{validation.format_names(self.assets)}"
                )
            values = values[:, where]
        elif values.shape[1] != len(assets):
            raise InputError(
                f"Scenarios: {values.shape[1]} columns for the book's {len(assets)} assets "
                f"({validation.format_names(assets)}); "
                "name the columns with assets=[...] or give a DataFrame"
            )
        return ScenarioSet(
            values - marks if self.quantity == "prices" else values * marks, self.weights
        )

    def __repr__(self) -> str:
        names = (
            "assets in the book's order"
            if self.assets is None
            else validation.format_names(self.assets)
        )
        return f"Scenarios({len(self.values):,} x {names})"


def _table(
    what: str,
    given: npt.ArrayLike | pd.DataFrame | None,
    assets: Sequence[str] | pd.Index[Any] | None,
) -> tuple[FloatArray, pd.Index[Any] | None]:
    names = None if assets is None else validation.as_name_index("Scenarios", assets)
    if isinstance(given, pd.DataFrame) and not given.empty:
        names = given.columns if names is None else names
        values = np.column_stack(
            [validation.numbers(f"Scenarios {what}", given, name) for name in given.columns]
        )
    else:
        try:
            values = np.array(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"Scenarios: {what} must be a table of numbers") from None
    if values.ndim != 2 or values.size == 0:
        raise InputError(
            f"Scenarios: {what} must have a row per scenario and a column per asset; got shape "
            f"{values.shape}"
        )
    if names is not None and (len(names) != values.shape[1] or not names.is_unique):
        raise InputError(
            f"Scenarios: {values.shape[1]} columns need as many different asset names; got "
            f"{list(names)}"
        )
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        name = int(column) if names is None else names[column]
        raise InputError(
            f"Scenarios {what}, row {row}, column {name!r}: {values[row, column]} is not a finite "
            f"number"
        )
    return values, names
