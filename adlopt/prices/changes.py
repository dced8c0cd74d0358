"""The same price model with other volatilities, correlations or another horizon."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.prices.covariance import correlation, shift_correlation
from adlopt.prices.elliptical_laws import Gaussian, StudentT
from adlopt.prices.lognormal import LogNormal
from adlopt.prices.mixture import Mixture
from adlopt.prices.one_factor import OneFactor
from adlopt.prices.protocol import PriceModel, ScenarioKind, ScenarioSet, scenario_kind


@dataclass(frozen=True)
class ScaledMoves:
    """Another model's price moves times a factor by asset; a price does not fall below zero."""

    model: PriceModel
    factors: FloatArray  # (d,) by asset of the book

    @property
    def scenario_kind(self) -> ScenarioKind:
        """That of the other model."""
        return scenario_kind(self.model)

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        moves, weights = self.model.scenarios(assets, marks)
        # A model that allows negative prices keeps them.
        floor = np.minimum(-marks, moves.min(axis=0))
        return ScenarioSet(np.maximum(moves * self.factors, floor), weights)


def scale_volatility(model: PriceModel, assets: pd.Index, factors: FloatArray) -> PriceModel:
    """The model with the volatility of each asset of a book times its factor (d,)."""
    if isinstance(model, LogNormal):
        volatility, rho = model.moments(assets)
        return replace(
            model,
            volatility=pd.Series(volatility * factors, index=assets),
            correlation=pd.DataFrame(rho, index=assets, columns=assets),
        )
    if isinstance(model, Gaussian | StudentT):
        return model.with_matrix(assets, model.covariance_of(assets) * np.outer(factors, factors))
    if isinstance(model, OneFactor):
        return _with_direction(model, assets, model.vector(assets) * factors)
    if isinstance(model, Mixture):
        return model.map(lambda part: scale_volatility(part, assets, factors))
    return ScaledMoves(model, factors)


def scale_horizon(model: PriceModel, assets: pd.Index, factor: float) -> PriceModel:
    """The model over `factor` times the horizon: moves grow with the square root of time."""
    if isinstance(model, LogNormal):
        return replace(model, horizon=model.years * factor)
    if isinstance(model, Mixture):
        return model.map(lambda part: scale_horizon(part, assets, factor))
    return scale_volatility(model, assets, np.full(len(assets), np.sqrt(factor)))


def move_correlation(model: PriceModel, assets: pd.Index, shift: float) -> PriceModel | None:
    """The model with every correlation rho of a book's assets at rho + shift (1 - rho); None if it
    states no correlations, or if no prices can have these.
    """
    if isinstance(model, LogNormal):
        volatility, rho = model.moments(assets)
        moved = shift_correlation(rho, shift)
        if moved is None:
            return None
        return replace(
            model,
            volatility=pd.Series(volatility, index=assets),
            correlation=pd.DataFrame(moved, index=assets, columns=assets),
        )
    if isinstance(model, Gaussian | StudentT):
        matrix = model.covariance_of(assets)
        deviation = np.sqrt(np.diag(matrix))
        moved = shift_correlation(correlation(matrix), shift)
        if moved is None:
            return None
        return model.with_matrix(assets, moved * np.outer(deviation, deviation))
    if isinstance(model, Mixture):
        parts = [move_correlation(part, assets, shift) for part in model.models]
        if all(part is None for part in parts):
            return None
        kept = [new or old for new, old in zip(parts, model.models, strict=True)]
        return Mixture(zip(kept, model.probabilities, strict=True))
    return None


def _with_direction(model: OneFactor, assets: pd.Index, direction: FloatArray) -> OneFactor:
    """The same shock, whose integration is kept, with another direction."""
    other = copy.copy(model)
    other.direction = pd.Series(direction, index=assets)
    return other
