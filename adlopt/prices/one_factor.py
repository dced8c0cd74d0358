"""One risk factor drives all prices: P - p = direction * shock."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.prices.covariance import covariance_matrix, leading_factor, move_scale
from adlopt.prices.history import History
from adlopt.prices.horizon import Horizon
from adlopt.prices.protocol import EllipticalForm, PoolLoss, ScenarioKind, ScenarioSet
from adlopt.prices.shocks import SampleShock, Shock, as_shock

UNIT_VARIANCE_TOLERANCE = 1e-2  # a sample's rounding to three digits passes
WELL_EXPLAINED = 0.8  # share of variance below which `from_covariance` and `from_history` warn


class OneFactor:
    """P - p = v * eps with one random shock eps.

    Parameters
    ----------
    direction : mapping, Series or array of shape (d,)
        v, in money per contract and unit of shock, by asset, or in the book's order.
    shock : frozen scipy.stats distribution or array, optional
        A continuous distribution with a finite mean, or a sample of eps; standard normal if left
        out.
    weights : array, optional
        Probabilities of a sample; equal if left out.
    points : int, default 2**14
        Strata of a continuous shock where scenarios are needed; each is represented by its
        conditional mean.

    Raises
    ------
    InputError
        A shock that is discrete, has no finite mean, or whose density cannot be integrated.

    Examples
    --------
    >>> import adlopt as adl
    >>> from scipy import stats
    >>> prices = adl.OneFactor({"BTC": 6654.0, "ETH": 200.6}, stats.laplace())
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)
    >>> adl.solve(problem).method
    'factor_leverage'
    """

    def __init__(
        self,
        direction: Mapping[str, float] | pd.Series[float] | npt.ArrayLike,
        shock: Any = None,
        *,
        weights: npt.ArrayLike | None = None,
        points: int = 2**14,
    ) -> None:
        self.direction = direction
        validation.vector_by_asset(
            "OneFactor, direction", direction, validation.asset_names(direction)
        )
        if not isinstance(points, int | np.integer) or points < 3:
            raise InputError(
                f"OneFactor: points is {points!r}; a whole number >= 3 is needed: two tails and a "
                f"middle"
            )
        self.points = int(points)
        self._given = shock
        if weights is not None and (shock is None or hasattr(shock, "ppf")):
            raise InputError(
                "OneFactor: weights belong to a sample of the shock; a distribution has its own"
            )
        self._weights = weights
        self.explained: float | None = None
        """Share of the variance that the factor explains, where it was taken from a covariance or a
        history.
        """
        self.shock  # noqa: B018  (validates now, not at the first solve)

    @classmethod
    def from_covariance(
        cls,
        covariance: pd.DataFrame | npt.ArrayLike,
        *,
        marks: Mapping[str, float] | pd.Series[float] | npt.ArrayLike | None = None,
        shock: Any = None,
        points: int = 2**14,
    ) -> OneFactor:
        """The leading factor of a covariance, with the fraction of the variance it explains in
        `explained`.

        To see what it leaves out, solve under the factor, then `certify(problem under the full
        model, solution.allocation)`.

        Parameters
        ----------
        covariance : DataFrame by asset, or array of shape (d, d)
            Of price moves over the horizon, in money^2 per contract^2.
        marks : mapping, Series or array of shape (d,), optional
            Compare moves per unit of money, that is as returns; left out, per contract, as the
            paper does.
        shock : scipy.stats distribution or array, optional
            Of unit variance, because `direction` holds standard deviations; standard normal if left
            out.
        points : int, default 2**14
            As of `OneFactor`.

        Returns
        -------
        OneFactor

        Notes
        -----
        Warns if the factor explains less than 80 % of the variance.
        """
        matrix, names = covariance_matrix("OneFactor", "covariance", covariance)
        direction, share = leading_factor(matrix, move_scale(marks, names, len(matrix)))
        factor = cls(
            direction if names is None else pd.Series(direction, index=names), shock, points=points
        )
        _require_unit_variance(factor.shock)
        factor.explained = share
        if share < WELL_EXPLAINED:
            warnings.warn(
                f"one factor explains {share:.0%} of the variance; below {WELL_EXPLAINED:.0%} it "
                f"is a poor description: "
                "see what its allocation costs under the full model with certify(problem, "
                "allocation)",
                stacklevel=2,
            )
        return factor

    @classmethod
    def from_history(
        cls,
        prices: pd.DataFrame,
        horizon: Horizon = 1,
        *,
        marks: Mapping[str, float] | pd.Series[float] | None = None,
        shock: Any = None,
        points: int = 2**14,
        **windows: Any,
    ) -> OneFactor:
        """The leading factor of past returns, as `from_covariance` finds it with assets compared by
        returns.

        Parameters
        ----------
        prices : DataFrame
            Past prices, a row per time and a column per asset.
        horizon : int, float, str or Timedelta, default 1
            As of `History`.
        marks : mapping or Series, optional
            Prices that turn returns into money; the last prices of the history if left out.
        shock, points : as in `from_covariance`
        **windows
            Options of `History`.

        Returns
        -------
        OneFactor
        """
        history = History(prices, horizon, **windows)
        scale = history.last if marks is None else marks
        return cls.from_covariance(
            history.covariance(marks), marks=scale, shock=shock, points=points
        )

    @cached_property
    def shock(self) -> Shock:
        """The shock's distribution, with the partial moments that closed forms need."""
        return as_shock(self._given, self._weights)

    def vector(self, assets: pd.Index) -> FloatArray:
        """The direction in the order of `assets`.

        Parameters
        ----------
        assets : Index of shape (d,)

        Returns
        -------
        array, shape (d,)
            In money per contract and unit of shock.
        """
        return validation.vector_by_asset("OneFactor, direction", self.direction, assets)

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """The strata of the shock, or its sample.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        ScenarioSet
        """
        shock, weights = self.shock.strata(self.points)
        return ScenarioSet(np.outer(shock, self.vector(assets)), weights)

    @property
    def scenario_kind(self) -> ScenarioKind:
        """A sample is given; a continuous shock is stratified."""
        return "given" if isinstance(self.shock, SampleShock) else "stratified"

    def refined(self, factor: int) -> OneFactor:
        """The model with `factor` times as many strata of a continuous shock.

        Parameters
        ----------
        factor : int
            How many times as many points, >= 1.

        Returns
        -------
        the same kind of model
        """
        other = copy.copy(self)
        other.points = self.points * factor
        return other

    def pool_loss(
        self,
        assets: pd.Index,
        equity: FloatArray,
        sizes: sp.csr_array,
        pool: IntArray,
        asset: IntArray,
    ) -> PoolLoss:
        """E[(-E - b eps)^+] with exposure b = v . size: exact, from the shock's partial moments.

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
        v = self.vector(assets)
        exposure = sizes @ v
        # Loss sets in where -b eps > E: below the threshold -E/b for b > 0, above it for b < 0.
        with np.errstate(over="ignore"):
            threshold = np.divide(
                -equity, exposure, out=np.full(equity.shape, np.inf), where=exposure != 0
            )
        falling = exposure > 0
        probability = np.zeros(equity.size)
        moment = np.zeros(
            equity.size
        )  # E[(threshold - eps)^+] if falling, E[(eps - threshold)^+] if rising
        probability[falling], moment[falling] = self.shock.below(threshold[falling])
        rising = exposure < 0
        probability[rising], moment[rising] = self.shock.above(threshold[rising])
        mean = np.abs(exposure) * moment
        # d/db E[(-E - b eps)^+] = -E[eps; loss], and E[eps; eps < t] = t F(t) - E[(t - eps)^+].
        finite_threshold = np.where((probability > 0) & np.isfinite(threshold), threshold, 0.0)
        tail = finite_threshold * probability + np.where(falling, -moment, moment)
        # Without exposure the shortfall is certain: nothing, or what settlement has left below
        # zero.
        certain = (exposure == 0) & (equity < 0)
        probability[certain] = 1.0
        mean[certain] = -equity[certain]
        return PoolLoss(value=mean, by_equity=-probability, by_size=-tail[pool] * v[asset])

    def elliptical_form(self, assets: pd.Index) -> EllipticalForm | None:
        """Volatility |v . size| and a normal or Student-t law, where the shock has one centred at
        zero; None elsewhere.

        Parameters
        ----------
        assets : Index of shape (d,)

        Returns
        -------
        EllipticalForm or None
        """
        law = self.shock.student
        return (
            None if law is None else EllipticalForm(self.vector(assets)[:, None] * law[0], law[1])
        )

    def __repr__(self) -> str:
        return f"OneFactor({self.direction!r}, shock={self.shock!r})"


def _require_unit_variance(shock: Shock) -> None:
    """The direction of a covariance holds standard deviations, so the shock must have variance
    one.
    """
    variance = shock.variance
    if not abs(variance - 1.0) <= UNIT_VARIANCE_TOLERANCE:
        raise InputError(
            f"OneFactor: the shock has variance {variance:.6g}, and with a covariance or a history "
            "it must be 1: the direction already holds standard deviations; divide it by "
            f"{np.sqrt(variance):.6g}"
            + (", or use finite-variance shocks only" if np.isinf(variance) else "")
        )
