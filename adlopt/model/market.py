"""Selling in the order book: what it costs, and when it is cheaper than taking from accounts.

Selling z contracts of an asset with mark p costs (market cost, equation (M1) of the theory page)

    c(z) = h p |z| + (kappa / 2) p z^2 / D,    0 <= |z| <= D,

with half spread h, impact kappa and depth D: selling the whole depth moves the price by kappa. Its
marginal cost h p + kappa p |z| / D is increasing, so the cost is convex.

In a problem with a market the accounts need not give all that is required: what is missing is sold,
and its cost is added to the objective (M2). At the optimum one contract more costs the same from
the accounts as in the market (M3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError

if TYPE_CHECKING:
    from adlopt.model.problem import Problem

ByAsset = float | Mapping[str, float]

MET = 1e-9  # of a requirement: less than this missing is rounding, not a sale

IMPACT = 0.01
"""Depth is usually quoted at 100 basis points from the mid price, as in arXiv 2603.09164: trading
all of it moves the price by one per cent.
"""


@dataclass(frozen=True)
class Market:
    """An order book that takes contracts at a convex cost, as an alternative to deleveraging.

    Parameters
    ----------
    depth : float or mapping of float by asset
        Most contracts that the market takes, >= 0; infinity means that any amount can be traded at
        half the spread. Assets that a mapping leaves out have none.
    spread : float or mapping of float by asset, default 0
        Bid-ask spread as a share of the mark; a trade pays half of it.
    impact : float or mapping of float by asset, default 0.01
        Share of the mark by which trading the whole depth moves the price. Depth is usually quoted
        at 100 basis points (arXiv 2603.09164), hence the default.

    Raises
    ------
    InputError
        A number that is negative or not finite (depth may be infinite).

    Examples
    --------
    >>> import adlopt as adl
    >>> market = adl.Market(depth={"BTC": 100.0}, spread=0.001, impact=0.01)
    >>> print(market)
    Market(depth={'BTC': 100.0}, spread=0.001, impact=0.01)
    """

    depth: ByAsset
    spread: ByAsset = 0.0
    _: KW_ONLY
    impact: ByAsset = IMPACT

    def __post_init__(self) -> None:
        for name in ("depth", "spread", "impact"):
            check_by_asset(f"Market: {name}", getattr(self, name), infinite=name == "depth")

    def terms(self, assets: pd.Index, marks: FloatArray) -> MarketTerms:
        """The market of a book's assets, as arrays.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        MarketTerms
        """
        depth, spread, impact = (
            values_by_asset(f"Market: {name}", getattr(self, name), assets)
            for name in ("depth", "spread", "impact")
        )
        slope = np.divide(impact * marks, depth, out=np.zeros(depth.size), where=depth > 0)
        return MarketTerms(depth=depth, linear=spread * marks / 2, slope=slope)

    def __repr__(self) -> str:
        return f"Market(depth={self.depth!r}, spread={self.spread!r}, impact={self.impact!r})"


@dataclass(frozen=True, eq=False)
class MarketTerms:
    """Cost linear z + slope z^2 / 2 of trading z in [0, depth] contracts, by asset."""

    depth: FloatArray  # (d,) contracts
    linear: FloatArray  # (d,) money per contract: half the spread
    slope: FloatArray  # (d,) money per contract squared; zero where the depth is infinite

    def cost(self, traded: FloatArray) -> FloatArray:
        """(d,) cost of trading `traded` contracts (d,), of either sign."""
        amount = np.abs(traded)
        return np.asarray(self.linear * amount + self.slope * amount**2 / 2)

    def marginal(self, traded: FloatArray) -> FloatArray:
        """(d,) cost of one contract more."""
        return np.asarray(self.linear + self.slope * np.abs(traded))


def check_by_asset(what: str, given: object, *, infinite: bool = False) -> None:
    """Refuse anything but numbers >= 0, one or by asset."""
    table = dict(given) if isinstance(given, Mapping | pd.Series) else {"all assets": given}
    for name, value in table.items():
        if infinite and isinstance(value, float) and value == np.inf:
            continue
        if validation.as_finite(f"{what}, {name!r}", value) < 0:
            raise InputError(f"{what}, {name!r}: {value} is negative; it must be >= 0")


def values_by_asset(what: str, given: ByAsset, assets: pd.Index) -> FloatArray:
    """(d,) one number for all assets, or a mapping's numbers; zero for assets it leaves out."""
    if not isinstance(given, Mapping | pd.Series):
        return np.full(len(assets), float(given))
    for name in given:
        if name not in assets:
            raise InputError(
                f"{what}: unknown asset {name!r}; the book has {validation.format_names(assets)}"
            )
    return np.array([float(given.get(name, 0.0)) for name in assets])


