"""Elliptical prices: the loss of a pool depends on its volatility and its equity alone, in closed
form.

P - p = root X with X spherical. A pool with remaining sizes y has volatility c = |root' y| and,
with z = E / c, expected
shortfall c E[(X_1 - z)^+]. Its derivatives are -P(X_1 > z) by equity and E[X_1; X_1 > z] by
volatility.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from adlopt.prices.history import History
from adlopt.prices.horizon import Horizon
from adlopt.prices.protocol import (
    EllipticalForm,
    PoolLoss,
    ScenarioKind,
    ScenarioSet,
    replicate_seed,
)
from adlopt.prices.sobol import principal_root, uniform_points
from adlopt.prices.student import normal_excess, student_constant, student_excess
from adlopt.prices.student_fit import fit_student

CHUNK = 2**22  # numbers held at once, 32 MB


class Elliptical(ABC):
    """What Gaussian and Student-t prices share."""

    matrix_name: str
    matrix: pd.DataFrame | npt.ArrayLike
    assets: Sequence[str] | None
    points: int
    seed: int

    def __post_init__(self) -> None:
        validation.require_integer(f"{type(self).__name__}: points", self.points, 1)
        validation.require_integer(f"{type(self).__name__}: seed", self.seed, 0)
        self._validated  # noqa: B018  (validates now, not at the first solve)

    @abstractmethod
    def moments(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """E[(X - z)^+], P(X > z) and E[X; X > z] of one coordinate X, for any real or infinite
        z.
        """

    @abstractmethod
    def with_matrix(self, assets: pd.Index, matrix: FloatArray) -> Self:
        """The same law with this matrix (d, d) for these assets."""

    @property
    @abstractmethod
    def degrees_of_freedom(self) -> float:
        """Of the Student-t law; infinite for the normal one."""

    @abstractmethod
    def _radial_factor(self, uniform: FloatArray) -> FloatArray:
        """Length of X relative to a normal vector, from uniform numbers."""

    # ------------------------------------------------------------------ volatility

    def covariance_of(self, assets: pd.Index) -> FloatArray:
        """(d, d) the matrix given, in the order of `assets`."""
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
        """The model in the form that methods for smooth losses take."""
        return EllipticalForm(correlation_root(self.covariance_of(assets)), self.degrees_of_freedom)

    def volatility(self, assets: pd.Index, sizes: sp.csr_array) -> FloatArray:
        """(n,) volatility c of pools with signed `sizes` (n, d), in money:
        `prices.volatility(book.assets, problem.size_matrix(x))`.

        Under Student-t prices it is the scale: the standard deviation is sqrt(df / (df - 2)) times
        as large.
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
        """Expected shortfall c E[(X - E/c)^+]: exact, gradients included; at the kink E = c = 0 one
        of the subgradients.
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
            at = pool[pairs] - rows.start
            by_size[pairs] = np.einsum("ij,ij->i", u[at], root[asset[pairs]]) * slope[at]
        return PoolLoss(value=value, by_equity=-tail, by_size=by_size)

    # ------------------------------------------------------------------ scenarios

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """Scrambled Sobol points; the expected loss itself does not need them."""
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
        """The model with an independent draw of its points."""
        return replace(self, seed=replicate_seed(self.seed, number))  # type: ignore[type-var]

    def refined(self, factor: int) -> Self:
        """The model with `factor` times as many points."""
        return replace(self, points=self.points * factor)  # type: ignore[type-var]

    @cached_property
    def _validated(self) -> tuple[FloatArray, pd.Index[Any] | None]:
        """The matrix, symmetric to the last bit, and the names of its rows."""
        return covariance_matrix(type(self).__name__, self.matrix_name, self.matrix, self.assets)


@dataclass(frozen=True, eq=False)
class Gaussian(Elliptical):
    """P - p normal with mean zero and the given covariance.

    Parameters
    ----------
    covariance : DataFrame by asset, or array, of shape (d, d)
        Of price moves over the horizon, in money^2 per contract^2; not of returns.
    assets : sequence of str, optional
        Names of an array's rows; left out, they are the book's assets in its order.
    points : int, default 2**14
        Scrambled Sobol points, rounded up to a power of two, where scenarios are needed.
    seed : int, default 0
        Of the scrambling.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.Gaussian([[4.4e7, 1.1e6], [1.1e6, 5.5e4]], assets=["BTC", "ETH"])
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)
    >>> adl.solve(problem).standard_error  # the expected loss needs no scenarios
    0.0
    """

    covariance: pd.DataFrame | npt.ArrayLike
    assets: Sequence[str] | None = None
    points: int = 2**14
    seed: int = 0

    matrix_name = "covariance"

    @property
    def matrix(self) -> pd.DataFrame | npt.ArrayLike:  # type: ignore[override]
        return self.covariance

    def with_matrix(self, assets: pd.Index, matrix: FloatArray) -> Gaussian:
        """The same law with this covariance (d, d) for these assets."""
        table = pd.DataFrame(matrix, index=assets, columns=assets)
        return replace(self, covariance=table, assets=None)

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

    def _radial_factor(self, uniform: FloatArray) -> FloatArray:
        return np.ones_like(uniform)

    @classmethod
    def from_covariance(cls, covariance: pd.DataFrame | npt.ArrayLike, **options: Any) -> Gaussian:
        """The normal law with this covariance of price moves, as `Gaussian(covariance)`."""
        return cls(covariance, **options)

    @classmethod
    def from_history(
        cls,
        prices: pd.DataFrame,
        horizon: Horizon | int = 1,
        *,
        marks: Mapping[str, float] | pd.Series[float] | None = None,
        points: int = 2**14,
        seed: int = 0,
        **windows: Any,
    ) -> Gaussian:
        """The normal law with the covariance of past price moves, without their mean.

        Parameters
        ----------
        prices : DataFrame
            Past prices, a row per time and a column per asset.
        horizon : int, float, str or Timedelta, default 1
            Length of a window: rows as an int, or as `Horizon`.
        marks : mapping or Series, optional
            Prices that turn returns into money; the last prices of the history if left out.
        points, seed : int
            As of `Gaussian`.
        **windows
            Options of `History`, such as `half_life="90D"`.

        Examples
        --------
        >>> import pandas as pd
        >>> import adlopt as adl
        >>> prices = pd.DataFrame({"BTC": [100.0, 110.0, 99.0, 108.9]})
        >>> model = adl.Gaussian.from_history(prices, marks={"BTC": 200.0})
        >>> round(float(model.covariance_of(pd.Index(["BTC"]))[0, 0]), 3)
        355.556
        """
        covariance = History(prices, horizon, **windows).covariance(marks)
        return cls(covariance, points=points, seed=seed)


@dataclass(frozen=True, eq=False)
class StudentT(Elliptical):
    """P - p multivariate Student-t with mean zero: heavy tails, all assets in a crash together.

    Parameters
    ----------
    scale : DataFrame by asset, or array, of shape (d, d)
        Scale matrix of price moves over the horizon, in money^2 per contract^2. The covariance,
        where there is one, is df / (df - 2) times as large: see `from_covariance`.
    df : float
        Degrees of freedom, > 1: at 1 and below the expected loss is infinite.
    assets, points, seed
        As of `Gaussian`.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.StudentT([[4.4e7, 1.1e6], [1.1e6, 5.5e4]], df=3.0)
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)
    >>> adl.solve(problem).status
    'optimal'
    """

    scale: pd.DataFrame | npt.ArrayLike
    df: float
    assets: Sequence[str] | None = None
    points: int = 2**14
    seed: int = 0

    matrix_name = "scale matrix"

    def __post_init__(self) -> None:
        df = validation.as_finite("StudentT, df", self.df)
        if not df > 1:
            raise InputError(
                f"StudentT: df is {self.df}; it must be > 1, or the expected loss is infinite"
            )
        object.__setattr__(self, "df", df)
        super().__post_init__()

    @property
    def matrix(self) -> pd.DataFrame | npt.ArrayLike:  # type: ignore[override]
        return self.scale

    def with_matrix(self, assets: pd.Index, matrix: FloatArray) -> StudentT:
        """The same law with this scale matrix (d, d) for these assets."""
        table = pd.DataFrame(matrix, index=assets, columns=assets)
        return replace(self, scale=table, assets=None)

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
        tail = np.asarray(stdtr(nu, -z), dtype=np.float64)
        return student_excess(z, nu), tail, np.asarray(moment, dtype=np.float64)

    def _radial_factor(self, uniform: FloatArray) -> FloatArray:
        from scipy.special import gammaincinv

        return np.asarray(np.sqrt(self.df / (2.0 * gammaincinv(self.df / 2.0, uniform))))

    @classmethod
    def from_covariance(
        cls, covariance: pd.DataFrame | npt.ArrayLike, df: float, **options: Any
    ) -> StudentT:
        """The Student-t law with this covariance of price moves: its scale matrix is (df - 2) / df
        times the covariance. InputError unless df > 2, because there is no covariance otherwise.
        """
        number = validation.as_finite("StudentT, df", df)
        if not number > 2:
            raise InputError(
                f"StudentT.from_covariance: df is {df}; a covariance exists for df > 2 only; give "
                "a scale matrix with StudentT(scale, df)"
            )
        matrix, names = covariance_matrix(
            "StudentT", "covariance", covariance, options.pop("assets", None)
        )
        scale = matrix * (number - 2.0) / number
        return cls(scale, number, None if names is None else list(names), **options)

    @classmethod
    def from_history(
        cls,
        prices: pd.DataFrame,
        horizon: Horizon | int = 1,
        *,
        df: float | None = None,
        marks: Mapping[str, float] | pd.Series[float] | None = None,
        points: int = 2**14,
        seed: int = 0,
        **windows: Any,
    ) -> StudentT:
        """The Student-t law that fits past price moves best, without their mean.

        Parameters
        ----------
        prices, horizon, marks, points, seed, **windows
            As for `Gaussian.from_history`.
        df : float, optional
            Degrees of freedom, > 1; estimated by maximum likelihood, with the scale matrix, if left
            out.

        Raises
        ------
        InputError
            Fewer windows than assets plus one: no scale matrix fits best.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> import adlopt as adl
        >>> moves = np.random.default_rng(0).standard_t(4, 2000) * 0.01
        >>> prices = pd.DataFrame({"BTC": 100 * np.exp(np.cumsum(moves))})
        >>> 3 < adl.StudentT.from_history(prices).df < 5.5
        True
        """
        history = History(prices, horizon, **windows)
        mean = history.weights @ history.returns
        shape, fitted = fit_student(history.returns - mean, history.weights, df)
        last = history.last.to_numpy(dtype=np.float64)
        scale = (
            last if marks is None else validation.vector_by_asset("marks", marks, history.assets)
        )
        table = pd.DataFrame(
            shape * np.outer(scale, scale), index=history.assets, columns=history.assets
        )
        return cls(table, fitted, points=points, seed=seed)


def _chunks(rows: int, root: FloatArray) -> list[slice]:
    step = max(CHUNK // max(root.shape[1], 1), 1)
    return [slice(first, first + step) for first in range(0, max(rows, 1), step)]
