"""Elliptical prices: the loss of a pool depends on its volatility and its equity alone, in closed
form.

P - p = root X with X spherical. A pool with remaining sizes y has volatility c = |root' y| and,
with z = E / c, expected
shortfall c E[(X_1 - z)^+]. Its derivatives are -P(X_1 > z) by equity and E[X_1; X_1 > z] by
volatility.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.prices.covariance import correlation, covariance_matrix
from adlopt.prices.protocol import EllipticalForm, PoolLoss, ScenarioSet
from adlopt.prices.shocks import normal_excess, student_constant, student_excess

RANK = (
    16 * np.finfo(float).eps
)  # times the number of assets: smaller eigenvalues of a correlation matrix are zero
CHUNK = 2**22  # numbers held at once


class Elliptical(ABC):
    """What Gaussian and Student-t prices share."""

    what: str
    matrix: pd.DataFrame | npt.ArrayLike
    assets: Sequence[str] | None
    points: int
    seed: int

    def __post_init__(self) -> None:
        validation.require_integer(f"{type(self).__name__}: points", self.points, 1)
        validation.require_integer(f"{type(self).__name__}: seed", self.seed, 0)
        self._checked  # noqa: B018  (validates now, not at the first solve)

    @abstractmethod
    def moments(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """E[(X - z)^+], P(X > z) and E[X; X > z] of one coordinate X, for any real or infinite
        z.
        """

    @property
    @abstractmethod
    def degrees_of_freedom(self) -> float:
        """Of the Student-t law; infinite for the normal one."""

    @abstractmethod
    def _stretch(self, uniform: FloatArray) -> FloatArray:
        """Length of X relative to a normal vector, from uniform numbers."""

    # ------------------------------------------------------------------ volatility

    def covariance_of(self, assets: pd.Index) -> FloatArray:
        """(d, d) the matrix given, in the order of `assets`."""
        matrix, names = self._checked
        if names is None:
            if len(matrix) != len(assets):
                raise InputError(
                    f"{type(self).__name__}: a {len(matrix)} x {len(matrix)} {self.what} for the book's {len(assets)} assets "
                    f"({validation.format_names(assets)}); name its rows with assets=[...] or give a DataFrame"
                )
            return matrix
        where = names.get_indexer(assets)
        if (where < 0).any():
            raise InputError(
                f"{type(self).__name__}: the {self.what} has no row for asset {assets[where < 0][0]!r}; "
                f"it has {validation.format_names(names)}"
            )
        return matrix[np.ix_(where, where)]

    def radial(self, assets: pd.Index) -> EllipticalForm:
        """The model in the form that methods for smooth losses take."""
        return EllipticalForm(_root(self.covariance_of(assets)), self.degrees_of_freedom)

    def volatility(self, assets: pd.Index, sizes: sp.csr_array) -> FloatArray:
        """(n,) volatility c of pools with signed `sizes` (n, d), in money:
        `prices.volatility(book.assets, problem.sizes(x))`.

        Under Student-t prices it is the scale: the standard deviation is sqrt(df / (df - 2)) times
        as large.
        """
        root = _root(self.covariance_of(assets))
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
        """Expected shortfall c E[(X - E/c)^+]: exact, gradients included; at the kink E = c = 0 one
        of the subgradients.
        """
        root = _root(self.covariance_of(assets))
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
            at = pool[pairs] - rows.start
            by_size[pairs] = np.einsum("ij,ij->i", u[at], root[asset[pairs]]) * slope[at]
        return PoolLoss(value=value, by_equity=-tail, by_size=by_size)

    # ------------------------------------------------------------------ scenarios

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """Scrambled Sobol points; the expected loss itself does not need them."""
        from scipy.special import ndtri
        from scipy.stats import qmc

        # Principal axes of returns: the first, best spread coordinates go to the length and to the
        # largest risks.
        eigenvalue, axis = np.linalg.eigh(self.covariance_of(assets) / np.outer(marks, marks))
        root = (axis * np.sqrt(np.maximum(eigenvalue, 0.0)))[:, ::-1]
        d = len(assets) + 1
        if d > qmc.Sobol.MAXDIM:
            raise InputError(
                f"{type(self).__name__}: {d - 1} assets; Sobol points exist up to {qmc.Sobol.MAXDIM - 1}"
            )
        sobol = qmc.Sobol(d, scramble=True, rng=np.random.default_rng(self.seed))
        # Points are multiples of 2^-30, zero included, whose quantile is infinite.
        uniform = sobol.random_base2(int(np.ceil(np.log2(self.points)))) + 2.0**-31
        X = ndtri(uniform[:, 1:]) * self._stretch(uniform[:, :1])
        return ScenarioSet(X @ root.T * marks, np.full(len(X), 1.0 / len(X)))

    @cached_property
    def _checked(self) -> tuple[FloatArray, pd.Index[Any] | None]:
        """The matrix, symmetric to the last bit, and the names of its rows."""
        return covariance_matrix(type(self).__name__, self.what, self.matrix, self.assets)


@dataclass(frozen=True, eq=False)
class Gaussian(Elliptical):
    """P - p normal with mean zero and the given covariance.

    Parameters
    ----------
    covariance : (d, d) DataFrame by asset, or array: of price moves over the horizon, money^2 per
        contract^2.
    assets : names of an array's rows; left out, they are the book's assets in its order.
    points, seed : scrambled Sobol points, a power of two (rounded up to one), where scenarios are
        needed.
    """

    covariance: pd.DataFrame | npt.ArrayLike
    assets: Sequence[str] | None = None
    points: int = 2**14
    seed: int = 0

    what = "covariance"

    @property
    def matrix(self) -> pd.DataFrame | npt.ArrayLike:  # type: ignore[override]
        return self.covariance

    @property
    def degrees_of_freedom(self) -> float:
        return np.inf

    def moments(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        from scipy.special import ndtr

        return (
            normal_excess(z),
            ndtr(-z),
            np.exp(-0.5 * np.minimum(np.abs(z), 1e9) ** 2) / np.sqrt(2 * np.pi),
        )

    def _stretch(self, uniform: FloatArray) -> FloatArray:
        return np.ones_like(uniform)


@dataclass(frozen=True, eq=False)
class StudentT(Elliptical):
    """P - p multivariate Student-t with mean zero: heavy tails, all assets in a crash together.

    Parameters
    ----------
    scale : (d, d) DataFrame by asset, or array: scale matrix of price moves over the horizon,
        money^2 per contract^2. The
        covariance, where there is one, is df / (df - 2) times as large.
    df : degrees of freedom, > 1: at 1 and below the expected loss is infinite.
    assets, points, seed : as for `Gaussian`.
    """

    scale: pd.DataFrame | npt.ArrayLike
    df: float
    assets: Sequence[str] | None = None
    points: int = 2**14
    seed: int = 0

    what = "scale matrix"

    def __post_init__(self) -> None:
        if not validation.as_finite("StudentT, df", self.df) > 1:
            raise InputError(
                f"StudentT: df is {self.df}; it must be > 1, or the expected loss is infinite"
            )
        super().__post_init__()

    @property
    def matrix(self) -> pd.DataFrame | npt.ArrayLike:  # type: ignore[override]
        return self.scale

    @property
    def degrees_of_freedom(self) -> float:
        return float(self.df)

    def moments(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        from scipy.special import stdtr

        nu = float(self.df)
        ratio = np.minimum(np.abs(z), 1e150) / np.sqrt(nu)
        moment = (
            student_constant(nu) * nu / (nu - 1) * np.exp(-0.5 * (nu - 1) * np.log1p(ratio * ratio))
        )
        return student_excess(z, nu), stdtr(nu, -z), moment

    def _stretch(self, uniform: FloatArray) -> FloatArray:
        from scipy.special import gammaincinv

        return np.asarray(np.sqrt(self.df / (2.0 * gammaincinv(self.df / 2.0, uniform))))


def _root(matrix: FloatArray) -> FloatArray:
    """(d, r) root with root root' = matrix and r its rank.

    y' matrix y would lose half the digits of a hedged pool's volatility; |root' y| keeps them.
    Directions that rounding
    alone gave a variance are left out, by correlations, since units of assets differ by many
    orders.
    """
    eigenvalue, axis = np.linalg.eigh(correlation(matrix))
    kept = eigenvalue > RANK * len(matrix) * max(float(eigenvalue[-1]), 0.0)
    root = np.sqrt(np.diag(matrix))[:, None] * axis[:, kept] * np.sqrt(eigenvalue[kept])
    return np.ascontiguousarray(root)


def _chunks(rows: int, root: FloatArray) -> list[slice]:
    step = max(CHUNK // max(root.shape[1], 1), 1)
    return [slice(first, first + step) for first in range(0, max(rows, 1), step)]
