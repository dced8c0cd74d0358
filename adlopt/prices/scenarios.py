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
    prices : (S, d) array or DataFrame with a column per asset; a DataFrame may hold further assets.
    returns : the same for simple returns, price / mark - 1, instead of prices.
    weights : (S,) probabilities; equal if left out.
    assets : names of an array's columns; left out, they are the book's assets in its order.
    """

    scenario_kind: ScenarioKind = "given"

    def __init__(
        self,
        prices: npt.ArrayLike | pd.DataFrame | None = None,
        *,
        returns: npt.ArrayLike | pd.DataFrame | None = None,
        weights: npt.ArrayLike | None = None,
        assets: Sequence[str] | None = None,
    ) -> None:
        if (prices is None) == (returns is None):
            raise InputError("Scenarios: give either prices or returns")
        self.quantity = "prices" if returns is None else "returns"
        self.values, self.assets = _table(
            self.quantity, prices if returns is None else returns, assets
        )
        if returns is not None and (self.values < -1).any():
            raise InputError(
                "Scenarios: a simple return below -1 means a negative price; are these percent? divide by 100"
            )
        self.weights = probabilities("Scenarios", weights, len(self.values))

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        values = self.values
        if self.assets is not None:
            where = self.assets.get_indexer(assets)
            if (where < 0).any():
                raise InputError(
                    f"Scenarios: no {self.quantity} for asset {assets[where < 0][0]!r}; they have {validation.format_names(self.assets)}"
                )
            values = values[:, where]
        elif values.shape[1] != len(assets):
            raise InputError(
                f"Scenarios: {values.shape[1]} columns for the book's {len(assets)} assets ({validation.format_names(assets)}); "
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
    what: str, given: npt.ArrayLike | pd.DataFrame | None, assets: Sequence[str] | None
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
            f"Scenarios: {what} must have a row per scenario and a column per asset; got shape {values.shape}"
        )
    if names is not None and (len(names) != values.shape[1] or not names.is_unique):
        raise InputError(
            f"Scenarios: {values.shape[1]} columns need as many different asset names; got {list(names)}"
        )
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        name = int(column) if names is None else names[column]
        raise InputError(
            f"Scenarios {what}, row {row}, column {name!r}: {values[row, column]} is not a finite number"
        )
    return values, names
