"""What a price model must offer: scenarios always, a closed-form pool loss where there is one."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError

SUM_TOLERANCE = 1e-8  # largest difference of a sum of probabilities from one that is rounding

ScenarioKind = Literal["given", "drawn", "stratified", "unknown"]
"""Where a model's scenarios come from.

"given": they are the model, such as past returns or stresses; nothing is approximated.
"drawn": a random sample of a continuous law; fresh draws show how far it can be trusted.
"stratified": conditional means of a continuous law over a fine partition; nothing is random.
"unknown": the model does not say.
"""


class ScenarioSet(NamedTuple):
    """Weighted horizon prices of a book's assets.

    Parameters
    ----------
    moves : ndarray of shape (S, d)
        Price at the horizon minus the mark, in money per contract.
    weights : ndarray of shape (S,)
        Probabilities: nonnegative, with sum one.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.examples.paper_book()
    >>> crash = adl.Stress({"crash": {"BTC": -0.30, "ETH": -0.40}})
    >>> crash.scenarios(book.assets, book.marks).moves.tolist()
    [[-20100.0, -760.0]]
    """

    moves: FloatArray
    weights: FloatArray


class PoolLoss(NamedTuple):
    """Expected shortfall E[(-V)^+] of each pool, with its derivatives.

    Parameters
    ----------
    value : ndarray of shape (n,)
        Expected shortfall, in money.
    by_equity : ndarray of shape (n,)
        Derivative by equity: minus the probability of bankruptcy.
    by_size : ndarray of shape (pairs,)
        Derivative by remaining size at the (pool, asset) pairs asked for, in money per contract.
    """

    value: FloatArray
    by_equity: FloatArray
    by_size: FloatArray


class EllipticalForm(NamedTuple):
    """A closed form in which a pool's loss depends on equity E and volatility c = |root' y| alone:
    it is c E[(X - E / c)^+], where y are the pool's sizes.

    Parameters
    ----------
    root : ndarray of shape (d, r)
        Root of the covariance or scale matrix, in money per contract.
    df : float
        X is Student-t with `df` degrees of freedom, standard normal if they are infinite.
    """

    root: FloatArray
    df: float


class PriceModel(Protocol):
    """A distribution of horizon prices. One method is enough to plug in your own.

    A model may also state `scenario_kind` (see `ScenarioKind`), have `replicate` if its scenarios
    are drawn (see `Resampleable`), `refined` if it can use more points (see `Refinable`), and
    `pool_loss` if it has a closed form (see `ClosedForm`).

    Examples
    --------
    >>> import numpy as np
    >>> import adlopt as adl
    >>> class UpOrDown:
    ...     scenario_kind = "given"
    ...     def scenarios(self, assets, marks):
    ...         return adl.ScenarioSet(np.array([0.2 * marks, -0.2 * marks]), np.array([0.5, 0.5]))
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=UpOrDown())
    >>> adl.solve(problem).standard_error
    0.0
    """

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """Weighted moves of the assets from their marks.

        Parameters
        ----------
        assets : Index of shape (d,)
            Names, in the order of the columns wanted.
        marks : array, shape (d,)
            Prices now, in money per contract.

        Returns
        -------
        ScenarioSet

        Raises
        ------
        InputError
            The model lacks one of the assets.
        """
        ...


@runtime_checkable
class ClosedForm(Protocol):
    """A price model that also knows every pool's expected shortfall without sampling."""

    def pool_loss(
        self,
        assets: pd.Index,
        equity: FloatArray,
        sizes: sp.csr_array,
        pool: IntArray,
        asset: IntArray,
    ) -> PoolLoss:
        """Expected shortfall of every pool, with its derivatives.

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
        ...


@runtime_checkable
class HasEllipticalForm(ClosedForm, Protocol):
    """A closed form that is smooth in equity and sizes: no scenarios are needed to minimise it
    either.
    """

    def elliptical_form(self, assets: pd.Index) -> EllipticalForm | None:
        """The model as volatility and a scalar law; None if this instance of it has no such
        form.

        Parameters
        ----------
        assets : Index of shape (d,)

        Returns
        -------
        EllipticalForm or None
        """
        ...


@runtime_checkable
class Resampleable(Protocol):
    """A price model whose scenarios are drawn at random, and can be drawn again."""

    def replicate(self, number: int) -> PriceModel:
        """The model with the draw of this number >= 0, independent of its own and of all others.

        Parameters
        ----------
        number : int
            Of the draw, >= 0; draws of different numbers are independent.

        Returns
        -------
        PriceModel
        """
        ...


@runtime_checkable
class Refinable(Protocol):
    """A price model that approximates a continuous law by points, and can use more of them."""

    def refined(self, factor: int) -> PriceModel:
        """The model with `factor` >= 1 times as many points.

        Parameters
        ----------
        factor : int
            How many times as many points, >= 1.

        Returns
        -------
        PriceModel
        """
        ...


def scenario_kind(model: PriceModel) -> ScenarioKind:
    """Where the model's scenarios come from; "drawn" or "unknown" if it does not say."""
    stated: Any = getattr(model, "scenario_kind", None)
    if stated is None:
        return "drawn" if isinstance(model, Resampleable) else "unknown"
    if stated not in ("given", "drawn", "stratified", "unknown"):
        raise InputError(
            f"{type(model).__name__}: scenario_kind is {stated!r}; use 'given', 'drawn', "
            "'stratified' or 'unknown'"
        )
    kind: ScenarioKind = stated
    return kind


def replicate_seed(seed: int, number: int) -> int:
    """Seed of the fresh draw of this number, independent of `seed` and of all other draws."""
    return int(np.random.SeedSequence([seed, 1 + number]).generate_state(1, np.uint64)[0])


def scenario_names(model: PriceModel, assets: pd.Index, marks: FloatArray) -> pd.Index[Any]:
    """(S,) names of a model's scenarios: its own if it has a method `names`, else numbers."""
    if hasattr(model, "names"):
        names: pd.Index[Any] = pd.Index(model.names(assets, marks))
        return names
    return pd.RangeIndex(model.scenarios(assets, marks).weights.size)


def probabilities(what: str, weights: object, count: int) -> FloatArray:
    """(count,) scenario weights: nonnegative, with sum one; None means equal weights.

    Raises InputError in the name of `what`.
    """
    if weights is None:
        return np.full(count, 1.0 / count)
    try:
        given = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what}: weights must be numbers") from None
    if given.shape != (count,):
        raise InputError(
            f"{what}: expected {count} weights, one per scenario; got shape {given.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(given) | (given < 0))
    if bad.size:
        raise InputError(
            f"{what}: weight {bad[0]} is {given[bad[0]]}; weights are probabilities, >= 0"
        )
    total = float(given.sum())
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise InputError(
            f"{what}: weights sum to {total:.12g}, not to one; divide them by their sum"
        )
    return given / total
