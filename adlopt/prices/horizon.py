"""The horizon of a price model: years as a number, or a time span such as "10D"."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt.errors import InputError

Horizon: TypeAlias = float | str | pd.Timedelta
"""Years as a number, or a time span such as "10D", "8h" or "90min"; a year has 365 days.

`History` also takes a whole number (int), which counts rows of its table.
"""

YEAR = pd.Timedelta(days=365)  # crypto markets trade every day


def horizon_in_years(what: str, given: Any) -> float:
    """Years > 0 from a horizon. Raises InputError in the name of `what`.

    Examples
    --------
    >>> horizon_in_years("horizon", "10D") == 10 / 365
    True
    >>> horizon_in_years("horizon", 0.5)
    0.5
    """
    number = as_number(given)
    if number is None:
        return time_span(what, given) / YEAR
    if not number > 0 or not np.isfinite(number):
        raise InputError(f"{what} is {given!r}; expected years > 0, or a time span such as '10D'")
    return number


def time_span(what: str, given: Any) -> pd.Timedelta:
    """A time span > 0 from a horizon. Raises InputError in the name of `what`."""
    number = as_number(given)
    if number is not None:
        return horizon_in_years(what, number) * YEAR
    try:
        span: Any = pd.Timedelta(given)
    except (TypeError, ValueError):
        span = None
    if not isinstance(span, pd.Timedelta) or span <= pd.Timedelta(0):
        raise InputError(f"{what} is {given!r}; expected years > 0, or a time span such as '10D'")
    return span


def as_number(given: Any) -> float | None:
    """The number that a horizon is, also as text ("0.25"); None if it is a time span."""
    if isinstance(given, bool | pd.Timedelta):
        return None
    try:
        return float(given) if isinstance(given, str) else validation.as_finite("horizon", given)
    except ValueError:  # InputError is one too
        return None
