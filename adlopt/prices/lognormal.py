"""Correlated geometric Brownian motion, sampled by quasi-Monte Carlo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.prices.protocol import ScenarioSet

PSD_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class LogNormal:
    """P = mark * exp(vol sqrt(T) Z - vol^2 T / 2) with correlated normal Z: driftless in price.

    Parameters
    ----------
    volatility : annualised, by asset.
    correlation : (d, d) DataFrame by asset, array in the order of `volatility`, or one number for
        all pairs.
    horizon : years.
    points : scrambled Sobol points, a power of two (rounded up to one).
    seed : of the scrambling.
    tolerance : most relative standard error of the objective: `solve` then draws points, from
        `points` on, until fresh
        scramblings at its answer show no more, and reports it in the solution. `standard_error`
        tells it for any allocation.
    """

    volatility: Mapping[str, float] | pd.Series[float] | npt.ArrayLike
    correlation: pd.DataFrame | npt.ArrayLike = 0.0
    horizon: float = 1 / 365
    points: int = 2**14
    seed: int = 0
    tolerance: float | None = None

    def __post_init__(self) -> None:
        if not validation.as_finite("LogNormal, horizon", self.horizon) > 0:
            raise InputError(f"LogNormal: horizon is {self.horizon}; it is a time in years, > 0")
        validation.require_integer("LogNormal: points", self.points, 1)
        validation.require_integer("LogNormal: seed", self.seed, 0)
        if (
            self.tolerance is not None
            and not validation.as_finite("LogNormal, tolerance", self.tolerance) > 0
        ):
            raise InputError(
                f"LogNormal: tolerance is {self.tolerance}; a relative standard error > 0 is needed"
            )
        names = self._names()
        volatility = validation.vector_by_asset("LogNormal, volatility", self.volatility, names)
        if not volatility.size:
            raise InputError(
                "LogNormal: volatility names no asset; give a number for every asset of the book"
            )
        if (volatility < 0).any():
            raise InputError(f"LogNormal: volatility of {names[volatility < 0][0]!r} is negative")
        correlation_matrix("LogNormal", self.correlation, names)

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        from scipy.stats import norm, qmc

        volatility, correlation = self.moments(assets)
        d = len(assets)
        if d > qmc.Sobol.MAXDIM:
            raise InputError(f"LogNormal: {d} assets; Sobol points exist up to {qmc.Sobol.MAXDIM}")
        # Principal axes rather than Cholesky: the first, best spread Sobol coordinates go to the
        # largest risks.
        eigenvalue, axis = np.linalg.eigh(correlation * np.outer(volatility, volatility))
        root = axis * np.sqrt(np.maximum(eigenvalue, 0.0))
        uniform = qmc.Sobol(d, scramble=True, rng=np.random.default_rng(self.seed)).random_base2(
            int(np.ceil(np.log2(self.points)))
        )
        # Points are multiples of 2^-30, zero included, whose quantile is infinite.
        Z = norm.ppf(np.maximum(uniform[:, ::-1], 2.0**-31)) @ root.T
        log_return = np.sqrt(self.horizon) * Z - self.horizon * volatility**2 / 2
        return ScenarioSet(marks * np.expm1(log_return), np.full(len(Z), 1.0 / len(Z)))

    def moments(self, assets: pd.Index) -> tuple[FloatArray, FloatArray]:
        """(d,) annualised volatilities and (d, d) correlations in the order of `assets`."""
        names = self._names() if validation.has_asset_names(self.volatility) else assets
        where = names.get_indexer(assets)
        if (where < 0).any():
            raise InputError(
                f"LogNormal: no volatility for asset {assets[where < 0][0]!r}; it has {validation.format_names(names)}"
            )
        volatility = validation.vector_by_asset("LogNormal, volatility", self.volatility, names)[
            where
        ]
        return volatility, correlation_matrix("LogNormal", self.correlation, names)[
            np.ix_(where, where)
        ]

    def replicate(self, number: int) -> Self:
        """The model with an independent scrambling of its points."""
        seed = int(np.random.SeedSequence([self.seed, 1 + number]).generate_state(1, np.uint64)[0])
        return replace(self, seed=seed)

    def _names(self) -> pd.Index[Any]:
        return validation.asset_names(self.volatility)


def correlation_matrix(
    what: str, given: pd.DataFrame | npt.ArrayLike, names: pd.Index[Any]
) -> FloatArray:
    """(d, d) correlations of `names`, checked: symmetric, ones on the diagonal, positive
    semidefinite.
    """
    d = len(names)
    if isinstance(given, pd.DataFrame):
        for name in names:
            if name not in given.index or name not in given.columns:
                raise InputError(f"{what}: the correlation table has no row and column {name!r}")
        given = given.loc[names, names].to_numpy()
    try:
        matrix = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what}: correlations must be numbers") from None
    if matrix.ndim == 0:
        if not -1.0 <= matrix <= 1.0:
            raise InputError(f"{what}: correlation is {matrix}; it must lie in [-1, 1]")
        matrix = np.where(np.eye(d, dtype=bool), 1.0, matrix)
    if matrix.shape != (d, d):
        raise InputError(
            f"{what}: the correlation matrix must be {d} x {d} ({validation.format_names(names)}); got shape {matrix.shape}"
        )
    if not np.isfinite(matrix).all():
        raise InputError(f"{what}: the correlation matrix has entries that are not finite numbers")
    if not np.allclose(matrix, matrix.T, atol=1e-12) or not np.allclose(
        np.diag(matrix), 1.0, atol=1e-12
    ):
        raise InputError(f"{what}: a correlation matrix is symmetric with ones on its diagonal")
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    if lowest < -PSD_TOLERANCE:
        raise InputError(
            f"{what}: the correlation matrix is not positive semidefinite (smallest eigenvalue {lowest:.3g}); "
            "no set of returns has these correlations"
        )
    return matrix
