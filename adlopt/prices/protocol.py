"""What a price model must offer: scenarios always, a closed-form pool loss where there is one."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError

SUM_TOLERANCE = 1e-8


class ScenarioSet(NamedTuple):
    """Weighted horizon prices of a book's assets."""

    moves: FloatArray  # (S, d) price at the horizon minus mark, money per contract
    weights: FloatArray  # (S,) probabilities


class PoolLoss(NamedTuple):
    """Expected shortfall E[(-V)^+] of each pool, with its derivatives."""

    value: FloatArray  # (n,) money
    by_equity: FloatArray  # (n,) minus the probability of bankruptcy
    # (entries,) money per contract of remaining size, at the (pool, asset) pairs asked for
    by_size: FloatArray


class EllipticalForm(NamedTuple):
    """A closed form in which a pool's loss depends on equity E and volatility c = |root' y| alone:
    c E[(X - E / c)^+].

    X is Student-t with `df` degrees of freedom, standard normal if they are infinite; y are the
    pool's sizes.
    """

    root: FloatArray  # (d, r), money per contract
    df: float


class PriceModel(Protocol):
    """A distribution of horizon prices. One method is enough to plug in your own."""

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """Weighted moves of `assets` from their marks; InputError if the model lacks one of
        them.
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
        """Expected shortfall of pools with `equity` (n,) and signed `sizes` (n, d), gradient at
        pairs (pool, asset).
        """
        ...


@runtime_checkable
class HasEllipticalForm(ClosedForm, Protocol):
    """A closed form that is smooth in equity and sizes: no scenarios are needed to minimise it
    either.
    """

    def radial(self, assets: pd.Index) -> EllipticalForm | None:
        """The model as volatility and a scalar law; None if this instance of it has no such
        form.
        """
        ...


@runtime_checkable
class Resampleable(Protocol):
    """A price model whose scenarios are drawn at random, and can be drawn again."""

    def replicate(self, number: int) -> PriceModel:
        """The model with the draw of this number >= 0, independent of its own and of all others."""
        ...


def scenario_names(model: PriceModel, assets: pd.Index, marks: FloatArray) -> pd.Index:
    """(S,) what to call a model's scenarios: its own names if it has a method `names`, else
    numbers.
    """
    if hasattr(model, "names"):
        return pd.Index(model.names(assets, marks))
    return pd.RangeIndex(model.scenarios(assets, marks).weights.size)


def probabilities(what: str, weights: object, count: int) -> FloatArray:
    """Scenario weights: (count,), nonnegative, summing to one; None means equal weights."""
    if weights is None:
        return np.full(count, 1.0 / count)
    try:
        given = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what}: weights must be numbers") from None
    if given.shape != (count,):
        raise InputError(
            f"{what}: {count} weights are needed, one per scenario; got shape {given.shape}"
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
