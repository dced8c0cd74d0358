"""Elliptical prices: the loss of a pool depends on its volatility and its equity alone, in closed
form.

P - p = root X with X spherical. A pool with remaining sizes y has volatility c = |root' y| and,
with z = E / c, expected shortfall c E[(X_1 - z)^+]. Its derivatives are -P(X_1 > z) by equity and
E[X_1; X_1 > z] by volatility.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.prices.covariance import correlation_root, covariance_matrix
from adlopt.prices.protocol import (
    EllipticalForm,
    PoolLoss,
    ScenarioKind,
    ScenarioSet,
    replicate_seed,
)
from adlopt.prices.sobol import principal_root, uniform_points

CHUNK = 2**22  # numbers held at once, 32 MB


class Elliptical(ABC):
    """What Gaussian and Student-t prices share."""

    matrix_name: str
    matrix: pd.DataFrame | npt.ArrayLike
    assets: Sequence[str] | pd.Index[Any] | None
    points: int
    seed: int

    def __post_init__(self) -> None:
        validation.require_integer(f"{type(self).__name__}: points", self.points, 1)
        validation.require_integer(f"{type(self).__name__}: seed", self.seed, 0)
        self._validated  # noqa: B018  (validates now, not at the first solve)

    @abstractmethod
    def moments(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Partial moments of one coordinate.

        Parameters
        ----------
        z : array
            Real or infinite.

        Returns
        -------
        tuple of three arrays
            E[(X - z)^+], P(X > z) and E[X; X > z] of one coordinate X.
        """

    @abstractmethod
    def with_matrix(self, assets: pd.Index, matrix: FloatArray) -> Self:
        """The same law with this matrix for these assets.

        Parameters
        ----------
        assets : Index of shape (d,)
        matrix : array, shape (d, d)

        Returns
        -------
        the same kind of model
        """

    @property
    @abstractmethod
    def degrees_of_freedom(self) -> float:
        """Of the Student-t law; infinite for the normal one."""

    @abstractmethod
    def _radial_factor(self, uniform: FloatArray) -> FloatArray:
        """Length of X relative to a normal vector, from uniform numbers."""

    # ------------------------------------------------------------------ volatility

    def covariance_of(self, assets: pd.Index) -> FloatArray:
        """The matrix given, in the order of `assets`.

        Parameters
        ----------
        assets : Index of shape (d,)

        Returns
        -------
        array, shape (d, d)
            In money^2 per contract^2.

        Raises
        ------
        InputError
            An asset without a row.
        """
        matrix, names = self._validated
        if names is None:
            if len(matrix) != len(assets):
                raise InputError(
                    f"{type(self).__name__}: a {len(matrix)} x {len(matrix)} {self.matrix_name} "
                    f"for the book's {len(assets)} assets "
                    f"({validation.format_names(assets)}); name its rows with assets=[...] or give "
                    f"a DataFrame"
                )
            return matrix
        where = names.get_indexer(assets)
        if (where < 0).any():
            raise InputError(
                f"{type(self).__name__}: the {self.matrix_name} has no row for asset "
                f"{assets[where < 0][0]!r}; "
                f"it has {validation.format_names(names)}"
            )
        return matrix[np.ix_(where, where)]

    def elliptical_form(self, assets: pd.Index) -> EllipticalForm:
        """The model in the form that methods for smooth losses take.

        Parameters
        ----------
        assets : Index of shape (d,)

        Returns
        -------
        EllipticalForm
        """
        return EllipticalForm(correlation_root(self.covariance_of(assets)), self.degrees_of_freedom)

    def volatility(self, assets: pd.Index, sizes: sp.csr_array) -> FloatArray:
        """Volatility c of pools.

        Under Student-t prices it is the scale: the standard deviation is sqrt(df / (df - 2)) times
        as large.

        Parameters
        ----------
        assets : Index of shape (d,)
        sizes : sparse array, shape (n, d)
            Contracts of the pools, as in `problem.size_matrix(x)`.

        Returns
        -------
        array, shape (n,)
            In money.
        """
        root = correlation_root(self.covariance_of(assets))
        return np.concatenate(
            [np.linalg.norm(sizes[rows] @ root, axis=1) for rows in _chunks(sizes.shape[0], root)]
        )

    def pool_loss(
        self,
        assets: pd.Index,
        equity: FloatArray,
        sizes: sp.csr_array,
        pool: IntArray,
        asset: IntArray,
    ) -> PoolLoss:
        """Expected shortfall c E[(X - E/c)^+], exact, with its derivatives.

        At the kink E = c = 0 they are one of the subgradients.

        Parameters
        ----------
        assets : Index of shape (d,)
        equity : array, shape (n,)
            Of the pools, in money.
        sizes : sparse array, shape (n, d)
            Remaining contracts, long > 0.
        pool, asset : array of int, shape (pairs,)
            Where the derivative by size is wanted.

        Returns
        -------
        PoolLoss
        """
        root = correlation_root(self.covariance_of(assets))
        order = np.argsort(pool, kind="stable")  # the pairs asked for, by pool
        value, tail, by_size = np.empty(equity.size), np.empty(equity.size), np.empty(pool.size)
        for rows in _chunks(equity.size, root):
            u = sizes[rows] @ root
            c = np.linalg.norm(u, axis=1)
            held, E = c > 0, equity[rows]
            certain = np.where(E > 0, np.inf, np.where(E < 0, -np.inf, 0.0))
            with np.errstate(over="ignore"):
                z = np.divide(E, c, out=certain, where=held)
            excess, tail[rows], moment = self.moments(z)
            # Without volatility the shortfall is certain: nothing, or what settlement has left
            # below zero.
            value[rows] = np.where(held, c * np.where(held, excess, 0.0), np.maximum(-E, 0.0))
            slope = np.divide(moment, c, out=np.zeros_like(c), where=held)
            pairs = order[slice(*np.searchsorted(pool, (rows.start, rows.stop), sorter=order))]
            index = pool[pairs] - rows.start
            by_size[pairs] = np.einsum("ij,ij->i", u[index], root[asset[pairs]]) * slope[index]
        return PoolLoss(value=value, by_equity=-tail, by_size=by_size)

    # ------------------------------------------------------------------ scenarios

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """Scrambled Sobol points; the expected loss itself does not need them.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        ScenarioSet
        """
        from scipy.special import ndtri

        # Principal axes of returns; the first coordinate is the radial factor's.
        root = principal_root(self.covariance_of(assets) / np.outer(marks, marks))
        uniform = uniform_points(type(self).__name__, len(assets) + 1, self.points, self.seed)
        X = ndtri(uniform[:, 1:]) * self._radial_factor(uniform[:, :1])
        return ScenarioSet(X @ root.T * marks, np.full(len(X), 1.0 / len(X)))

    @property
    def scenario_kind(self) -> ScenarioKind:
        """Scenarios are drawn. The expected loss without an insurance fund does not need them."""
        return "drawn"

    def replicate(self, number: int) -> Self:
        """The model with an independent draw of its points.

        Parameters
        ----------
        number : int
            Of the draw, >= 0; draws of different numbers are independent.

        Returns
        -------
        the same kind of model
        """
        return replace(self, seed=replicate_seed(self.seed, number))  # type: ignore[type-var]

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
        return replace(self, points=self.points * factor)  # type: ignore[type-var]

    @cached_property
    def _validated(self) -> tuple[FloatArray, pd.Index[Any] | None]:
        """The matrix, symmetric to the last bit, and the names of its rows."""
        return covariance_matrix(type(self).__name__, self.matrix_name, self.matrix, self.assets)


def _chunks(rows: int, root: FloatArray) -> list[slice]:
    step = max(CHUNK // max(root.shape[1], 1), 1)
    return [slice(first, first + step) for first in range(0, max(rows, 1), step)]