def sold(problem: Problem, allocation: FloatArray | None) -> FloatArray:
    """(d,) contracts that the market must take after reductions (e,), signed like the requirement.

    Zero without a market, and where the reductions meet the requirement but for rounding.
    """
    required = problem.required
    if problem.market is None:
        return np.zeros(required.size)
    given = np.zeros(required.size)
    if allocation is not None:
        given += np.bincount(problem.asset, allocation, minlength=required.size)
    left = np.sign(required) * np.maximum(np.sign(required) * (required - given), 0.0)
    return np.where(np.abs(left) > MET * np.abs(required), left, 0.0)


def market_cost(problem: Problem, allocation: FloatArray | None) -> float:
    """Money that selling the rest of the requirement costs; zero without a market."""
    terms = problem.market_terms
    return 0.0 if terms is None else float(terms.cost(sold(problem, allocation)).sum())


def least_from_accounts(problem: Problem) -> FloatArray:
    """(d,) contracts, unsigned, that the accounts must give: all, but for the market's depth."""
    required = np.abs(problem.required)
    terms = problem.market_terms
    return required if terms is None else np.maximum(required - terms.depth, 0.0)


def cheapest_mix(problem: Problem, slope: FloatArray) -> tuple[float, FloatArray]:
    """Smallest slope.x + market cost over feasible reductions x, and money saved by reduced asset
    per further contract of requirement.

    The linear minimisation oracle of a problem with a market: per asset a knapsack by increasing
    slope, up to where the market's marginal cost is lower (M4).
    """
    terms = problem.market_terms
    assert terms is not None
    least, saved = 0.0, np.zeros(problem.reduced_assets.size)
    for index, k in enumerate(problem.reduced_assets):
        rows = problem.rows_of(int(k))
        unit_cost = np.sign(problem.required[k]) * slope[rows]
        order = np.argsort(unit_cost, kind="stable")
        cost, cap = unit_cost[order], np.abs(problem.max_reduction[rows])[order]
        market = (float(terms.linear[k]), float(terms.slope[k]), float(terms.depth[k]))
        value, marginal = _mix(cost, cap, abs(float(problem.required[k])), *market)
        least += value
        saved[index] = -marginal
    return least, saved


def _mix(
    cost: FloatArray, cap: FloatArray, total: float, linear: float, slope: float, depth: float
) -> tuple[float, float]:
    """Least cost of `total` contracts from positions of increasing unit `cost`, or the market; and
    the cost of one contract more.
    """
    filled = np.cumsum(cap)
    most = min(total, float(filled[-1]) if filled.size else 0.0)
    low = min(max(total - depth, 0.0), most)
    # The first position at whose end the accounts are as dear as the market.
    dear = (cost >= linear + slope * np.maximum(total - filled, 0.0)) | (filled >= total)
    from_accounts, j = most, cost.size - 1
    if dear.any():
        j = int(np.argmax(dear))
        above = cost[j] - linear
        worth = above / slope if slope > 0 else np.inf * np.sign(above) if above else 0.0
        start = filled[j] - cap[j]
        from_accounts = min(max(total - worth, start), float(filled[j]))
    from_accounts = min(max(from_accounts, low), most)
    traded = total - from_accounts
    taken = np.clip(from_accounts - (filled - cap), 0.0, cap)
    value = float(cost @ taken) + linear * traded + slope * traded**2 / 2
    if MET * total < traded < depth:
        return value, linear + slope * traded
    index = min(int(np.searchsorted(filled, from_accounts)), cost.size - 1)
    return value, float(cost[index]) if cost.size else linear + slope * traded
