"""A sense of scale: inputs that are legal but are probably in other units than meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.prices.elliptical import Elliptical
from adlopt.prices.lognormal import LogNormal
from adlopt.prices.mixture import Mixture
from adlopt.prices.one_factor import OneFactor
from adlopt.prices.protocol import PriceModel
from adlopt.prices.scenarios import Scenarios
from adlopt.prices.stress import Stress


@dataclass(frozen=True)
class PlausibleScale:
    """Bounds beyond which an input is probably in the wrong unit; wide, so no sensible input
    is beyond them.
    """

    max_volatility: float = 10.0
    """Annualised: 1,000 %. Volatile small coins reach 500 %; percentages start at about 20."""
    max_years: float = 3.0
    """Horizon of an auto-deleveraging problem; days given as years are larger."""
    min_relative_deviation: float = 1e-5
    """Standard deviation over the horizon relative to the mark: BTC moves more within a second."""
    max_relative_deviation: float = 1.0
    """Above it, a normal price is negative with a probability of 16 %."""
    plausible_return: tuple[float, float] = (1e-4, 3.0)
    """Standard deviations that would make sense as returns."""
    max_return: float = 5.0
    """Simple return of a scenario: +500 %. Larger ones are probably percentages, if the asset's
    typical return is large too; fat tails have large returns beside many small ones.
    """
    max_typical_return: float = 0.5
    """Median of an asset's absolute returns over all scenarios."""
    price_ratio: float = 10.0
    """Of an asset's scenario prices to its mark, all on one side."""


PLAUSIBLE = PlausibleScale()


def doubts(model: PriceModel, assets: pd.Index[Any], marks: FloatArray) -> Iterator[str]:
    """What looks wrong in a price model for these assets, with what was probably meant."""
    if isinstance(model, Mixture):
        for part in model.models:
            yield from doubts(part, assets, marks)
    for kind, doubt in _DOUBTS:
        if isinstance(model, kind):
            yield from doubt(model, assets, marks)


def _lognormal(model: LogNormal, assets: pd.Index[Any], marks: FloatArray) -> Iterator[str]:
    volatility, _ = model.moments(assets)
    for k in np.flatnonzero(volatility > PLAUSIBLE.max_volatility)[:1]:
        yield (
            f"LogNormal: the volatility of {assets[k]!r} is {volatility[k]:g}, that is "
            f"{volatility[k]:,.0%} a year; if {volatility[k]:g} % was meant, give "
            f"{volatility[k] / 100:g}"
        )
    if model.years > PLAUSIBLE.max_years:
        yield (
            f"LogNormal: the horizon is {model.years:g} years; if days were meant, give "
            f"'{model.years:g}D'"
        )


def _elliptical(model: Elliptical, assets: pd.Index[Any], marks: FloatArray) -> Iterator[str]:
    deviation = np.sqrt(np.diag(model.covariance_of(assets)))
    what = f"{type(model).__name__}: the {model.matrix_name}"
    yield from _deviation(what, deviation, assets, marks, f"a {model.matrix_name} of returns")


def _one_factor(model: OneFactor, assets: pd.Index[Any], marks: FloatArray) -> Iterator[str]:
    variance = model.shock.variance
    unit = np.sqrt(variance) if np.isfinite(variance) and variance > 0 else 1.0
    deviation = np.abs(model.vector(assets)) * unit
    yield from _deviation("OneFactor: the direction", deviation, assets, marks, "one of returns")


def _deviation(
    what: str, deviation: FloatArray, assets: pd.Index[Any], marks: FloatArray, meant: str
) -> Iterator[str]:
    """Standard deviations in money that would make sense as returns, or exceed the mark."""
    relative = deviation / marks
    moving = deviation > 0
    low, high = PLAUSIBLE.plausible_return
    as_returns = (deviation >= low) & (deviation <= high)
    tiny = moving & (relative < PLAUSIBLE.min_relative_deviation)
    if tiny.any() and as_returns[moving].all():
        k = int(np.flatnonzero(tiny)[0])
        yield (
            f"{what} gives {assets[k]!r} a standard deviation of {deviation[k]:.3g} in money, "
            f"{relative[k]:.1g} of its mark {marks[k]:g}; if it is {meant}, multiply by the marks "
            "(a covariance by mark times mark), or use from_history"
        )
    for k in np.flatnonzero(relative > PLAUSIBLE.max_relative_deviation)[:1]:
        yield (
            f"{what} gives {assets[k]!r} a standard deviation of {deviation[k]:.3g}, "
            f"{relative[k]:.3g} times its mark {marks[k]:g}: many horizon prices are negative; is "
            "it per year, in percent, or for another contract size?"
        )


def _scenarios(model: Scenarios, assets: pd.Index[Any], marks: FloatArray) -> Iterator[str]:
    moves, _ = model.scenarios(assets, marks)
    ratio = moves / marks + 1.0
    if model.quantity == "returns":
        yield from _returns("Scenarios", ratio - 1.0, assets)
        return
    for row, k in np.argwhere(ratio < 0)[:1]:
        yield (
            f"Scenarios: the horizon price of {assets[k]!r} in row {row} is "
            f"{ratio[row, k] * marks[k]:g}, which is negative; if these are returns, give returns="
        )
        return
    for k in range(len(assets)):
        wrong = max(ratio[:, k].min(), 1 / max(ratio[:, k].max(), 1e-300))
        if wrong > PLAUSIBLE.price_ratio:
            yield (
                f"Scenarios: all horizon prices of {assets[k]!r} are far from its mark "
                f"{marks[k]:g} ({ratio[:, k].min():.3g} to {ratio[:, k].max():.3g} times it); if "
                "these are returns, give returns=, else check the unit"
            )
            return


def _stress(model: Stress, assets: pd.Index[Any], marks: FloatArray) -> Iterator[str]:
    yield from _returns("Stress", model.scenarios(assets, marks).moves / marks, assets)


def _returns(what: str, returns: FloatArray, assets: pd.Index[Any]) -> Iterator[str]:
    typical = np.median(np.abs(returns), axis=0)
    wrong = (returns >= PLAUSIBLE.max_return) & (typical > PLAUSIBLE.max_typical_return)
    for row, k in np.argwhere(wrong)[:1]:
        value = returns[row, k]
        yield (
            f"{what}: the return of {assets[k]!r} in scenario {row} is {value:g}, that is "
            f"{value:+,.0%}; if percentages were meant, divide by 100"
        )


_DOUBTS: tuple[tuple[type, Callable[[Any, pd.Index[Any], FloatArray], Iterator[str]]], ...] = (
    (LogNormal, _lognormal),
    (Elliptical, _elliptical),
    (OneFactor, _one_factor),
    (Scenarios, _scenarios),
    (Stress, _stress),
)
