"""What the named shapes of a crash share: sizes of falls, and random variation of a path."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.simulation.price_paths import Paths, generators

Fall = float | Mapping[str, float]

VOLATILITY = 0.01  # of the log price per step, in sets of several paths
DISPERSION = 0.25  # standard deviation of the severity, whose mean is one
CORRELATION = 0.8  # of the noise between assets, as in `adl.synthetic`
LARGEST = 10.0  # volatility and dispersion: prices beyond it have no meaning


def straight(steps: int, log_moves: FloatArray) -> FloatArray:
    """(steps, d) log prices that reach `log_moves` (d,) at the last step, by equal parts."""
    return np.outer(np.arange(1, steps + 1) / steps, log_moves)


def log_fall(book: Book, fall: Fall) -> FloatArray:
    """(d,) log price change at the trough; zero for assets that a mapping leaves out."""
    names = book.assets
    given = fall if isinstance(fall, Mapping) else dict.fromkeys(names, fall)
    values = np.nan_to_num(validation.vector_by_asset("fall", given, names, allow_missing=True))
    for name, value in zip(names, values, strict=True):
        if not 0 <= value < 1:
            raise InputError(f"fall, asset {name!r}: {value} is not a share of the price in [0, 1)")
    return np.log1p(-values)


def share(what: str, value: float) -> float:
    if not 0 <= validation.as_finite(what, value) < 1:
        raise InputError(f"{what} is {value}; it is a share, in [0, 1)")
    return float(value)


def is_among(names: pd.Index, name: object) -> bool:
    """Whether this is one of the names; false for what cannot be a name."""
    return isinstance(name, Hashable) and name in names


def varied(
    book: Book,
    name: str,
    shape: FloatArray,  # (steps, d) log price relative to the mark
    count: int,
    volatility: float | None,
    dispersion: float | None,
    seed: int,
) -> Paths:
    """The shape's path, or several: scaled by a log-normal severity, plus correlated noise."""
    single = count == 1
    sigma = (0.0 if single else VOLATILITY) if volatility is None else volatility
    spread = (0.0 if single else DISPERSION) if dispersion is None else dispersion
    for what, value in (("volatility", sigma), ("dispersion", spread)):
        if not 0 <= validation.as_finite(f"{name}: {what}", value) <= LARGEST:
            raise InputError(f"{name}: {what} is {value}; it must lie in [0, {LARGEST:g}]")
    deviation = np.sqrt(np.log1p(spread**2))  # of the log severity, whose exponential has mean one
    steps, d = shape.shape
    logs = np.empty((count, steps, d))
    for path, rng in enumerate(generators(seed, count)):
        severity = np.exp(deviation * rng.normal() - deviation**2 / 2)
        common, own = rng.normal(size=(steps, 1)), rng.normal(size=(steps, d))
        noise = np.sqrt(CORRELATION) * common + np.sqrt(1 - CORRELATION) * own
        logs[path] = severity * shape + sigma * np.cumsum(noise, axis=0)
    with np.errstate(over="ignore", under="ignore"):
        prices = book.marks * np.exp(logs)
    if not (np.isfinite(prices) & (prices > 0)).all():
        raise InputError(f"{name}: the moves are too large; a price leaves the range of numbers")
    return Paths(book.assets, prices, name=name)
