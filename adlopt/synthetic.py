"""The benchmark book: a seeded random exchange with fat-tailed prices, of any size."""

from __future__ import annotations

import numpy as np
import pandas as pd

from adlopt import _tables as tables
from adlopt._tables import FloatArray, IntArray
from adlopt.book import Book
from adlopt.errors import InputError
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.prices.scenarios import Scenarios
from adlopt.problem import Problem

SHORT = 0.7  # share of positions
DEGREES_OF_FREEDOM = 4
SCALE = 0.06  # of log returns
CORRELATION = 0.8


def problem(
    pools: int,
    assets: int = 5,
    *,
    held: int | None = None,
    scenarios: int = 1000,
    reduce: float = 0.3,
    reduced_assets: int | None = None,
    objective: Objective | None = None,
    seed: int = 0,
) -> Problem:
    """A cross-margined book whose shorts are to be reduced.

    Equity exp(N(9, 2)), gross leverage exp(N(0.7, 1)) within [0.05, 40], asset weights Dirichlet(0.5), 70 % of positions
    short; log returns multivariate t with 4 degrees of freedom, scale 6 %, correlation 0.8.

    Parameters
    ----------
    held : assets that each pool holds, chosen at random; all of them if left out.
    reduce : share of each reduced asset's short open interest that must go, in (0, 1].
    reduced_assets : how many assets are reduced (the first ones); all of them if left out.
    objective : expected loss if left out.
    """
    for name, value in (("pools", pools), ("assets", assets), ("scenarios", scenarios)):
        _at_least_one(name, value, None)
    _at_least_one("held", held, assets)
    _at_least_one("reduced_assets", reduced_assets, assets)
    if not 0 < reduce <= 1:
        raise InputError(f"synthetic: reduce is {reduce}; it is a share of the open interest, in (0, 1]")
    tables.whole("synthetic: seed", seed, 0)
    rng = np.random.default_rng(seed)
    names = pd.Index([f"A{k}" for k in range(assets)])
    book = _book(rng, pools, names, held or assets)
    short = np.bincount(book.asset, -np.minimum(book.size, 0.0), minlength=assets)
    wanted = np.flatnonzero(short)[:reduced_assets]
    return Problem(
        book,
        reduction={names[k]: -reduce * short[k] for k in wanted},
        prices=Scenarios(returns=_returns(rng, scenarios, assets), assets=list(names)),
        objective=objective or ExpectedLoss(),
    )


def _book(rng: np.random.Generator, pools: int, names: pd.Index, held: int) -> Book:
    marks = np.geomspace(60_000.0, 0.6, len(names))
    equity = np.exp(rng.normal(9.0, 2.0, pools))
    leverage = np.clip(np.exp(rng.normal(0.7, 1.0, pools)), 0.05, 40.0)
    asset = _choices(rng, pools, len(names), held).ravel()
    weight = np.maximum(rng.gamma(0.5, size=(pools, held)), np.finfo(float).tiny)
    weight /= weight.sum(axis=1, keepdims=True)
    short = rng.random(pools * held) < SHORT
    if not short.any():
        short[0] = True
    notional = np.repeat(equity * leverage, held) * weight.ravel()
    return Book(
        assets=names,
        marks=marks,
        names=pd.RangeIndex(pools),
        pool_account=np.arange(pools),
        isolated=np.zeros(pools, dtype=bool),
        equity=equity,
        pool=np.repeat(np.arange(pools), held),
        asset=asset,
        size=np.where(short, -1.0, 1.0) * notional / marks[asset],
    )


def _choices(rng: np.random.Generator, rows: int, assets: int, held: int) -> IntArray:
    """(rows, held) different assets per row, every set equally likely, ascending (Floyd's sampling, all rows at once)."""
    chosen = np.empty((rows, held), dtype=np.int64)
    for j in range(held):
        last = assets - held + j
        pick = rng.integers(0, last + 1, rows)
        taken = (chosen[:, :j] == pick[:, None]).any(axis=1)
        chosen[:, j] = np.where(taken, last, pick)
    return np.sort(chosen, axis=1)


def _returns(rng: np.random.Generator, scenarios: int, assets: int) -> FloatArray:
    common, own = rng.normal(size=(scenarios, 1)), rng.normal(size=(scenarios, assets))
    normal = np.sqrt(CORRELATION) * common + np.sqrt(1 - CORRELATION) * own
    mixing = np.sqrt(DEGREES_OF_FREEDOM / rng.chisquare(DEGREES_OF_FREEDOM, (scenarios, 1)))
    return np.asarray(np.expm1(SCALE * mixing * normal))


def _at_least_one(name: str, value: int | None, most: int | None) -> None:
    if value is None:
        return
    if not isinstance(value, int | np.integer) or value < 1 or (most is not None and value > most):
        limit = ">= 1" if most is None else f"between 1 and {most}, the number of assets"
        raise InputError(f"synthetic: {name} is {value!r}; it must be a whole number {limit}")
