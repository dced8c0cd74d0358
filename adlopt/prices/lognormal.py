"""Correlated geometric Brownian motion, sampled by quasi-Monte Carlo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.prices.horizon import Horizon, horizon_in_years
from adlopt.prices.protocol import ScenarioKind, ScenarioSet, replicate_seed
from adlopt.prices.sobol import principal_root, uniform_points

PSD_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class LogNormal:
    """P = mark * exp(vol sqrt(T) Z - vol^2 T / 2) with correlated normal Z: driftless in price.

    Parameters
    ----------
    volatility : mapping, Series or array of shape (d,)
        Annualised, by asset: 0.6 is 60 % a year.
    correlation : float, DataFrame or array of shape (d, d), default 0.0
        One number for all pairs, a table by asset, or an array in the order of `volatility`.
    horizon : float, str or Timedelta, default 1 / 365
        Years, or a time span such as "10D".
    points : int, default 2**14
        Scrambled Sobol points, rounded up to a power of two. `solve(sampling_tolerance=)` draws
        more where they are too few.
    seed : int, default 0
        Of the scrambling.

    Raises
    ------
    InputError
        A negative volatility, a correlation matrix that no returns have, or a horizon that is not
        > 0.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.LogNormal({"BTC": 0.60, "ETH": 0.75}, correlation=0.85, horizon="10D")
    >>> book = adl.examples.paper_book()
    >>> prices.scenarios(book.assets, book.marks).moves.shape
    (16384, 2)
    """

    volatility: Mapping[str, float] | pd.Series[float] | npt.ArrayLike
    correlation: pd.DataFrame | npt.ArrayLike = 0.0
    _: KW_ONLY
    horizon: Horizon = 1 / 365
    points: int = 2**14
    seed: int = 0

    def __post_init__(self) -> None:
        self.years  # noqa: B018  (validates now)
        validation.require_integer("LogNormal: points", self.points, 1)
        validation.require_integer("LogNormal: seed", self.seed, 0)
        names = self._names()
        volatility = validation.vector_by_asset("LogNormal, volatility", self.volatility, names)
        if not volatility.size:
            raise InputError(
                "LogNormal: volatility names no asset; give a number for every asset of the book"
            )
        if (volatility < 0).any():
            raise InputError(f"LogNormal: volatility of {names[volatility < 0][0]!r} is negative")
        correlation_matrix("LogNormal", self.correlation, names)

    @property
    def years(self) -> float:
        """The horizon in years."""
        return horizon_in_years("LogNormal: horizon", self.horizon)

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """Scrambled Sobol points of the lognormal distribution.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        ScenarioSet
        """
        from scipy.special import ndtri

        volatility, correlation = self.moments(assets)
        root = principal_root(correlation * np.outer(volatility, volatility))
        Z = ndtri(uniform_points("LogNormal", len(assets), self.points, self.seed)) @ root.T
        log_return = np.sqrt(self.years) * Z - self.years * volatility**2 / 2
        return ScenarioSet(marks * np.expm1(log_return), np.full(len(Z), 1.0 / len(Z)))

    @property
    def scenario_kind(self) -> ScenarioKind:
        """Scenarios are drawn."""
        return "drawn"

    def moments(self, assets: pd.Index) -> tuple[FloatArray, FloatArray]:
        """Volatilities and correlations in the order of `assets`.

        Parameters
        ----------
        assets : Index of shape (d,)

        Returns
        -------
        tuple of two arrays
            (d,) annualised volatilities and (d, d) correlations.

        Raises
        ------
        InputError
            An asset without a volatility.
        """
        names = self._names() if validation.has_asset_names(self.volatility) else assets
        where = names.get_indexer(assets)
        if (where < 0).any():
            raise InputError(
                f"LogNormal: no volatility for asset {assets[where < 0][0]!r}; it has "
                f"{validation.format_names(names)}"
            )
        volatility = validation.vector_by_asset("LogNormal, volatility", self.volatility, names)[
            where
        ]
        return volatility, correlation_matrix("LogNormal", self.correlation, names)[
            np.ix_(where, where)
        ]

    def replicate(self, number: int) -> Self:
        """The model with an independent scrambling of its points.

        Parameters
        ----------
        number : int
            Of the draw, >= 0; draws of different numbers are independent.

        Returns
        -------
        the same kind of model
        """
        return replace(self, seed=replicate_seed(self.seed, number))

    def refined(self, factor: int) -> Self:
        """The model with `factor` times as many points.

        Parameters
        ----------
        factor : int
            How many times as many points, >= 1.

        Returns
        -------
        the same kind of model
        """
        return replace(self, points=self.points * factor)

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
            f"{what}: the correlation matrix must be {d} x {d} ({validation.format_names(names)}); "
            f"got shape {matrix.shape}"
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
            f"{what}: the correlation matrix is not positive semidefinite (smallest eigenvalue "
            f"{lowest:.3g}); "
            "no set of returns has these correlations"
        )
    return matrix
