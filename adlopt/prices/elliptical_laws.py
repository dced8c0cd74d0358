"""The two elliptical laws: normal and Student-t prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.prices.covariance import covariance_matrix
from adlopt.prices.elliptical import Elliptical
from adlopt.prices.history import History
from adlopt.prices.horizon import Horizon
from adlopt.prices.student import normal_excess, student_constant, student_excess
from adlopt.prices.student_fit import fit_student


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
    assets: Sequence[str] | pd.Index[Any] | None = None
    _: KW_ONLY
    points: int = 2**14
    seed: int = 0

    matrix_name = "covariance"

    @property
    def matrix(self) -> pd.DataFrame | npt.ArrayLike:  # type: ignore[override]
        """The covariance, as it was given."""
        return self.covariance

    def with_matrix(self, assets: pd.Index, matrix: FloatArray) -> Gaussian:
        """The same law with this covariance for these assets.

        Parameters
        ----------
        assets : Index of shape (d,)
        matrix : array, shape (d, d)
            Covariance, in money^2 per contract^2.

        Returns
        -------
        Gaussian
        """
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
        """The normal law with this covariance of price moves, as `Gaussian(covariance)`.

        Parameters
        ----------
        covariance : DataFrame by asset, or array of shape (d, d)
            Of price moves over the horizon, in money^2 per contract^2.
        **options
            Of `Gaussian`.

        Returns
        -------
        Gaussian
        """
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

        Returns
        -------
        Gaussian

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
    assets, points, seed : as of `Gaussian`

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
    _: KW_ONLY
    assets: Sequence[str] | pd.Index[Any] | None = None
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
        """The scale matrix, as it was given."""
        return self.scale

    def with_matrix(self, assets: pd.Index, matrix: FloatArray) -> StudentT:
        """The same law with this scale matrix for these assets.

        Parameters
        ----------
        assets : Index of shape (d,)
        matrix : array, shape (d, d)
            Scale matrix, in money^2 per contract^2.

        Returns
        -------
        StudentT
        """
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
        times the covariance.

        Parameters
        ----------
        covariance : DataFrame by asset, or array of shape (d, d)
            Of price moves over the horizon, in money^2 per contract^2.
        df : float
            Degrees of freedom, > 2: there is no covariance otherwise.
        **options
            Of `StudentT`.

        Returns
        -------
        StudentT

        Raises
        ------
        InputError
            df is not > 2.
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
        labels = None if names is None else list(names)
        return cls(scale, number, assets=labels, **options)

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
        prices : DataFrame
            Past prices, a row per time and a column per asset.
        horizon : int, float, str or Timedelta, default 1
            Length of a window: rows as an int, or as `Horizon`.
        df : float, optional
            Degrees of freedom, > 1; estimated by maximum likelihood, with the scale matrix, if left
            out.
        marks : mapping or Series, optional
            Prices that turn returns into money; the last prices of the history if left out.
        points, seed : int
            As of `StudentT`.
        **windows
            Options of `History`, such as `half_life="90D"`.

        Returns
        -------
        StudentT

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
