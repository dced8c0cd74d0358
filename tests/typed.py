"""What a test knows but the types of the package leave open."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import scipy.optimize

import adlopt

untyped: Any = adlopt
"""The package without its types, for arguments that are wrong on purpose."""


sparse_linprog: Any = scipy.optimize.linprog
"""Takes sparse matrices and bounds as an array, of which its types do not know."""


class Priced(adlopt.Solution):
    """A solution of a problem with a price model, of which these are known."""

    value: float
    lower_bound: float
    gap: float
    shadow_prices: pd.Series[float]


def priced(solution: adlopt.Solution) -> Priced:
    """The solution itself; fails if its value, bound, gap or shadow prices are missing."""
    for name in ("value", "lower_bound", "gap"):
        assert isinstance(getattr(solution, name), float), (name, getattr(solution, name))
    assert isinstance(solution.shadow_prices, pd.Series)
    return cast("Priced", solution)


def water_levels(solution: adlopt.Solution) -> pd.Series[float]:
    """The water levels by asset; fails if there is one for all or none."""
    assert isinstance(solution.water_level, pd.Series)
    return solution.water_level


def cell(table: pd.DataFrame, row: Any, column: str) -> float:
    """One number of a table; fails if the row is not the only one of its name or holds no number
    there.
    """
    found = table.loc[row, column]
    assert isinstance(found, int | float | np.number), found
    return float(found)
