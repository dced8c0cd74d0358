"""Lognormal prices without sampling: pools with one or two assets, by Black's formula and a
one-dimensional integral.

Given one asset's price the other's is lognormal again, so the inner expectation is Black's formula
with a strike that depends on the first price. The integrand is analytic: trapezoids on the normal
density converge faster than any power.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError, NotApplicable
from adlopt.prices.lognormal import LogNormal
from adlopt.prices.protocol import PoolLoss

INTEGRATION_RANGE = 12.5  # standard deviations: beyond lies 1e-35 of the probability
NODE_SPACING = 0.1  # trapezoids per width of the inner density, inverted
CHUNK = 2**20  # pool-node pairs in memory at once
MAX_CORRELATION = 0.9999  # correlation beyond which the inner density is too narrow for trapezoids


@dataclass(frozen=True, eq=False)
class ExactLogNormal(LogNormal):
    """`LogNormal` with exact expected losses, for books whose pools hold at most two assets each.

    Values and certificates of the expected loss are those of the distribution itself. Methods that
    need scenarios still draw `points` of them, so the gap of a solution shows what sampling costs.

    Parameters
    ----------
    volatility, correlation, horizon, points, seed : as of `LogNormal`
    marks : mapping, Series or array of shape (d,)
        Marks of the book, by asset.

    Examples
    --------
    >>> import adlopt as adl
    >>> drawn = adl.examples.paper_lognormal(points=1024)
    >>> exact = adl.ExactLogNormal.from_lognormal(drawn, adl.examples.PAPER_MARKS)
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=exact)
    >>> 0 < adl.solve(problem).gap < 0.05
    True
    """

    marks: Mapping[str, float] | pd.Series[float] | npt.ArrayLike = field(kw_only=True)

    @classmethod
    def from_lognormal(
        cls, prices: LogNormal, marks: Mapping[str, float] | pd.Series[float] | npt.ArrayLike
    ) -> ExactLogNormal:
        """The same distribution, and the same draws where scenarios are needed.

        Parameters
        ----------
        prices : LogNormal
        marks : mapping, Series or array of shape (d,)
            Marks of the book, by asset.

        Returns
        -------
        ExactLogNormal
        """
        if not isinstance(prices, LogNormal):
            raise InputError(
                f"ExactLogNormal.from_lognormal: {prices!r} is not a LogNormal(...), whose "
                f"distribution it integrates"
            )
        return cls(
            prices.volatility,
            prices.correlation,
            horizon=prices.horizon,
            points=prices.points,
            seed=prices.seed,
            marks=marks,
        )

    def pool_loss(
        self,
        assets: pd.Index,
        equity: FloatArray,
        sizes: sp.csr_array,
        pool: IntArray,
        asset: IntArray,
    ) -> PoolLoss:
        """E[(-V)^+] by pool, to about 1e-13 of its notional, with its derivatives.

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

        Raises
        ------
        NotApplicable
            A pool has more than two assets that move, or two that move as one.
        """
        marks = validation.vector_by_asset("ExactLogNormal, marks", self.marks, assets)
        if (marks <= 0).any():
            raise InputError("ExactLogNormal: marks must be prices > 0")
        volatility, correlation = self.moments(assets)
        deviation = volatility * np.sqrt(self.years)
        covariance = correlation * np.outer(deviation, deviation)
        held = _two_assets(assets, equity, sizes, marks, deviation, correlation)
        value, default_probability = _integrate(
            held, np.zeros(len(assets)), marks, deviation, correlation
        )
        # E[P_k; loss] = mark_k P(loss) with every log price shifted by its covariance with that of
        # k.
        by_size = np.zeros(pool.size)
        for k in np.unique(asset):
            rows = np.flatnonzero(asset == k)
            _, shifted = _integrate(
                held.select(pool[rows]), covariance[k], marks, deviation, correlation
            )
            by_size[rows] = -marks[k] * (shifted - default_probability[pool[rows]])
        return PoolLoss(value=value, by_equity=-default_probability, by_size=by_size)


class Holdings(NamedTuple):
    """Up to two assets of each pool: the one with the larger risk inside the integral, the other
    outside.
    """

    equity: FloatArray  # (n,)
    inner: IntArray  # (n,) into assets
    outer: IntArray
    inner_size: FloatArray  # (n,) zero where no asset moves
    outer_size: FloatArray  # (n,) zero where only one does

    def select(self, pool: IntArray) -> Holdings:
        return Holdings(
            self.equity[pool],
            self.inner[pool],
            self.outer[pool],
            self.inner_size[pool],
            self.outer_size[pool],
        )


def _two_assets(
    assets: pd.Index,
    equity: FloatArray,
    sizes: sp.csr_array,
    marks: FloatArray,
    deviation: FloatArray,
    correlation: FloatArray,
) -> Holdings:
    entries = sizes.tocoo()
    row, column, size = entries.row, entries.col, entries.data
    moving = (size != 0) & (deviation[column] > 0)
    row, column, size = row[moving], column[moving], size[moving]
    order = np.lexsort((-np.abs(size) * (marks * deviation)[column], row))
    row, column, size = row[order], column[order], size[order]
    rank = np.arange(row.size) - np.searchsorted(row, row)
    if (rank > 1).any():
        raise NotApplicable(
            f"ExactLogNormal: {np.unique(row[rank > 1]).size} pools hold three assets or more; the "
            f"integral knows two: "
            "use LogNormal itself, with solve(sampling_tolerance=...)"
        )
    parts: list[IntArray | FloatArray] = []
    for place in (0, 1):
        which, amount = np.zeros(equity.size, dtype=np.intp), np.zeros(equity.size)
        which[row[rank == place]], amount[row[rank == place]] = (
            column[rank == place],
            size[rank == place],
        )
        parts += [which, amount]
    inner, inner_size, outer, outer_size = parts
    moving_as_one = np.flatnonzero(
        (outer_size != 0) & (np.abs(correlation[inner, outer]) > MAX_CORRELATION)
    )
    if moving_as_one.size:
        pair = assets[inner[moving_as_one[0]]], assets[outer[moving_as_one[0]]]
        raise NotApplicable(
            f"ExactLogNormal: {pair[0]!r} and {pair[1]!r} are correlated beyond "
            f"{MAX_CORRELATION}: they move as one"
        )
    return Holdings(equity, inner, outer, inner_size, outer_size)  # type: ignore[arg-type]


def _integrate(
    held: Holdings,
    shift: FloatArray,
    marks: FloatArray,
    deviation: FloatArray,
    correlation: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """E[(-V)^+] and P(V < 0) by pool, with log prices shifted by `shift` (d,)."""
    value = np.maximum(-held.equity, 0.0)
    default_probability = (held.equity < 0).astype(float)
    pairs = np.where(held.outer_size != 0, held.inner * marks.size + held.outer, -1)
    for pair in np.unique(pairs[held.inner_size != 0]):
        same = np.flatnonzero((pairs == pair) & (held.inner_size != 0))
        rho = float(correlation[held.inner[same[0]], held.outer[same[0]]]) if pair >= 0 else 0.0
        # Two assets: the risk inside is the larger one, so its density is at least this wide
        # as seen from outside.
        step = NODE_SPACING * np.sqrt(1 - rho**2)
        node = (
            np.arange(-np.ceil(INTEGRATION_RANGE / step), np.ceil(INTEGRATION_RANGE / step) + 1)
            * step
            if pair >= 0
            else np.zeros(1)
        )
        weight = np.exp(-(node**2) / 2) * step / np.sqrt(2 * np.pi) if pair >= 0 else np.ones(1)
        for rows in np.array_split(same, 1 + same.size * node.size // CHUNK):
            value[rows], default_probability[rows] = _black_formula(
                held.select(rows), shift, marks, deviation, rho, node, weight
            )
    return value, default_probability


def _black_formula(
    held: Holdings,
    shift: FloatArray,
    marks: FloatArray,
    deviation: FloatArray,
    rho: float,
    node: FloatArray,
    weight: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Expected shortfall and probability of one: calls on the inner asset for shorts, puts for
    longs, node by node.
    """
    from scipy.special import ndtr

    inner_mark, outer_mark = marks[held.inner], marks[held.outer]
    outside = np.where(held.outer_size != 0, deviation[held.outer], 0.0)[:, None]
    inside = deviation[held.inner][:, None]
    outer_price = outer_mark[:, None] * np.exp(
        shift[held.outer][:, None] + outside * node - outside**2 / 2
    )
    forward = inner_mark[:, None] * np.exp(
        shift[held.inner][:, None] + rho * inside * node - (rho * inside) ** 2 / 2
    )
    fixed = held.equity - held.inner_size * inner_mark
    strike = (
        -(fixed[:, None] + held.outer_size[:, None] * (outer_price - outer_mark[:, None]))
        / held.inner_size[:, None]
    )
    spread = inside * np.sqrt(1 - rho**2)
    side = -np.sign(held.inner_size)[:, None]
    with np.errstate(divide="ignore"):
        moneyness = np.log(forward) - np.log(
            np.maximum(strike, 0.0)
        )  # without a strike > 0 a call is certain, a put void
    low = moneyness / spread - spread / 2
    below, above = ndtr(side * low), ndtr(side * (low + spread))
    payoff = np.maximum(side * (forward * above - strike * below), 0.0)
    return np.abs(held.inner_size) * (payoff @ weight), below @ weight
