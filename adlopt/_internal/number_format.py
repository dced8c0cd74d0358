"""Numbers as text: as few digits as tell them apart by eye."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd


def format_column(values: Iterable[float], digits: int = 6) -> list[str]:
    """A column of numbers with common decimals, as few as show `digits` of the largest; more where
    a small one would vanish.
    """
    numbers = [float(value) for value in values]
    largest = max((abs(value) for value in numbers if math.isfinite(value)), default=0.0)
    whole = math.floor(math.log10(largest)) + 1 if largest > 0 else 1
    decimals = min(max(digits - whole, 0), digits)
    while decimals > 0 and all(
        round(value, decimals) == round(value, decimals - 1)
        for value in numbers
        if math.isfinite(value)
    ):
        decimals -= 1
    return [_format(value, decimals) for value in numbers]


def _format(value: float, decimals: int) -> str:
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    text = f"{value:,.{decimals}f}"
    return text if float(text.replace(",", "")) != 0 else f"{value:.2g}"


def format_number(value: float, digits: int = 9) -> str:
    """One number, with as few decimals as show so many digits."""
    return format_column([value], digits)[0]


def allocation_columns(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Rows of an allocation as columns of text; the first three are words."""
    return {
        "account": rows["account"].astype(str).tolist(),
        "asset": rows["asset"].astype(str).tolist(),
        "margin": rows["margin_mode"].astype(str).tolist(),
        "size": format_column(rows["size"]),
        "reduction": format_column(rows["reduction"]),
        "share": [f"{100 * share:.1f} %" for share in rows["fraction"]],
        "remaining": format_column(rows["remaining"]),
        "leverage before": format_column(rows["leverage_before"], 4),
        "leverage after": format_column(rows["leverage_after"], 4),
    }
