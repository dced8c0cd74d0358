"""Numbers as text: as few digits as tell them apart by eye."""

from __future__ import annotations

import math
from collections.abc import Iterable


def figures(values: Iterable[float], digits: int = 6) -> list[str]:
    """A column of numbers with common decimals, as few as show `digits` of the largest; more where a small one would vanish."""
    numbers = [float(value) for value in values]
    largest = max((abs(value) for value in numbers if math.isfinite(value)), default=0.0)
    whole = math.floor(math.log10(largest)) + 1 if largest > 0 else 1
    decimals = min(max(digits - whole, 0), digits)
    while decimals > 0 and all(
        round(value, decimals) == round(value, decimals - 1) for value in numbers if math.isfinite(value)
    ):
        decimals -= 1
    return [_figure(value, decimals) for value in numbers]


def _figure(value: float, decimals: int) -> str:
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    text = f"{value:,.{decimals}f}"
    return text if float(text.replace(",", "")) != 0 else f"{value:.2g}"


def figure(value: float, digits: int = 9) -> str:
    return figures([value], digits)[0]
